//! Help, and the refusal of a command line, in the form that all refusals have.
//!
//! clap finds the mistake and its words; the shape is ours, so that a script that reads `rolecall: cause` and `hint:`
//! need not know a second one.

use super::args::{Cli, GROUPS};
use super::output::{self, Failure, Screen};
use clap::error::{ContextKind, ErrorKind};
use clap::{Command, CommandFactory};
use rolecall_core::domain::error::{Kind, UserError, printable};
use std::ffi::OsString;
use std::fmt::Write;

/// Gives the command line's definition, with the commands in groups.
pub(super) fn command() -> Command {
    let command = Cli::command();
    let mut list = String::new();
    for (heading, names) in GROUPS {
        let _ = writeln!(list, "\n{heading}:");
        for name in names {
            let about = command.find_subcommand(name).and_then(Command::get_about).map(ToString::to_string);
            let about = about.unwrap_or_else(|| "Print the help of a command".to_owned());
            let _ = writeln!(list, "  {name:<13}{about}");
        }
    }
    command
        .help_template(format!("{{about}}\n\n{{usage-heading}} {{usage}}\n{list}\nOptions:\n{{options}}{{after-help}}"))
}

/// Answers a command line that is not run: help and version on stdout, anything else as a refusal.
pub(super) fn answer(error: &clap::Error, typed: &[OsString]) -> Result<(), Failure> {
    let styled = error.render();
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            output::print(&if Screen::stdout().colour { styled.ansi().to_string() } else { styled.to_string() })
        }
        // Nobody asked for this help: it goes where errors go, and the exit code is that of one.
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            let colour = Screen::stderr().colour;
            output::complain_text(&if colour { styled.ansi().to_string() } else { styled.to_string() });
            Err(Failure::Told(Kind::Usage))
        }
        _ => Err(refusal(error, typed).into()),
    }
}

/// Creates the error for a rejected command line: the first paragraph of clap, with its tips as the hint.
///
/// The error of clap has the kind and the values, but its sentence only as a part of the rendered text.
fn refusal(error: &clap::Error, typed: &[OsString]) -> UserError {
    let text = error.render().to_string();
    let mut paragraphs = text.split("\n\n");
    let first = paragraphs.next().unwrap_or_default();
    let mut lines = first.lines().map(str::trim);
    let head = lines.next().unwrap_or_default();
    let details: Vec<&str> = lines.filter(|line| !line.is_empty()).collect();
    let cause = format!("{} {}", head.strip_prefix("error: ").unwrap_or(head), details.join(", "));
    let help = meant(typed);
    let tips: Vec<&str> = text.lines().filter_map(|line| line.trim_start().strip_prefix("tip: ")).collect();
    let hint = match (of_a_program(&help, error), tips.as_slice()) {
        (Some(hint), _) => format!("{hint}; or run `{help} --help`"),
        (None, []) => format!("run `{help} --help`"),
        (None, tips) => format!("{}; or run `{help} --help`", tips.join("; ").replace('\'', "`")),
    };
    // What was typed is repeated in it.
    UserError::new(Kind::Usage, printable(cause.trim(), 1024)).hint(printable(&hint, 1024))
}

/// Returns which of `exec` and `shell` was meant, or on which side of `--` an option belongs; clap knows neither.
fn of_a_program(help: &str, error: &clap::Error) -> Option<&'static str> {
    let is_superfluous = error.kind() == ErrorKind::UnknownArgument;
    let argument = error.get(ContextKind::InvalidArg).map(ToString::to_string).unwrap_or_default();
    match help {
        "rolecall exec" if argument.contains("<CMD>") => {
            Some("name a command: `rolecall exec NAME -- CMD`; a shell is opened by `rolecall shell NAME`")
        }
        "rolecall exec" if is_superfluous => Some(
            "options of rolecall stand before NAME, those of the command after `--`: `rolecall exec NAME -- CMD --option`",
        ),
        "rolecall shell" if is_superfluous && !argument.starts_with('-') => {
            Some("a command is run by `rolecall exec NAME -- CMD`")
        }
        _ => None,
    }
}

