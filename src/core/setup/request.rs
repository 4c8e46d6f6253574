//! What was asked for: checked as far as it can be while the accounts are unknown, then, with them, a [`Setup`].
//!
//! Refused here is what IAM would refuse, with the flag that has to change, so that nothing is half made.

use super::call::Tags;
use super::iam_limits::{self, ATTACHED_MAX, NAME_MAX, POLICY_NAME_MAX, TAGS_MAX};
use super::policy::{self, INLINE_MAX, MANAGED_MAX, TRUST_MAX};
use super::{Application, Device, Permission, Person, Role, Service, Setup, Trust, Who, documents};
use crate::domain::arn::{AccountId, MfaSerial, Partition};
use crate::domain::error::{Kind, UserError, printable};
use crate::domain::names::{Name, check_external_id, check_region};
use std::time::Duration;

/// How the person's role is called where nothing is said; the tutorials' name.
const ROLE: &str = "AssumedRole";

/// How the application's own role is called where nothing is said; the tutorials' name.
const ASSUMING_ROLE: &str = "AssumingRole";

/// How the user is called where nothing is said.
const USER: &str = "rolecall";

/// What IAM takes as MaxSessionDuration.
const MAX_SESSION: (Duration, Duration) = (Duration::from_hours(1), Duration::from_hours(12));

#[expect(clippy::struct_excessive_bools, reason = "flags as they are typed")]
/// What was typed.
#[derive(Clone, Debug, Default)]
pub struct SetupFlags {
    /// `--name`.
    pub name: Option<Name>,
    /// `--identity`.
    pub identity: Option<Name>,
    /// `--region`.
    pub region: Option<String>,
    /// `--user`.
    pub user: Option<String>,
    /// `--existing-user`.
    pub existing_user: bool,
    /// `--no-access-key`.
    pub no_access_key: bool,
    /// `--user-path`.
    pub user_path: Option<String>,
    /// `--any-role`.
    pub any_role: bool,
    /// `--mfa-device`, `--keep-totp`.
    pub device: Option<Device>,
    /// `--mfa-serial`.
    pub mfa_serial: Option<String>,
    /// `--application`.
    pub application: Option<Service>,
    /// `--assuming-role`.
    pub assuming_role: Option<String>,
    /// `--assuming-role-path`.
    pub assuming_role_path: Option<String>,
    /// `--role`.
    pub role: Option<String>,
    /// `--role-path`.
    pub role_path: Option<String>,
    /// `--policy-arn`.
    pub policy_arns: Vec<String>,
    /// `--policy-file`: each file's name and text.
    pub policy_files: Vec<(String, String)>,
    /// `--trust`.
    pub trust: Option<Trust>,
    /// `--require-mfa`.
    pub require_mfa: bool,
    /// `--external-id`.
    pub external_id: Option<String>,
    /// `--max-session-duration`.
    pub max_session: Option<Duration>,
    /// `--attach-policy`.
    pub attach: Vec<String>,
    /// `--path`.
    pub path: Option<String>,
    /// `--tag`.
    pub tags: Vec<(String, String)>,
}

/// What is wanted, without the accounts: managed policies may be named without an ARN, and the ExternalId may be missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetupRequest {
    /// The setup's name, and the role's in config.toml.
    pub name: Name,
    /// Who shall become the role.
    pub who: Who,
    /// What they become.
    pub role: Role,
    /// The region for config.toml.
    pub region: Option<String>,
    /// Whether the ExternalId is to be generated.
    pub generate_external_id: bool,
}

impl SetupRequest {
    /// Checks what was typed.
    pub fn new(typed: SetupFlags) -> Result<Self, UserError> {
        if let Some(region) = &typed.region {
            check_region(region).map_err(|why| refuse("region", region, why))?;
        }
        let role_name = typed.role.clone().unwrap_or_else(|| ROLE.to_owned());
        named("role", &role_name)?;
        let name = config_name(typed.name.as_ref(), &role_name, "name")?;
        let who = who(&typed)?;
        let trust = trust(&typed)?;
        let generate_external_id = typed.external_id.as_deref() == Some("auto");
        let external_id = typed.external_id.clone().filter(|_| !generate_external_id);
        if let Some(id) = &external_id {
            check_external_id(id).map_err(|why| refuse("external-id", id, why))?;
        }
        let max_session = typed.max_session.unwrap_or(MAX_SESSION.0);
        if !(MAX_SESSION.0..=MAX_SESSION.1).contains(&max_session) || max_session.subsec_nanos() != 0 {
            let shown = format!("{}s", max_session.as_secs());
            return Err(refuse("max-session-duration", &shown, "IAM takes 1h to 12h"));
        }
        let role = Role {
            path: path("role-path", typed.role_path.as_ref(), &typed)?,
            tags: tags(&typed.tags)?,
            name: role_name,
            max_session,
            trust,
            require_mfa: typed.require_mfa,
            external_id,
            permissions: permissions(&typed)?,
        };
        if who.identity() == &name {
            let cause = format!("identity and role would both be called {name} in config.toml");
            return Err(UserError::new(Kind::Usage, cause).hint("choose other names with `--identity` and `--name`"));
        }
        Ok(Self { name, who, role, region: typed.region, generate_external_id })
    }

