//! `setup apply`: shown, consented to, made by a one-shot, written on this machine, and proven.
//!
//! The face decides what is wanted and writes config.toml and ~/.aws/config; what touches an account or the key is the
//! one-shot's. Whatever is broken off, the same command goes on.

use super::runner::{SetupRunner, account, odd};
use super::{machine, request};
use crate::args::SetupChangeArgs;
use crate::config_file::{self, Edited};
use crate::output::{self, Failure, Screen, Style, remark};
use crate::spinner::tell;
use crate::{confirm, profiles, quote, status, unlock};
use rolecall_core::config::{self, IfPresent};
use rolecall_core::domain::arn::{AccountId, MfaSerial, Partition};
use rolecall_core::domain::catalogue::Config;
use rolecall_core::domain::error::{Kind, UserError, printable};
use rolecall_core::setup::call::Step;
use rolecall_core::setup::request::SetupRequest;
use rolecall_core::setup::{Device, Setup, Who};
use rolecall_ipc::client::{self, Autostart};
use rolecall_ipc::protocol::message::{Context, Request};
use rolecall_ipc::protocol::setup::{
    Applied, Apply, Finding, Found, Local, Outcome, ProfilesResolved, State, WorkerRequest,
};
use rolecall_platform::paths::Paths;
use schemars::JsonSchema;
use serde::Serialize;
use std::fmt::Write;
use std::thread;
use std::time::Duration;

/// How long a role may take until it can be assumed, in pauses that grow; the agent answers what has just failed from memory
/// for three seconds.
const PAUSES: [u64; 20] = [4, 4, 5, 5, 8, 8, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 6];

/// What `--json` prints.
#[derive(Serialize, JsonSchema)]
pub(crate) struct AppliedView {
    /// The setup's name, and the role's in config.toml.
    setup: String,
    /// The identity in config.toml.
    identity: String,
    /// The role.
    role_arn: String,
    /// The user, or the assuming role.
    caller_arn: String,
    /// The key that is in the vault.
    #[serde(skip_serializing_if = "Option::is_none")]
    access_key_id: Option<String>,
    /// The new MFA device.
    #[serde(skip_serializing_if = "Option::is_none")]
    mfa_serial: Option<String>,
    /// What the role's trust policy wants to hear.
    #[serde(skip_serializing_if = "Option::is_none")]
    external_id: Option<String>,
    /// The sections of config.toml, for the machine of an application.
    #[serde(skip_serializing_if = "Option::is_none")]
    config: Option<String>,
    /// Whether the role was assumed at the end.
    proven: bool,
    /// Whether an earlier run had begun.
    resumed: bool,
    /// How many commands a person typed.
    commands: u32,
    /// How many calls to IAM and STS it took.
    calls: u32,
    /// What there is to say.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    remarks: Vec<String>,
}

/// Does what was typed.
pub(super) fn run(paths: &Paths, args: &SetupChangeArgs) -> Result<(), Failure> {
    let wish = request::from_args(&args.wish)?;
    if !args.yes {
        let hint = "look at it with `rolecall setup plan`; if that is meant, add `--yes`";
        confirm::ensure_possible(args.json, "a setup changes two AWS accounts", hint)?;
    }
    let (has_key, device) = match &wish.who {
        Who::Person(person) => (person.key, person.device),
        Who::Application(_) => (false, None),
    };
    if device == Some(Device::Shown) {
        let hint = "run it on a terminal, or add `--keep-totp`: the vault then makes the codes";
        confirm::ensure_possible(false, "a new MFA device shows its codes to a person", hint)?;
    }
    // Before anything is made: a file that cannot be edited is found out now.
    let file = Edited::first(paths)?;
    rolecall_awsfiles::file_io::verify(&paths.aws_config)?;
    if has_key {
        unlock::ready_vault(paths)?;
    }
    let mut carrier = SetupRunner::start(paths, args.json)?;
    let done = go(paths, args, &wish, &file, &mut carrier);
    done.map_err(|failure| carrier.failure(failure))
}

