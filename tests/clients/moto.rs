//! moto, an AWS that others wrote: it shows that a stranger takes our signed calls and that its sessions work.
//!
//! It shows nothing about refusals: trust across accounts, MFA and expiry are ignored there. Those are the sandbox's.

use crate::peers::{self, program};
use crate::person::Cloud;
use rolecall_sandbox::tutorials::{AUTH_ACCOUNT, WORKLOAD_ACCOUNT};
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

/// A running moto; dropping it ends it.
pub(crate) struct Moto {
    pub(crate) cloud: Cloud,
    /// The same with the key of the authentication account's administrator.
    pub(crate) auth_admin: Cloud,
    /// The same with the key of the workload account's administrator.
    #[allow(dead_code, reason = "a setup needs it")]
    pub(crate) workload_admin: Cloud,
    process: Child,
}

impl Moto {
    /// Starts it with the tutorials' accounts and waits until it enforces what it can.
    pub(crate) fn start() -> Self {
        let mut command = Command::new(peers::python());
        command.arg(program("run_moto.py")).env_clear().env("PATH", "/usr/local/bin:/usr/bin:/bin");
        // It ends with its standard input, so that it outlives no test, not even one that was killed.
        let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("python runs");
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let said: Value = serde_json::from_str(&line).expect("moto starts; its complaint is above");
        let text = |name: &str| said[name].as_str().expect("a text").to_owned();
        let admin = |account: &str| {
            let text = |name: &str| said["admins"][account][name].as_str().expect("a text").to_owned();
            Cloud { url: said["url"].as_str().expect("a text").to_owned(), key_id: text("id"), secret: text("secret") }
        };
        let cloud = Cloud { url: text("url"), key_id: text("id"), secret: text("secret") };
        Self { cloud, auth_admin: admin(AUTH_ACCOUNT), workload_admin: admin(WORKLOAD_ACCOUNT), process }
    }
}

impl Drop for Moto {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        drop(self.process.kill());
        drop(self.process.wait());
    }
}
