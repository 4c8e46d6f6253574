"""Reads the objects of a bucket with polars, without boto3: BUCKET. It answers lines, as `lister.rs` says."""

import os
import sys

import polars

# One retry: the default takes minutes if AWS cannot be reached.
options = {"endpoint_url": os.environ["AWS_ENDPOINT_URL_S3"], "allow_http": "true", "max_retries": 1}
source = f"s3://{sys.argv[1]}/*"
for line in map(str.strip, sys.stdin):
    try:
        if line == "version":
            print(f"ok polars {polars.__version__}", flush=True)
            continue
        for _ in range(int(line)):
            objects = polars.scan_csv(source, has_header=False, include_file_paths="path", storage_options=options)
            paths = objects.collect()["path"].unique().sort()
        print("ok " + "|".join(path.rsplit("/", 1)[-1] for path in paths), flush=True)
    except Exception as error:
        print("error " + " ".join(f"{type(error).__name__}: {error}".split()), flush=True)
