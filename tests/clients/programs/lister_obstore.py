"""Lists a bucket with obstore, which is the Rust crate object_store: BUCKET. It answers lines, as `lister.rs` says."""

import os
import sys

import obstore
from obstore.store import S3Store

# One retry: ten, the default, take minutes if AWS cannot be reached.
RETRY = {"max_retries": 1}
endpoint = os.environ["AWS_ENDPOINT_URL_S3"]
storage = None
for line in map(str.strip, sys.stdin):
    try:
        if line == "version":
            print(f"ok obstore {obstore.__version__}", flush=True)
            continue
        options = {"endpoint": endpoint, "client_options": {"allow_http": True}, "retry_config": RETRY}
        storage = storage or S3Store(sys.argv[1], **options)
        for _ in range(int(line)):
            listed = storage.list().collect()
        print("ok " + "|".join(item["path"] for item in listed), flush=True)
    except Exception as error:
        print("error " + " ".join(f"{type(error).__name__}: {error}".split()), flush=True)
