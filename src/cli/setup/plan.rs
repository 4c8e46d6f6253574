//! `setup plan`: every call and every document, before anything happens.
//!
//! With profiles the one-shot says whose they are and what is there already; with the accounts' numbers nobody is asked.

use super::{machine, request};
use crate::args::{PlanForm, PlanSide, SetupPlanArgs};
use crate::output::{self, Failure};
use crate::quote;
use rolecall_core::domain::arn::{AccountId, Partition};
use rolecall_core::domain::error::{Kind, UserError, printable};
use rolecall_core::setup::call::{Call, Side, Step};
use rolecall_core::setup::render::{self, Profiles, calls};
use rolecall_core::setup::request::SetupRequest;
use rolecall_core::setup::{Permission, Setup, Who};
use rolecall_ipc::client::setup_worker::{SetupWorker, Watcher};
use rolecall_ipc::protocol::message::Progress;
use rolecall_ipc::protocol::setup::{Finding, FirstCodes, Found, NewDevice, Outcome, ProfilesResolved, WorkerRequest};
use rolecall_platform::paths::Paths;
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs::File;
use std::io::Read;

/// Stands where `apply` will put the ExternalId that it makes; one that AWS would take, so that lengths are true.
const STAND_IN: &str = "made-by-apply-of-128-random-bits";

/// The calls of a setup beside those that make it: GetCallerIdentity of each profile before, and after it one with the new
/// key and the AssumeRole that proves it.
const LOOKS: usize = 2;
const PROOFS: usize = 2;

/// What a user who was there before is asked about: GetUser, and lists of its keys, devices, and policies of both kinds.
const OF_A_USER: usize = 5;

/// Does what was typed.
pub(super) fn run(paths: &Paths, args: &SetupPlanArgs) -> Result<(), Failure> {
    let wish = request::from_args(&args.wish)?;
    let profiles = Profiles { auth: args.auth_profile.as_deref(), workload: args.workload_profile.as_deref() };
    check_profile("auth-profile", profiles.auth)?;
    check_profile("workload-profile", profiles.workload)?;
    if args.only.is_some() && args.form != PlanForm::Cloudformation {
        return Err(UserError::new(
            Kind::Usage,
            "--only is for `--as cloudformation`, which has a template per account",
        )
        .hint("add `--as cloudformation`, or leave `--only` away")
        .into());
    }
    let seen = see(paths, args, &wish)?;
    let setup = &seen.setup;
    if args.json {
        return output::print_json(&PlanView::new(paths, &seen, profiles)?);
    }
    let quote: fn(&str) -> String = quote::word;
    let template = match args.form {
        PlanForm::Calls => return output::print(&text(paths, &seen)?),
        PlanForm::Cloudformation => {
            let sides = match args.only {
                Some(PlanSide::Auth) => &render::SIDES[..1],
                Some(PlanSide::Workload) => &render::SIDES[1..],
                None => &render::SIDES[..],
            };
            let all: Vec<String> =
                sides.iter().map(|side| render::cloudformation::render(setup, *side, profiles, quote)).collect();
            all.join("---\n")
        }
        PlanForm::Terraform => render::terraform::render(setup, profiles, quote),
        PlanForm::Aws => render::aws::render(setup, profiles, quote),
    };
    output::print_data(&template)
}

/// What is known of the setup and of the accounts.
struct SetupPreview {
    setup: Setup,
    /// Whether the ExternalId is a stand-in for the one that `apply` will make.
    stand_in: bool,
    findings: Option<Vec<Finding>>,
    looked: Option<ProfilesResolved>,
}

