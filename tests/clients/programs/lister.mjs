// Lists a bucket with the SDK for JavaScript and its default chain: PEERS BUCKET. It answers lines, as `lister.rs` says.

import { createRequire } from "node:module";
import { join } from "node:path";
import { createInterface } from "node:readline";

const [peers, bucket] = process.argv.slice(2);
const load = createRequire(join(peers, "node", "package.json"));
const { ListObjectsV2Command, S3Client } = load("@aws-sdk/client-s3");

const client = new S3Client({ forcePathStyle: true });
for await (const line of createInterface({ input: process.stdin })) {
  if (line === "version") {
    console.log(`ok @aws-sdk/client-s3 ${load("@aws-sdk/client-s3/package.json").version}, Node.js ${process.versions.node}`);
    continue;
  }
  try {
    let listed;
    for (let calls = Number(line); calls > 0; calls--) {
      listed = await client.send(new ListObjectsV2Command({ Bucket: bucket }));
    }
    console.log(`ok ${listed.Contents.map((item) => item.Key).join("|")}`);
  } catch (error) {
    console.log(`error ${error.name}: ${error.message}`.replaceAll(/\s+/g, " "));
  }
}
