//! The second tutorial: an application on an EC2 instance, which has no key of its own.

use crate::page::Page;
use crate::stage::Stage;
use crate::{Session, Step, bucket, must};
use rolecall_sandbox::tutorials::{AUTH_ACCOUNT, BUCKET, REGION, ROLE_ARN};
use rolecall_sandbox::{Instance, Role, World};
use serde_json::json;

const ASSUMING_ROLE: &str = "arn:aws:iam::111111111111:role/AssumingRole";

pub(crate) fn play(stage: &Stage, page: &Page) -> Step {
    page.heading("9", "An application has no key at all");
    stage.aws().world(put_on_an_instance);
    page.say("In AWS: an instance whose profile is AssumingRole, which AssumedRole's trust policy names.");
    let endpoint = stage.aws().url();
    let add = ["identity", "add", "instance", "--type", "ec2", "--region", REGION];
    let added = stage.run(&[&add[..], &["--ec2-metadata-service-endpoint", &endpoint]].concat(), None)?;
    page.command(&format!("rolecall {}", add.join(" ")), "and where this demo's metadata service is");
    page.output(&added);
    let added = stage.run(&["role", "add", "app", "--source", "instance", "--role-arn", ROLE_ARN], None)?;
    page.command(&format!("rolecall role add app --source instance --role-arn {ROLE_ARN}"), "");
    page.output(added.lines().next().unwrap_or_default());
    let session = Session::read(stage.run(&["get", "app"], None)?)?;
    let objects = bucket::list(&stage.aws().url(), BUCKET, &session.keys())?;
    page.command(&format!("aws s3 ls --recursive s3://{BUCKET} --profile app"), "");
    page.say(&format!("{} objects, as {}", objects.len(), who(stage)));
    must(objects.len() == 3, "the listing is not the bucket's")?;
    must(who(stage) == ASSUMING_ROLE, "it was not the instance's role that assumed it")?;
    let status = stage.run(&["status"], None)?;
    page.command("rolecall status", "");
    page.output(&status);
    must(status.contains("instance"), "`status` does not show the instance")
}

/// Tells which role's session asked for the last role.
fn who(stage: &Stage) -> String {
    let calls = stage.aws().calls();
    let last = calls.iter().rev().find(|call| call.action == "AssumeRole");
    let arn = last.and_then(|call| call.principal_arn.clone()).unwrap_or_default();
    let mut parts = arn.split(['/', ':']);
    let account = parts.nth(4).unwrap_or_default().to_owned();
    format!("arn:aws:iam::{account}:role/{}", parts.nth(1).unwrap_or_default())
}

fn put_on_an_instance(world: &mut World) {
    let trust = json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "ec2.amazonaws.com"}}]});
    let may = json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": ROLE_ARN}]});
    let assuming = Role::new("AssumingRole", trust).with_policy("Assume", may);
    let account = world.account(AUTH_ACCOUNT);
    account.roles.insert("AssumingRole".to_owned(), Role { account: AUTH_ACCOUNT.to_owned(), ..assuming });
    world.role(ROLE_ARN).trust = json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": ASSUMING_ROLE}}]})
    .into();
    world.instance = Some(Instance::new(Some(ASSUMING_ROLE)));
}