fn see(paths: &Paths, args: &SetupPlanArgs, wish: &SetupRequest) -> Result<SetupPreview, UserError> {
    let is_text = args.form == PlanForm::Calls;
    // A template or script is to be used as it is.
    let fresh = if wish.generate_external_id && !is_text { random_id()? } else { STAND_IN.to_owned() };
    if let (Some(auth), Some(workload)) = (&args.auth_account, &args.workload_account) {
        let partition = args.wish.region.as_deref().map_or(Partition::Aws, Partition::of_region);
        let auth = account(auth, "auth-account")?;
        let workload = account(workload, "workload-account")?;
        let setup = wish.for_accounts(partition, auth, workload, Some(&fresh))?;
        return Ok(SetupPreview {
            setup,
            stand_in: wish.generate_external_id && is_text,
            findings: None,
            looked: None,
        });
    }
    let mut one_shot = SetupWorker::start()?;
    // After what can refuse: nobody types a password for nothing.
    let proxy_password = super::runner::proxy_password(paths)?;
    let look = WorkerRequest::Look {
        setup: wish.name.to_string(),
        auth_profile: args.auth_profile.clone().unwrap_or_default(),
        workload_profile: args.workload_profile.clone().unwrap_or_default(),
        proxy_password,
    };
    let Outcome::Looked(mut looked) = one_shot.ask(&look, &mut Quiet)? else {
        return Err(rolecall_ipc::client::odd_answer());
    };
    let known = looked.state.as_ref().map(|state| state.external_id.clone()).filter(|id| !id.is_empty());
    let stand_in = wish.generate_external_id && known.is_none() && is_text;
    looked.external_id = known.unwrap_or(fresh);
    let setup = super::apply::between(wish, &looked)?;
    let survey = WorkerRequest::Survey { steps: setup.steps(), adopt: args.wish.adopt };
    let Outcome::Surveyed { findings } = one_shot.ask(&survey, &mut Quiet)? else {
        return Err(rolecall_ipc::client::odd_answer());
    };
    Ok(SetupPreview { setup, stand_in, findings: Some(findings), looked: Some(*looked) })
}

fn account(text: &str, flag: &str) -> Result<AccountId, UserError> {
    AccountId::new(text).map_err(|why| {
        UserError::new(Kind::Usage, format!("--{flag} {}: {why}", printable(text, 64)))
            .hint(format!("give the account's number, as `--{flag} 111111111111`"))
    })
}

/// Makes an ExternalId of 128 random bits.
fn random_id() -> Result<String, UserError> {
    let mut bytes = [0; 16];
    let read = File::open("/dev/urandom").and_then(|mut source| source.read_exact(&mut bytes));
    read.map_err(|e| {
        UserError::new(Kind::Failed, format!("cannot read /dev/urandom: {e}"))
            .hint("give `--external-id` one of your own")
    })?;
    Ok(bytes.iter().fold(String::new(), |mut id, byte| {
        let _ = write!(id, "{byte:02x}");
        id
    }))
}

/// A plan asks nobody, and is soon done.
struct Quiet;

impl Watcher for Quiet {
    fn progress(&mut self, _: &Progress) {}

    fn device(&mut self, _: &NewDevice) -> FirstCodes {
        FirstCodes { codes: None }
    }
}

fn text(paths: &Paths, seen: &SetupPreview) -> Result<String, UserError> {
    let setup = &seen.setup;
    let mut out = calls::render(setup);
    if let Some(findings) = &seen.findings {
        out.push_str("\nWhat is there already:\n");
        for finding in findings {
            let account = setup.account(finding.side);
            let _ = writeln!(out, "  {account}  {}: {}", printable(&finding.thing, 200), found(finding));
        }
    }
    let config = machine::config_text(setup);
    let here = match &setup.who {
        Who::Person(person) => {
            let vault = match (person.key, person.device) {
                (false, _) => "nothing new",
                (true, Some(rolecall_core::setup::Device::Kept)) => "the access key and the MFA device's secret",
                (true, _) => "the access key",
            };
            let profile = machine::profile_text(setup)?;
            format!(
                "\nOn this machine:\n  into the vault: {vault}\n  {}:\n{}  {}:\n{}",
                super::super::config_file::shown(&paths.config),
                indented(&config),
                super::super::config_file::shown(&paths.aws_config),
                indented(&profile)
            )
        }
        Who::Application(_) => {
            format!("\nIn config.toml where the application runs:\n{}", indented(&config))
        }
    };
    out.push_str(&here);
    let count = Count::new(setup);
    let _ = write!(
        out,
        "\nCalls to IAM and STS: {} that make it, {} that look first, {} that prove it: {}\n",
        count.make,
        count.look,
        count.prove,
        count.make + count.look + count.prove
    );
    let _ = write!(out, "\n`rolecall setup destroy` removes, newest first:\n{}", calls::removal(setup));
    let remarks = remarks(paths, seen)?;
    if !remarks.is_empty() {
        out.push('\n');
    }
    for remark in remarks {
        let _ = writeln!(out, "note: {}", printable(&remark, 1024));
    }
    Ok(out)
}

fn indented(text: &str) -> String {
    text.lines().map(|line| if line.is_empty() { "\n".to_owned() } else { format!("    {line}\n") }).collect()
}

