//! `complete-names`: which names fit where the cursor is.
//!
//! Where a name can stand is read off the command line's own definition, so that a new command with a NAME is completed
//! without a word here. Asks the agent that runs, if one does, and starts none: a Tab is no reason to.

use crate::args::NamesArgs;
use crate::output::{self, Failure};
use crate::usage;
use clap::{Arg, Command};
use rolecall_core::domain::error::Kind;
use rolecall_ipc::client::{QuickReply, ask_briefly};
use rolecall_ipc::protocol::message::{Answer, Request};
use rolecall_platform::paths::Paths;
use std::time::Duration;

/// How long a Tab may take.
const DEADLINE: Duration = Duration::from_millis(500);

/// Prints the names; ends with an error, and silently, where no name is wanted.
pub(crate) fn run(args: &NamesArgs) -> Result<(), Failure> {
    let words: Option<Vec<&str>> = args.words.iter().map(|word| word.to_str()).collect();
    let Some((before, start)) = words.and_then(|words| wanted(&usage::command(), &words)) else {
        return Err(Failure::Told(Kind::Failed));
    };
    let QuickReply::Answer(Answer::Names { names }) = ask_briefly(&Paths::from_env()?, Request::Names, DEADLINE) else {
        return Ok(());
    };
    let mut out = String::new();
    for name in names.iter().filter(|name| name.starts_with(&start)) {
        out.push_str(&before);
        out.push_str(name);
        out.push('\n');
    }
    output::print_data(&out)
}

/// Gives what is typed of the name at the cursor, in the last of these words, and what stands in the word before it;
/// nothing where no name is wanted.
fn wanted(command: &Command, words: &[&str]) -> Option<(String, String)> {
    let (at_cursor, before) = words.split_last()?;
    let mut command = command;
    let mut places = 0;
    let mut option: Option<&Arg> = None;
    let mut only_places = false;
    let mut makes_a_name = false;
    for word in before {
        if option.take().is_some() {
        } else if only_places {
            places += 1;
        } else if *word == "--" {
            only_places = true;
        } else if word.len() > 1 && word.starts_with('-') {
            option = found(command, word).filter(|arg| arg.get_action().takes_values());
        } else if let Some(sub) = command.find_subcommand(word).filter(|_| places == 0) {
            // What makes a name wants a new one.
            makes_a_name = sub.get_name() == "add";
            command = sub;
        } else {
            places += 1;
        }
    }
    let arg = match option {
        Some(option) => option,
        None if at_cursor.starts_with('-') && !only_places => return None,
        None if makes_a_name => return None,
        None => command.get_positionals().nth(places)?,
    };
    // Of a list, the last one is at the cursor.
    let start = arg.get_value_delimiter().and_then(|comma| at_cursor.rfind(comma)).map_or(0, |at| at + 1);
    is_name(arg).then(|| (at_cursor[..start].to_owned(), at_cursor[start..].to_owned()))
}

/// Finds the option that a word is, if its value is the next word.
fn found<'a>(command: &'a Command, word: &str) -> Option<&'a Arg> {
    command.get_arguments().find(|arg| match word.strip_prefix("--") {
        Some(long) => arg.get_long() == Some(long),
        None => arg.get_short().is_some_and(|short| word.ends_with(short)),
    })
}

fn is_name(arg: &Arg) -> bool {
    match arg.get_value_names() {
        Some([name]) => name == "NAME" || name == "NAME,NAME",
        _ => arg.get_id() == "name" && arg.get_action().takes_values(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(line: &str) -> Option<String> {
        wanted(&usage::command(), &line.split(' ').collect::<Vec<&str>>()).map(|(before, start)| {
            assert!(before.is_empty() || before.ends_with(','), "{before}");
            start
        })
    }

    #[test]
    fn a_name_is_wanted_where_a_command_takes_one() {
        for line in
            ["get ", "env ", "exec ", "exec --static ", "shell ", "imds ", "imds --port 1 ", "unlock ", "role show "]
        {
            assert_eq!(at(line).as_deref(), Some(""), "{line}");
        }
        assert_eq!(at("get pr").as_deref(), Some("pr"));
        assert_eq!(at("exec -- pr").as_deref(), Some("pr"));
        assert_eq!(at("env --format fish pr").as_deref(), Some("pr"));
        assert_eq!(at("identity rotate a").as_deref(), Some("a"));
        assert_eq!(at("role add n --source a").as_deref(), Some("a"));
        assert_eq!(at("agent socket add vm --roles dev,pr").as_deref(), Some("pr"));
    }

    #[test]
    fn no_name_is_wanted_anywhere_else() {
        for line in [
            "",
            "g",
            "get prod ",
            "get -",
            "exec prod ",
            "exec prod -- pr",
            "role ",
            "role add n",
            "status ",
            "man --dir ",
        ] {
            assert_eq!(at(line), None, "{line}");
        }
    }
}
