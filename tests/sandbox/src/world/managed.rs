//! The AWS managed policies the sandbox knows.
//!
//! Contents: AWS Managed Policy Reference Guide; ReadOnlyAccess is cut down to the services that exist here.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::policy::Policy;

pub(super) fn policies() -> BTreeMap<String, Policy> {
    let allow = |actions: Value| json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": actions, "Resource": "*"}]});
    [
        ("AdministratorAccess", allow(json!("*"))),
        (
            "AmazonS3ReadOnlyAccess",
            allow(json!(["s3:Get*", "s3:List*", "s3:Describe*", "s3-object-lambda:Get*", "s3-object-lambda:List*"])),
        ),
        ("AmazonS3FullAccess", allow(json!(["s3:*", "s3-object-lambda:*"]))),
        (
            "IAMReadOnlyAccess",
            allow(json!([
                "iam:GenerateCredentialReport",
                "iam:GenerateServiceLastAccessedDetails",
                "iam:Get*",
                "iam:List*",
                "iam:SimulateCustomPolicy",
                "iam:SimulatePrincipalPolicy"
            ])),
        ),
        ("IAMFullAccess", allow(json!(["iam:*", "organizations:DescribeAccount"]))),
        (
            "ReadOnlyAccess",
            allow(json!([
                "iam:Get*",
                "iam:List*",
                "s3:Get*",
                "s3:List*",
                "sts:GetAccessKeyInfo",
                "sts:GetSessionToken"
            ])),
        ),
    ]
    .into_iter()
    .map(|(name, document)| (format!("arn:aws:iam::aws:policy/{name}"), Policy::from(document)))
    .collect()
}
