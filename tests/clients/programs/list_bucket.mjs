// Lists a bucket with the SDK for JavaScript: PEERS BUCKET [default|ini|process]. The profile is AWS_PROFILE.
//
// `default` is the chain that a program gets without asking; `ini` and `process` name their provider.

import { createRequire } from "node:module";
import { join } from "node:path";

const [peers, bucket, provider = "default"] = process.argv.slice(2);
const load = createRequire(join(peers, "node", "package.json"));
const { ListObjectsV2Command, S3Client } = load("@aws-sdk/client-s3");
const { fromIni, fromProcess } = load("@aws-sdk/credential-providers");

const credentials = { default: undefined, ini: fromIni(), process: fromProcess() }[provider];
const client = new S3Client({ credentials, forcePathStyle: true });
try {
  const listed = await client.send(new ListObjectsV2Command({ Bucket: bucket }));
  for (const item of listed.Contents) {
    console.log(item.Key);
  }
} catch (error) {
  console.error(`${error.name}: ${error.message}`);
  process.exitCode = 1;
}
