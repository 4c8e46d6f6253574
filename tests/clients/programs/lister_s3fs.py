"""Lists a bucket with s3fs and its default chain: BUCKET. It answers lines, as `lister.rs` says."""

import os
import sys

import s3fs

# By hand: it has no variable for the endpoint in all of its versions.
storage = s3fs.S3FileSystem(endpoint_url=os.environ["AWS_ENDPOINT_URL_S3"], use_listings_cache=False)
bucket = sys.argv[1]
for line in map(str.strip, sys.stdin):
    try:
        if line == "version":
            print(f"ok s3fs {s3fs.__version__}", flush=True)
            continue
        for _ in range(int(line)):
            listed = storage.ls(bucket, refresh=True)
        print("ok " + "|".join(sorted(key.removeprefix(f"{bucket}/") for key in listed)), flush=True)
    except Exception as error:
        print("error " + " ".join(f"{type(error).__name__}: {error}".split()), flush=True)
