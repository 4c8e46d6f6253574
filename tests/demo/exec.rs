//! A command that outlives its session: it has an address and a token instead of keys.

use crate::page::Page;
use crate::stage::Stage;
use crate::{Step, bucket, must};
use rolecall_sandbox::tutorials::BUCKET;
use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// Says what an SDK would find in its environment, then waits as a long run of Terraform does.
const COMMAND: &str = "env | grep '^AWS_CONTAINER' | sort; env | grep -c '^AWS_SECRET'; read end";

/// The agent is on this machine.
const PATIENCE: Duration = Duration::from_mins(2);

pub(crate) fn play(stage: &Stage, page: &Page) -> Step {
    page.heading("7", "A command that outlives its session");
    let mut child = stage.begin(&["exec", "prod", "--", "sh", "-c", COMMAND])?;
    let lines = BufReader::new(child.stdout.take().ok_or("its output is not ours")?).lines();
    let [token, url, keys]: [String; 3] = lines
        .take(3)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|e| format!("the command's environment cannot be read: {e}"))?
        .try_into()
        .map_err(|_| "the command found no endpoint in its environment")?;
    page.command("rolecall exec prod -- terraform apply", "stands for any tool; what it finds in its environment:");
    page.line(&url);
    page.line("AWS_CONTAINER_AUTHORIZATION_TOKEN=********");
    must(keys == "0", "there is a key in its environment")?;
    let value = |line: &str| line.split_once('=').map(|(_, value)| value.to_owned()).unwrap_or_default();
    let (url, token) = (value(&url), value(&token));
    let first = ask(&url, &token)?;
    page.say(&format!("it is given {}", name(&first)));
    let config = stage.read(".config/rolecall/config.toml");
    let renamed = config.replace("role_arn = ", "role_session_name = \"night-shift\"\nrole_arn = ");
    stage.write(".config/rolecall/config.toml", &renamed)?;
    stage.run(&["status"], None)?;
    page.command("$EDITOR config.toml    # role_session_name", "so the session that it has is no longer the role's");
    let second = ask(&url, &token)?;
    page.say(&format!("it is given {}: another session, and nothing was started anew", name(&second)));
    must(name(&first) != name(&second), "it was given the old session")?;
    let objects = bucket::list(&stage.aws().url(), BUCKET, &keys_of(&second))?;
    page.say(&format!("{} objects, listed with it", objects.len()));
    must(objects.len() == 3, "the listing is not the bucket's")?;
    drop(child.stdin.take());
    child.wait().map_err(|e| format!("the command does not end: {e}"))?;
    page.say("the command ends, and its token with it: whoever still has it is turned away");
    must(is_turned_away(&url, &token), "the token is still good")
}

fn name(session: &Value) -> &str {
    session["AccessKeyId"].as_str().unwrap_or_default()
}

fn keys_of(session: &Value) -> bucket::Credentials<'_> {
    let part = |name: &str| session[name].as_str().unwrap_or_default();
    bucket::Credentials {
        access_key_id: part("AccessKeyId"),
        secret: part("SecretAccessKey"),
        token: Some(part("Token")),
    }
}

/// Asks as every SDK does.
fn ask(url: &str, token: &str) -> Result<Value, String> {
    let answer = get(url, token).map_err(|e| format!("the endpoint did not answer: {e}"))?;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    must(head.starts_with("HTTP/1.1 200 "), &format!("the endpoint said {}", head.lines().next().unwrap_or_default()))?;
    serde_json::from_str(body).map_err(|e| format!("the endpoint gave no JSON: {e}"))
}

/// Tells whether a token opens nothing any more. The agent learns of a process's end a moment after the process.
fn is_turned_away(url: &str, token: &str) -> bool {
    let deadline = std::time::Instant::now() + PATIENCE;
    while std::time::Instant::now() < deadline {
        // With its last command gone the port is closed as well.
        if get(url, token).is_ok_and(|answer| !answer.starts_with("HTTP/1.1 200 ")) || get(url, token).is_err() {
            return true;
        }
    }
    false
}

fn get(url: &str, token: &str) -> std::io::Result<String> {
    let (host, path) = url.trim_start_matches("http://").split_once('/').unwrap_or((url, ""));
    let mut stream = TcpStream::connect(host)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    write!(stream, "GET /{path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: {token}\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}
