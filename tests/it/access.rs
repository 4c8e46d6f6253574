//! Which program may have a role: allowed, asked for, denied; by the program that the kernel names.
//!
//! Out of reach: kernels before 6.5, which have no SO_PEERPIDFD, and a program that makes another one ask for it.

use crate::harness::home::{Home, text};
use crate::harness::inside::{Inside, TUTORIAL, until};
use crate::harness::pinentry;
use crate::harness::window::Window;
use rolecall::domain::error::Kind;
use rolecall::protocol::message::Request;
use serde_json::Value;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::process::{Output, Stdio};
use std::time::Duration;

const ROLECALL: &str = env!("CARGO_BIN_EXE_rolecall");

fn with(role: &str) -> String {
    format!("[agent]\nvault = \"file\"\nprompts = [\"tty\"]\n{TUTORIAL}{role}\n")
}

/// A home with the tutorials' key, where role `prod` has further keys.
fn home(role: &str) -> Home {
    let home = Home::bare(&with(role));
    home.open_vault();
    assert!(home.add_key().status.success());
    home
}

/// This program: what starts `rolecall` in these tests.
fn own_path() -> String {
    std::env::current_exe().unwrap().display().to_string()
}

#[test]
fn a_denied_program_gets_nothing_also_behind_a_shell_and_others_are_served() {
    let home = home(&format!("access_by_program = {{ \"{}\" = \"deny\" }}", own_path()));
    for denied in [home.rolecall(["get", "prod"]).output().unwrap(), {
        // The second command keeps the shell from making way for the first.
        home.command("sh").args(["-c", &format!("{ROLECALL} get prod; exit $?")]).output().unwrap()
    }] {
        assert_eq!(denied.status.code(), Some(3));
        assert!(denied.stdout.is_empty());
        let stderr = text(&denied.stderr);
        let first = format!("rolecall: prod: the configuration denies `prod` to {}\n", own_path());
        assert!(stderr.starts_with(&first) && stderr.contains("access_by_program"), "{stderr}");
    }
    let other = get_by_python(&home);
    assert!(other.status.success(), "{}", text(&other.stderr));
    home.run(["agent", "stop"]);
    let gets = home.events("get");
    let results: Vec<&Value> = gets.iter().map(|get| &get["result"]).collect();
    assert_eq!(results, ["denied", "denied", "ok"], "{gets:#?}");
    assert_eq!(home.aws.count("AssumeRole"), 1, "nothing is fetched for who is denied");
}

/// Runs `rolecall get prod` by Python, through a link as most systems have one.
fn get_by_python(home: &Home) -> Output {
    let python = "import subprocess, sys; sys.exit(subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL).returncode)";
    home.command("python3").args(["-c", python, ROLECALL, "get", "prod"]).output().unwrap()
}

/// Gives the file that runs as the home's `python3`.
fn python(home: &Home) -> PathBuf {
    let own = "import os; print(os.readlink('/proc/self/exe'))";
    PathBuf::from(text(&home.command("python3").args(["-c", own]).output().unwrap().stdout).trim())
}

