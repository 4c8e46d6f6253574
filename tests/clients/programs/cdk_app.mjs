// An app of the AWS CDK with one stack, which is named after the account that the CDK looked up.
import { mkdirSync, writeFileSync } from "node:fs";

const out = process.env.CDK_OUTDIR;
const account = process.env.CDK_DEFAULT_ACCOUNT ?? "unknown-account";
const stack = {
  type: "aws:cloudformation:stack",
  environment: `aws://${account}/${process.env.AWS_REGION}`,
  properties: { templateFile: "template.json" },
};
mkdirSync(out, { recursive: true });
writeFileSync(`${out}/template.json`, "{}");
writeFileSync(`${out}/manifest.json`, JSON.stringify({ version: "36.0.0", artifacts: { [`stack-${account}`]: stack } }));
