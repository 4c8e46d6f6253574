//! `exec`, `shell` and `imds`: programs in a role, with credentials that refresh themselves.
//!
//! `imds` prints the address of an endpoint for programs that others start. `exec` and `shell` make the environment of a
//! program and become it, so that nothing of rolecall is left running, and the agent sees the program itself as the owner of
//! the endpoint. `variables` decides on the environment, `program` finds the file.

mod program;
pub(super) mod variables;

use super::args::{ExecArgs, ImdsArgs, SubshellArgs, WayArgs};
use super::config_file;
use super::environment::var;
use super::output::{self, Failure, complain_text};
use super::shells::BACK;
use program::Program;
use rolecall_awsfiles::default_profile::{DefaultProfile, standing};
use rolecall_awsfiles::file_io;
use rolecall_core::domain::error::{Kind, UserError, printable};
use rolecall_core::domain::names::Name;
use rolecall_ipc::client;
use rolecall_ipc::protocol::message::{Context, EndpointForm, EndpointOwner};
use rolecall_ipc::protocol::process_output;
use rolecall_platform::paths::Paths;
use rolecall_platform::reach;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{self, IsTerminal};
use std::path::Path;
use std::thread;
use std::time::Duration;
use variables::{Change, CredentialRoute, ROLE, Role};
use zeroize::Zeroizing;

/// The shell of somebody who has not said which.
const SHELL: &str = "/bin/sh";

/// How often `imds` checks that the agent still runs.
const LOOK_AGAIN: Duration = Duration::from_secs(2);

/// Becomes a command.
pub(super) fn exec(paths: &Paths, args: &ExecArgs) -> Result<(), Failure> {
    let [called, rest @ ..] = args.command.as_slice() else {
        return Err(UserError::new(Kind::Usage, "no command was given").hint("run `rolecall exec --help`").into());
    };
    let program = Program::find(called, search().as_deref()).map_err(|unfit| unfit.tell(&args.name))?;
    let instead = format!("rolecall exec --static {} -- CMD", args.name);
    let changes = of_a_program(paths, &args.name, args.way, &instead)?;
    if args.way.imds {
        complain_text(&imds_warning(&args.name));
    }
    Err(program.run(rest, &changes).tell(&args.name))
}

/// Becomes a shell.
pub(super) fn shell(paths: &Paths, args: &SubshellArgs) -> Result<(), Failure> {
    let file = var("SHELL").unwrap_or_else(|| SHELL.to_owned());
    let program = Program::find(OsStr::new(&file), search().as_deref()).map_err(|unfit| unfit.tell(&args.name))?;
    let outer = role_of_this_shell();
    let instead = format!("rolecall shell --static {}", args.name);
    let changes = of_a_program(paths, &args.name, args.way, &instead)?;
    if args.way.imds {
        complain_text(&imds_warning(&args.name));
    }
    // On success nothing is written to stderr that a program could take for a failure; a person wants to know.
    if io::stdin().is_terminal() && io::stderr().is_terminal() {
        complain_text(&where_one_is(&args.name, outer.as_ref().map(Name::as_str)));
    }
    Err(program.called_by_its_name().run(&[], &changes).tell(&args.name))
}

/// Serves a role as an instance metadata service until this process is interrupted.
pub(super) fn imds(paths: &Paths, args: &ImdsArgs) -> Result<(), Failure> {
    let (url, _, region) = client::endpoint(paths, &args.name, EndpointForm::Imds, EndpointOwner::Caller, args.port)?;
    complain_text(&imds_warning(&args.name));
    output::print(&imds_text(&args.name, url.trim_end_matches('/'), region.as_deref()))?;
    let mut was_there = true;
    loop {
        thread::sleep(LOOK_AGAIN);
        // One that a person has stopped is not started again behind their back.
        let is_there = matches!(client::connect_running(paths), Ok(Some(_)));
        if was_there && !is_there {
            complain_text(
                "rolecall: the agent has ended, and nothing is served\nhint: run `rolecall agent start`; then this goes on\n",
            );
        }
        was_there = is_there;
    }
}

/// Says what the protocol of instance metadata lacks.
fn imds_warning(name: &str) -> String {
    let name = printable(name, 128);
    format!(
        "rolecall: {name}: a metadata service knows no secret: every program of yours that finds its port is served\n\
         hint: `rolecall exec {name} -- CMD` has a token; use this only for tools that know nothing else\n"
    )
}

