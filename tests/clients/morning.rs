//! A shell that is opened in the morning, and used all day.

use crate::harness::inside::until;
use crate::harness::programs::ROLECALL;
use crate::harness::window::Window;
use crate::hours::Hours;
use crate::peers::Client;
use crate::person::Person;
use chrono::TimeDelta;
use rolecall_sandbox::tutorials::BUCKET;
use std::fmt::Write;
use std::fs;

/// Less than half an hour is left of a session of an hour: the agent has the next before it hands one out.
const BETWEEN: TimeDelta = TimeDelta::minutes(50);

#[test]
fn a_shell_opened_in_the_morning_still_lists_the_bucket_after_its_third_renewal() {
    needs!("tmux");
    let person = Person::settled();
    let day = Hours::begin(&person);
    let mut script = String::new();
    for (name, value) in day.variables() {
        writeln!(script, "export {name}={}", value.display()).unwrap();
    }
    let rolecall = ROLECALL;
    writeln!(script, "export SHELL=/bin/sh PS1='> '\nexec {rolecall} shell prod").unwrap();
    fs::write(person.home.path("morning"), script).unwrap();
    let window = Window::open(&person.home, "morning");
    window.run(". ./morning");
    let cli = Client::CliV2.cli(&person.home);
    let (cli, cloud) = (cli.get_program().display().to_string(), &person.cloud.url);
    window.run("clear; echo $ROLECALL_ROLE of the morning");
    until("the shell is there", || window.shows("prod of the morning"));
    for hour in 0..4 {
        window.run(&format!("clear; {cli} --endpoint-url {cloud} s3 ls s3://{BUCKET}; echo hour {hour}: $?."));
        until("the listing has ended", || window.shows(&format!("hour {hour}: 0.")) || window.shows(": 255."));
        for line in Client::CliV2.expected() {
            assert!(window.shows(line), "hour {hour}: {line} is missing:\n{}", window.screen());
        }
        day.move_on(BETWEEN);
    }
    let sessions = person.audit("sts", 4);
    assert_eq!(sessions.len(), 4, "the first and three renewals: {sessions:#?}");
    assert_eq!(person.audit("grant", 1).len(), 1, "it is the endpoint of the morning");
    window.run("exit");
    day.end();
}