fn found(finding: &Finding) -> String {
    match &finding.found {
        Found::Missing => "will be made".to_owned(),
        Found::Ours { differs, adopted: false, .. } if differs.is_empty() => "is there, and is ours".to_owned(),
        Found::Ours { differs, adopted: true, .. } if differs.is_empty() => {
            "is there, and is ours by its tag alone".to_owned()
        }
        Found::Ours { differs, .. } => {
            format!("is there and ours, but differs: {}", printable(&differs.join(", "), 512))
        }
        Found::Taken { arn, by: Some(by) } => {
            format!("is there, made by the setup {}: {}", printable(by, 128), printable(arn, 256))
        }
        Found::Taken { arn, by: None } => format!("is there, and is not ours: {}", printable(arn, 256)),
    }
}

/// Says what a person should know before `apply`.
fn remarks(paths: &Paths, seen: &SetupPreview) -> Result<Vec<String>, UserError> {
    let setup = &seen.setup;
    let mut remarks = machine::remarks(paths, setup)?;
    let taken = |finding: &&Finding| matches!(finding.found, Found::Taken { .. });
    for finding in seen.findings.iter().flatten().filter(taken) {
        let what = &finding.thing;
        let by_tag_alone = matches!(&finding.found, Found::Taken { by: Some(by), .. } if by == setup.name.as_str());
        remarks.push(if by_tag_alone {
            format!("`apply` stops at {what}: its tag says that this setup made it, and no state here does; `--adopt` takes it over")
        } else if what.starts_with("user ") {
            format!("`apply` stops at {what}, which this setup did not make; `--existing-user` uses it as it is")
        } else {
            format!("`apply` stops at {what}, which this setup did not make: choose another name")
        });
    }
    if seen.looked.as_ref().and_then(|looked| looked.state.as_ref()).is_some_and(|state| !state.proven) {
        remarks.push("an earlier `apply` was broken off; the same command goes on where it stands".to_owned());
    }
    if seen.stand_in {
        remarks.push(format!(
            "`apply` makes the ExternalId, 128 random bits, and keeps it; {STAND_IN} stands for it here"
        ));
    }
    if setup.role.permissions.is_empty() {
        remarks.push("the role may do nothing: add `--policy-arn` or `--policy-file`".to_owned());
    }
    if setup.role.require_mfa && setup.mfa_serial().is_none() {
        remarks.push("the role wants MFA and no device is named: add `--mfa-device` or `--mfa-serial`".to_owned());
    }
    if setup.auth == setup.workload {
        remarks.push("both accounts are one".to_owned());
    }
    let inline = |p: &Permission| matches!(p, Permission::Inline { .. });
    if setup.role.permissions.iter().any(inline) && seen.findings.is_none() {
        remarks.push("the policy files were checked by their form; what they allow is for IAM to say".to_owned());
    }
    Ok(remarks)
}

/// How many calls it takes where nothing is there yet and none has to be repeated.
struct Count {
    make: usize,
    look: usize,
    prove: usize,
}

impl Count {
    fn new(setup: &Setup) -> Self {
        let steps = setup.steps();
        let looked_for = steps.iter().filter(|step| setup.made_by(step).is_some()).count();
        let is_person = matches!(setup.who, Who::Person(_));
        let makes = |is: fn(&Call) -> bool| steps.iter().any(|step| is(&step.call));
        // ListAccessKeys before a key is made, GetInstanceProfile before a role is put into one.
        let more = usize::from(makes(|call| matches!(call, Call::CreateAccessKey { .. })))
            + usize::from(makes(|call| matches!(call, Call::AddRoleToInstanceProfile { .. })))
            + if is_person && !makes(|call| matches!(call, Call::CreateUser { .. })) { OF_A_USER } else { 0 };
        Self { make: steps.len(), look: LOOKS + looked_for + more, prove: if is_person { PROOFS } else { 0 } }
    }
}

