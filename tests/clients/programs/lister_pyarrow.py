"""Lists a bucket with pyarrow, which has the SDK for C++: BUCKET. It answers lines, as `lister.rs` says."""

import os
import sys

import pyarrow
from pyarrow import fs

bucket = sys.argv[1]
storage = None
for line in map(str.strip, sys.stdin):
    try:
        if line == "version":
            print(f"ok pyarrow {pyarrow.__version__}", flush=True)
            continue
        host = os.environ["AWS_ENDPOINT_URL_S3"].removeprefix("http://")
        storage = storage or fs.S3FileSystem(endpoint_override=host, scheme="http", region=os.environ["AWS_REGION"])
        for _ in range(int(line)):
            listed = storage.get_file_info(fs.FileSelector(bucket, recursive=True))
        print("ok " + "|".join(sorted(item.base_name for item in listed)), flush=True)
    except Exception as error:
        print("error " + " ".join(f"{type(error).__name__}: {error}".split()), flush=True)