/// Gives the command as far as it was understood, as `rolecall role add`.
fn meant(typed: &[OsString]) -> String {
    let mut command = &Cli::command();
    let mut path = "rolecall".to_owned();
    for word in typed.iter().skip(1).filter_map(|word| word.to_str()) {
        let Some(sub) = command.find_subcommand(word) else { break };
        path = format!("{path} {}", sub.get_name());
        command = sub;
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(line: &str) -> UserError {
        let typed: Vec<OsString> = line.split(' ').map(OsString::from).collect();
        let error = command().try_get_matches_from(&typed).expect_err(line);
        refusal(&error, &typed)
    }

    #[test]
    fn a_wrong_command_line_is_refused_in_two_lines() {
        let report = refused("rolecall env prod --fromat sh");
        assert_eq!((report.kind, report.message.as_str()), (Kind::Usage, "unexpected argument '--fromat' found"));
        assert_eq!(report.hint.as_deref(), Some("a similar argument exists: `--format`; or run `rolecall env --help`"));

        let report = refused("rolecall role add prod");
        assert!(report.message.ends_with("not provided: --role-arn <ARN>, --source <NAME>"), "{}", report.message);
        assert_eq!(report.hint.as_deref(), Some("run `rolecall role add --help`"));

        let report = refused("rolecall stauts");
        assert!(report.hint.expect("hint").contains("`status`"));
    }

    #[test]
    fn exec_and_shell_name_each_other_and_say_where_options_stand() {
        for (line, hint) in [
            ("rolecall exec prod --region x", "those of the command after `--`"),
            ("rolecall exec prod", "`rolecall shell NAME`"),
            ("rolecall shell prod -- ls", "`rolecall exec NAME -- CMD`"),
        ] {
            let hint_of = refused(line).hint.expect("a hint");
            assert!(hint_of.contains(hint) && !hint_of.contains("-- --"), "{line}: {hint_of}");
        }
        assert!(refused("rolecall shell prod --sttic").hint.is_some_and(|hint| hint.contains("`--static`")));
    }

    #[test]
    fn what_was_typed_cannot_forge_a_line() {
        let report = refused("rolecall identity show a\u{1b}[2Jb");
        assert!(!report.message.contains('\u{1b}'), "{}", report.message);
        assert_eq!(report.hint.as_deref(), Some("run `rolecall identity show --help`"));
    }

    #[test]
    fn every_command_is_in_a_group_of_the_help() {
        let mut grouped: Vec<&str> = GROUPS.iter().flat_map(|(_, names)| names.iter().copied()).collect();
        let command = command();
        let mut known: Vec<&str> = command.get_subcommands().map(Command::get_name).chain(["help"]).collect();
        grouped.sort_unstable();
        known.sort_unstable();
        assert_eq!(grouped, known);
    }

    #[test]
    fn every_command_shows_examples() {
        fn walk(command: &Command, path: &str) {
            for sub in command.get_subcommands().filter(|s| s.get_name() != "help") {
                let path = format!("{path} {}", sub.get_name());
                let after = sub.get_after_help().map(ToString::to_string).unwrap_or_default();
                assert!(after.contains("Example"), "{path} has no example");
                assert!(sub.get_about().is_some(), "{path} does not say what it does");
                walk(sub, &path);
            }
        }
        command().debug_assert();
        walk(&command(), "rolecall");
    }

    #[test]
    fn the_commands_that_users_were_promised_parse() {
        for line in [
            "rolecall get prod",
            "rolecall env prod",
            "rolecall env prod --format powershell",
            "rolecall exec prod -- aws s3 ls --recursive",
            "rolecall exec prod aws s3 ls --recursive",
            "rolecall exec --static prod -- env",
            "rolecall exec prod --imds -- env",
            "rolecall shell prod",
            "rolecall imds prod --port 9911",
            "rolecall prompt",
            "rolecall init zsh",
            "rolecall env --unset",
            "rolecall env --clear --format fish",
            "rolecall env prod --write-file .env --yes-secrets-on-disk",
            "rolecall console prod",
            "rolecall console prod --print --service s3 --region eu-central-1 --duration 12h",
            "rolecall switch-link prod",
            "rolecall roles --json",
            "rolecall roles --aesr",
            "rolecall identity add auth --csv f.csv --mfa-serial arn:aws:iam::111111111111:mfa/r --region eu-west-1",
            "rolecall identity add here --type ec2",
            "rolecall identity list --json",
            "rolecall identity show auth",
            "rolecall identity remove auth --yes",
            "rolecall role add p --role-arn A --source s --external-id x --duration 1h --role-session-name n \
             --source-identity i --session-tag k=v --session-tag a=b --transitive-tag-key k --policy {} --policy-arn A \
             --region r --mfa direct --display-name D --color red --replace",
            "rolecall role list --json",
            "rolecall role list --aesr",
            "rolecall role show p --json",
            "rolecall role remove p",
            "rolecall setup plan --auth-profile a --workload-profile w --user u --role r --policy-arn p --identity i --name n",
            "rolecall setup plan --auth-account 1 --workload-account 2 --as terraform",
            "rolecall setup apply --auth-profile a --workload-profile w --user u --role r --policy-file f --require-mfa \
             --external-id auto --yes",
            "rolecall setup apply --auth-profile a --workload-profile w --application lambda --assuming-role x --role r --yes",
            "rolecall setup destroy --auth-profile a --workload-profile w --name n --yes --json",
            "rolecall profiles sync",
            "rolecall profiles diff --json",
            "rolecall status --json",
            "rolecall log --follow --json",
            "rolecall unlock",
            "rolecall unlock auth",
            "rolecall unlock --vault",
            "rolecall lock",
            "rolecall agent run",
            "rolecall agent start",
            "rolecall agent stop",
            "rolecall agent restart",
            "rolecall completions zsh",
            "rolecall man",
            "rolecall man --dir d",
        ] {
            let words = line.split_whitespace();
            if let Err(e) = command().try_get_matches_from(words) {
                panic!("{line}: {e}");
            }
        }
    }

    #[test]
    fn no_totp_takes_nothing_that_it_would_not_do() {
        let no_totp = ["rolecall", "identity", "add", "auth", "--no-totp"];
        assert!(command().try_get_matches_from(no_totp).is_ok());
        for more in [
            &["--rotate-after", "90d"][..],
            &["--type", "ec2"],
            &["--role-arn", "A"],
            &["--web-identity-token-file", "/run/token"],
            &["--mfa-serial", "A"],
            &["--", "/bin/login"],
        ] {
            let refused = command().try_get_matches_from(no_totp.iter().chain(more));
            assert!(refused.is_err_and(|e| e.kind() == clap::error::ErrorKind::ArgumentConflict), "{more:?}");
        }
    }

    #[test]
    fn examples_that_go_on_in_the_next_line_can_be_pasted() {
        fn walk(command: &Command) {
            let after = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            let lines: Vec<&str> = after.lines().collect();
            for pair in lines.windows(2).filter(|pair| pair[1].starts_with("    -")) {
                assert!(pair[0].ends_with(" \\"), "{}: {pair:?}", command.get_name());
            }
            command.get_subcommands().for_each(walk);
        }
        walk(&command());
        let add = command().find_subcommand("identity").and_then(|c| c.find_subcommand("add")).cloned();
        let help = add.and_then(|add| add.get_after_help().map(ToString::to_string)).unwrap_or_default();
        assert!(help.contains("/run/token \\\n    --role-arn"), "{help}");
    }
}
