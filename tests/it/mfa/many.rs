//! Many callers at once: one question, one code, and for each role one call to AWS.

use super::config;
use crate::harness::home::{Home, text};
use crate::harness::inside::until;
use crate::harness::window::Window;
use rolecall_sandbox::Role;
use rolecall_sandbox::tutorials::{ROLE_ARN, USER_ARN, WORKLOAD_ACCOUNT};
use serde_json::Value;
use std::fmt::Write;
use std::process::{Child, Stdio};

const ROLES: usize = 10;
const CALLERS: usize = 50;

#[test]
fn fifty_callers_of_ten_roles_cost_one_question_one_code_and_ten_roles() {
    let mut roles = String::new();
    for at in 0..ROLES {
        let arn = format!("arn:aws:iam::{WORKLOAD_ACCOUNT}:role/R{at}");
        let _ = write!(roles, "\n[roles.r{at}]\nsource = \"auth\"\nrole_arn = \"{arn}\"\n");
    }
    let home = Home::ready(&format!("prompts = [\"tty\"]\n{}{roles}", config("")));
    home.aws.world(|world| {
        world.demand_mfa();
        let trust = world.role(ROLE_ARN).trust.clone();
        let workload = world.accounts.get_mut(WORKLOAD_ACCOUNT).unwrap();
        for at in 0..ROLES {
            let role = Role { account: WORKLOAD_ACCOUNT.into(), ..Role::new(&format!("R{at}"), trust.clone()) };
            workload.roles.insert(format!("R{at}"), role);
        }
        let any = serde_json::json!({"Version": "2012-10-17", "Statement": [
            {"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": format!("arn:aws:iam::{WORKLOAD_ACCOUNT}:role/*")}]});
        world.user(USER_ARN).permissions.inline.insert("Any".into(), any.into());
    });
    let window = Window::open(&home, "window");
    window.run(&format!("{} get r0 > /dev/null; echo done $?", env!("CARGO_BIN_EXE_rolecall")));
    until("the first terminal is asked", || window.shows("MFA code of auth"));
    let get = |at: usize| -> Child {
        let name = format!("r{}", at % ROLES);
        home.rolecall(["get", &name]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    };
    let callers: Vec<Child> = (1..CALLERS).map(get).collect();
    until("all of them wait", || {
        let status: Value = serde_json::from_slice(&home.run(["status", "--json"]).stdout).unwrap();
        assert_eq!(status["questions"].as_array().map(Vec::len), Some(1), "one question");
        status["counts"]["gets"] == CALLERS
    });
    window.run(&home.aws.mfa_code(USER_ARN));
    until("the first is served", || window.shows("done 0"));
    for caller in callers {
        let output = caller.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", text(&output.stderr));
    }
    assert_eq!(window.screen().matches("MFA code").count(), 1, "{}", window.screen());
    assert_eq!(home.aws.count("GetSessionToken"), 1);
    assert_eq!(home.aws.count("AssumeRole"), ROLES);
    let status: Value = serde_json::from_slice(&home.run(["status", "--json"]).stdout).unwrap();
    assert_eq!(status["counts"]["vault_reads"], 1);
}