    /// Makes it a setup between two accounts. An ExternalId that is to be generated is given by the caller.
    pub fn for_accounts(
        &self,
        partition: Partition,
        auth: AccountId,
        workload: AccountId,
        generated: Option<&str>,
    ) -> Result<Setup, UserError> {
        let mut wish = self.clone();
        if wish.generate_external_id {
            wish.role.external_id = generated.map(str::to_owned);
        }
        if let Some(region) = wish.region.as_deref().filter(|region| Partition::of_region(region) != partition) {
            let why = format!("the accounts are of partition {}", partition.id());
            return Err(refuse("region", region, &why));
        }
        let arn = |flag: &str, policy: &mut String, account: &AccountId| {
            let arn = iam_limits::policy_arn(policy, partition, account).map_err(|why| refuse(flag, policy, &why))?;
            *policy = arn;
            Ok::<(), UserError>(())
        };
        let attach = match &mut wish.who {
            Who::Person(person) => &mut person.attach,
            Who::Application(application) => &mut application.attach,
        };
        attach.iter_mut().try_for_each(|policy| arn("attach-policy", policy, &auth))?;
        for permission in &mut wish.role.permissions {
            if let Permission::Managed(policy) = permission {
                arn("policy-arn", policy, &workload)?;
            }
        }
        let Self { name, who, role, region, .. } = wish;
        let setup = Setup { name, partition, auth, workload, who, role, region };
        if setup.auth == setup.workload && setup.role_arn() == setup.caller_arn() {
            return Err(UserError::new(Kind::Usage, "both roles have one name in one account")
                .hint("choose another with `--role` or `--assuming-role`"));
        }
        let sizes = [
            ("trust policy", documents::trust(&setup).len(), TRUST_MAX),
            ("policy", setup.role_arn().len() + 200, MANAGED_MAX),
        ];
        for (what, size, max) in sizes {
            if size > max {
                let cause = format!("the {what} would have {size} characters, IAM takes {max}");
                return Err(UserError::new(Kind::Usage, cause).hint("shorten `--external-id` or the paths"));
            }
        }
        Ok(setup)
    }
}

impl Who {
    /// Gives what the identity is called in config.toml.
    pub fn identity(&self) -> &Name {
        match self {
            Self::Person(person) => &person.identity,
            Self::Application(application) => &application.identity,
        }
    }
}

fn who(typed: &SetupFlags) -> Result<Who, UserError> {
    let attach = attached("attach-policy", &typed.attach, 1)?;
    let tags = tags(&typed.tags)?;
    if let Some(service) = typed.application {
        let role = typed.assuming_role.clone().unwrap_or_else(|| ASSUMING_ROLE.to_owned());
        named("assuming-role", &role)?;
        let identity = config_name(typed.identity.as_ref(), &role, "identity")?;
        let path = path("assuming-role-path", typed.assuming_role_path.as_ref(), typed)?;
        return Ok(Who::Application(Application { identity, service, role, path, tags, attach }));
    }
    let user = typed.user.clone().unwrap_or_else(|| USER.to_owned());
    named("user", &user)?;
    if let Some(serial) = &typed.mfa_serial {
        MfaSerial::new(serial).map_err(|why| refuse("mfa-serial", serial, why))?;
    }
    Ok(Who::Person(Person {
        identity: config_name(typed.identity.as_ref(), &user, "identity")?,
        user,
        path: path("user-path", typed.user_path.as_ref(), typed)?,
        tags,
        existing: typed.existing_user,
        key: !typed.no_access_key,
        attach,
        any_role: typed.any_role,
        device: typed.device,
        serial: typed.mfa_serial.clone(),
    }))
}

fn trust(typed: &SetupFlags) -> Result<Trust, UserError> {
    let is_application = typed.application.is_some();
    match typed.trust {
        None => Ok(if is_application { Trust::Role } else { Trust::Account }),
        Some(Trust::User) if is_application => {
            Err(refuse("trust", "user", "an application has no user").hint("use `--trust role` or `--trust account`"))
        }
        Some(Trust::Role) if !is_application => Err(refuse("trust", "role", "a person has no assuming role")
            .hint("use `--trust user` or `--trust account`; `--application` sets up an assuming role")),
        Some(trust) => Ok(trust),
    }
}

