//! SimulatePrincipalPolicy. Pages: SimulatePrincipalPolicy, EvaluationResult; IAM User Guide, "IAM policy testing with the
//! IAM policy simulator".

use rolecall_sandbox::tutorials::{AUTH_ACCOUNT, ROLE_ARN, USER_ARN, WORKLOAD_ACCOUNT};
use rolecall_sandbox::{Role, User};
use serde_json::json;

use super::administrated;
use crate::{add_role, add_user, trust};

const SOURCE: (&str, &str) = ("PolicySourceArn", USER_ARN);
const ASSUME: (&str, &str) = ("ActionNames.member.1", "sts:AssumeRole");

#[test]
fn the_decision_is_told_with_the_statement_that_makes_it() {
    let (aws, admin) = administrated();
    let simulate =
        |resource: &str| admin.iam("SimulatePrincipalPolicy", &[SOURCE, ASSUME, ("ResourceArns.member.1", resource)]);
    let allowed = simulate(ROLE_ARN);
    assert_eq!(allowed.succeeds().field("EvalDecision"), "allowed");
    assert_eq!((allowed.field("EvalActionName"), allowed.field("EvalResourceName")), ("sts:AssumeRole", ROLE_ARN));
    assert_eq!(allowed.field("SourcePolicyId"), "user_richard_AllowAssumeRole");
    assert_eq!((allowed.field("Line"), allowed.count("StartPosition")), ("1", 1));
    let silent = simulate("arn:aws:iam::222222222222:role/Other");
    assert_eq!((silent.field("EvalDecision"), silent.count("SourcePolicyId")), ("implicitDeny", 0));
    let silent = admin.iam("SimulatePrincipalPolicy", &[SOURCE, ASSUME]);
    assert_eq!((silent.field("EvalResourceName"), silent.field("EvalDecision")), ("*", "implicitDeny"));

    let deny = "{\"Version\": \"2012-10-17\",\n \"Statement\": [\n  {\"Effect\": \"Allow\", \"Action\": \"s3:*\", \"Resource\": \"*\"},\n  \
                {\"Effect\": \"Deny\", \"Action\": \"sts:*\", \"Resource\": \"*\"}]}";
    let arn = format!("arn:aws:iam::{AUTH_ACCOUNT}:policy/Guard");
    aws.world(|world| {
        world.managed_policies.insert(arn.clone(), rolecall_sandbox::Policy::from(deny).into());
        world.user(USER_ARN).permissions.attached.insert(arn);
    });
    let denied = simulate(ROLE_ARN);
    assert_eq!((denied.field("EvalDecision"), denied.field("SourcePolicyId")), ("explicitDeny", "Guard"));
    let at = |position: &str| {
        let inside = denied.field(position);
        let number =
            |name: &str| inside.split(&format!("<{name}>")).nth(1).unwrap().split('<').next().unwrap().to_owned();
        (number("Line"), number("Column"))
    };
    assert_eq!(at("StartPosition"), ("3".to_owned(), "58".to_owned()), "behind the comma");
    assert_eq!(at("EndPosition").0, "4");
}

#[test]
fn conditions_are_asked_of_the_context_that_is_given_and_what_is_missing_is_named() {
    let (aws, admin) = administrated();
    let may = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": "*",
        "Condition": {"StringEquals": {"sts:ExternalId": ["7f3a", "8b"]}, "Bool": {"aws:MultiFactorAuthPresent": "true"}}}]});
    add_user(&aws, User::new("anna").with_policy("p", may));
    let source = ("PolicySourceArn", "arn:aws:iam::111111111111:user/anna");
    let without = admin.iam("SimulatePrincipalPolicy", &[source, ASSUME]);
    assert_eq!(without.field("EvalDecision"), "implicitDeny");
    assert_eq!(without.field("MissingContextValues").matches("<member>").count(), 2, "{}", without.body);
    let given = |external_id: &str| {
        let first = [("Name", "sts:ExternalId"), ("Type", "string"), ("Values.member.1", external_id)];
        let second = [("Name", "aws:MultiFactorAuthPresent"), ("Type", "boolean"), ("Values.member.1", "true")];
        let mut all = vec![(source.0.to_owned(), source.1.to_owned()), (ASSUME.0.to_owned(), ASSUME.1.to_owned())];
        for (at, entry) in [first, second].iter().enumerate() {
            let name = |field: &str| format!("ContextEntries.member.{}.ContextKey{field}", at + 1);
            all.extend(entry.iter().map(|(field, value)| (name(field), (*value).to_owned())));
        }
        let all: Vec<_> = all.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        admin.iam("SimulatePrincipalPolicy", &all).succeeds().field("EvalDecision").to_owned()
    };
    assert_eq!([given("8b"), given("9c")], ["allowed", "implicitDeny"]);
}

#[test]
fn every_action_on_every_resource_has_its_result_and_a_role_is_asked_too() {
    let (aws, admin) = administrated();
    let workload = admin.signed_by(&aws.access_key("arn:aws:iam::222222222222:user/admin"));
    let source = ("PolicySourceArn", ROLE_ARN);
    let asked = [
        source,
        ("ActionNames.member.1", "s3:GetObject"),
        ("ActionNames.member.2", "s3:PutObject"),
        ("ResourceArns.member.1", "arn:aws:s3:::a/b"),
        ("ResourceArns.member.2", "arn:aws:s3:::c/d"),
    ];
    let told = workload.iam("SimulatePrincipalPolicy", &asked);
    assert_eq!((told.succeeds().count("EvalActionName"), told.field("SourcePolicyId")), (4, "AmazonS3ReadOnlyAccess"));
    assert_eq!(told.body.matches(">allowed<").count(), 2);
    let inline = json!({"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}});
    let arn = add_role(&aws, WORKLOAD_ACCOUNT, Role::new("Own", trust("*")).with_policy("All", inline));
    let told = workload.iam("SimulatePrincipalPolicy", &[("PolicySourceArn", &arn), asked[1]]);
    assert_eq!(told.field("SourcePolicyId"), "role_Own_All");
}

#[test]
fn who_may_not_simulate_and_what_is_not_there() {
    let (aws, admin) = administrated();
    let richard = admin.signed_by(&aws.access_key(USER_ARN));
    let denied = "iam:SimulatePrincipalPolicy on resource: arn:aws:iam::111111111111:user/richard because";
    richard.iam("SimulatePrincipalPolicy", &[SOURCE, ASSUME]).fails(403, "AccessDenied", denied);
    let nobody = ("PolicySourceArn", "arn:aws:iam::111111111111:user/nobody");
    admin.iam("SimulatePrincipalPolicy", &[nobody, ASSUME]).fails(404, "NoSuchEntity", "user/nobody");
    admin.iam("SimulatePrincipalPolicy", &[SOURCE]).fails(400, "ValidationError", "actionNames");
    admin.iam("SimulatePrincipalPolicy", &[("PolicySourceArn", ROLE_ARN), ASSUME]).fails(400, "InvalidInput", ROLE_ARN);
    let own = [SOURCE, ASSUME, ("ResourcePolicy", "{}")];
    admin.iam("SimulatePrincipalPolicy", &own).fails(501, "NotImplemented", "ResourcePolicy");
}