fn warnings(home: &Home) -> Vec<String> {
    let status: Value = serde_json::from_slice(&home.run(["status", "--json"]).stdout).unwrap();
    let warnings = status["warnings"].as_array().unwrap().iter();
    warnings.map(|warning| warning["message"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_rule_holds_for_the_file_that_its_path_leads_to_also_when_the_program_comes_later() {
    let links = tempfile::tempdir().unwrap();
    let (link, outer) = (links.path().join("inner"), links.path().join("interpreter"));
    symlink(&link, &outer).unwrap();
    let home = home(&format!("access_by_program = {{ \"{}\" = \"deny\" }}", outer.display()));
    let warned = warnings(&home);
    let expected = format!("access_by_program of prod names {}, which is not there", outer.display());
    assert_eq!(warned, [expected], "a rule that holds for nobody is no error, but said");
    assert!(get_by_python(&home).status.success(), "the rule leads nowhere yet");
    symlink(python(&home), &link).unwrap();
    let denied = get_by_python(&home);
    assert_eq!(denied.status.code(), Some(3), "{}", text(&denied.stderr));
    let first = format!("rolecall: prod: the configuration denies `prod` to {}\n", python(&home).display());
    assert!(text(&denied.stderr).starts_with(&first), "{}", text(&denied.stderr));
    assert!(home.rolecall(["get", "prod"]).output().unwrap().status.success(), "it is about nobody else");
    assert!(warnings(&home).is_empty());
    std::fs::remove_file(&link).unwrap();
    std::fs::write(&link, "#!/bin/sh\n").unwrap();
    assert!(warnings(&home)[0].ends_with("a script: who runs is its interpreter"), "{:?}", warnings(&home));
}

#[test]
fn an_exception_by_a_link_lets_nobody_in_but_the_program_that_it_leads_to() {
    let links = tempfile::tempdir().unwrap();
    let link = links.path().join("interpreter");
    let home = home(&format!("access = \"deny\"\naccess_by_program = {{ \"{}\" = \"allow\" }}", link.display()));
    symlink(python(&home), &link).unwrap();
    let other = home.rolecall(["get", "prod"]).output().unwrap();
    assert_eq!(other.status.code(), Some(3), "{}", text(&other.stderr));
    let allowed = get_by_python(&home);
    assert!(allowed.status.success(), "{}", text(&allowed.stderr));
    std::fs::remove_file(&link).unwrap();
    symlink(own_path(), &link).unwrap();
    assert_eq!(get_by_python(&home).status.code(), Some(3), "the link leads elsewhere now");
    assert!(home.rolecall(["get", "prod"]).output().unwrap().status.success());
}

#[test]
fn a_yes_holds_for_the_program_in_its_terminal_and_a_no_for_a_moment() {
    needs!("tmux");
    let home = home("access = \"ask\"");
    let first = Window::open(&home, "first");
    first.run(&format!("printf '1 2 3' | xargs -P 3 -n 1 sh -c '{ROLECALL} get prod > /dev/null'; echo all $?"));
    until("it is asked", || first.shows("wants `prod`"));
    assert!(
        first.shows("xargs wants `prod` (arn:aws:iam::222222222222:role/AssumedRole) since ")
            && first.shows(": allow it for 60 minutes? [y/N]")
    );
    until("all three wait", || home.gets() == 3);
    first.run("y");
    until("all are served", || first.shows("all 0"));
    assert_eq!(first.screen().matches("wants `prod`").count(), 1, "one question: {}", first.screen());
    clear(&first);
    first.run(&format!("echo 1 | xargs -n 1 sh -c '{ROLECALL} get prod > /dev/null'; echo again $?"));
    until("it is served without a question", || first.shows("again 0"));
    assert!(!first.shows("wants `prod`"));

    let second = Window::open(&home, "second");
    second.run(&format!("{ROLECALL} get prod; echo second $?"));
    until("another terminal is asked anew", || second.shows("wants `prod`"));
    second.run("n");
    until("it is refused", || second.shows("second 4"));
    assert!(second.shows("was refused"), "{}", second.screen());
    clear(&second);
    second.run(&format!("{ROLECALL} get prod; echo third $?"));
    until("the no holds for a moment", || second.shows("third 4"));
    assert!(!second.shows("[y/N]"), "{}", second.screen());
    home.run(["agent", "stop"]);
    let consents = home.events("consent");
    let results: Vec<&Value> = consents.iter().map(|line| &line["result"]).collect();
    assert_eq!(results, ["ok", "refused"], "a line for each answer: {consents:#?}");
    assert!(consents[0]["caller"]["parent"].as_str().unwrap().ends_with("/xargs"));
}

/// Empties the screen, so that what is looked for next is not what was there before.
fn clear(window: &Window<'_>) {
    window.run("clear");
    until("the screen is empty", || window.screen().trim() == "#");
}

#[test]
fn a_lock_takes_the_question_away_and_forgets_every_yes() {
    needs!("tmux");
    let home = home("access = \"ask\"");
    let window = Window::open(&home, "window");
    window.run(&format!("{ROLECALL} get prod > /dev/null; echo first $?"));
    until("it is asked", || window.shows("[y/N]"));
    assert!(home.run(["lock"]).status.success());
    until("the question is gone", || window.shows("first 4"));
    assert!(window.shows("no longer asked") && window.shows("rolecall was locked"), "{}", window.screen());
    home.open_vault();
    clear(&window);
    window.run(&format!("{ROLECALL} get prod > /dev/null; echo second $?"));
    until("it is asked anew", || window.shows("[y/N]"));
    window.run("yes");
    until("it is served", || window.shows("second 0"));
    home.run(["lock"]);
    home.open_vault();
    clear(&window);
    window.run(&format!("{ROLECALL} get prod > /dev/null; echo third $?"));
    until("a yes from before the lock is none", || window.shows("[y/N]"));
    window.tmux(&["send-keys", "-t", "window", "C-c"]);
    until("it is cancelled", || window.shows("third 4"));
}

#[test]
fn without_anybody_to_ask_the_answer_is_quick_and_status_says_what_is_wanted() {
    let home = home("access = \"ask\"");
    let output = home.command("setsid").args(["-w", ROLECALL, "get", "prod"]).output().unwrap();
    assert_eq!(output.status.code(), Some(4), "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("needs a person's consent to use `prod`, and nobody could be asked"));
    let status = home.status();
    assert_eq!((&status["questions"][0]["kind"], &status["questions"][0]["open"]), (&"consent".into(), &false.into()));
    assert!(text(&home.run(["status"]).stdout).contains("wanted: consent for"));
}

#[test]
fn a_job_behind_the_prompt_is_not_asked_and_not_stopped() {
    needs!("tmux");
    let home = home("access = \"ask\"");
    let window = Window::open(&home, "window");
    window.run(&format!("set -m; {ROLECALL} get prod & wait $!; echo job $?"));
    until("it has ended", || window.shows("job 4"));
    assert!(window.shows("nobody could be asked"), "{}", window.screen());
}

#[test]
fn a_yes_for_one_program_is_none_for_another_in_the_same_terminal() {
    needs!("tmux");
    let home = home("access = \"ask\"");
    let window = Window::open(&home, "window");
    let by_xargs = |name: &str| {
        window.run(&format!("echo 1 | xargs -n 1 sh -c '{ROLECALL} get prod > /dev/null'; echo {name} $?"));
    };
    by_xargs("first");
    until("it is asked", || window.shows("xargs wants `prod`"));
    window.run("y");
    until("it is served", || window.shows("first 0"));
    clear(&window);
    window.run(&format!("timeout --foreground 600 {ROLECALL} get prod; echo other $?"));
    until("the other program is asked for", || window.shows("timeout wants `prod`"));
    window.run("n");
    until("it is refused", || window.shows("other 4"));
    clear(&window);
    by_xargs("again");
    until("the yes holds for who got it", || window.shows("again 0"));
    assert!(!window.shows("wants `prod`"), "{}", window.screen());
    home.run(["agent", "stop"]);
    let results: Vec<Value> = home.events("consent").iter().map(|line| line["result"].clone()).collect();
    assert_eq!(results, ["ok", "refused"]);
}

#[test]
fn a_question_ends_with_its_terminal_and_another_terminal_is_asked_its_own() {
    needs!("tmux");
    let home = home("access = \"ask\"");
    let first = Window::open(&home, "first");
    first.run(&format!("{ROLECALL} get prod"));
    until("it is asked", || first.shows("[y/N]"));
    let second = Window::open(&home, "second");
    second.run(&format!("{ROLECALL} get prod > /dev/null; echo second $?"));
    until("the second is asked as well, as a yes in the first would be none here", || second.shows("[y/N]"));
    drop(first);
    until("one question is open still, and it is the second's", || {
        let questions = home.status()["questions"].clone();
        questions.as_array().unwrap().iter().filter(|question| question["open"] == true).count() == 1
    });
    second.run("y");
    until("it is served", || second.shows("second 0"));
    assert_eq!(home.aws.count("AssumeRole"), 1);
}

#[test]
fn a_caller_that_is_killed_passes_the_question_on_to_the_next_of_its_program_and_terminal() {
    needs!("tmux");
    let home = home("access = \"ask\"");
    let window = Window::open(&home, "window");
    // Each line that it reads is a step.
    let script = format!(
        "import subprocess, sys\n\
         get = lambda: subprocess.Popen([\"{ROLECALL}\", \"get\", \"prod\"], stdout=subprocess.DEVNULL)\n\
         steps = open(\"steps\")\n\
         first = get()\nsteps.readline()\nsecond = get()\nsteps.readline()\nfirst.kill()\nsys.exit(second.wait())\n"
    );
    std::fs::write(home.path("two.py"), script).unwrap();
    window.run("mkfifo steps; python3 two.py; echo done $?");
    until("there is a way to say when", || home.path("steps").exists());
    let mut steps = std::fs::OpenOptions::new().write(true).open(home.path("steps")).unwrap();
    let mut step = |what: &[u8]| std::io::Write::write_all(&mut steps, what).unwrap();
    until("the first is asked", || window.screen().matches("[y/N]").count() == 1);
    step(b"start the second\n");
    until("both wait", || home.gets() == 2);
    assert_eq!(window.screen().matches("[y/N]").count(), 1, "one question: {}", window.screen());
    step(b"kill the first\n");
    until("the second is asked", || window.screen().matches("[y/N]").count() == 2);
    window.run("y");
    until("it is served", || window.shows("done 0"));
}

#[test]
fn a_window_is_as_good_as_a_terminal_and_a_yes_ends_when_its_time_is_over() {
    let dir = tempfile::tempdir().unwrap();
    let agent = {
        let agent = "[agent]\nconsent = \"30m\"\npinentry_program = ";
        let asked = format!("echo asked >> '{}/asked'; echo OK", dir.path().display());
        let program = pinentry::script(dir.path(), &asked);
        Inside::start(&format!("{agent}\"{}\"\n{TUTORIAL}access = \"ask\"\n", program.display()))
    };
    let get = || drop(agent.get_at_display("prod").expect("served"));
    let asked = || std::fs::read_to_string(dir.path().join("asked")).unwrap_or_default().lines().count();
    get();
    get();
    assert_eq!(asked(), 1);
    agent.pass(Duration::from_mins(29));
    get();
    assert_eq!(asked(), 1);
    agent.pass(Duration::from_mins(2));
    get();
    assert_eq!(asked(), 2, "thirty minutes are over");
    agent.edit(&format!("{TUTORIAL}access = \"deny\"\n")).expect("taken over");
    let denied = agent.get("prod").expect_err("the edit holds at once, whatever was said before");
    assert_eq!(denied.kind, Kind::Config);
    drop(agent.ask(Request::Lock));
}

#[test]
fn twenty_askers_without_a_person_are_turned_away_and_nothing_is_fetched() {
    let home = home("access = \"ask\"");
    let mut askers: Vec<_> = (0..20)
        .map(|_| {
            let mut command = home.command("setsid");
            command.args(["-w", ROLECALL, "get", "prod"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
        })
        .collect();
    assert!(askers.iter_mut().all(|asker| asker.wait().unwrap().code() == Some(4)));
    assert_eq!(home.aws.count("AssumeRole"), 0);
}

/// Two programs in one foreground job, as `make -j` or Terraform start them.
#[test]
fn two_questions_are_never_on_one_terminal_at_once() {
    needs!("tmux");
    let other = "access = \"ask\"\n[roles.dev]\nsource = \"auth\"\nrole_arn = \"arn:aws:iam::222222222222:role/AssumedRole\"\n\
                 role_session_name = \"dev\"\naccess = \"ask\"";
    let home = home(other);
    let window = Window::open(&home, "window");
    window.run(&format!("printf 'prod dev' | xargs -P 2 -n 1 sh -c '{ROLECALL} get $0 > $0.json; echo $0 ended $?'"));
    until("both wait", || home.gets() == 2);
    until("one of them is asked", || window.shows("[y/N]"));
    assert_eq!(window.screen().matches("[y/N]").count(), 1, "{}", window.screen());
    let first = if window.shows("wants `prod`") { "prod" } else { "dev" };
    let second = if first == "prod" { "dev" } else { "prod" };
    window.run("y");
    until("the first is served", || window.shows(&format!("{first} ended 0")));
    until("the other is asked", || window.shows(&format!("wants `{second}`")));
    window.run("n");
    until("the other is refused", || window.shows(&format!("{second} ended 4")));
    assert!(std::fs::read(home.path(&format!("{second}.json"))).unwrap().is_empty(), "a yes was for the other one");
    window.run("echo visible again");
    until("the terminal shows what is typed", || window.screen().matches("visible again").count() >= 2);
    std::fs::remove_file(home.path(&format!("{first}.json"))).unwrap();
}
