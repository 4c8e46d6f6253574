"""Runs moto with the accounts of the tutorials, enforcing what moto enforces, until its standard input is closed.

It prints one line of JSON: where it listens, the user's access key, and those of the accounts' administrators.
"""

import json
import logging
import os
import sys
import urllib.request
from urllib.parse import quote, urlencode

import boto3
from botocore.config import Config
from moto.iam.access_control import IAMRequest
from moto.server import ThreadedMotoServer

AUTH_ACCOUNT = "111111111111"
WORKLOAD_ACCOUNT = "222222222222"
REGION = "eu-west-1"
BUCKET = "workload-reports-222222222222"
ROLE_ARN = f"arn:aws:iam::{WORKLOAD_ACCOUNT}:role/AssumedRole"
OBJECTS = ("readme.txt", "2026/10/usage report.csv", "2026/11/usage report.csv")


def policy(**statement):
    return json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", **statement}]})


def client(service, url, key_id="AKIABOOTSTRAPBOOTSTRAP", secret="of no account"):
    return boto3.client(
        service,
        endpoint_url=url,
        region_name=REGION,
        aws_access_key_id=key_id,
        aws_secret_access_key=secret,
        config=Config(proxies={}),
    )


def client_of(account, service, url):
    """Makes a client whose calls moto takes for an account's, while it does not ask who calls."""
    made = client(service, url)

    def name_account(params, **_):
        params["headers"]["x-moto-account-id"] = account

    made.meta.events.register("before-call.*.*", name_account)
    return made


def enforce(url):
    body = urllib.request.Request(f"{url}/moto-api/reset-auth", b"0", {"Content-Type": "text/plain"})
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    direct.open(body).close()


def take_spaces_as_they_were_signed():
    """moto writes a form anew to check its signature, with `+` for a space as botocore does; the SDK for Rust has `%20`."""
    by_botocore = IAMRequest.check_signature

    def check(request):
        try:
            by_botocore(request)
        except Exception:
            request._body = urlencode(request._data, doseq=True, quote_via=quote, safe="")
            by_botocore(request)

    IAMRequest.check_signature = check


def main():
    # What the outer machine says of AWS is not meant for this one.
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        del os.environ[name]
    take_spaces_as_they_were_signed()
    os.environ["INITIAL_NO_AUTH_ACTION_COUNT"] = "inf"
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    url = f"http://{host}:{port}"

    workload = client_of(WORKLOAD_ACCOUNT, "iam", url)
    trust = policy(Principal={"AWS": f"arn:aws:iam::{AUTH_ACCOUNT}:root"}, Action="sts:AssumeRole")
    workload.create_role(RoleName="AssumedRole", AssumeRolePolicyDocument=trust)
    reads = policy(Action=["s3:Get*", "s3:List*"], Resource="*")
    workload.put_role_policy(RoleName="AssumedRole", PolicyName="ReadS3", PolicyDocument=reads)
    storage = client_of(WORKLOAD_ACCOUNT, "s3", url)
    storage.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
    for key in OBJECTS:
        storage.put_object(Bucket=BUCKET, Key=key, Body=key.encode())

    auth = client_of(AUTH_ACCOUNT, "iam", url)
    auth.create_user(UserName="richard")
    allowed = policy(Action="sts:AssumeRole", Resource=ROLE_ARN)
    auth.put_user_policy(UserName="richard", PolicyName="AllowAssumeRole", PolicyDocument=allowed)
    own = ["iam:CreateAccessKey", "iam:ListAccessKeys", "iam:UpdateAccessKey", "iam:DeleteAccessKey"]
    # moto asks every policy for all of IAM, whichever user a call is about.
    keys = policy(Action=own, Resource="*")
    auth.put_user_policy(UserName="richard", PolicyName="OwnKeys", PolicyDocument=keys)
    key = auth.create_access_key(UserName="richard")["AccessKey"]

    # Two who may do everything, each in an account.
    admins = {}
    for account, iam in ((AUTH_ACCOUNT, auth), (WORKLOAD_ACCOUNT, workload)):
        iam.create_user(UserName="admin")
        iam.put_user_policy(UserName="admin", PolicyName="All", PolicyDocument=policy(Action="*", Resource="*"))
        made = iam.create_access_key(UserName="admin")["AccessKey"]
        admins[account] = {"id": made["AccessKeyId"], "secret": made["SecretAccessKey"]}

    enforce(url)
    # The first call to a service loads it, which takes moto seconds.
    client("sts", url, key["AccessKeyId"], key["SecretAccessKey"]).get_caller_identity()
    told = {"url": url, "id": key["AccessKeyId"], "secret": key["SecretAccessKey"], "admins": admins}
    print(json.dumps(told), flush=True)
    sys.stdin.read()
    server.stop()


main()
