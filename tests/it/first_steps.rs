//! The first minutes: `rolecall` alone, and `rolecall init`, which leads through the first steps.
//!
//! What `rolecall import` does is for its own tests; here is only that it is offered.

use crate::harness::home::{Home, text};
use crate::harness::inside::{TUTORIAL, until};
use crate::harness::programs::ROLECALL;
use crate::harness::window::Window;
use rolecall_sandbox::tutorials::USER_ARN;
use std::fs;

/// What `rolecall` alone says; at most ten lines, without an agent being started.
#[track_caller]
fn standing(home: &Home) -> String {
    let output = home.run::<&str>([]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(output.stderr.is_empty(), "{}", text(&output.stderr));
    let said = text(&output.stdout);
    assert!(said.lines().count() <= 10, "{said}");
    said
}

fn aws_files(home: &Home) {
    fs::create_dir_all(home.path(".aws")).unwrap();
    fs::write(
        home.path(".aws/config"),
        "[profile mine]\nregion = eu-west-1\n[profile one]\nrole_arn = arn:aws:iam::222222222222:role/R\nsource_profile = mine\n\
         [profile two]\nrole_arn = arn:aws:iam::333333333333:role/R\nsource_profile = mine\n",
    )
    .unwrap();
    fs::write(home.path(".aws/credentials"), "[mine]\naws_access_key_id = AKIA\naws_secret_access_key = geheim-4711\n")
        .unwrap();
}

#[test]
fn a_new_machine_is_told_where_it_stands_and_what_comes_next() {
    let home = Home::bare("");
    fs::remove_file(home.config()).unwrap();
    let said = standing(&home);
    for words in ["none yet; it will be ", "not running", "`rolecall init`"] {
        assert!(said.contains(words), "{words}: {said}");
    }
    aws_files(&home);
    let said = standing(&home);
    assert!(said.contains("2 role profiles of other tools, 1 access key in plaintext"), "{said}");
    assert!(!said.contains("geheim"), "{said}");
    assert!(!home.socket().exists(), "no agent is started by a look");
    assert!(!home.config().exists(), "and nothing is written");
}

#[test]
fn each_step_that_is_done_leads_to_the_next() {
    let home = Home::bare("[agent]\nvault = \"file\"\n[identities.auth]\ntype = \"iam-user\"\n");
    assert!(standing(&home).contains("`rolecall role add NAME --source auth --role-arn ARN`"));
    home.configure(TUTORIAL);
    let said = standing(&home);
    assert!(said.contains("1 identity, 1 role in ") && said.contains("`rolecall profiles sync`"), "{said}");
    assert!(home.run(["profiles", "sync"]).status.success());
    let said = standing(&home);
    assert!(said.contains("1 of 1 role in ") && said.contains("--profile prod`"), "{said}");
    home.configure("[roles.x]\n");
    let said = standing(&home);
    assert!(said.contains("config.toml:1: roles.x") && said.contains("`rolecall status`"), "{said}");
}

#[test]
fn without_a_terminal_init_says_what_to_run_and_asks_nobody() {
    let home = Home::bare("");
    aws_files(&home);
    let output = home.run(["init"]);
    assert_eq!(output.status.code(), Some(2));
    let said = text(&output.stderr);
    assert!(output.stdout.is_empty() && said.contains("2 role profiles and 1 access key"), "{said}");
    assert!(said.contains("hint: run the steps yourself: `rolecall "), "{said}");
}

#[test]
fn init_leads_from_nothing_to_a_role_that_works() {
    needs!("tmux");
    let home = Home::bare("[agent]\nvault = \"file\"\n[aws]\nendpoint_url_sts = \"ENDPOINT\"\n");
    home.open_vault();
    let window = Window::open(&home, "init");
    window.tmux(&["resize-window", "-t", "init", "-x", "120", "-y", "60"]);
    window.run(&format!("{ROLECALL} init; echo \"left by $?\""));
    let answer = |question: &str, typed: &str| {
        until(question, || window.screen().trim_end().ends_with(question.trim_end()));
        window.run(typed);
    };
    let key = home.aws.access_key(USER_ARN);
    answer("may assume roles? [Y/n] ", "");
    answer("What to call it [auth]: ", "");
    until("the key's id is asked for", || window.shows("Access key ID"));
    window.run(&key.id);
    until("the key is asked for", || window.shows("Secret access key"));
    window.run(&key.secret);
    answer("nothing to stop here: ", "nonsense");
    until("it is asked again", || window.shows("that is not one: "));
    answer("nothing to stop here: ", "arn:aws:iam::222222222222:role/AssumedRole");
    answer("What to call it [assumedrole]: ", "prod");
    until("profiles are offered", || window.shows("Write profiles for 1 role into "));
    window.run("");
    answer("Try the role prod now? [Y/n] ", "y");
    until("it works", || window.shows("prod works: AWS gave a session until "));
    until("it ends", || window.shows("left by 0"));
    let screen = window.screen();
    for step in ["$ rolecall identity add auth", "$ rolecall role add prod --source auth", "$ rolecall profiles sync"] {
        assert!(screen.contains(step), "{step}: {screen}");
    }
    assert!(!screen.contains(&key.secret), "what is typed is not shown");
    assert!(fs::read_to_string(home.path(".aws/config")).unwrap().contains("[profile prod]"));
}

#[test]
fn the_end_of_the_input_is_no_yes() {
    needs!("tmux");
    let home = Home::bare("");
    let window = Window::open(&home, "end");
    window.run(&format!("{ROLECALL} init; echo \"left by $?\""));
    until("it asks", || window.shows("[Y/n]"));
    window.tmux(&["send-keys", "-t", "end", "C-d"]);
    until("it ends", || window.shows("left by 0"));
    assert!(!window.shows("$ rolecall identity add"), "{}", window.screen());
    assert!(!home.socket().exists());
}
