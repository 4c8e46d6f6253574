//! What a `credential_process` asks for: rolecall, a tool whose keys can be taken over, or some other program.
//!
//! The forms are those of the tools' own documents: `aws-vault export --format=json NAME` and `aws-vault exec NAME --json`
//! (ByteNess/aws-vault, docs/credential-process.md), `granted credential-process --profile NAME` (common-fate/granted,
//! pkg/granted/credentials.go; `dgranted` is its development build).

use rolecall_core::domain::source::ForeignTool;

/// Who is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Command {
    /// rolecall, for this name.
    Own(String),
    /// Another tool, for a profile of its own.
    Tool(ForeignTool, String),
    /// Some other program, with its arguments.
    Other(Vec<String>),
    /// What only a shell understands.
    Shell,
}

/// The flags of aws-vault that take a value, by which a value is told from the profile.
const AWS_VAULT_VALUES: [&str; 10] = [
    "--backend",
    "--prompt",
    "--duration",
    "-d",
    "--region",
    "--mfa-token",
    "-t",
    "--format",
    "--keychain",
    "--file-dir",
];

/// Reads a command.
pub(super) fn read(text: &str) -> Command {
    let Some(words) = split(text) else { return Command::Shell };
    let Some((program, arguments)) = words.split_first() else { return Command::Shell };
    let base = program.rsplit('/').next().unwrap_or(program);
    let name = match base {
        "rolecall" => match arguments {
            [get, name] if get == "get" => return Command::Own(name.clone()),
            _ => None,
        },
        "aws-vault" => aws_vault(arguments).map(|name| (ForeignTool::AwsVault, name)),
        "granted" | "dgranted" => granted(arguments).map(|name| (ForeignTool::Granted, name)),
        _ => None,
    };
    match name {
        Some((tool, name)) => Command::Tool(tool, name),
        None => Command::Other(words),
    }
}

fn aws_vault(arguments: &[String]) -> Option<String> {
    let mut rest = arguments.iter();
    let mut is_asked = false;
    let mut name = None;
    while let Some(word) = rest.next() {
        if word.starts_with('-') {
            if AWS_VAULT_VALUES.contains(&word.as_str()) {
                rest.next();
            }
        } else if !is_asked {
            if !matches!(word.as_str(), "exec" | "export") {
                return None;
            }
            is_asked = true;
        } else if name.replace(word.clone()).is_some() {
            // A command of its own after the profile.
            return None;
        }
    }
    name
}

fn granted(arguments: &[String]) -> Option<String> {
    let (first, rest) = arguments.split_first()?;
    if first != "credential-process" && first != "credentials-process" {
        return None;
    }
    let mut rest = rest.iter();
    while let Some(word) = rest.next() {
        if let Some(name) = word.strip_prefix("--profile=") {
            return Some(name.to_owned());
        }
        if word == "--profile" {
            return rest.next().cloned();
        }
    }
    None
}

/// Splits a command into words as all SDKs do; `None` where they would not agree, or a shell would do more than split.
fn split(text: &str) -> Option<Vec<String>> {
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
    for c in text.chars() {
        match (quote, c) {
            (_, '\\' | '`' | '$' | '\n')
            | (None, '|' | '&' | ';' | '<' | '>' | '(' | ')' | '*' | '?' | '~' | '#' | '%') => return None,
            (Some(open), c) if c == open => quote = None,
            (None, '"' | '\'') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, ' ' | '\t') => words.extend(word.take()),
            (_, c) => word.get_or_insert_default().push(c),
        }
    }
    if quote.is_some() {
        return None;
    }
    words.extend(word);
    Some(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_tool_is_known_by_the_forms_of_its_documents() {
        let vault = |name: &str| Command::Tool(ForeignTool::AwsVault, name.to_owned());
        let granted = |name: &str| Command::Tool(ForeignTool::Granted, name.to_owned());
        for (text, command) in [
            ("aws-vault export --format=json prod", vault("prod")),
            ("aws-vault export --format json prod", vault("prod")),
            ("/usr/bin/aws-vault exec prod --json", vault("prod")),
            ("aws-vault --prompt osascript exec -d 8h --no-session -j prod", vault("prod")),
            ("granted credential-process --profile prod", granted("prod")),
            ("dgranted credential-process --auto-login --profile=prod", granted("prod")),
            ("\"/opt/a b/rolecall\" get prod", Command::Own("prod".into())),
            ("/bin/own --x y", Command::Other(vec!["/bin/own".into(), "--x".into(), "y".into()])),
            (
                "aws-vault exec prod -- env",
                Command::Other(["aws-vault", "exec", "prod", "--", "env"].map(Into::into).into()),
            ),
            ("sh -c 'a | b'", Command::Other(vec!["sh".into(), "-c".into(), "a | b".into()])),
            ("a | b", Command::Shell),
            ("$HOME/bin/own", Command::Shell),
            ("'open", Command::Shell),
            ("", Command::Shell),
        ] {
            assert_eq!(read(text), command, "{text}");
        }
    }
}
