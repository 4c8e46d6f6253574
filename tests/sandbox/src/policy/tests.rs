//! Tables of what policies decide, and a comparison with an independent reading of the language.
//!
//! Pages: IAM User Guide, "IAM JSON policy elements: Condition operators", "Multivalued context keys", "IAM JSON policy
//! elements: Resource", "IAM JSON policy elements: Variables and tags".

use serde_json::{Value, json};

use super::context::Context;
use super::{Policy, Question, Verdict, judge};

fn context() -> Context {
    let mut context = Context::default();
    context.put("aws:username", "richard");
    context.put("aws:PrincipalTag/Team", "red");
    context.put("aws:MultiFactorAuthPresent", "true");
    context.put("aws:MultiFactorAuthAge", "120");
    context.put("aws:CurrentTime", "2026-11-22T08:00:00Z");
    context.put("aws:SourceIp", "203.0.113.7");
    context.put("aws:PrincipalArn", "arn:aws:iam::111111111111:role/team/Deploy");
    context.put_all("aws:TagKeys", vec!["Team".to_owned(), "Cost".to_owned()]);
    context.put_all("sts:TransitiveTagKeys", Vec::new());
    context
}

fn verdict(policy: &Value, action: &str, resource: &str) -> Verdict {
    judge([&Policy::from(policy.clone())], &Question { action, resource, context: &context() })
}

#[test]
fn conditions() {
    let cases = [
        (json!({"StringEquals": {"aws:username": "richard"}}), true),
        (json!({"StringEquals": {"AWS:USERNAME": "richard"}}), true),
        (json!({"StringEquals": {"aws:username": "Richard"}}), false),
        (json!({"StringEquals": {"aws:username": ["eve", "richard"]}}), true),
        (json!({"StringEquals": {"aws:username": "rich*"}}), false),
        (json!({"StringEquals": {"sts:ExternalId": "x"}}), false),
        (json!({"StringEqualsIfExists": {"sts:ExternalId": "x"}}), true),
        (json!({"StringNotEquals": {"aws:username": ["eve", "richard"]}}), false),
        (json!({"StringNotEquals": {"aws:username": ["eve", "adam"]}}), true),
        (json!({"StringNotEquals": {"sts:ExternalId": "x"}}), true),
        (json!({"StringEqualsIgnoreCase": {"aws:username": "RICHARD"}}), true),
        (json!({"StringNotEqualsIgnoreCase": {"aws:username": "RICHARD"}}), false),
        (json!({"StringLike": {"aws:username": "r?ch*"}}), true),
        (json!({"StringLike": {"aws:username": "r?c"}}), false),
        (json!({"StringNotLike": {"aws:username": "r*"}}), false),
        (json!({"StringEquals": {"aws:PrincipalTag/Team": "${aws:PrincipalTag/team}"}}), true),
        (json!({"StringEquals": {"aws:username": "${aws:nobody, 'richard'}"}}), true),
        (json!({"StringEquals": {"aws:username": "${aws:nobody}"}}), false),
        (json!({"ArnEquals": {"aws:PrincipalArn": "arn:aws:iam::*:role/team/*"}}), true),
        (json!({"ArnLike": {"aws:PrincipalArn": "arn:aws:*:role/team/Deploy"}}), false),
        (json!({"ArnNotLike": {"aws:PrincipalArn": "arn:aws:iam::111111111111:role/team/*"}}), false),
        (json!({"Bool": {"aws:MultiFactorAuthPresent": "true"}}), true),
        (json!({"Bool": {"aws:MultiFactorAuthPresent": true}}), true),
        (json!({"Bool": {"aws:ViaAWSService": "false"}}), false),
        (json!({"BoolIfExists": {"aws:ViaAWSService": "false"}}), true),
        (json!({"Null": {"sts:ExternalId": "true"}}), true),
        (json!({"Null": {"aws:username": "true"}}), false),
        (json!({"Null": {"aws:username": "false"}}), true),
        (json!({"NumericLessThan": {"aws:MultiFactorAuthAge": "300"}}), true),
        (json!({"NumericLessThan": {"aws:MultiFactorAuthAge": 120}}), false),
        (json!({"NumericLessThanEquals": {"aws:MultiFactorAuthAge": "120.0"}}), true),
        (json!({"NumericGreaterThan": {"aws:MultiFactorAuthAge": "x"}}), false),
        (json!({"NumericNotEquals": {"aws:MultiFactorAuthAge": "121"}}), true),
        (json!({"DateLessThan": {"aws:CurrentTime": "2026-11-23"}}), true),
        (json!({"DateGreaterThan": {"aws:CurrentTime": "2026-11-22T09:00:00+01:00"}}), false),
        (json!({"DateGreaterThanEquals": {"aws:CurrentTime": "2026-11-22T09:00:00+01:00"}}), true),
        (json!({"IpAddress": {"aws:SourceIp": "203.0.113.0/24"}}), true),
        (json!({"IpAddress": {"aws:SourceIp": "203.0.113.8"}}), false),
        (json!({"NotIpAddress": {"aws:SourceIp": ["203.0.113.0/24", "10.0.0.0/8"]}}), false),
        (json!({"IpAddress": {"aws:SourceIp": "2001:db8::/32"}}), false),
        (json!({"ForAllValues:StringEquals": {"aws:TagKeys": ["Team", "Cost", "Else"]}}), true),
        (json!({"ForAllValues:StringEquals": {"aws:TagKeys": "Team"}}), false),
        (json!({"ForAllValues:StringEquals": {"sts:TransitiveTagKeys": "Team"}}), true),
        (json!({"ForAllValues:StringEquals": {"sts:ExternalId": "x"}}), true),
        (json!({"ForAnyValue:StringEquals": {"aws:TagKeys": "Team"}}), true),
        (json!({"ForAnyValue:StringLike": {"aws:TagKeys": "X*"}}), false),
        (json!({"ForAnyValue:StringEquals": {"sts:ExternalId": "x"}}), false),
        (json!({"ForAllValues:StringNotEquals": {"aws:TagKeys": "Team"}}), false),
        (json!({"StringEquals": {"aws:username": "richard"}, "Bool": {"aws:MultiFactorAuthPresent": "false"}}), false),
    ];
    for (condition, holds) in cases {
        let policy = json!({"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": condition}});
        assert_eq!(verdict(&policy, "sts:AssumeRole", "*") == Verdict::Allow, holds, "{condition}");
    }
}