fn permissions(typed: &SetupFlags) -> Result<Vec<Permission>, UserError> {
    let mut all: Vec<Permission> =
        attached("policy-arn", &typed.policy_arns, 0)?.into_iter().map(Permission::Managed).collect();
    let mut length = 0;
    let mut names = Vec::new();
    for (file, text) in &typed.policy_files {
        let shown = printable(file, 512);
        policy::check(text).map_err(|why| {
            UserError::new(Kind::Usage, format!("{shown}: {why}"))
                .hint("correct the file; IAM's `aws accessanalyzer validate-policy` looks deeper")
        })?;
        let document = documents::compact(text);
        length += document.chars().count();
        let name = policy_name(file);
        if names.contains(&name) {
            return Err(UserError::new(Kind::Usage, format!("{shown}: there is another policy called {name}"))
                .hint("rename the file: the policy gets its name"));
        }
        names.push(name.clone());
        all.push(Permission::Inline { name, document });
    }
    if length > INLINE_MAX {
        let cause = format!("the policy files have {length} characters without white space, IAM takes {INLINE_MAX}");
        return Err(
            UserError::new(Kind::Usage, cause).hint("make a managed policy of them and name it with `--policy-arn`")
        );
    }
    Ok(all)
}

/// Names an inline policy after its file: `policies/s3 read.json` is `s3-read`.
fn policy_name(file: &str) -> String {
    let name = file.rsplit('/').next().unwrap_or(file);
    let stem = name.strip_suffix(".json").unwrap_or(name);
    let letter = |c: char| if c.is_ascii() && iam_limits::is_name_letter(c as u8) { c } else { '-' };
    let name: String = stem.chars().map(letter).take(POLICY_NAME_MAX).collect();
    if name.is_empty() { "policy".to_owned() } else { name }
}

/// Checks managed policies as they are named; `ours` is how many rolecall adds.
fn attached(flag: &str, policies: &[String], ours: usize) -> Result<Vec<String>, UserError> {
    let mut all: Vec<String> = Vec::new();
    for policy in policies {
        iam_limits::check_policy(policy).map_err(|why| refuse(flag, policy, why))?;
        if all.contains(policy) {
            return Err(refuse(flag, policy, "it is given twice"));
        }
        all.push(policy.clone());
    }
    if all.len() + ours > ATTACHED_MAX {
        let cause = format!("--{flag} is given {} times, IAM takes {}", all.len(), ATTACHED_MAX - ours);
        return Err(UserError::new(Kind::Usage, cause).hint("put what they allow into one policy"));
    }
    Ok(all)
}

fn tags(typed: &[(String, String)]) -> Result<Tags, UserError> {
    let mut tags = Tags::new();
    for (key, value) in typed {
        iam_limits::check_tag(key, value).map_err(|why| refuse("tag", &format!("{key}={value}"), why))?;
        // IAM knows no two keys that differ in case alone.
        if tags.keys().any(|known| known.to_lowercase() == key.to_lowercase()) {
            return Err(refuse("tag", key, "the key is given twice"));
        }
        tags.insert(key.clone(), value.clone());
    }
    if tags.len() >= TAGS_MAX {
        let cause = format!("--tag is given {} times, IAM takes {} beside rolecall's own", tags.len(), TAGS_MAX - 1);
        return Err(UserError::new(Kind::Usage, cause).hint("leave some away"));
    }
    Ok(tags)
}

fn path(flag: &str, own: Option<&String>, typed: &SetupFlags) -> Result<String, UserError> {
    let (flag, path) = match (own, &typed.path) {
        (Some(path), _) => (flag, path),
        (None, Some(path)) => ("path", path),
        (None, None) => return Ok("/".to_owned()),
    };
    iam_limits::check_path(path).map_err(|why| refuse(flag, path, why))?;
    Ok(path.clone())
}

fn named(flag: &str, name: &str) -> Result<(), UserError> {
    iam_limits::check_name(name, NAME_MAX).map_err(|why| refuse(flag, name, &why))
}

/// Takes a name for config.toml: the one that was given, else IAM's, if its letters allow.
fn config_name(given: Option<&Name>, at_iam: &str, flag: &str) -> Result<Name, UserError> {
    match given {
        Some(name) => Ok(name.clone()),
        None => Name::new(at_iam).map_err(|why| {
            UserError::new(Kind::Usage, format!("{at_iam} cannot be a name in config.toml: {why}"))
                .hint(format!("choose another with `--{flag}`"))
        }),
    }
}

fn refuse(flag: &str, value: &str, why: &str) -> UserError {
    UserError::new(Kind::Usage, format!("--{flag} {}: {why}", printable(value, 128)))
        .hint(format!("give another `--{flag}`; `rolecall setup plan --help` says what it means"))
}

#[cfg(test)]
#[path = "wish_tests.rs"]
mod tests;
