"""Lists a bucket with s3fs and its default chain: BUCKET. It answers lines, as `lister.rs` says."""

import sys

import s3fs

storage = None
bucket = sys.argv[1]
for line in map(str.strip, sys.stdin):
    try:
        if line == "version":
            print(f"ok s3fs {s3fs.__version__}", flush=True)
            continue
        storage = storage or s3fs.S3FileSystem(use_listings_cache=False)
        for _ in range(int(line)):
            listed = storage.ls(bucket, refresh=True)
        print("ok " + "|".join(sorted(key.removeprefix(f"{bucket}/") for key in listed)), flush=True)
    except Exception as error:
        print("error " + " ".join(f"{type(error).__name__}: {error}".split()), flush=True)
