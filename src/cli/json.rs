//! The schemas of what `--json` prints, made from the types that are printed.
//!
//! The copies in `docs/json/` are what scripts are written against; a test holds them to these, and every command that has
//! `--json` to one of them. Nothing here is part of a run.

use super::{doctor, identity, import, profiles, role, setup, status};
use rolecall_ipc::protocol::status::{KeyStatus, Rotated, SocketStatus};
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::Value;

/// Gives the schema of each command's output, but for the log, whose lines are the agent's.
pub fn json_schemas() -> Vec<(&'static str, Value)> {
    vec![
        ("agent socket list", of::<Vec<SocketStatus>>("agent socket list")),
        ("doctor", of::<doctor::DoctorView>("doctor")),
        ("identity list", of::<Vec<KeyStatus>>("identity list")),
        ("identity rotate", of::<Rotated>("identity rotate")),
        ("identity show", of::<identity::IdentityView<'_>>("identity show")),
        ("import", of::<import::ImportView>("import")),
        ("profiles diff", of::<profiles::ProfilesView<'_>>("profiles diff")),
        ("profiles sync", of::<profiles::ProfilesView<'_>>("profiles sync")),
        ("role list", of::<Vec<role::RoleView<'_>>>("role list")),
        ("role show", of::<role::RoleDetails<'_>>("role show")),
        ("roles", of::<Vec<role::RoleView<'_>>>("roles")),
        ("setup apply", of::<setup::apply::AppliedView>("setup apply")),
        ("setup destroy", of::<setup::destroy::DestroyedView>("setup destroy")),
        ("setup plan", of::<setup::plan::PlanView>("setup plan")),
        ("status", of::<status::StatusView<'_>>("status")),
    ]
}

/// Gives the command line, for a look at which commands there are.
pub fn command_line() -> clap::Command {
    super::usage::command()
}

fn of<T: JsonSchema>(command: &str) -> Value {
    let mut schema = SchemaSettings::draft2020_12().for_serialize().into_generator().into_root_schema_for::<T>();
    schema.insert("title".to_owned(), format!("rolecall {command} --json").into());
    schema.to_value()
}