fn imds_text(name: &str, url: &str, region: Option<&str>) -> String {
    let region = region.map(|region| format!("export AWS_REGION={region} AWS_DEFAULT_REGION={region}\n"));
    format!(
        "# {name} is served at {url} until this command ends. For the tools in another shell:\n\
         unset AWS_PROFILE AWS_DEFAULT_PROFILE AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY AWS_SESSION_TOKEN\n\
         unset AWS_CONTAINER_CREDENTIALS_FULL_URI AWS_CONTAINER_CREDENTIALS_RELATIVE_URI AWS_WEB_IDENTITY_TOKEN_FILE\n\
         unset AWS_EC2_METADATA_DISABLED\n\
         export AWS_EC2_METADATA_SERVICE_ENDPOINT={url} AWS_METADATA_ENDPOINT={url} AWS_EC2_METADATA_V1_DISABLED=true\n{}",
        region.unwrap_or_default()
    )
}

/// Gives the role that this shell is in, as far as its environment says so.
pub(super) fn role_of_this_shell() -> Option<Name> {
    // Whatever else stands there is shown to nobody: it goes to terminals and into prompts.
    Name::new(&var(ROLE)?).ok()
}

/// Gives what becomes of the environment of a program that takes our place.
fn of_a_program(paths: &Paths, name: &str, way: WayArgs, instead: &str) -> Result<Vec<Change>, UserError> {
    let mut changes = changes(paths, name, way, EndpointOwner::Caller, instead)?;
    // Not among those that a shell puts back: it is what it puts them back by.
    changes.push((BACK, None));
    Ok(changes)
}

/// Asks the agent for a role's credentials and gives what becomes of the environment; `instead` is what works where a
/// `[default]` is in the way.
pub(super) fn changes(
    paths: &Paths,
    name: &str,
    way: WayArgs,
    owner: EndpointOwner,
    instead: &str,
) -> Result<Vec<Change>, UserError> {
    if way.fixed {
        let line = client::get(paths, name, Context::from_env())?;
        let session = process_output::parse(&line).ok_or_else(client::odd_answer)?;
        let region = config_file::region_of(paths, name);
        return Ok(variables::plan(
            &Role { name, way: CredentialRoute::Static(&session), region: region.as_deref(), profile: None },
            var,
        ));
    }
    // Before the agent is asked: nobody types an MFA code for what cannot work.
    let profile = profile_instead_of_default(paths, name, instead)?;
    let form = if way.imds { EndpointForm::Imds } else { EndpointForm::Container };
    let (url, token, region) = client::endpoint(paths, name, form, owner, None)?;
    let way = match (&token, form) {
        (Some(token), EndpointForm::Container) => CredentialRoute::Container { url: &url, token },
        (None, EndpointForm::Imds) => CredentialRoute::Imds(&url),
        _ => return Err(client::odd_answer()),
    };
    Ok(variables::plan(
        &Role { name, way, region: region.as_deref(), profile: profile.as_ref().map(Name::as_str) },
        var,
    ))
}

/// Finds the profile that stands in for a `[default]` which every SDK would take before an endpoint; nothing where there
/// is no such `[default]`.
fn profile_instead_of_default(paths: &Paths, name: &str, instead: &str) -> Result<Option<Name>, UserError> {
    // What is no name is nobody's; the agent has the words for that.
    let Ok(name) = Name::new(name) else { return Ok(None) };
    let (config, credentials) = (read(&paths.aws_config, instead)?, read(&paths.aws_credentials, instead)?);
    match standing((&paths.aws_config, &config), (&paths.aws_credentials, &credentials), &name) {
        DefaultProfile::Free => Ok(None),
        DefaultProfile::ByProfile(name) => Ok(Some(name)),
        DefaultProfile::InTheWay(at) => Err(UserError::new(
            Kind::Config,
            format!("{at}: [default] gives credentials, which every SDK takes before those of {name}"),
        )
        .hint(format!("give {name} a profile, which comes first: `rolecall profiles sync`; or run `{instead}`"))),
    }
}

/// Reads a file of AWS's. One that we do not read, as a pipe or one that is too large, SDKs may: nobody knows who a program
/// would be then.
fn read(file: &Path, instead: &str) -> Result<Zeroizing<Vec<u8>>, UserError> {
    reach::ensure_answers(file)?;
    // The way to have none, which every tool reads as empty.
    if fs::canonicalize(file).is_ok_and(|file| file == Path::new("/dev/null")) {
        return Ok(Zeroizing::default());
    }
    file_io::read(file)
        .map_err(|report| UserError { kind: Kind::Config, ..report }.with_note(&format!("or run `{instead}`")))
}

#[expect(clippy::disallowed_methods, reason = "where commands are looked for, as every shell does")]
fn search() -> Option<OsString> {
    std::env::var_os("PATH")
}

fn where_one_is(name: &str, outer: Option<&str>) -> String {
    match outer {
        Some(outer) => format!("in `{name}`, inside `{outer}`; `exit` goes back to `{outer}`\n"),
        None => format!("in `{name}`; `exit` goes back\n"),
    }
}
