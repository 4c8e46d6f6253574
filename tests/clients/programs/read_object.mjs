// Reads an object with the SDK for JavaScript: PEERS BUCKET KEY. The profile is AWS_PROFILE.

import { createRequire } from "node:module";
import { join } from "node:path";

const [peers, bucket, key] = process.argv.slice(2);
const load = createRequire(join(peers, "node", "package.json"));
const { GetObjectCommand, S3Client } = load("@aws-sdk/client-s3");

const client = new S3Client({ forcePathStyle: true });
try {
  const object = await client.send(new GetObjectCommand({ Bucket: bucket, Key: key }));
  process.stdout.write(await object.Body.transformToString());
} catch (error) {
  console.error(`${error.name}: ${error.message}`);
  process.exitCode = 1;
}