fn go(
    paths: &Paths,
    args: &SetupChangeArgs,
    wish: &SetupRequest,
    file: &Edited<'_>,
    carrier: &mut SetupRunner,
) -> Result<(), Failure> {
    let looked = carrier.look(wish.name.as_str(), &args.profiles.auth_profile, &args.profiles.workload_profile)?;
    let setup = between(wish, &looked)?;
    let machine = LocalChanges::plan(file, &setup, looked.state.as_ref())?;
    let steps = setup.steps();
    let adopt = args.wish.adopt;
    if !args.yes {
        let Outcome::Surveyed { findings } = carrier.ask(&WorkerRequest::Survey { steps: steps.clone(), adopt })?
        else {
            return Err(odd().into());
        };
        output::print(&proposed(&looked, &steps, &findings, &machine, Screen::stdout()))?;
        if !carrier.consent("Make this?")? {
            return output::print("nothing was changed\n");
        }
    }
    let keep_totp = matches!(&setup.who, Who::Person(person) if person.device == Some(Device::Kept));
    let asked = Apply { steps, local: machine.local.clone(), keep_totp, adopt };
    let Outcome::Applied(applied) = carrier.ask(&WorkerRequest::Apply(Box::new(asked)))? else {
        return Err(odd().into());
    };
    let mut shown = AppliedView::new(&setup, *applied);
    match &machine.edited {
        None => shown.config = Some(machine::config_text(&setup)),
        Some(edited) => {
            here(paths, file, edited, carrier, &mut shown)?;
            if keep_totp {
                carrier.say("keep", "the MFA device's secret, once AWS has taken a code of it");
                carrier.ask(&WorkerRequest::KeepTotp)?;
            }
            prove(paths, &setup, carrier, &mut shown)?;
        }
    }
    carrier.ask(&WorkerRequest::Proven)?;
    if args.json { output::print_json(&shown) } else { output::print(&shown.said(args, &setup)) }
}

/// Makes the wish a setup between the two accounts that the profiles are of.
pub(super) fn between(wish: &SetupRequest, looked: &ProfilesResolved) -> Result<Setup, UserError> {
    let partition = Partition::of_arn(&looked.auth.arn).ok_or_else(odd)?;
    let other = Partition::of_arn(&looked.workload.arn).ok_or_else(odd)?;
    if partition != other {
        let cause = format!("one account is of partition {}, the other of {}", partition.id(), other.id());
        return Err(
            UserError::new(Kind::Usage, cause).hint("no role is assumed across partitions: choose another profile")
        );
    }
    let account = |text: &str| AccountId::new(text).map_err(|_| odd());
    wish.for_accounts(
        partition,
        account(&looked.auth.account)?,
        account(&looked.workload.account)?,
        Some(&looked.external_id),
    )
}

/// What is written on this machine.
struct LocalChanges {
    local: Local,
    /// config.toml as it will be; `None` where the sections are another machine's.
    edited: Option<String>,
}

impl LocalChanges {
    fn plan(file: &Edited<'_>, setup: &Setup, state: Option<&State>) -> Result<Self, UserError> {
        let identity = setup.who.identity().to_string();
        let region = setup.region.clone();
        let local = Local { identity: identity.clone(), role_arn: setup.role_arn(), region, ..Local::default() };
        if matches!(setup.who, Who::Application(_)) {
            return Ok(Self { local, edited: None });
        }
        let (text, catalogue, first) = (&file.text, &file.catalogue, file.part());
        let ours = state.filter(|state| state.local.identity == identity).map(|state| &state.local);
        let section = machine::identity(setup);
        let name = setup.name.as_str();
        let known_device = catalogue.identities.get(identity.as_str()).is_some_and(|known| known.mfa_serial.is_some());
        if setup.role.require_mfa && setup.mfa_serial().is_none() && !known_device {
            return Err(UserError::new(
                Kind::Usage,
                "the role would want MFA, and the user would have no device to give it with",
            )
            .hint("add `--mfa-device` to make one, or `--mfa-serial ARN` where the user has one; nothing was made"));
        }
        let (edited, makes_identity) = match catalogue.identities.get(identity.as_str()) {
            None => (
                config::add(config::EntryKind::Identities, text, &first, &identity, &section, IfPresent::Refuse)?,
                true,
            ),
            Some(known) if !known.has_stored_key() => {
                return Err(UserError::new(
                    Kind::Usage,
                    format!("config.toml has an identity {identity} already, of type {}", known.kind().as_str()),
                )
                .hint("choose another name with `--identity`"));
            }
            Some(known) => {
                let is_ours = ours.is_some_and(|ours| ours.makes_identity);
                let serial = known.mfa_serial.as_ref().map(MfaSerial::as_str);
                let edited = match &section.mfa_serial {
                    Some(wanted) if is_ours && serial != Some(wanted) => config::add(
                        config::EntryKind::Identities,
                        text,
                        &first,
                        &identity,
                        &section,
                        IfPresent::Replace,
                    )?,
                    Some(wanted) if serial != Some(wanted) => {
                        return Err(UserError::new(
                            Kind::Usage,
                            format!("config.toml has an identity {identity} already, without the MFA device {wanted}"),
                        )
                        .hint("choose another name with `--identity`"));
                    }
                    _ => text.clone(),
                };
                (edited, is_ours)
            }
        };
        let present = role_present(catalogue, setup, ours)?;
        let edited = config::add(config::EntryKind::Roles, &edited, &first, name, &machine::role(setup), present)
            .map_err(|error| error.report)?;
        Ok(Self { local: Local { makes_identity, role: Some(name.to_owned()), ..local }, edited: Some(edited) })
    }
}

