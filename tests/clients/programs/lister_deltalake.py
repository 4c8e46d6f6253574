"""Reads a table of a bucket with deltalake, which is delta-rs: BUCKET. It answers lines, as `lister.rs` says.

It is told to take credentials from the SDK for Rust, as it does by itself unless an endpoint is configured.
"""

import os
import re
import sys

import deltalake

options = {
    "AWS_ENDPOINT_URL": os.environ["AWS_ENDPOINT_URL_S3"],
    "AWS_ALLOW_HTTP": "true",
    "AWS_FORCE_CREDENTIAL_LOAD": "true",
    # The default takes minutes if AWS cannot be reached.
    "max_retries": "1",
}
table = None
for line in map(str.strip, sys.stdin):
    try:
        if line == "version":
            print(f"ok deltalake {deltalake.__version__}", flush=True)
            continue
        for _ in range(int(line)):
            if table is None:
                table = deltalake.DeltaTable(f"s3://{sys.argv[1]}-table", storage_options=options)
            else:
                table.update_incremental()
        print("ok " + "|".join(uri.rsplit("/", 1)[-1] for uri in table.file_uris()), flush=True)
    except Exception as error:
        # It breaks its messages at each colon, and shows the parts as a tree in colours.
        said = re.sub("\x1b\\[[0-9;]*m", "", f"{type(error).__name__}: {error}")
        said = re.sub(r"\s*↳\s*", ": ", said)
        print("error " + " ".join(said.split()), flush=True)