#[test]
fn actions_and_resources() {
    let role = "arn:aws:iam::222222222222:role/AssumedRole";
    let cases = [
        (json!({"Action": "sts:AssumeRole", "Resource": role}), true),
        (json!({"Action": "STS:assume*", "Resource": "arn:aws:iam::*:role/Assumed????"}), true),
        (json!({"Action": "sts:AssumeRole", "Resource": "arn:aws:iam::222222222222:role/assumedrole"}), false),
        (json!({"Action": "sts:*", "Resource": "arn:aws:iam::222222222222:role/Assumed???"}), false),
        (json!({"Action": "*", "Resource": ["arn:aws:iam::1:role/x", role]}), true),
        (json!({"NotAction": "iam:*", "Resource": "*"}), true),
        (json!({"NotAction": ["iam:*", "sts:AssumeRole"], "Resource": "*"}), false),
        (json!({"Action": "*", "NotResource": "arn:aws:s3:::*"}), true),
        (json!({"Action": "*", "NotResource": role}), false),
        (json!({"Action": "s3:*", "Resource": "*"}), false),
    ];
    for (statement, holds) in cases {
        let mut statement = statement;
        statement["Effect"] = json!("Allow");
        let policy = json!({"Version": "2012-10-17", "Statement": [statement]});
        assert_eq!(verdict(&policy, "sts:AssumeRole", role) == Verdict::Allow, holds, "{policy}");
    }
}

#[test]
fn variables_exist_since_2012_and_are_no_wildcards() {
    let on = |version: &str, resource: &str| json!({"Version": version, "Statement": {"Effect": "Allow", "Action": "*", "Resource": resource}});
    let own = "arn:aws:iam::*:user/${aws:username}";
    assert_eq!(verdict(&on("2012-10-17", own), "iam:GetUser", "arn:aws:iam::1:user/richard"), Verdict::Allow);
    assert_eq!(verdict(&on("2012-10-17", own), "iam:GetUser", "arn:aws:iam::1:user/eve"), Verdict::Silent);
    assert_eq!(verdict(&on("2008-10-17", own), "iam:GetUser", "arn:aws:iam::1:user/richard"), Verdict::Silent);
    assert_eq!(verdict(&on("2012-10-17", "a${*}c"), "x:Y", "abc"), Verdict::Silent);
    assert_eq!(verdict(&on("2012-10-17", "a${*}c"), "x:Y", "a*c"), Verdict::Allow);
}

#[test]
fn a_deny_wins_wherever_it_stands() {
    let both = |first: &str, second: &str| json!({"Statement": [{"Effect": first, "Action": "*", "Resource": "*"}, {"Effect": second, "Action": "s3:Get*", "Resource": "*"}]});
    assert_eq!(verdict(&both("Allow", "Deny"), "s3:GetObject", "x"), Verdict::Deny);
    assert_eq!(verdict(&both("Deny", "Allow"), "s3:GetObject", "x"), Verdict::Deny);
    assert_eq!(verdict(&both("Allow", "Deny"), "s3:PutObject", "x"), Verdict::Allow);
}

