//! Both tutorials from nothing: two administrators' profiles, one command, a listed bucket, and one command back.

use crate::page::Page;
use crate::stage::Stage;
use crate::{Session, Step, bucket, must};
use rolecall_sandbox::tutorials::{AUTH_ACCOUNT, AUTH_ADMIN_ARN, BUCKET, WORKLOAD_ACCOUNT, WORKLOAD_ADMIN_ARN};
use rolecall_sandbox::{Instance, World};

const PROFILES: [&str; 4] = ["--auth-profile", "auth-admin", "--workload-profile", "prod-admin"];

const PERSON: [&str; 8] =
    ["--user", "mara", "--role", "ReportReader", "--name", "reports", "--policy-arn", "AmazonS3ReadOnlyAccess"];

const APPLICATION: [&str; 12] = [
    "--application",
    "ec2",
    "--assuming-role",
    "Batch",
    "--identity",
    "batch",
    "--role",
    "BatchReader",
    "--name",
    "nightly",
    "--policy-arn",
    "AmazonS3ReadOnlyAccess",
];

pub(crate) fn play(stage: &Stage, page: &Page) -> Step {
    page.heading("10", "Both tutorials from nothing, and back");
    stage.aws().world(|world| *world = world.clone().with_admins());
    let profile = |name: &str, arn: &str| {
        let key = stage.aws().access_key(arn);
        format!("[{name}]\naws_access_key_id = {}\naws_secret_access_key = {}\n", key.id, key.secret)
    };
    stage.write(
        ".aws/credentials",
        &(profile("auth-admin", AUTH_ADMIN_ARN) + &profile("prod-admin", WORKLOAD_ADMIN_ARN)),
    )?;
    page.say("Somebody has admin profiles of both accounts, and there is no user, no key and no role yet.");
    let before = inventory(stage);
    let mut commands = 0;

    command(stage, page, "apply", &PERSON)?;
    commands += 1;
    let objects = listing(stage, "reports")?;
    page.command(&format!("aws s3 ls --recursive s3://{BUCKET} --profile reports"), "");
    page.say(&format!("{objects} objects; nobody has seen the access key"));
    command(stage, page, "destroy", &["--name", "reports"])?;
    commands += 1;
    must(inventory(stage) == before, "the accounts are not as they were before the person's setup")?;
    page.say(&format!("Both accounts are as they were. Typed for the person: {commands} commands."));

    let said = command(stage, page, "apply", &APPLICATION)?;
    let mut commands = 1;
    let config = stage.read(".config/rolecall/config.toml");
    let sections = said.split_once("[identities.").and_then(|(_, rest)| rest.split_once("then `rolecall"));
    let (sections, _) = sections.ok_or("the sections for the instance are not printed")?;
    let sections = format!("[identities.{sections}");
    let service = format!("type = \"ec2\"\nec2_metadata_service_endpoint = \"{}\"", stage.aws().url());
    let role = format!("arn:aws:iam::{AUTH_ACCOUNT}:role/Batch");
    stage.aws().world(|world: &mut World| world.instance = Some(Instance::new(Some(&role))));
    stage.write(
        ".config/rolecall/config.toml",
        &format!("{config}\n{}", sections.replace("type = \"ec2\"", &service)),
    )?;
    let objects = listing(stage, "nightly")?;
    page.say(&format!("On the instance, with these sections: `aws s3 ls` shows {objects} objects."));
    stage.write(".config/rolecall/config.toml", &config)?;
    command(stage, page, "destroy", &["--name", "nightly"])?;
    commands += 1;
    must(inventory(stage) == before, "the accounts are not as they were before the application's setup")?;
    page.say(&format!("Both accounts are as they were. Typed for the application: {commands} commands."));
    Ok(())
}

/// Runs what a person types; here nobody can be asked, so that it says yes beforehand. Gives what it printed.
fn command(stage: &Stage, page: &Page, word: &str, flags: &[&str]) -> Result<String, String> {
    let said = stage.run(&[&["setup", word], &PROFILES[..], flags, &["--yes"]].concat(), None)?;
    page.command(&format!("rolecall setup {word} {} {}", PROFILES.join(" "), flags.join(" ")), "");
    page.output(&said);
    must(said.contains("1 command typed"), "it does not say how many commands were typed")?;
    Ok(said)
}

fn listing(stage: &Stage, name: &str) -> Result<usize, String> {
    let session = Session::read(stage.run(&["get", name], None)?)?;
    let objects = bucket::list(&stage.aws().url(), BUCKET, &session.keys())?;
    must(objects.len() == 3, "the listing is not the bucket's")?;
    Ok(objects.len())
}

fn inventory(stage: &Stage) -> impl PartialEq {
    stage.aws().world(|world| [AUTH_ACCOUNT, WORKLOAD_ACCOUNT].map(|account| world.inventory(account)))
}
