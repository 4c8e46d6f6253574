//! The tutorials' second variant: the workload account's role demands MFA.

use crate::page::Page;
use crate::stage::Stage;
use crate::{Session, Step, bucket, must};
use rolecall_sandbox::World;
use rolecall_sandbox::tutorials::{BUCKET, USER_ARN};

const SERIAL: &str = "arn:aws:iam::111111111111:mfa/richard";

pub(crate) fn play(stage: &Stage, page: &Page) -> Step {
    page.heading("8", "The role demands MFA: one code for the day");
    stage.aws().world(World::demand_mfa);
    page.say("In AWS: richard gets a device, and the role's trust policy asks for aws:MultiFactorAuthPresent.");
    let config = stage.read(".config/rolecall/config.toml");
    let line = format!("type = \"iam-user\"\nmfa_serial = \"{SERIAL}\"\n");
    stage.write(".config/rolecall/config.toml", &config.replacen("type = \"iam-user\"\n", &line, 1))?;
    page.command(&format!("$EDITOR config.toml    # mfa_serial = \"{SERIAL}\""), "saving is enough");
    // What asks for the state has the file read first; `get` need not wait for the watch, and here it must.
    stage.run(&["status"], None)?;
    let refused = stage.refused(&["get", "prod"], 4)?;
    page.command("rolecall get prod", "`prompts = []` asks nobody, so it says at once what to do");
    page.output(&refused);
    must(refused.contains("rolecall unlock auth"), "it does not say what to do")?;
    let code = stage.aws().mfa_code(USER_ARN);
    let unlocked = stage.run(&["unlock", "auth"], Some(&code))?;
    page.command("rolecall unlock auth", "asks for the code; on a terminal `get` would have asked by itself");
    page.output(&unlocked);
    let session = Session::read(stage.run(&["get", "prod"], None)?)?;
    let objects = bucket::list(&stage.aws().url(), BUCKET, &session.keys())?;
    page.command(&format!("aws s3 ls --recursive s3://{BUCKET} --profile prod"), "");
    page.say(&format!("{} objects", objects.len()));
    must(objects.len() == 3, "the listing is not the bucket's")?;
    stage.run(&["get", "prod"], None)?;
    must(stage.aws().count("GetSessionToken") == 1, "the code was not asked for exactly once")?;
    let plan = stage.run(&["role", "show", "prod"], None)?;
    page.command("rolecall role show prod | tail -4", "");
    page.output(plan.split_once("\n\n").map_or(plan.as_str(), |(_, plan)| plan));
    must(plan.contains("GetSessionToken") && plan.contains("AssumeRole"), "the plan does not name the calls")
}
