"""Reads an object with boto3: PROFILE BUCKET KEY."""

import sys

import boto3

profile, bucket, key = sys.argv[1:]
storage = boto3.Session(profile_name=profile).client("s3")
print(storage.get_object(Bucket=bucket, Key=key)["Body"].read().decode(), end="")