/// Tells whether a role of that name may be written over: only one that is this setup's.
fn role_present(catalogue: &Config, setup: &Setup, ours: Option<&Local>) -> Result<IfPresent, UserError> {
    let name = setup.name.as_str();
    let Some(known) = catalogue.roles.get(name) else { return Ok(IfPresent::Refuse) };
    let is_ours = ours.is_some_and(|ours| ours.role.as_deref() == Some(name));
    let is_same = known.role_arn.as_str() == setup.role_arn() && known.source == *setup.who.identity();
    if is_ours || is_same {
        return Ok(IfPresent::Replace);
    }
    Err(UserError::new(
        Kind::Usage,
        format!("config.toml has a role {name} already, which is {} from {}", known.role_arn, known.source),
    )
    .hint("choose another name with `--name`; nothing was made"))
}

fn proposed(
    looked: &ProfilesResolved,
    steps: &[Step],
    findings: &[Finding],
    machine: &LocalChanges,
    screen: Screen,
) -> String {
    let mut out = String::new();
    for admin in [&looked.auth, &looked.workload] {
        let _ = writeln!(out, "profile {}: {}", printable(&admin.profile, 128), printable(&admin.arn, 256));
    }
    for finding in findings {
        let thing = printable(&finding.thing, 256);
        match &finding.found {
            Found::Missing => {}
            Found::Ours { adopted: true, arn, differs } => {
                let _ = writeln!(out, "TAKEN OVER, by its tag alone: {thing}, {}", printable(arn, 256));
                for what in differs {
                    let _ = writeln!(out, "  it differs: {}", printable(what, 256));
                }
            }
            Found::Ours { differs, .. } if differs.is_empty() => {
                let _ = writeln!(out, "there already, by an earlier run: {thing}");
            }
            Found::Ours { differs, .. } => {
                let _ = writeln!(out, "there already, by an earlier run, and differs: {thing}: {}", differs.join("; "));
            }
            Found::Taken { arn, .. } => {
                let _ =
                    writeln!(out, "TAKEN by something that this setup did not make: {thing}, {}", printable(arn, 256));
            }
        }
    }
    out.push('\n');
    for step in steps {
        let account = account(looked, step.side);
        let what = printable(&step.call.what(), 300);
        let _ = writeln!(out, "  {account}  {what}");
        let _ = writeln!(out, "                {}", screen.paint(Style::Dim, &printable(&step.why, 300)));
    }
    let identity = printable(&machine.local.identity, 128);
    match &machine.local.role {
        Some(role) => {
            let _ = writeln!(
                out,
                "  here          [identities.{identity}] and [roles.{role}] in config.toml, profile {role} in ~/.aws/config"
            );
        }
        None => out.push_str("  here          nothing: the sections for the application's machine are printed\n"),
    }
    out.push('\n');
    out
}

/// Writes config.toml and the profile, and tells the agent.
fn here(
    paths: &Paths,
    file: &Edited<'_>,
    edited: &str,
    carrier: &mut SetupRunner,
    shown: &mut AppliedView,
) -> Result<(), UserError> {
    let made = |report: UserError| {
        UserError {
            message: format!("everything is made in both accounts, but not written here: {}", report.message),
            ..report
        }
        .with_note("the same command again goes on")
    };
    file.apply(paths, edited).map_err(made)?;
    carrier.say(
        "write",
        &format!("{}: identity {}, role {}", config_file::shown(&paths.config), shown.identity, shown.setup),
    );
    let left_out = profiles::write(paths).map_err(made)?;
    if left_out.contains(&shown.setup) {
        shown.remarks.push(format!(
            "{} has a profile {} outside rolecall's block: it was left as it is, and tools use that one",
            config_file::shown(&paths.aws_config),
            shown.setup
        ));
    } else {
        carrier.say("write", &format!("{}: profile {}", config_file::shown(&paths.aws_config), shown.setup));
    }
    Ok(())
}

