"""Lists a bucket with boto3: PROFILE BUCKET [TIMES] [--gate].

All calls are made on one session. With --gate it says `ready` and waits for its standard input to be closed before it
asks for credentials, so that many can be let go at once.
"""

import sys

import boto3


def main():
    arguments = [argument for argument in sys.argv[1:] if argument != "--gate"]
    profile, bucket = arguments[:2]
    times = int(arguments[2]) if len(arguments) > 2 else 1
    session = boto3.Session(profile_name=profile)
    if "--gate" in sys.argv:
        print("ready", flush=True)
        sys.stdin.read()
    storage = session.client("s3")
    for _ in range(times):
        listed = storage.list_objects_v2(Bucket=bucket)
    for item in listed["Contents"]:
        print(item["Key"])


main()
