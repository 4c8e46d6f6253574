//! The demo: from an access key to a bucket's listing, on this machine and in seconds. Run it with `cargo demo`.
//!
//! The programs are the real ones, each step is a command that a person would type, and AWS is the sandbox, which checks
//! signatures, policies and sessions as AWS does. It is a test as well: each step says what it must have shown, and the
//! first that did not ends the demo with a failure.

#![expect(clippy::disallowed_methods, reason = "a demo measures time, ends on Ctrl-C and prepares files of its own")]

mod application;
mod bucket;
mod exec;
mod mfa;
mod page;
mod setup;
mod stage;

use page::Page;
use rolecall_sandbox::tutorials::{BUCKET, REGION, ROLE_ARN, USER_ARN};
use serde_json::{Value, json};
use stage::Stage;
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// How often `get` is run to give a median.
const RUNS: usize = 20;

/// The audit log is written off the request's path: this much later at the latest.
const AUDIT_DEADLINE: Duration = Duration::from_mins(2);

/// What a step that failed says.
type Step = Result<(), String>;

fn main() -> ExitCode {
    if is_filtered_out() {
        return ExitCode::SUCCESS;
    }
    let page = Page::new();
    let begun = Instant::now();
    let stage = match Stage::set() {
        Ok(stage) => stage,
        Err(why) => return page.failed(&why),
    };
    let played = play(&stage, &page);
    let cleaned = stage.strike();
    match played.and(cleaned) {
        Ok(()) => {
            page.gap();
            page.say(&format!("The throw-away home is removed. That took {:.1} s.", begun.elapsed().as_secs_f32()));
            page.gap();
            ExitCode::SUCCESS
        }
        Err(why) => page.failed(&why),
    }
}

/// Tells whether `cargo test WORD` means other tests, or a runner only asks which tests there are.
fn is_filtered_out() -> bool {
    let mut words = std::env::args().skip(1);
    words.any(|word| word == "--list" || (!word.starts_with('-') && !"demo".contains(&word)))
}

fn play(stage: &Stage, page: &Page) -> Step {
    opening(page);
    key(stage, page)?;
    role(stage, page)?;
    let session = first_get(stage, page)?;
    use_it(stage, page, &session)?;
    second_get(stage, page, &session)?;
    look(stage, page, &session)?;
    exec::play(stage, page)?;
    mfa::play(stage, page)?;
    application::play(stage, page)?;
    setup::play(stage, page)?;
    finish(stage, page, &session)
}

fn opening(page: &Page) {
    page.title("rolecall, end to end");
    page.say("Nothing leaves this machine: a throw-away home, and a small AWS of our own that checks");
    page.say("signatures, policies and sessions as AWS does. It has two accounts:");
    page.gap();
    page.say("111111111111   user richard      has an access key, may assume one role");
    page.say("222222222222   role AssumedRole  trusts the first account, may read S3");
}

fn key(stage: &Stage, page: &Page) -> Step {
    page.heading("1", "The key goes into the vault");
    page.say("The vault is your desktop's keyring, and then this is one command. A throw-away home has");
    page.say("no keyring, so config.toml says `vault = \"file\"`, and a passphrase opens the file.");
    let opened = stage.run(&["unlock", "--vault"], Some(stage::PASSPHRASE))?;
    page.command("rolecall unlock --vault", "asks for the passphrase");
    page.output(&opened);
    let key = stage.aws().access_key(USER_ARN);
    let input = json!({"AccessKeyId": key.id, "SecretAccessKey": key.secret}).to_string();
    let added = stage.run(&["identity", "add", "auth", "--region", REGION], Some(&input))?;
    page.command(&format!("rolecall identity add auth --region {REGION}"), "asks for the key, then AWS whose it is");
    page.output(&added);
    must(added.contains("user richard in account 111111111111"), "AWS was not asked whose key it is")
}

fn role(stage: &Stage, page: &Page) -> Step {
    page.heading("2", "The role, and a profile for every tool");
    let added = stage.run(&["role", "add", "prod", "--source", "auth", "--role-arn", ROLE_ARN], None)?;
    page.command(&format!("rolecall role add prod --source auth --role-arn {ROLE_ARN}"), "");
    page.output(&added);
    let synced = stage.run(&["profiles", "sync"], None)?;
    page.command("rolecall profiles sync", "");
    page.output(&synced);
    let profile = stage.read(".aws/config");
    page.command("cat ~/.aws/config", "");
    page.output(&profile);
    must(profile.contains("[profile prod]\ncredential_process = "), "~/.aws/config has no profile")
}

/// What `get` gave: the line as it is and its parts.
struct Session {
    line: String,
    parts: Value,
}

impl Session {
    fn read(line: String) -> Result<Self, String> {
        let parts = serde_json::from_str(&line).map_err(|e| format!("`get` printed no JSON: {e}"))?;
        Ok(Self { line, parts })
    }

    fn keys(&self) -> bucket::Credentials<'_> {
        bucket::Credentials {
            access_key_id: self.part("AccessKeyId"),
            secret: self.part("SecretAccessKey"),
            token: Some(self.part("SessionToken")),
        }
    }

    fn part(&self, name: &str) -> &str {
        self.parts[name].as_str().unwrap_or_default()
    }
}

