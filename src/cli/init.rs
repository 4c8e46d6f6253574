//! `init` without a shell: the first steps, one question after the other.
//!
//! Each step is a command of rolecall's own, shown as it would be typed and run as it would be run: what is done here
//! can be done without it. Answers that make sense are there already; the end of the input is never a yes.

use super::output::{self, Failure, Screen, Style, count};
use super::overview::Standing;
use super::{config_file, confirm, run_words};
use rolecall_core::domain::arn::RoleArn;
use rolecall_core::domain::error::{Kind, UserError, printable};
use rolecall_core::domain::names::Name;
use rolecall_ipc::client;
use rolecall_ipc::protocol::message::Context;
use rolecall_ipc::protocol::process_output;
use rolecall_platform::paths::Paths;

/// How often a value that does not fit is asked for.
const TRIES: usize = 3;

/// Leads through the first steps.
pub(super) fn run(paths: &Paths) -> Result<(), Failure> {
    let standing = Standing::new(paths);
    if let Err(report) = standing.catalogue {
        return Err(report.into());
    }
    if !confirm::is_possible() {
        return Err(nobody(&standing).into());
    }
    output::print(&format!("{}\n", standing.text(paths, Screen::stdout())))?;
    let (roles, keys) = standing.foreign();
    if roles + keys > 0 {
        let what = format!(
            "Take over {} and {}? Each change is shown first.",
            count(roles, "role profile"),
            count(keys, "access key")
        );
        if confirm::agree(&what)? {
            step(&["import"])?;
        }
    }
    if config_file::load(paths)?.identities.is_empty() && !identity(paths, &standing)? {
        return Ok(());
    }
    if config_file::load(paths)?.roles.is_empty() && !role(paths)? {
        return Ok(());
    }
    let now = Standing::new(paths);
    let number = now.catalogue.as_ref().map_or(0, |catalogue| catalogue.roles.len());
    if now.found.as_ref().is_ok_and(|found| found.managed < number)
        && confirm::agree(&format!(
            "Write profiles for {} into {}?",
            count(number, "role"),
            config_file::shown(&paths.aws_config)
        ))?
    {
        step(&["profiles", "sync"])?;
    }
    try_one(paths)
}

/// Says what there is and which commands do it, where nobody can be asked.
fn nobody(standing: &Standing) -> UserError {
    let (roles, keys) = standing.foreign();
    let found = format!("{} and {} of other tools", count(roles, "role profile"), count(keys, "access key"));
    let commands = if roles + keys > 0 {
        "`rolecall import --dry-run`, then `rolecall import --yes`"
    } else if standing.is_new() {
        "`rolecall identity add auth`, `rolecall role add NAME --source auth --role-arn ARN`, `rolecall profiles sync`"
    } else {
        "`rolecall role add NAME --source IDENTITY --role-arn ARN`, `rolecall profiles sync`"
    };
    UserError::new(Kind::Usage, format!("init asks on a terminal, and there is none; the AWS files have {found}"))
        .hint(format!("run the steps yourself: {commands}; `rolecall init SHELL` prints what a shell reads"))
}

/// Shows a command and runs it.
fn step(words: &[&str]) -> Result<(), Failure> {
    let typed = printable(&words.join(" "), 1024);
    output::print(&Screen::stdout().paint(Style::Dim, &format!("\n$ rolecall {typed}")))?;
    output::print("\n")?;
    run_words(words)?;
    output::print("\n")
}

/// Stores a key; tells whether there is an identity now.
fn identity(paths: &Paths, standing: &Standing) -> Result<bool, Failure> {
    if !confirm::agree("Do you have an access key of an IAM user that may assume roles?")? {
        let profiles = standing.found.as_ref().map(|found| found.profiles.as_slice()).unwrap_or_default();
        let auth = profiles.first().map_or("PROFILE", String::as_str);
        let workload = profiles.get(1).map_or("PROFILE", String::as_str);
        let seen = if profiles.is_empty() {
            String::new()
        } else {
            format!("\nprofiles that are there: {}", printable(&profiles.join(", "), 512))
        };
        output::print(&format!(
            "With an admin profile in each account, this makes user, key and role, and shows all of it first:\n  \
             rolecall setup plan --auth-profile {} --workload-profile {} --user NAME --role NAME{seen}\n",
            printable(auth, 128),
            printable(workload, 128)
        ))?;
        return Ok(false);
    }
    let name = name("What to call it", "auth")?;
    step(&["identity", "add", &name])?;
    Ok(!config_file::load(paths)?.identities.is_empty())
}

/// Adds a role; tells whether there is one now.
fn role(paths: &Paths) -> Result<bool, Failure> {
    let catalogue = config_file::load(paths)?;
    let mut identities: Vec<&str> = catalogue.identities.keys().map(Name::as_str).collect();
    identities.sort_unstable();
    for _ in 0..TRIES {
        let arn = confirm::visible("ARN of a role that it may assume, or nothing to stop here: ")?;
        let arn = arn.trim();
        if arn.is_empty() {
            output::print("later: `rolecall role add NAME --source IDENTITY --role-arn ARN`\n")?;
            return Ok(false);
        }
        match RoleArn::new(arn) {
            Ok(known) => {
                let own =
                    Name::new(&known.name().to_lowercase()).ok().filter(|name| !identities.contains(&name.as_str()));
                let name = name("What to call it", own.as_ref().map_or("prod", Name::as_str))?;
                let source = identities.first().copied().unwrap_or("auth");
                step(&["role", "add", &name, "--source", source, "--role-arn", arn])?;
                return Ok(true);
            }
            Err(why) => output::print(&format!("that is not one: {why}\n"))?,
        }
    }
    Err(UserError::new(Kind::Usage, "no role's ARN was given")
        .hint("it looks like arn:aws:iam::222222222222:role/Name")
        .into())
}

/// Asks for a name; nothing is the one that is proposed.
fn name(question: &str, proposed: &str) -> Result<String, Failure> {
    for _ in 0..TRIES {
        let typed = confirm::visible(&format!("{question} [{proposed}]: "))?;
        let typed = if typed.trim().is_empty() { proposed } else { typed.trim() };
        match Name::new(typed) {
            Ok(name) => return Ok(name.to_string()),
            Err(why) => output::print(&format!("{why}\n"))?,
        }
    }
    Err(UserError::new(Kind::Usage, "no name was given").hint("run `rolecall init` again").into())
}

/// Gets a session of one role, and says how to go on.
fn try_one(paths: &Paths) -> Result<(), Failure> {
    let catalogue = config_file::load(paths)?;
    let mut roles: Vec<&str> = catalogue.roles.keys().map(Name::as_str).collect();
    roles.sort_unstable();
    let Some(role) = roles.first() else { return Ok(()) };
    if confirm::agree(&format!("Try the role {role} now?"))? {
        let line = client::get(paths, role, Context::from_env())
            .map_err(|report| UserError { message: format!("{role}: {}", report.message), ..report })?;
        let until = process_output::parse(&line)
            .map(|session| format!(" until {}", process_output::timestamp(session.expiration)));
        output::print(&format!("{role} works: AWS gave a session{}\n", until.unwrap_or_default()))?;
    }
    output::print(&format!(
        "\nfrom now on: `aws sts get-caller-identity --profile {role}`, or `rolecall exec {role} -- CMD`\n\
         for your shell: `rolecall init --help`\n"
    ))
}
