"""Makes one list of IAM calls with boto3 and prints, for each, the code of its refusal or the keys of its answer, as JSON.

What moto lets through and AWS does not is not among them, as it would change the rest: names with spaces, the deletion of an
attached policy, a trust policy without a principal, a session of a minute.

Arguments: the address, the access key id and the secret of an administrator.
"""

import datetime
import json
import sys

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

ALLOW = json.dumps(
    {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": "*"}]}
)
TRUST = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}
        ],
    }
)
TAGS = [{"Key": "made-by", "Value": "rolecall"}]
USER, ROLE, PROFILE = {"UserName": "made"}, {"RoleName": "Made"}, {"InstanceProfileName": "Made"}
POLICY = {"PolicyArn": "arn:aws:iam::111111111111:policy/Made"}
NO_POLICY = {"PolicyArn": "arn:aws:iam::111111111111:policy/None"}
DEVICE = {"SerialNumber": "arn:aws:iam::111111111111:mfa/made"}
INLINE = {"PolicyName": "Inline"}

CALLS = [
    ("create_user", {**USER, "Tags": TAGS}),
    ("create_user", USER),
    ("get_user", USER),
    ("get_user", {"UserName": "nobody"}),
    ("list_users", {"PathPrefix": "/"}),
    ("tag_user", {**USER, "Tags": TAGS}),
    ("list_user_tags", USER),
    ("create_policy", {"PolicyName": "Made", "PolicyDocument": ALLOW, "Description": "d", "Tags": TAGS}),
    ("create_policy", {"PolicyName": "Made", "PolicyDocument": ALLOW}),
    ("create_policy", {"PolicyName": "Bad", "PolicyDocument": "{"}),
    ("get_policy", POLICY),
    ("get_policy", NO_POLICY),
    ("get_policy_version", {**POLICY, "VersionId": "v1"}),
    ("get_policy_version", {**POLICY, "VersionId": "v7"}),
    ("list_policy_versions", POLICY),
    ("create_policy_version", {**POLICY, "PolicyDocument": ALLOW, "SetAsDefault": True}),
    ("delete_policy_version", {**POLICY, "VersionId": "v2"}),
    ("delete_policy_version", {**POLICY, "VersionId": "v1"}),
    ("list_policies", {"Scope": "Local"}),
    ("attach_user_policy", {**USER, **POLICY}),
    ("attach_user_policy", {**USER, **NO_POLICY}),
    ("attach_user_policy", {"UserName": "nobody", **POLICY}),
    ("list_attached_user_policies", USER),
    ("put_user_policy", {**USER, **INLINE, "PolicyDocument": ALLOW}),
    ("put_user_policy", {**USER, **INLINE, "PolicyDocument": "no JSON"}),
    ("get_user_policy", {**USER, **INLINE}),
    ("get_user_policy", {**USER, "PolicyName": "None"}),
    ("list_user_policies", USER),
    ("delete_user", USER),
    ("create_access_key", USER),
    ("create_access_key", USER),
    ("create_access_key", USER),
    ("list_access_keys", USER),
    ("create_virtual_mfa_device", {"VirtualMFADeviceName": "made", "Tags": TAGS}),
    ("create_virtual_mfa_device", {"VirtualMFADeviceName": "made"}),
    ("list_virtual_mfa_devices", {}),
    ("list_mfa_devices", USER),
    ("deactivate_mfa_device", {**USER, **DEVICE}),
    ("delete_virtual_mfa_device", DEVICE),
    ("delete_virtual_mfa_device", DEVICE),
    ("create_role", {**ROLE, "AssumeRolePolicyDocument": TRUST, "MaxSessionDuration": 7200, "Description": "d", "Tags": TAGS}),
    ("create_role", {**ROLE, "AssumeRolePolicyDocument": TRUST}),
    ("get_role", ROLE),
    ("get_role", {"RoleName": "None"}),
    ("list_roles", {"PathPrefix": "/"}),
    ("tag_role", {**ROLE, "Tags": TAGS}),
    ("list_role_tags", ROLE),
    ("update_role", {**ROLE, "MaxSessionDuration": 43200}),
    ("update_assume_role_policy", {**ROLE, "PolicyDocument": TRUST}),
    ("update_assume_role_policy", {**ROLE, "PolicyDocument": "{"}),
    ("attach_role_policy", {**ROLE, **POLICY}),
    ("list_attached_role_policies", ROLE),
    ("put_role_policy", {**ROLE, **INLINE, "PolicyDocument": ALLOW}),
    ("get_role_policy", {**ROLE, **INLINE}),
    ("get_role_policy", {**ROLE, "PolicyName": "None"}),
    ("list_role_policies", ROLE),
    ("create_instance_profile", {**PROFILE, "Tags": TAGS}),
    ("create_instance_profile", PROFILE),
    ("add_role_to_instance_profile", {**PROFILE, **ROLE}),
    ("add_role_to_instance_profile", {**PROFILE, **ROLE}),
    ("get_instance_profile", PROFILE),
    ("get_instance_profile", {"InstanceProfileName": "None"}),
    ("list_instance_profiles_for_role", ROLE),
    ("list_instance_profiles", {}),
    ("delete_instance_profile", PROFILE),
    ("delete_role", ROLE),
    ("remove_role_from_instance_profile", {**PROFILE, **ROLE}),
    ("delete_instance_profile", PROFILE),
    ("delete_role", ROLE),
    ("delete_role_policy", {**ROLE, **INLINE}),
    ("delete_role_policy", {**ROLE, **INLINE}),
    ("delete_role", ROLE),
    ("detach_role_policy", {**ROLE, **POLICY}),
    ("detach_role_policy", {**ROLE, **POLICY}),
    ("delete_role", ROLE),
    ("delete_role", ROLE),
    ("delete_user_policy", {**USER, **INLINE}),
    ("delete_user_policy", {**USER, **INLINE}),
    ("detach_user_policy", {**USER, **POLICY}),
    ("detach_user_policy", {**USER, **POLICY}),
    ("delete_policy", POLICY),
    ("delete_policy", POLICY),
]


def shape(value):
    """Says which keys and which kinds of values an answer has; of a list, those of its first entry."""
    if isinstance(value, dict):
        return {key: shape(inner) for key, inner in sorted(value.items())}
    if isinstance(value, list):
        return [shape(value[0])] if value else []
    if isinstance(value, datetime.datetime):
        return "time"
    return type(value).__name__


def main():
    url, key_id, secret = sys.argv[1:]
    iam = boto3.client(
        "iam",
        endpoint_url=url,
        region_name="us-east-1",
        aws_access_key_id=key_id,
        aws_secret_access_key=secret,
        config=Config(proxies={}, retries={"total_max_attempts": 1}, parameter_validation=False),
    )
    told = []
    for operation, parameters in CALLS:
        try:
            answer = getattr(iam, operation)(**parameters)
            del answer["ResponseMetadata"]
            told.append([operation, shape(answer)])
        except ClientError as error:
            told.append([operation, error.response["Error"]["Code"]])
    print(json.dumps(told))


main()
