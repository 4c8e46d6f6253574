//! Many callers at once, and many in a day: one question, one code, and for each role no more calls than it needs.

use super::config;
use crate::harness::home::Home;
use crate::harness::inside::{Inside, until};
use crate::harness::pinentry;
use crate::harness::programs::ROLECALL;
use crate::harness::window::Window;
use rolecall_sandbox::tutorials::{ROLE_ARN, USER_ARN, WORKLOAD_ACCOUNT};
use rolecall_sandbox::{Role, World};
use serde_json::json;
use std::fmt::Write;
use std::time::Duration;

const ROLES: u64 = 10;
const CALLERS: u64 = 50;

/// The configuration of roles `r0` to `r9`, which demand a code each.
fn roles() -> String {
    let mut roles = String::new();
    for at in 0..ROLES {
        let arn = format!("arn:aws:iam::{WORKLOAD_ACCOUNT}:role/R{at}");
        let _ = write!(roles, "\n[roles.r{at}]\nsource = \"auth\"\nrole_arn = \"{arn}\"\n");
    }
    roles
}

fn demand_mfa_of_all(world: &mut World) {
    world.demand_mfa();
    let trust = world.role(ROLE_ARN).trust.clone();
    let workload = world.account(WORKLOAD_ACCOUNT);
    for at in 0..ROLES {
        let role = Role { account: WORKLOAD_ACCOUNT.into(), ..Role::new(&format!("R{at}"), trust.clone()) };
        workload.roles.insert(format!("R{at}"), role);
    }
    let any = json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": format!("arn:aws:iam::{WORKLOAD_ACCOUNT}:role/*")}]});
    world.user(USER_ARN).permissions.inline.insert("Any".into(), any.into());
}

#[test]
fn fifty_callers_of_ten_roles_at_once_cost_one_question_one_code_and_ten_roles() {
    needs!("tmux");
    let home = Home::ready(&format!("prompts = [\"tty\"]\n{}{}", config(""), roles()));
    home.aws.world(demand_mfa_of_all);
    let window = Window::open(&home, "window");
    // A shell of its own: behind the prompt of this one, jobs could not be asked.
    let get = format!("{ROLECALL} get r$at > /dev/null && echo served >> served");
    let starts: Vec<String> = (0..CALLERS).map(|at| format!("at={}; ({get}) &", at % ROLES)).collect();
    std::fs::write(home.path("all.sh"), starts.join("\n") + "\nwait\necho all done\n").unwrap();
    window.run("sh all.sh");
    until("all of them wait", || home.gets() == CALLERS);
    until("one of them asks", || window.shows("MFA code of auth"));
    assert_eq!(home.status()["questions"].as_array().map(Vec::len), Some(1), "one question");
    window.run(&home.aws.mfa_code(USER_ARN));
    until("all have ended", || window.shows("all done"));
    let served = std::fs::read_to_string(home.path("served")).unwrap_or_default();
    assert_eq!(served.lines().count() as u64, CALLERS, "{}", window.screen());
    assert_eq!(window.screen().matches("MFA code").count(), 1, "{}", window.screen());
    assert_eq!(home.aws.count("GetSessionToken"), 1);
    assert_eq!(home.aws.count("AssumeRole") as u64, ROLES);
    assert_eq!(home.status()["counts"]["vault_reads"], 1);
}

#[test]
fn a_day_of_many_roles_costs_one_question() {
    let dir = tempfile::tempdir().unwrap();
    let code = dir.path().join("code");
    let program = pinentry::script(dir.path(), &pinentry::answering_from(&code));
    let agent = format!("[agent]\npinentry_program = \"{}\"\n", program.display());
    let mut world = World::tutorials();
    demand_mfa_of_all(&mut world);
    let agent = Inside::start_in(world, &format!("{agent}{}{}", config(""), roles()));
    // The person is there all day, with the device at hand.
    let works_for_an_hour = || {
        for _ in 0..4 {
            std::fs::write(&code, agent.aws.mfa_code(USER_ARN)).unwrap();
            for role in ["r0", "r1", "r2", "prod"] {
                agent.get_at_display(role).unwrap_or_else(|report| panic!("{role}: {report:?}"));
            }
            agent.pass_at_pace(Duration::from_mins(15));
        }
    };
    for hour in 0..11 {
        works_for_an_hour();
        assert_eq!(pinentry::questions(&code), 1, "in hour {hour}");
    }
    // A role that was not used before, and one after a long pause.
    agent.get_at_display("r9").expect("a role that was not used before");
    agent.clock.advance(Duration::from_mins(50));
    agent.get_at_display("r0").expect("served until the end");
    assert_eq!(pinentry::questions(&code), 1);
    assert_eq!(agent.aws.count("GetSessionToken"), 1);
    assert!(
        agent.aws.count("AssumeRole") > 4 * 11,
        "each of them was renewed all day: {}",
        agent.aws.count("AssumeRole")
    );
    agent.clock.advance(Duration::from_mins(20));
    works_for_an_hour();
    assert_eq!(pinentry::questions(&code), 2, "the twelve hours are over: the next day's question");
}
