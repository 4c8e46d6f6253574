"""Lists a bucket with boto3 and its default chain: BUCKET. It answers lines, as `lister.rs` says."""

import sys

import boto3

# Made when it is first needed: making it fetches credentials.
storage = None
for line in map(str.strip, sys.stdin):
    try:
        if line == "version":
            print(f"ok boto3 {boto3.__version__}", flush=True)
            continue
        storage = storage or boto3.client("s3")
        for _ in range(int(line)):
            listed = storage.list_objects_v2(Bucket=sys.argv[1])
        print("ok " + "|".join(item["Key"] for item in listed["Contents"]), flush=True)
    except Exception as error:
        print("error " + " ".join(f"{type(error).__name__}: {error}".split()), flush=True)