/// Becomes the role: what is new may take AWS a while to know.
fn prove(paths: &Paths, setup: &Setup, carrier: &mut SetupRunner, shown: &mut AppliedView) -> Result<(), UserError> {
    let name = setup.name.as_str();
    let calls = || status::fetch(paths, Autostart::Yes).map_or(0, |status| status.counts.sts_calls);
    // A session of before says nothing of what AWS would say now.
    tell(paths, Request::Forget { name: name.to_owned() }, Autostart::Yes)?;
    let before = calls();
    let mut pauses = PAUSES.into_iter();
    let mut told = String::new();
    loop {
        let Err(report) = client::get(paths, name, Context::from_env()) else { break };
        let pause = pauses.next().filter(|_| report.may_pass.is_some() || report.kind == Kind::Unreachable);
        let Some(pause) = pause else {
            return Err(UserError {
                message: format!("everything is made, but {name} cannot be assumed: {}", report.message),
                ..report
            }
            .with_note("the same command again goes on; `rolecall setup destroy` removes it"));
        };
        if told != report.message {
            carrier.say("wait", &format!("for AWS to know all of it: {}", report.message));
            told = report.message;
        }
        for _ in 0..pause * 4 {
            if carrier.is_interrupted() {
                return Err(UserError::new(Kind::Failed, "interrupted: everything is made, but not proven yet")
                    .hint(format!("`rolecall get {name}` proves it; the same command again goes on")));
            }
            thread::sleep(Duration::from_millis(250));
        }
    }
    shown.calls += u32::try_from(calls().saturating_sub(before)).unwrap_or(0);
    shown.proven = true;
    carrier.say("prove", &format!("`rolecall get {name}` gives a session of {}", shown.role_arn));
    Ok(())
}

impl AppliedView {
    fn new(setup: &Setup, applied: Applied) -> Self {
        Self {
            setup: setup.name.to_string(),
            identity: setup.who.identity().to_string(),
            role_arn: setup.role_arn(),
            caller_arn: setup.caller_arn(),
            access_key_id: applied.access_key_id,
            mfa_serial: applied.mfa_serial,
            external_id: setup.role.external_id.clone(),
            config: None,
            proven: false,
            resumed: applied.resumed,
            commands: 1,
            calls: applied.calls,
            remarks: applied.remarks,
        }
    }

    fn said(&self, args: &SetupChangeArgs, setup: &Setup) -> String {
        let name = &self.setup;
        let mut out = String::from("\n");
        let _ =
            writeln!(out, "{name}: {} becomes {}", printable(&self.caller_arn, 256), printable(&self.role_arn, 256));
        if let Some(id) = &self.access_key_id {
            let _ = writeln!(out, "access key {} is in the vault, and nowhere else", printable(id, 128));
        }
        for text in &self.remarks {
            out.push_str(&remark(Screen::stdout(), (Style::Warning, "!"), text, None));
        }
        if let Some(config) = &self.config {
            let _ = write!(out, "\nOn the application's machine, in ~/.config/rolecall/config.toml:\n\n{config}\n");
            let _ = writeln!(out, "then `rolecall profiles sync` there; `rolecall get {name}` proves it");
            if let Who::Application(application) = &setup.who
                && application.service == rolecall_core::setup::Service::Ec2
            {
                let _ = writeln!(out, "start the instance with the instance profile {}", application.role);
            }
        }
        let _ = writeln!(out, "1 command typed, {} calls to IAM and STS", self.calls);
        if self.proven {
            let _ = writeln!(out, "next: `aws s3 ls --profile {name}`");
        }
        let word = |text: &str| printable(&quote::word(text), 256);
        let (auth, workload) = (word(&args.profiles.auth_profile), word(&args.profiles.workload_profile));
        let _ = writeln!(
            out,
            "back:  `rolecall setup destroy --auth-profile {auth} --workload-profile {workload} --name {name}`"
        );
        out
    }
}