#[test]
fn what_is_no_policy() {
    let statement = |extra: Value| {
        let mut statement = json!({"Effect": "Allow", "Action": "*", "Resource": "*"});
        for (key, value) in extra.as_object().expect("the case is an object") {
            statement[key] = value.clone();
        }
        json!({"Statement": statement}).to_string()
    };
    let cases = [
        String::new(),
        "[]".to_owned(),
        "{}".to_owned(),
        json!({"Statement": []}).to_string(),
        json!({"Version": "2020-01-01", "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}).to_string(),
        json!({"Statement": {"Effect": "Allow", "Resource": "*"}}).to_string(),
        statement(json!({"Effect": "allow"})),
        statement(json!({"NotAction": "*"})),
        statement(json!({"Conditions": {}})),
        statement(json!({"Condition": {"StringEqual": {"a": "b"}}})),
        statement(json!({"Condition": {"StringEquals": {"a": {}}}})),
        statement(json!({"Principal": {"AWS": "arn:aws:iam::111111111111:user/*"}})),
        statement(json!({"Principal": {"AWS": "richard"}})),
        statement(json!({"Principal": {"Nobody": "x"}})),
    ];
    for text in cases {
        assert!(Policy::parse(&text).is_err(), "{text}");
    }
}

/// Another implementation must decide the same, for what both read the same way.
#[test]
fn an_independent_reading_agrees() {
    let conditions = [
        json!({}),
        json!({"StringEquals": {"aws:username": ["eve", "richard"]}}),
        json!({"StringNotEquals": {"aws:username": ["eve", "richard"]}}),
        json!({"StringLike": {"aws:username": "r?ch*"}}),
        json!({"StringNotLike": {"sts:ExternalId": "*"}}),
        json!({"StringEqualsIfExists": {"sts:ExternalId": "x"}}),
        json!({"NumericLessThan": {"aws:MultiFactorAuthAge": "300"}}),
        json!({"DateLessThan": {"aws:CurrentTime": "2026-11-22T07:00:00Z"}}),
        json!({"IpAddress": {"aws:SourceIp": "203.0.113.0/24"}}),
        json!({"Null": {"sts:ExternalId": "true"}}),
        json!({"ForAllValues:StringEquals": {"aws:TagKeys": ["Team", "Cost"]}}),
        json!({"ForAnyValue:StringEquals": {"aws:TagKeys": ["Else"]}}),
    ];
    let resources =
        ["*", "arn:aws:s3:::reports", "arn:aws:s3:::reports/*", "arn:aws:s3:::rep?rts/2026/${aws:username}.csv"];
    let mut compared = 0;
    for effect in ["Allow", "Deny"] {
        for action in ["*", "s3:Get*", "s3:PutObject"] {
            for resource in resources {
                for condition in &conditions {
                    let policy = json!({"Version": "2012-10-17", "Statement": [
                        {"Effect": "Allow", "Action": "s3:ListBucket", "Resource": "*"},
                        {"Effect": effect, "Action": action, "Resource": resource, "Condition": condition},
                    ]});
                    for asked in ["arn:aws:s3:::reports", "arn:aws:s3:::reports/2026/richard.csv", "arn:aws:s3:::other"]
                    {
                        for action in ["s3:GetObject", "s3:ListBucket"] {
                            assert_eq!(
                                verdict(&policy, action, asked),
                                theirs(&policy, action, asked),
                                "{action} {asked} {policy}"
                            );
                            compared += 1;
                        }
                    }
                }
            }
        }
    }
    assert_eq!(compared, 2 * 3 * 4 * 12 * 3 * 2);
}

fn theirs(policy: &Value, action: &str, resource: &str) -> Verdict {
    let request = json!({
        "Principal": {"AWS": "arn:aws:iam::111111111111:user/richard"}, "Action": action, "Resource": resource,
        "Context": {
            "aws:username": "richard", "aws:MultiFactorAuthAge": "120", "aws:CurrentTime": "2026-11-22T08:00:00Z",
            "aws:SourceIp": "203.0.113.7", "aws:TagKeys": ["Team", "Cost"],
        },
    });
    let policy: iam_rs::IAMPolicy = serde_json::from_value(policy.clone()).expect("it reads the policy");
    let request: iam_rs::IAMRequest = serde_json::from_value(request).expect("it reads the request");
    match iam_rs::evaluate_policy(&policy, &request).expect("it decides") {
        iam_rs::Decision::Allow => Verdict::Allow,
        iam_rs::Decision::Deny => Verdict::Deny,
        iam_rs::Decision::NotApplicable => Verdict::Silent,
    }
}