/// What `--json` prints.
#[derive(Serialize, JsonSchema)]
pub(crate) struct PlanView {
    /// The setup's name.
    setup: String,
    /// The authentication account.
    auth: ShownAccount,
    /// The workload account.
    workload: ShownAccount,
    /// Who shall become the role.
    caller_arn: String,
    /// What they become.
    role_arn: String,
    /// What the role wants to hear; absent where `apply` will make it.
    #[serde(skip_serializing_if = "Option::is_none")]
    external_id: Option<String>,
    /// The calls to IAM, in their order.
    steps: Vec<ShownStep>,
    /// What is there already; absent where nobody was asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    findings: Option<Vec<ShownFinding>>,
    /// The sections of config.toml.
    config: String,
    /// The profile in ~/.aws/config; absent for an application.
    #[serde(skip_serializing_if = "Option::is_none")]
    profile: Option<String>,
    /// How many calls to IAM and STS it takes where nothing is there yet.
    calls: usize,
    /// What `setup destroy` calls, newest first.
    removal: Vec<ShownRemoval>,
    /// What there is to know before `apply`.
    remarks: Vec<String>,
}

/// An account.
#[derive(Serialize, JsonSchema)]
struct ShownAccount {
    /// Its number.
    account: String,
    /// The profile with admin rights in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    profile: Option<String>,
}

/// A call.
#[derive(Serialize, JsonSchema)]
struct ShownStep {
    /// Where it goes.
    side: Side,
    /// What it is for.
    why: String,
    /// The call: IAM's name of it as `action`, and its parameters.
    #[schemars(with = "BTreeMap<String, serde_json::Value>")]
    call: Call,
}

/// What was found in an account.
#[derive(Serialize, JsonSchema)]
struct ShownFinding {
    /// In which.
    side: Side,
    /// The thing.
    thing: String,
    /// `missing`, `ours`, `differs` or `taken`.
    found: &'static str,
    /// Its ARN, where it is there.
    #[serde(skip_serializing_if = "Option::is_none")]
    arn: Option<String>,
    /// In what it differs from what is wanted.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    differs: Vec<String>,
}

/// A call that removes something.
#[derive(Serialize, JsonSchema)]
struct ShownRemoval {
    /// Where it goes.
    side: Side,
    /// IAM's name of it.
    action: &'static str,
    /// The call in words.
    what: String,
}

impl PlanView {
    fn new(paths: &Paths, seen: &SetupPreview, profiles: Profiles<'_>) -> Result<Self, UserError> {
        let setup = &seen.setup;
        let account = |side: Side| ShownAccount {
            account: setup.account(side).to_string(),
            profile: profiles.of(side).map(str::to_owned),
        };
        let step = |Step { side, call, why }| ShownStep { side, why, call };
        let removal =
            |step: Step| ShownRemoval { side: step.side, action: step.call.action(), what: calls::line(&step.call) };
        let count = Count::new(setup);
        Ok(Self {
            setup: setup.name.to_string(),
            auth: account(Side::Auth),
            workload: account(Side::Workload),
            caller_arn: setup.caller_arn(),
            role_arn: setup.role_arn(),
            external_id: setup.role.external_id.clone().filter(|_| !seen.stand_in),
            steps: setup.steps().into_iter().map(step).collect(),
            findings: seen.findings.as_ref().map(|all| all.iter().map(ShownFinding::new).collect()),
            config: machine::config_text(setup),
            profile: matches!(setup.who, Who::Person(_)).then(|| machine::profile_text(setup)).transpose()?,
            calls: count.make + count.look + count.prove,
            removal: setup.removal().into_iter().map(removal).collect(),
            remarks: remarks(paths, seen)?,
        })
    }
}

impl ShownFinding {
    fn new(finding: &Finding) -> Self {
        let (found, arn, differs) = match &finding.found {
            Found::Missing => ("missing", None, &[][..]),
            Found::Ours { arn, differs, .. } if differs.is_empty() => ("ours", Some(arn), &[][..]),
            Found::Ours { arn, differs, .. } => ("differs", Some(arn), &differs[..]),
            Found::Taken { arn, .. } => ("taken", Some(arn), &[][..]),
        };
        Self { side: finding.side, thing: finding.thing.clone(), found, arn: arn.cloned(), differs: differs.to_vec() }
    }
}

/// Checks the name of a profile: what goes into a script's comment cannot begin a line of its own.
fn check_profile(flag: &str, name: Option<&str>) -> Result<(), UserError> {
    match name {
        Some(name) if name.is_empty() || name.len() > 256 || name.chars().any(char::is_control) => {
            Err(UserError::new(Kind::Usage, format!("--{flag} {}: no profile has such a name", printable(name, 64)))
                .hint("`aws configure list-profiles` shows what there is"))
        }
        _ => Ok(()),
    }
}
