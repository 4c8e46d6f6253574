"""Lists a bucket with a program of the command line: KIND PROGRAM BUCKET. It answers lines, as `lister.rs` says.

What cannot stay for more than one listing is run anew for each line; `rclone` and `s5cmd` can, and do. Programs that list
no bucket answer with what they got.
"""

import json
import os
import re
import subprocess
import pathlib
import sys
import tempfile
import time
import urllib.error
import urllib.request
import uuid

KIND, PROGRAM, BUCKET = sys.argv[1:]
ENDPOINT = os.environ["AWS_ENDPOINT_URL_S3"]


class Refused(Exception):
    """What a program said instead of a listing."""


def complaint(text):
    """Gives the program's own first line: what rolecall says stands beside it, on standard error."""
    print(text, end="", file=sys.stderr, flush=True)
    lines = [line for line in text.splitlines() if line.strip()]
    own = [line for line in lines if not line.startswith(("rolecall: ", "hint: "))]
    return Refused((own or lines or ["nothing"])[0])


def run(*arguments, **variables):
    environment = os.environ | variables
    done = subprocess.run(
        [PROGRAM, *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True, env=environment
    )
    if done.returncode:
        raise complaint(done.stderr)
    return done.stdout


class Aws:
    """The AWS CLI: many calls of one command are the pages of a listing."""

    def list(self, calls):
        at = ["--endpoint-url", ENDPOINT]
        if calls == 1:
            listed = run(*at, "s3", "ls", "--recursive", f"s3://{BUCKET}")
            return [line.split()[-1] for line in listed.splitlines()]
        pages = ["--page-size", "1", "--max-items", str(calls)]
        query = ["--query", "Contents[].Key", "--output", "json"]
        return json.loads(run(*at, "s3api", "list-objects-v2", "--bucket", BUCKET, *pages, *query))


class S3cmd:
    def list(self, calls):
        host = ENDPOINT.removeprefix("http://")
        at = [f"--host={host}", f"--host-bucket={host}", "--no-ssl", "--region=eu-west-1"]
        for _ in range(calls):
            listed = run(*at, "ls", f"s3://{BUCKET}")
        return [line.rsplit("/", 1)[-1] for line in listed.splitlines()]


class S5cmd:
    """`s5cmd run`, which takes commands from its standard input."""

    def __init__(self):
        command = [PROGRAM, "--endpoint-url", ENDPOINT, "--retry-count", "0", "run"]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )

    def list(self, calls):
        for _ in range(calls):
            self.process.stdin.write(f"ls s3://{BUCKET}/*\n")
            self.process.stdin.flush()
            keys = self.answer()
        return keys

    def answer(self):
        said = []
        for line in self.process.stdout:
            said.append(line)
            if line.startswith("ERROR"):
                raise complaint("".join(said))
            if line.rstrip().endswith("020"):
                return [line.split()[-1] for line in said]
        raise complaint("".join(said))


class Rclone:
    """`rclone rcd`, which keeps what it opened, as a mount does."""

    def __init__(self):
        command = [PROGRAM, "rcd", "--rc-addr", "127.0.0.1:0", "--rc-no-auth", "--retries", "1", "--low-level-retries", "1"]
        # A file: what it and what it starts say of a failure is to stand on our standard error before we answer.
        self.said, self.seen = tempfile.TemporaryFile(), 0
        self.process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=self.said
        )
        heard = ""
        while not (serving := re.search(r"Serving remote control on (\S+)\n", heard := heard + self.more())):
            if self.process.poll() is not None:
                raise Refused("it ended at once")
            time.sleep(0.01)
        self.url = serving[1]

    def more(self):
        """Passes on what was said since; gives it."""
        said = os.pread(self.said.fileno(), 1 << 20, self.seen)
        self.seen += len(said)
        print(said.decode(errors="replace"), end="", file=sys.stderr, flush=True)
        return said.decode(errors="replace")

    def list(self, calls):
        # Without what it would ask of each object by itself.
        question = {"fs": f"aws:{BUCKET}", "remote": "", "opt": {"noModTime": True, "noMimeType": True}}
        question = json.dumps(question).encode()
        direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        for _ in range(calls):
            request = urllib.request.Request(f"{self.url}operations/list", question, {"Content-Type": "application/json"})
            try:
                listed = json.load(direct.open(request))["list"]
            except urllib.error.HTTPError as error:
                self.more()
                raise Refused(json.load(error)["error"]) from error
        return sorted(item["Path"] for item in listed)


class Cdk:
    """`cdk ls`: it asks STS for the account before it runs the app, and goes on without one if that fails."""

    def list(self, calls):
        with tempfile.TemporaryDirectory() as out:
            app = pathlib.Path(__file__).with_name("cdk_app.mjs")
            quiet = ["--no-notices", "--no-version-reporting", "--output", out]
            at = [*quiet, "--app", f"node {app}"]
            # A home of its own: it remembers the account of an access key.
            variables = {"CDK_DISABLE_CLI_TELEMETRY": "true", "NODE_NO_WARNINGS": "1", "CDK_HOME": out}
            for _ in range(calls):
                stack = run("ls", *at, **variables).strip()
                if stack == "stack-unknown-account":
                    run("diff", *at, **variables)
        return [stack.replace("stack-", "account ")]


class Sops:
    """Encrypts a file at the first call, and decrypts it at the others: each is one request to KMS."""

    def __init__(self):
        self.folder = tempfile.TemporaryDirectory()
        self.plain = pathlib.Path(self.folder.name, "plain.json")
        self.hidden = pathlib.Path(self.folder.name, "hidden.json")
        self.plain.write_text('{"secret": "the plaintext"}')

    def list(self, calls):
        for _ in range(calls):
            if not self.hidden.exists():
                key = "arn:aws:kms:eu-west-1:222222222222:key/0a1b2c3d-0a1b-0a1b-0a1b-0a1b2c3d4e5f"
                hidden = run("encrypt", "--kms", key, self.plain)
                assert "plaintext" not in hidden
                self.hidden.write_text(hidden)
                continue
            plain = json.loads(run("decrypt", self.hidden))
            assert plain == json.loads(self.plain.read_text()), plain
        return ["the plaintext"]


class Restic:
    """Creates a repository at the first call, and reads its configuration at the others."""

    def __init__(self):
        self.repository = f"s3:{ENDPOINT}/{BUCKET}-backups/{uuid.uuid4()}"
        self.is_there = False

    def list(self, calls):
        for _ in range(calls):
            command = ["cat", "config"] if self.is_there else ["init"]
            said = run("--no-cache", "--repo", self.repository, *command, RESTIC_PASSWORD="of no secret")
            assert '"chunker_polynomial"' in said or "created restic repository" in said, said
            self.is_there = True
        return ["a repository"]


def main():
    client = None
    for line in map(str.strip, sys.stdin):
        try:
            if line == "version":
                asked = ["--version"] if KIND in ("Aws", "S3cmd", "Cdk", "Sops") else ["version"]
                asked += ["--disable-version-check"] if KIND == "Sops" else []
                done = subprocess.run([PROGRAM, *asked], capture_output=True, text=True)
                print("ok " + (done.stdout or done.stderr).splitlines()[0], flush=True)
                continue
            client = client or globals()[KIND]()
            print("ok " + "|".join(client.list(int(line))), flush=True)
        except Exception as error:
            print("error " + " ".join(str(error).split()), flush=True)
    # What stayed for more ends with the last line.
    if process := getattr(client, "process", None):
        process.kill()
        process.wait()


main()
