//! Runs the tutorials' world for a shell script, until its standard input is closed.

use std::io::{Read, Write, stdin, stdout};

use rolecall_sandbox::{Clock, Sandbox, World, tutorials};
use serde_json::json;

fn main() -> std::io::Result<()> {
    let port = match std::env::args().nth(1) {
        Some(text) => text.parse().map_err(|_| std::io::Error::other("usage: rolecall-sandbox [PORT]"))?,
        None => 0,
    };
    let aws = Sandbox::start_on(World::tutorials().with_admins(), Clock::system(), port);
    let key = aws.access_key(tutorials::USER_ARN);
    let admin = |arn: &str| {
        let key = aws.access_key(arn);
        json!({"access_key_id": key.id, "secret_access_key": key.secret})
    };
    let line = json!({
        "url": aws.url(),
        "access_key_id": key.id,
        "secret_access_key": key.secret,
        "auth_admin": admin(tutorials::AUTH_ADMIN_ARN),
        "workload_admin": admin(tutorials::WORKLOAD_ADMIN_ARN),
        "role_arn": tutorials::ROLE_ARN,
        "bucket": tutorials::BUCKET,
        "region": tutorials::REGION,
    });
    writeln!(stdout(), "{line}")?;
    stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}
