"""Makes IAM calls with boto3: each line of its standard input is a list in JSON, the access key id, the secret, the operation and
its parameters, and is answered by a line, what IAM answered in JSON. Argument: the address.
"""

import json
import sys

import boto3
from botocore.config import Config

config = Config(proxies={}, retries={"total_max_attempts": 1})
clients = {}
for line in sys.stdin:
    key_id, secret, operation, parameters = json.loads(line)
    if key_id not in clients:
        clients[key_id] = boto3.client(
            "iam",
            endpoint_url=sys.argv[1],
            region_name="us-east-1",
            aws_access_key_id=key_id,
            aws_secret_access_key=secret,
            config=config,
        )
    print(json.dumps(getattr(clients[key_id], operation)(**parameters), default=str), flush=True)