fn first_get(stage: &Stage, page: &Page) -> Result<Session, String> {
    page.heading("3", "What every AWS tool runs: the first time");
    let before = Instant::now();
    let line = stage.run(&["get", "prod"], None)?;
    let took = before.elapsed();
    let session = Session::read(line)?;
    let mut masked = session.line.clone();
    for secret in ["SecretAccessKey", "SessionToken"] {
        must(session.part(secret).len() > 30, &format!("`get` printed no {secret}"))?;
        masked = masked.replace(session.part(secret), "********");
    }
    page.command("rolecall get prod", "one vault read, one call to STS; the stars are this demo's");
    page.output(&masked.replace(",\"", ",\n \""));
    page.say(&format!("{} ms", took.as_millis()));
    must(session.part("AccountId") == "222222222222", "the session is not one of the workload account")?;
    must(session.part("AccessKeyId").starts_with("ASIA"), "the key is not one of a session")?;
    must(stage.aws().count("AssumeRole") == 1, "STS was not asked exactly once")?;
    Ok(session)
}

fn use_it(stage: &Stage, page: &Page, session: &Session) -> Step {
    page.heading("4", "Exactly these credentials list the bucket");
    let objects = bucket::list(&stage.aws().url(), BUCKET, &session.keys())?;
    page.command(&format!("aws s3 ls --recursive s3://{BUCKET} --profile prod"), "the same request, sent by this demo");
    for (name, size) in &objects {
        page.line(&format!("{size:>6}  {name}"));
    }
    must(objects.len() == 3, "the listing is not the bucket's")?;
    let own = stage.aws().access_key(USER_ARN);
    let keys = bucket::Credentials { access_key_id: &own.id, secret: &own.secret, token: None };
    let refused = bucket::list(&stage.aws().url(), BUCKET, &keys);
    must(refused.as_ref().is_err_and(|why| why.contains("AccessDenied")), "the user may list it without the role")?;
    page.say("richard's own key, without the role: AccessDenied");
    Ok(())
}

fn second_get(stage: &Stage, page: &Page, session: &Session) -> Step {
    page.heading("5", "Every time after that");
    let mut times = Vec::with_capacity(RUNS + 1);
    for _ in 0..=RUNS {
        let before = Instant::now();
        let line = stage.run(&["get", "prod"], None)?;
        times.push(before.elapsed());
        must(line == session.line, "it is not the same session")?;
    }
    let second = times.remove(0);
    times.sort_unstable();
    let ms = |time: Duration| format!("{:.1} ms", time.as_secs_f64() * 1000.0);
    page.command("rolecall get prod", "from the agent's memory");
    page.say(&format!("the second {}, the median of {RUNS} more {}", ms(second), ms(times[RUNS / 2])));
    page.say("(whole processes, start to end; this is an unoptimised build)");
    must(stage.aws().count("AssumeRole") == 1, "STS was asked again")
}

fn look(stage: &Stage, page: &Page, session: &Session) -> Step {
    page.heading("6", "Who got what");
    let status = stage.run(&["status"], None)?;
    page.command("rolecall status", "");
    page.output(&status);
    must(status.contains("prod") && status.contains("left"), "`status` does not show the session")?;
    let id = session.part("AccessKeyId");
    let deadline = Instant::now() + AUDIT_DEADLINE;
    let logged = loop {
        let lines = stage.run(&["log", "--json"], None)?;
        let mut logged = lines.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let mine = |line: &Value| line["event"] == "get" && line["access_key_id"] == id;
        if let Some(latest) = logged.rfind(mine) {
            break latest;
        }
        must(Instant::now() < deadline, "the audit log does not show the hand-out")?;
    };
    must(logged["name"] == "prod" && logged["caller"]["pid"].is_number(), "the audit line does not say who got what")?;
    page.command("rolecall log | tail -1", "");
    page.output(stage.run(&["log"], None)?.lines().last().unwrap_or_default());
    page.say(&format!("{id} is also what CloudTrail will call it"));
    Ok(())
}

fn finish(stage: &Stage, page: &Page, session: &Session) -> Step {
    page.heading("11", "Nothing stays");
    let secrets = [
        stage.aws().access_key(USER_ARN).secret,
        session.part("SecretAccessKey").to_owned(),
        session.part("SessionToken").to_owned(),
    ];
    let searched = stage.search(&secrets)?;
    page.say(&format!("neither the key nor the session is in any of the {searched} files in the home"));
    let locked = stage.run(&["lock"], None)?;
    page.command("rolecall lock", "");
    page.output(&locked);
    let stopped = stage.stop_agent()?;
    page.command("rolecall agent stop", "");
    page.output(&stopped);
    must(locked.contains("locked") && stopped.contains("stopped"), "the agent was not locked and stopped")
}

fn must(holds: bool, otherwise: &str) -> Step {
    if holds { Ok(()) } else { Err(otherwise.to_owned()) }
}
