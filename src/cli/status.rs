//! `status`: what there is to say, fetched; drawn once, live, or as JSON.
//!
//! It measures nothing: times come from the agent, which has the clocks. Where no agent runs that is an answer too, not
//! a failure, and the names in the configuration are shown.
//!
//! | file | owns |
//! |---|---|
//! | `render` | the whole as lines: what is wanted and wrong, the tree, the agent |
//! | `tree` | identities and roles, each with what is left of its session |
//! | `watch`, `keys`, `signals` | the live screen: when it is drawn, what a key means, how it is left |

mod keys;
mod render;
mod signals;
pub(super) mod tree;
mod watch;

use super::args::StatusArgs;
use super::config_file::{self, Problems};
use super::line;
use super::output::{self, Failure, Screen};
use super::spinner;
use rolecall_core::domain::catalogue::Config;
use rolecall_core::domain::error::UserError;
use rolecall_ipc::client::{self, Autostart};
use rolecall_ipc::protocol::message::{Answer, Context, Request};
use rolecall_ipc::protocol::status::{IdentityStatus, RoleStatus, Status};
use rolecall_platform::paths::Paths;
use schemars::JsonSchema;
use serde::Serialize;

/// Shows the state of everything.
pub(super) fn run(paths: &Paths, args: &StatusArgs) -> Result<(), Failure> {
    if args.watch {
        return watch::run(paths);
    }
    let seen = spinner::meanwhile("waiting for the agent", || StatusInput::look(paths))?;
    if args.json {
        return output::print_json(&seen.json());
    }
    let screen = Screen::stdout();
    output::print(&line::paint(&render::lines(&seen, screen), screen))
}

/// Asks the agent for its state.
pub(super) fn fetch(paths: &Paths, autostart: Autostart) -> Result<Box<Status>, UserError> {
    match spinner::ask(paths, Request::Status, autostart)? {
        Answer::Status(status) => Ok(status),
        _ => Err(client::odd_answer()),
    }
}

/// What was found, with an agent or without.
#[derive(Debug)]
struct StatusInput {
    /// What is wrong with the configuration on disk.
    problems: Problems,
    state: StatusSource,
}

#[derive(Debug)]
enum StatusSource {
    Agent(Box<Status>),
    NoAgent(WithoutAgent),
}

/// What `status --json` prints.
#[derive(Serialize, JsonSchema)]
#[serde(untagged)]
pub(super) enum StatusView<'a> {
    /// Where an agent runs.
    Agent(&'a Status),
    /// Where none does.
    NoAgent(&'a WithoutAgent),
}

/// The same field names as in [`Status`], without what only an agent knows.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct WithoutAgent {
    /// Always `null`: none is running.
    agent: Option<()>,
    /// The file that the next one reads.
    config: String,
    /// The directory of the separate world that this is; absent in the one that every caller of the user shares.
    #[serde(skip_serializing_if = "Option::is_none")]
    world: Option<String>,
    /// What a person should know, most urgent first.
    warnings: Vec<UserError>,
    /// By name.
    identities: Vec<IdentityStatus>,
    /// By name.
    roles: Vec<RoleStatus>,
}

impl StatusInput {
    /// Looks, without starting an agent.
    fn look(paths: &Paths) -> Result<Self, UserError> {
        let state = match client::connect_running(paths)? {
            None => StatusSource::NoAgent(WithoutAgent::read(paths)),
            Some(_) => match client::ask(paths, Request::Status, Context::from_env(), Autostart::No)? {
                Answer::Status(status) => StatusSource::Agent(status),
                _ => return Err(client::odd_answer()),
            },
        };
        // What hangs the agent would hang this process as well, and the kernel may not even let it end.
        let is_hung = matches!(&state, StatusSource::Agent(status) if !status.hung_files.is_empty());
        Ok(Self { problems: if is_hung { Problems::default() } else { Problems::find(paths) }, state })
    }

    fn json(&self) -> StatusView<'_> {
        match &self.state {
            StatusSource::Agent(status) => StatusView::Agent(status),
            StatusSource::NoAgent(seen) => StatusView::NoAgent(seen),
        }
    }
}

impl WithoutAgent {
    fn read(paths: &Paths) -> Self {
        let (catalogue, warnings) = match config_file::load(paths) {
            Ok(catalogue) => (catalogue, Vec::new()),
            Err(report) => (Config::default(), vec![report]),
        };
        let (identities, roles) = (identities(&catalogue), roles(&catalogue));
        let world = paths.world.as_ref().map(|world| world.display().to_string());
        Self { agent: None, config: paths.config.display().to_string(), world, warnings, identities, roles }
    }
}

fn identities(catalogue: &Config) -> Vec<IdentityStatus> {
    let mut all: Vec<IdentityStatus> = catalogue.identities.values().map(IdentityStatus::of).collect();
    all.sort_by(|a, b| a.name.cmp(&b.name));
    all
}

fn roles(catalogue: &Config) -> Vec<RoleStatus> {
    let mut all: Vec<RoleStatus> = catalogue.roles.values().map(RoleStatus::of).collect();
    all.sort_by(|a, b| a.name.cmp(&b.name));
    all
}
