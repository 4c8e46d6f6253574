//! `console` and `switch-link`: the AWS console, signed in to by a role's session or asked to switch to a role.
//!
//! The address that signs in is a secret. It goes to stdout where it was asked for; else the browser gets one of this
//! machine that leads there once, from the agent, as a browser's command line is no place for a secret.

use super::args::{ConsoleArgs, SwitchLinkArgs};
use super::browser::Browser;
use super::config_file;
use super::output::{self, Failure, complain_text, secret_buffer, span};
use rolecall_core::config::parse_duration;
use rolecall_core::domain::arn::Partition;
use rolecall_core::domain::console::page;
use rolecall_core::domain::error::{Kind, UserError};
use rolecall_core::domain::names::Name;
use rolecall_core::domain::switch_role;
use rolecall_ipc::client::{self, Autostart};
use rolecall_ipc::protocol::message::{Answer, Context, Request};
use rolecall_platform::paths::Paths;
use std::io::{self, IsTerminal};

/// Signs the browser in, or prints the address that does.
pub(super) fn run(paths: &Paths, args: &ConsoleArgs) -> Result<(), Failure> {
    // Before anybody types a code for it.
    let browser = if args.print { None } else { Some(Browser::find()?) };
    let request = Request::Console {
        name: args.name.clone(),
        destination: destination(paths, args)?,
        duration_seconds: args.duration.as_deref().map(seconds).transpose()?,
        by_browser: browser.is_some(),
    };
    let Answer::Console { url, valid_seconds } = client::ask(paths, request, Context::from_env(), Autostart::Yes)?
    else {
        return Err(client::odd_answer().into());
    };
    if let Some(browser) = browser {
        // What leads to a secret once is none itself.
        browser.open(url.expose())?;
        return output::print(&format!("opening the console as {} in the browser\n", args.name));
    }
    let mut line = secret_buffer(url.expose().len() + 1);
    line.push_str(url.expose());
    line.push('\n');
    output::print(&line)?;
    if io::stderr().is_terminal() {
        complain_text(&format!("valid for {}; whoever opens it is signed in as {}\n", span(valid_seconds), args.name));
    }
    Ok(())
}

/// Makes the page to land on, where the person said anything of it.
fn destination(paths: &Paths, args: &ConsoleArgs) -> Result<Option<String>, UserError> {
    if args.service.is_none() && args.region.is_none() {
        return Ok(args.destination.clone());
    }
    let catalogue = config_file::load(paths)?;
    let partition = catalogue.roles.get(args.name.as_str()).map(|role| role.role_arn.partition());
    let own = config_file::region_in(&catalogue, &args.name);
    let own = own.or_else(|| partition.map(|partition| partition.default_region().to_owned()));
    let region = args.region.as_deref().or(own.as_deref()).unwrap_or(Partition::Aws.default_region());
    if let Some(partition) = partition.filter(|partition| Partition::of_region(region) != *partition) {
        return Err(UserError::new(
            Kind::Usage,
            format!("{region} is not a region of partition {}, where the role is", partition.id()),
        )
        .hint(format!("give `--region` as {}, or leave it out", partition.default_region())));
    }
    page(region, args.service.as_deref()).map(Some)
}

fn seconds(text: &str) -> Result<u32, UserError> {
    let refuse =
        |why: &str| UserError::new(Kind::Usage, format!("`--duration`: {why}")).hint("give it as 15m, 1h or 12h");
    let duration = parse_duration(text).map_err(refuse)?;
    u32::try_from(duration.as_secs()).map_err(|_| refuse("a session of the console lasts 15m to 12h"))
}

/// Prints the link by which the console switches to a role.
pub(super) fn switch_link(paths: &Paths, args: &SwitchLinkArgs) -> Result<(), Failure> {
    let catalogue = config_file::load(paths)?;
    let name = args.name.as_str();
    let Some(role) = catalogue.roles.get(name) else {
        if catalogue.identities.contains_key(name) {
            let why = format!("`{name}` is an identity: people sign in as it and switch to roles");
            return Err(UserError::new(Kind::Config, why).hint("name a role; `rolecall role list` shows them").into());
        }
        return Err(config_file::unknown("role", name, catalogue.roles.keys().map(Name::as_str)).into());
    };
    let link = switch_role::link(&catalogue, role)?;
    output::print(&format!("{link}\n"))?;
    if io::stderr().is_terminal() {
        let with_mfa = match catalogue.identities.get(&role.source).and_then(|identity| identity.device(role)) {
            Some(serial) => format!(", with a code of {}: the console takes none when it switches", serial.as_str()),
            None => String::new(),
        };
        complain_text(&format!("open it where you are signed in as {}{with_mfa}\n", role.source));
    }
    Ok(())
}
