//! Pins every text that the worker sends: progress, answers, errors and hints, for each kind of call and each answer of
//! AWS, of the agent and of the state directory. `ROLECALL_BLESS=1 cargo test -p rolecall-setup wording` writes the file.
//!
//! The worker runs as in the process of its own, on a socket pair. IAM, the agent and the clock are stand-ins.

use super::{SetupContext, refuse, serve};
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use rolecall_core::domain::arn::{AccountId, IamUser, Partition};
use rolecall_core::domain::catalogue::AwsSettings;
use rolecall_core::domain::credential::{AccessKey, Now, Signer};
use rolecall_core::domain::error::{Kind, MayPass, UserError};
use rolecall_core::domain::names::Name;
use rolecall_core::domain::secret::{MfaCode, SecretKey};
use rolecall_core::domain::totp::TotpSecret;
use rolecall_core::setup::call::{Call, Step};
use rolecall_core::setup::request::{SetupFlags, SetupRequest};
use rolecall_core::setup::{Device, Service};
use rolecall_ipc::protocol::frame::{self, Tag};
use rolecall_ipc::protocol::message::{Answer, Progress, Request};
use rolecall_ipc::protocol::setup::{Apply, Code, FirstCodes, Local, NewDevice, WorkerRequest};
use rolecall_ipc::protocol::status::KeyStatus;
use rolecall_ports::{
    AccountSession, Accounts, AwsError, CallerIdentity, Changed, Clock, Dependents, ListedKey, Listing, NewKey,
    Resource, ResourceDetails, Retryability, TokenError,
};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tempfile::TempDir;

const AUTH: &str = "111111111111";
const WORKLOAD: &str = "222222222222";
const SEED: &str = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP";

/// Each answer of AWS to a call that it does not grant; the empty one is no answer.
const CODES: [&str; 20] = [
    "AccessDenied",
    "LimitExceeded",
    "EntityAlreadyExists",
    "DeleteConflict",
    "MalformedPolicyDocument",
    "NoSuchEntity",
    "ExpiredToken",
    "InvalidClientTokenId",
    "UnrecognizedClientException",
    "InvalidAccessKeyId",
    "SignatureDoesNotMatch",
    "InvalidAuthenticationCode",
    "EntityTemporarilyUnmodifiable",
    "ConcurrentModificationException",
    "Throttling",
    "ServiceUnavailable",
    "InternalFailure",
    "NewlyInvented",
    "",
    "-",
];

/// Those that calls of the same kind are tried with.
const FEW: [&str; 5] = ["AccessDenied", "NoSuchEntity", "Throttling", "ServiceUnavailable", ""];

/// The calls that are tried with every code, one of each kind.
const EVERY: [&str; 8] = [
    "read",
    "keys",
    "CreateUser",
    "CreateRole",
    "AttachRolePolicy",
    "CreateAccessKey",
    "CreateVirtualMFADevice",
    "EnableMFADevice",
];

/// Says what AWS answers to a call.
fn failure(what: &str, code: &str) -> TokenError {
    let (kind, outlook) = match code {
        ""
        | "-"
        | "Throttling"
        | "ServiceUnavailable"
        | "InternalFailure"
        | "EntityTemporarilyUnmodifiable"
        | "ConcurrentModificationException" => (Kind::Unreachable, Retryability::Transient),
        _ => (Kind::Refused, Retryability::Permanent),
    };
    if code.is_empty() || code == "-" {
        let report = UserError::new(kind, format!("cannot {what}: no answer"));
        return TokenError::transient(if code == "-" { report } else { report.hint("look at the network") });
    }
    let report = UserError::new(kind, format!("AWS refused to {what} ({code})")).hint("the hint of the adapter");
    let refusal = AwsError { words: format!("words of {what}"), remedy: None, is_throttled: code == "Throttling" };
    TokenError {
        refusal: Some(Box::new(refusal)),
        outlook,
        code: Some(code.to_owned()),
        ..TokenError::permanent(report)
    }
}

/// A resource of the IAM that stands in.
#[derive(Clone, Default)]
struct Thing {
    details: ResourceDetails,
    document: String,
    dependents: Dependents,
}

/// What goes wrong: at which call, how often, and whether IAM acts all the same.
#[derive(Clone)]
struct Fault {
    at: String,
    code: &'static str,
    skip: usize,
    times: usize,
    acts: bool,
}

/// What happens at a call, besides.
type Hook = (String, Box<dyn Fn() + Send>);

type Things = BTreeMap<(String, String), Thing>;

/// IAM in memory.
#[derive(Default)]
struct Iam {
    things: Mutex<Things>,
    faults: Mutex<Vec<Fault>>,
    made: Mutex<u32>,
    partition: Mutex<Option<Partition>>,
    hook: Mutex<Option<Hook>>,
}

fn account(office: &AccountSession) -> String {
    match &office.signer {
        Signer::Key(key) => key.id.clone(),
        Signer::Session(session) => session.access_key_id.clone(),
    }
}

fn key_of(thing: &Resource) -> String {
    match thing {
        Resource::InstanceProfile(name) => format!("instance profile {name}"),
        Resource::MfaDevice(serial) => format!("MFA device {serial}"),
        Resource::Policy(arn) => format!("policy {arn}"),
        Resource::Role(name) => format!("role {name}"),
        Resource::User(name) => format!("user {name}"),
    }
}

impl Iam {
    /// Meets the fault of a call, if it has one; `act` is done if IAM acts in spite of it.
    fn meet(&self, at: &str, what: &str, act: impl FnOnce()) -> Result<(), TokenError> {
        if let Some((_, hook)) = self.hook.lock().unwrap().as_ref().filter(|(call, _)| call == at) {
            hook();
        }
        let mut faults = self.faults.lock().unwrap();
        let Some(fault) = faults.iter_mut().find(|fault| fault.at == at && fault.times > 0) else { return Ok(()) };
        if fault.skip > 0 {
            fault.skip -= 1;
            return Ok(());
        }
        fault.times -= 1;
        let fault = fault.clone();
        drop(faults);
        if fault.acts {
            act();
        }
        Err(failure(what, fault.code))
    }

    fn act(&self, account: &str, call: &Call) -> Result<Changed, TokenError> {
        let mut things = self.things.lock().unwrap();
        let refused = |code: &str| Err(failure(&call.what(), code));
        let arn = |kind: &str, path: &str, name: &str| format!("arn:aws:iam::{account}:{kind}{path}{name}");
        let mut make = |thing: Resource, arn: String, tags: &BTreeMap<String, String>, more: Thing| {
            let key = (account.to_owned(), key_of(&thing));
            if things.contains_key(&key) {
                return refused("EntityAlreadyExists");
            }
            let details = ResourceDetails { arn: arn.clone(), tags: tags.clone(), ..more.details };
            things.insert(key, Thing { details, ..more });
            Ok(Changed::Done(Some(arn)))
        };
        let none = Thing::default();
        match call {
            Call::CreatePolicy { name, path, document, tags, .. } => {
                let details =
                    ResourceDetails { version: Some("v1".into()), attachments: Some(0), ..ResourceDetails::default() };
                let arn = arn("policy", path, name);
                make(Resource::Policy(arn.clone()), arn, tags, Thing { details, document: document.clone(), ..none })
            }
            Call::CreateUser { name, path, tags } => {
                make(Resource::User(name.clone()), arn("user", path, name), tags, none)
            }
            Call::CreateRole { name, path, trust, max_session_seconds, tags, .. } => {
                let details = ResourceDetails {
                    trust: Some(trust.clone()),
                    max_session_seconds: Some(*max_session_seconds),
                    ..ResourceDetails::default()
                };
                make(Resource::Role(name.clone()), arn("role", path, name), tags, Thing { details, ..none })
            }
            Call::CreateInstanceProfile { name, path, tags } => {
                make(Resource::InstanceProfile(name.clone()), arn("instance-profile", path, name), tags, none)
            }
            Call::CreateVirtualMFADevice { name, path, tags } => {
                let serial = arn("mfa", path, name);
                make(Resource::MfaDevice(serial.clone()), serial.clone(), tags, none)?;
                Ok(Changed::Device(serial, TotpSecret::parse(SEED).unwrap()))
            }
            Call::CreateAccessKey { user } => {
                let Some(thing) = things.get_mut(&(account.to_owned(), format!("user {user}"))) else {
                    return refused("NoSuchEntity");
                };
                if thing.dependents.keys.len() > 1 {
                    return refused("LimitExceeded");
                }
                let mut count = self.made.lock().unwrap();
                *count += 1;
                let id = format!("AKIA{:016}", *count);
                thing.dependents.keys.push(id.clone());
                Ok(Changed::Key(NewKey {
                    key: AccessKey { id, secret: SecretKey::new("secret".into()) },
                    created: None,
                }))
            }
            _ => edit(&mut things, account, call).map(|()| Changed::Done(None)).or_else(refused),
        }
    }
}

/// Changes or deletes what is there.
fn edit(things: &mut Things, account: &str, call: &Call) -> Result<(), &'static str> {
    let key = |text: String| (account.to_owned(), text);
    let thing = |things: &mut Things, text: String| things.contains_key(&key(text.clone())).then(|| key(text));
    let attach = |things: &mut Things, to: String, arn: &String, on: bool| {
        let to = thing(things, to).ok_or("NoSuchEntity")?;
        let attached = &mut things.get_mut(&to).unwrap().dependents.attached;
        if on == attached.contains(arn) {
            return if on { Ok(()) } else { Err("NoSuchEntity") };
        }
        if on {
            attached.push(arn.clone());
        } else {
            attached.retain(|held| held != arn);
        }
        if let Some(policy) = things.get_mut(&key(format!("policy {arn}"))) {
            let count = policy.details.attachments.get_or_insert(0);
            *count = if on { *count + 1 } else { count.saturating_sub(1) };
        }
        Ok(())
    };
    let delete = |things: &mut Things, text: String| {
        let found = thing(things, text).ok_or("NoSuchEntity")?;
        let held = &things[&found];
        if held.dependents != Dependents::default() || held.details.attachments.is_some_and(|count| count > 0) {
            return Err("DeleteConflict");
        }
        things.remove(&found);
        Ok(())
    };
    match call {
        Call::AttachUserPolicy { user, arn } => attach(things, format!("user {user}"), arn, true),
        Call::AttachRolePolicy { role, arn } => attach(things, format!("role {role}"), arn, true),
        Call::DetachUserPolicy { user, arn } => attach(things, format!("user {user}"), arn, false),
        Call::DetachRolePolicy { role, arn } => attach(things, format!("role {role}"), arn, false),
        Call::DeletePolicy { arn } => delete(things, format!("policy {arn}")),
        Call::DeleteUser { name } => delete(things, format!("user {name}")),
        Call::DeleteRole { name } => delete(things, format!("role {name}")),
        Call::DeleteInstanceProfile { name } => delete(things, format!("instance profile {name}")),
        Call::DeleteVirtualMFADevice { serial } => delete(things, format!("MFA device {serial}")),
        _ => {
            let of = match call {
                Call::PutRolePolicy { role, .. }
                | Call::DeleteRolePolicy { role, .. }
                | Call::UpdateAssumeRolePolicy { role, .. }
                | Call::AddRoleToInstanceProfile { role, .. }
                | Call::RemoveRoleFromInstanceProfile { role, .. }
                | Call::UpdateRole { role, .. } => format!("role {role}"),
                Call::DeleteAccessKey { user, .. } | Call::DeactivateMFADevice { user, .. } => format!("user {user}"),
                other => panic!("{other:?}"),
            };
            let held = things.get_mut(&key(of)).ok_or("NoSuchEntity")?;
            let hanging = &mut held.dependents;
            match call {
                Call::PutRolePolicy { name, .. } => hanging.inline.push(name.clone()),
                Call::DeleteRolePolicy { name, .. } => hanging.inline.retain(|held| held != name),
                Call::UpdateAssumeRolePolicy { trust, .. } => held.details.trust = Some(trust.clone()),
                Call::UpdateRole { max_session_seconds, .. } => {
                    held.details.max_session_seconds = Some(*max_session_seconds);
                }
                Call::AddRoleToInstanceProfile { profile, role } => {
                    hanging.profiles.push(profile.clone());
                    let to = things.get_mut(&key(format!("instance profile {profile}"))).ok_or("NoSuchEntity")?;
                    to.details.roles.push(role.clone());
                }
                Call::RemoveRoleFromInstanceProfile { profile, .. } => {
                    hanging.profiles.clear();
                    let from = things.get_mut(&key(format!("instance profile {profile}"))).ok_or("NoSuchEntity")?;
                    from.details.roles.clear();
                }
                Call::DeleteAccessKey { id, .. } => {
                    let count = hanging.keys.len();
                    hanging.keys.retain(|held| held != id);
                    if hanging.keys.len() == count {
                        return Err("NoSuchEntity");
                    }
                }
                Call::DeactivateMFADevice { serial, .. } => hanging.devices.retain(|held| held != serial),
                _ => {}
            }
            Ok(())
        }
    }
}

#[async_trait]
impl Accounts for Iam {
    fn use_proxy_password(&self, _: SecretKey) {}

    async fn profile(&self, _: &Arc<AwsSettings>, profile: &str) -> Result<(Signer, String), UserError> {
        drop(self.meet("profile", profile, || ()));
        if profile.starts_with("unresolved") {
            let report = UserError::new(Kind::Config, format!("the AWS files have no profile {profile}"));
            return Err(report.hint("`aws configure list-profiles`"));
        }
        // The key has the account as its ID, or the code that it meets.
        let id = match profile.split_once(' ') {
            Some(("code", code)) => code,
            _ if profile.contains("workload") => WORKLOAD,
            _ => AUTH,
        };
        let signer = Signer::Key(AccessKey { id: id.to_owned(), secret: SecretKey::new("secret".into()) });
        Ok((signer, "us-east-1".to_owned()))
    }

    async fn caller(&self, _: &Arc<AwsSettings>, signer: &Signer, region: &str) -> Result<CallerIdentity, TokenError> {
        let Signer::Key(key) = signer else { panic!("{signer:?} in {region}") };
        if let Some(code) = CODES.iter().find(|known| **known == key.id) {
            return Err(failure("tell whose access key AKIA is", code));
        }
        let partition = match &*self.partition.lock().unwrap() {
            Some(partition) if key.id == WORKLOAD => *partition,
            _ => Partition::Aws,
        };
        let arn = format!("arn:{}:iam::{}:user/admin", partition.id(), key.id);
        Ok(CallerIdentity { account: AccountId::new(&key.id).unwrap(), arn, user_id: "AIDA".into() })
    }

    async fn change(&self, _: &Arc<AwsSettings>, office: &AccountSession, call: &Call) -> Result<Changed, TokenError> {
        let account = account(office);
        self.meet(call.action(), &call.what(), || drop(self.act(&account, call)))?;
        self.act(&account, call)
    }

    async fn enable(
        &self,
        _: &Arc<AwsSettings>,
        office: &AccountSession,
        (user, serial): (&str, &str),
        _: (&MfaCode, &MfaCode),
    ) -> Result<(), TokenError> {
        let what = format!("give MFA device {serial} to user {user}");
        let give = || {
            let mut things = self.things.lock().unwrap();
            if let Some(thing) = things.get_mut(&(account(office), format!("user {user}"))) {
                thing.dependents.devices.push(serial.to_owned());
            }
        };
        self.meet("EnableMFADevice", &what, give)?;
        give();
        Ok(())
    }

    async fn read(
        &self,
        _: &Arc<AwsSettings>,
        office: &AccountSession,
        thing: &Resource,
    ) -> Result<Option<ResourceDetails>, TokenError> {
        let key = key_of(thing);
        self.meet("read", &format!("read {key}"), || ())?;
        Ok(self.things.lock().unwrap().get(&(account(office), key)).map(|thing| thing.details.clone()))
    }

    async fn document(
        &self,
        _: &Arc<AwsSettings>,
        office: &AccountSession,
        (arn, version): (&str, &str),
    ) -> Result<String, TokenError> {
        self.meet("document", &format!("read version {version} of policy {arn}"), || ())?;
        Ok(self.things.lock().unwrap()[&(account(office), format!("policy {arn}"))].document.clone())
    }

    async fn hanging(
        &self,
        _: &Arc<AwsSettings>,
        office: &AccountSession,
        thing: &Resource,
    ) -> Result<(Dependents, u32), TokenError> {
        let key = key_of(thing);
        self.meet("hanging", &format!("list what hangs on {key}"), || ())?;
        Ok((self.things.lock().unwrap()[&(account(office), key)].dependents.clone(), 1))
    }

    async fn keys(&self, _: &Arc<AwsSettings>, office: &AccountSession, user: &IamUser) -> Result<Listing, TokenError> {
        let what = format!("list the access keys of user {}", user.name());
        self.meet("keys", &what, || ())?;
        let things = self.things.lock().unwrap();
        let thing = things.get(&(account(office), format!("user {}", user.name())));
        let thing = thing.ok_or_else(|| failure(&what, "NoSuchEntity"))?;
        let created = Some(date());
        let listed = |id: &String| ListedKey { id: id.clone(), active: !id.contains("OFF"), created };
        Ok(Listing { keys: thing.dependents.keys.iter().map(listed).collect(), now: date() })
    }
}

fn date() -> DateTime<Utc> {
    DateTime::from_timestamp(1_790_000_000, 0).unwrap()
}

/// A clock on which a wait takes no time.
#[derive(Default)]
struct HandClock(Mutex<Duration>);

#[async_trait]
impl Clock for HandClock {
    fn now(&self) -> Now {
        let boot = *self.0.lock().unwrap();
        Now { wall: date() + boot, boot }
    }

    async fn sleep_until(&self, boot: Duration) {
        *self.0.lock().unwrap() = boot;
    }
}

/// The agent: what the vault has, and what it answers to a key or a secret that it is sent.
#[derive(Default)]
struct Agent {
    key: Option<KeyStatus>,
    odd: bool,
    add: Vec<UserError>,
    add_fails: Option<UserError>,
    totp: Vec<UserError>,
    keys_fail: Option<UserError>,
}

fn key_status(id: Option<&str>, arn: Option<&str>) -> KeyStatus {
    let mut status = serde_json::json!({"identity": "richard", "kind": "iam-user"});
    if let Some(id) = id {
        status["access_key_id"] = id.into();
    }
    if let Some(arn) = arn {
        status["arn"] = arn.into();
    }
    serde_json::from_value(status).unwrap()
}

impl Agent {
    fn answer(&mut self, request: Request) -> Result<Answer, UserError> {
        match request {
            _ if self.odd => Ok(Answer::Names { names: Vec::new() }),
            Request::Keys => match &self.keys_fail {
                Some(report) => Err(report.clone()),
                None => Ok(Answer::Keys { keys: self.key.clone().into_iter().collect() }),
            },
            Request::IdentityAdd { access_key_id, .. } => {
                if let Some(report) = self.add_fails.clone().or_else(|| self.add.pop()) {
                    return Err(report);
                }
                let status = key_status(Some(&access_key_id), Some("arn:aws:iam::111111111111:user/richard"));
                self.key = Some(status.clone());
                Ok(Answer::Key(Box::new(status)))
            }
            Request::IdentityTotp { .. } => match self.totp.pop() {
                Some(report) => Err(report),
                None => Ok(Answer::Done { note: Some("the note of the agent".into()) }),
            },
            other => panic!("{other:?}"),
        }
    }
}

/// One user's world: both accounts, the agent and the state directory.
struct World {
    iam: Arc<Iam>,
    agent: Arc<Mutex<Agent>>,
    dir: TempDir,
    interrupted: Arc<AtomicBool>,
    /// What a person types for a device, the last first.
    codes: Vec<[&'static str; 2]>,
}

/// A text of the worker.
enum Said {
    Progress(String),
    Answer(String),
    Refusal(UserError),
}

impl World {
    fn new() -> Self {
        // In memory if possible: each of thousands of writes waits for the disk.
        let dir = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
        Self { iam: Arc::default(), agent: Arc::default(), dir, interrupted: Arc::default(), codes: Vec::new() }
    }

    /// One where a setup was applied.
    fn applied(steps: &[Step]) -> Self {
        let mut world = Self::new();
        world.codes = vec![["123456", "654321"]];
        let said = world.run(&[look(), apply(steps)]);
        assert!(matches!(said.last(), Some(Said::Answer(_))), "{}", lines(&said));
        world
    }

    fn fault(&self, at: &str, code: &'static str) {
        self.faults(Fault { at: at.to_owned(), code, skip: 0, times: usize::MAX, acts: false });
    }

    fn faults(&self, fault: Fault) {
        self.iam.faults.lock().unwrap().push(fault);
    }

    fn hook(&self, at: &str, hook: impl Fn() + Send + 'static) {
        *self.iam.hook.lock().unwrap() = Some((at.to_owned(), Box::new(hook)));
    }

    fn interrupt(&self, at: &str) {
        let flag = Arc::clone(&self.interrupted);
        self.hook(at, move || flag.store(true, Ordering::Relaxed));
    }

    fn thing(&self, account: &str, key: &str, change: impl FnOnce(&mut Thing)) {
        let mut things = self.iam.things.lock().unwrap();
        change(things.entry((account.to_owned(), key.to_owned())).or_default());
    }

    fn state_file(&self) -> std::path::PathBuf {
        self.dir.path().join("setup-prod.json")
    }

    fn run(&mut self, requests: &[WorkerRequest]) -> Vec<Said> {
        let payloads = requests.iter().map(|request| serde_json::to_vec(request).unwrap()).collect();
        self.talk(payloads, None)
    }

    fn talk(&mut self, payloads: Vec<Vec<u8>>, refusal: Option<UserError>) -> Vec<Said> {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let mut codes = std::mem::take(&mut self.codes);
        let dir = self.dir.path().display().to_string();
        let face = std::thread::spawn(move || {
            let mut stream = ours;
            let mut said = Vec::new();
            for payload in payloads {
                frame::write_request(&mut stream, &payload).unwrap();
                loop {
                    let (tag, payload) = frame::read_frame(&mut stream).unwrap();
                    let text = without_random(&String::from_utf8(payload.to_vec()).unwrap().replace(&dir, "DIR"));
                    match tag {
                        Tag::Progress => {
                            let Progress { step, text } = serde_json::from_str(&text).unwrap();
                            said.push(Said::Progress(format!("{step}: {text}")));
                        }
                        Tag::Question => {
                            let device: NewDevice = serde_json::from_str(&text).unwrap();
                            let again = device.again.as_deref().unwrap_or("-");
                            said.push(Said::Progress(format!("device {}: {again}", device.serial)));
                            let typed = codes.pop().map(|pair| pair.map(|code| Code(MfaCode::new(code.to_owned()))));
                            let payload = serde_json::to_vec(&FirstCodes { codes: typed }).unwrap();
                            frame::write_request(&mut stream, &payload).unwrap();
                        }
                        Tag::Answer => {
                            said.push(Said::Answer(text));
                            break;
                        }
                        Tag::Refusal => {
                            said.push(Said::Refusal(serde_json::from_str(&text).unwrap()));
                            break;
                        }
                        Tag::Session => panic!("no session is asked for"),
                    }
                }
            }
            said
        });
        let agent = Arc::clone(&self.agent);
        let context = SetupContext {
            accounts: self.iam.clone(),
            clock: Arc::<HandClock>::default(),
            aws: Arc::default(),
            state: self.dir.path().to_path_buf(),
            agent: Arc::new(move |request| agent.lock().unwrap().answer(request)),
            interrupted: Arc::clone(&self.interrupted),
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            theirs.set_nonblocking(true).unwrap();
            let stream = tokio::net::UnixStream::from_std(theirs).unwrap();
            match refusal {
                Some(report) => refuse(stream, report).await,
                None => serve(stream, context).await,
            }
        });
        face.join().unwrap()
    }
}

/// Replaces the random end of the name of a temporary file.
fn without_random(text: &str) -> String {
    const BEGIN: &str = "/.rolecall-";
    match text.split_once(BEGIN) {
        Some((before, rest)) => format!("{before}{BEGIN}RANDOM{}", &rest[6..]),
        None => text.to_owned(),
    }
}

fn lines(said: &[Said]) -> String {
    let mut page = String::new();
    for said in said {
        let _ = match said {
            Said::Progress(text) => writeln!(page, "  {text}"),
            Said::Answer(text) if text.contains("\"looked\"") => Ok(()),
            Said::Answer(text) => writeln!(page, "  = {text}"),
            Said::Refusal(report) => write!(page, "{}", error(report)),
        };
    }
    page
}

fn error(UserError { kind, message, hint, .. }: &UserError) -> String {
    format!("  {kind:?}: {message}\n  hint: {}\n", hint.as_deref().unwrap_or("-"))
}

/// Returns the errors alone, and what was waited for before them.
fn outcome(said: &[Said]) -> String {
    let waits: Vec<&String> = said
        .iter()
        .filter_map(|said| match said {
            Said::Progress(text) if text.starts_with("wait") => Some(text),
            _ => None,
        })
        .collect();
    let mut page = String::new();
    if let Some(first) = waits.first() {
        let _ = writeln!(page, "  {} times {first}", waits.len());
    }
    for said in said {
        if let Said::Refusal(report) = said {
            page.push_str(&error(report));
        }
    }
    if matches!(said.last(), Some(Said::Answer(_))) {
        page.push_str("  = done\n");
    }
    page
}

fn steps_of(flags: SetupFlags) -> Vec<Step> {
    let name = Some(Name::new("prod").unwrap());
    let wish = SetupRequest::new(SetupFlags { name, role: Some("Reader".into()), ..flags }).unwrap();
    let (auth, workload) = (AccountId::new(AUTH).unwrap(), AccountId::new(WORKLOAD).unwrap());
    wish.for_accounts(Partition::Aws, auth, workload, None).unwrap().steps()
}

fn person() -> Vec<Step> {
    let inline = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"*"}]}"#;
    steps_of(SetupFlags {
        user: Some("richard".into()),
        device: Some(Device::Shown),
        require_mfa: true,
        policy_arns: vec!["AmazonS3ReadOnlyAccess".into()],
        policy_files: vec![("reads.json".into(), inline.into())],
        ..SetupFlags::default()
    })
}

fn application() -> Vec<Step> {
    steps_of(SetupFlags { application: Some(Service::Ec2), ..SetupFlags::default() })
}

fn look() -> WorkerRequest {
    profiles("auth-admin", "workload-admin")
}

fn profiles(auth: &str, workload: &str) -> WorkerRequest {
    WorkerRequest::Look {
        setup: "prod".into(),
        auth_profile: auth.into(),
        workload_profile: workload.into(),
        proxy_password: None,
    }
}

fn local() -> Local {
    Local { identity: "richard".into(), makes_identity: true, role: Some("prod".into()), ..Local::default() }
}

fn apply(steps: &[Step]) -> WorkerRequest {
    WorkerRequest::Apply(Box::new(Apply { steps: steps.to_vec(), local: local(), keep_totp: false, adopt: false }))
}

fn keep_totp(steps: &[Step]) -> WorkerRequest {
    WorkerRequest::Apply(Box::new(Apply { steps: steps.to_vec(), local: local(), keep_totp: true, adopt: false }))
}

fn adopt(steps: &[Step]) -> WorkerRequest {
    WorkerRequest::Apply(Box::new(Apply { steps: steps.to_vec(), local: local(), keep_totp: false, adopt: true }))
}

fn survey(steps: &[Step]) -> WorkerRequest {
    WorkerRequest::Survey { steps: steps.to_vec(), adopt: false }
}

fn list(steps: &[Step]) -> WorkerRequest {
    WorkerRequest::Doom { steps: steps.to_vec(), identity: Some("richard".into()) }
}

/// The end of most hints, which the file has once.
const KEPT: &str = "what was made so far is kept and written down: the same command again goes on, \
                    `rolecall setup destroy` removes it";

/// The pages of texts, in their order.
struct Page(String);

impl Page {
    fn add(&mut self, title: &str, text: &str) {
        let _ = writeln!(self.0, "{title}\n{}", text.replace(KEPT, "(KEPT)"));
    }

    fn say(&mut self, title: &str, world: &mut World, requests: &[WorkerRequest]) {
        let said = world.run(requests);
        self.add(title, &lines(&said));
    }
}

#[test]
fn wording_of_every_text_is_as_in_the_file() {
    let mut page = Page(format!("(KEPT) is: {KEPT}\n\n"));
    progress(&mut page);
    refused_calls(&mut page);
    lost_answers(&mut page);
    opening(&mut page);
    names(&mut page);
    keys(&mut page);
    devices(&mut page);
    removal(&mut page);
    disk(&mut page);
    interruptions(&mut page);
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("wording.txt");
    let page = page.0;
    if std::env::var_os("ROLECALL_BLESS").is_some() {
        fs::write(&file, &page).expect("written");
    }
    let pinned = fs::read_to_string(&file).unwrap_or_default();
    for (is, was) in page.lines().zip(pinned.lines()) {
        assert_eq!(is, was, "`ROLECALL_BLESS=1 cargo test -p rolecall-setup wording` writes the file");
    }
    assert_eq!(page.len(), pinned.len());
}

fn progress(page: &mut Page) {
    for (name, steps) in [("a person", person()), ("an application", application())] {
        let mut world = World::new();
        world.codes = vec![["123456", "654321"]];
        page.say(&format!("apply for {name}:"), &mut world, &[look(), survey(&steps), apply(&steps)]);
        page.say(&format!("apply again for {name}:"), &mut world, &[look(), survey(&steps), apply(&steps)]);
        page.say(
            &format!("destroy for {name}:"),
            &mut world,
            &[look(), list(&[]), WorkerRequest::Destroy, WorkerRequest::Destroy],
        );
    }
    let mut world = World::applied(&person());
    world.thing(WORKLOAD, "role Reader", |role| {
        role.details.trust = Some("{}".into());
        role.details.max_session_seconds = Some(7200);
        role.details.arn = "arn:aws:iam::222222222222:role/other/Reader".into();
    });
    // The state says where the role was made.
    let state = fs::read_to_string(world.state_file()).unwrap();
    fs::write(world.state_file(), state.replace("role/Reader\"", "role/other/Reader\"")).unwrap();
    page.say("apply with a changed role:", &mut world, &[look(), survey(&person()), apply(&person())]);
    let user = steps_of(SetupFlags { user: Some("richard".into()), path: Some("/x/".into()), ..SetupFlags::default() });
    let mut world = World::applied(&steps_of(SetupFlags { user: Some("richard".into()), ..SetupFlags::default() }));
    page.say("apply with another path:", &mut world, &[look(), apply(&user)]);
    let fewer = steps_of(SetupFlags { user: Some("richard".into()), ..SetupFlags::default() });
    let mut world = World::applied(&person());
    page.say("apply with fewer steps:", &mut world, &[look(), apply(&fewer)]);
    let mut world = World::applied(&person());
    page.say("proven:", &mut world, &[look(), WorkerRequest::Proven]);
    page.say("the note of a kept secret, if there is none:", &mut world, &[look(), WorkerRequest::KeepTotp]);
}

fn codes(call: &str) -> &'static [&'static str] {
    if EVERY.contains(&call) || call == "DeleteUser" { &CODES } else { &FEW }
}

/// Each call that is refused for good, by each code.
fn refused_calls(page: &mut Page) {
    let changed = |world: &World| {
        world.thing(WORKLOAD, "role Reader", |role| {
            role.details.trust = Some("{}".into());
            role.details.max_session_seconds = Some(60);
        });
    };
    for (steps, calls) in [
        (
            person(),
            &[
                "read",
                "keys",
                "document",
                "CreatePolicy",
                "CreateUser",
                "AttachUserPolicy",
                "CreateRole",
                "AttachRolePolicy",
                "PutRolePolicy",
                "CreateAccessKey",
                "CreateVirtualMFADevice",
                "EnableMFADevice",
                "UpdateAssumeRolePolicy",
                "UpdateRole",
            ][..],
        ),
        (application(), &["CreateInstanceProfile", "AddRoleToInstanceProfile"][..]),
    ] {
        for call in calls {
            for code in codes(call) {
                let again = call.starts_with("Update") || *call == "document";
                let mut world = if again { World::applied(&steps) } else { World::new() };
                if again {
                    changed(&world);
                }
                world.codes = vec![["123456", "654321"]; 5];
                world.fault(call, code);
                let said = world.run(&[look(), apply(&steps)]);
                page.add(&format!("{call} {code:?}:"), &outcome(&said));
            }
        }
    }
    for (steps, calls) in [
        (
            person(),
            &[
                "read",
                "keys",
                "hanging",
                "DeletePolicy",
                "DeleteUser",
                "DetachUserPolicy",
                "DeleteRole",
                "DetachRolePolicy",
                "DeleteRolePolicy",
                "DeleteAccessKey",
                "DeactivateMFADevice",
                "DeleteVirtualMFADevice",
            ][..],
        ),
        (application(), &["DeleteInstanceProfile", "RemoveRoleFromInstanceProfile"][..]),
    ] {
        for call in calls {
            for code in codes(call) {
                let mut world = World::applied(&steps);
                world.fault(call, code);
                let said = world.run(&[look(), list(&[]), WorkerRequest::Destroy]);
                page.add(&format!("{call} {code:?} in destroy:"), &outcome(&said));
            }
        }
    }
}

/// Calls whose answer is lost: AWS acts, or it does not.
fn lost_answers(page: &mut Page) {
    for call in ["CreatePolicy", "CreateUser", "AttachUserPolicy", "CreateRole", "CreateAccessKey", "EnableMFADevice"] {
        for acts in [true, false] {
            let mut world = World::new();
            world.codes = vec![["123456", "654321"]; 3];
            world.faults(Fault { at: call.into(), code: "", skip: 0, times: 1, acts });
            page.say(&format!("{call} without an answer, acted {acts}:"), &mut world, &[look(), apply(&person())]);
        }
    }
    let mut world = World::new();
    world.codes = vec![["123456", "654321"]; 3];
    world.faults(Fault { at: "CreateVirtualMFADevice".into(), code: "", skip: 0, times: 1, acts: true });
    page.say("a device whose secret is lost:", &mut world, &[look(), apply(&person())]);
    let mut world = World::new();
    world.faults(Fault { at: "CreateUser".into(), code: "", skip: 0, times: 1, acts: false });
    world.faults(Fault { at: "CreateUser".into(), code: "EntityAlreadyExists", skip: 0, times: 9, acts: false });
    page.say("a lost answer, and a name that is taken then:", &mut world, &[look(), apply(&person())]);
    let mut world = World::applied(&person());
    world.faults(Fault { at: "DeleteUser".into(), code: "", skip: 0, times: 1, acts: true });
    page.say("a removal whose answer is lost:", &mut world, &[look(), list(&[]), WorkerRequest::Destroy]);
}

fn opening(page: &mut Page) {
    let mut world = World::new();
    page.add(
        "requests out of order, and one that nobody understands:",
        &lines(&world.talk(vec![br#"{"do":"destroy"}"#.to_vec(), br#"{"do":"dance"}"#.to_vec()], None)),
    );
    page.say("destroy without a list:", &mut world, &[look(), WorkerRequest::Destroy]);
    let report = UserError::new(Kind::Failed, "the worker cannot start").hint("a hint");
    page.add("a worker that cannot start:", &lines(&world.talk(vec![br#"{"do":"proven"}"#.to_vec()], Some(report))));
    page.say("a profile that is not there:", &mut world, &[profiles("unresolved \u{1b}x", "workload-admin")]);
    for code in CODES {
        page.say(
            &format!("a profile whose key meets {code:?}:"),
            &mut world,
            &[profiles(&format!("code {code}"), "workload-admin")],
        );
    }
    *world.iam.partition.lock().unwrap() = Some(Partition::Cn);
    page.say("two partitions:", &mut world, &[look()]);
    let mut world = World::applied(&person());
    page.say("other accounts:", &mut world, &[profiles("workload-admin", "workload-admin")]);
    page.say("other accounts:", &mut world, &[profiles("auth-admin", "auth-admin")]);
    for content in ["", "[]", r#"{"v":99}"#] {
        let mut world = World::new();
        fs::write(world.state_file(), content).unwrap();
        page.say(&format!("a state file with {content:?}:"), &mut world, &[look()]);
    }
    let mut world = World::new();
    fs::create_dir(world.state_file()).unwrap();
    page.say("a directory as state file:", &mut world, &[look()]);
    let mut world = World::new();
    symlink("nowhere", world.dir.path().join("setup-prod.lock")).unwrap();
    page.say("a symlink as lock:", &mut world, &[look()]);
    let mut world = World::new();
    let lock = fs::File::create(world.dir.path().join("setup-prod.lock")).unwrap();
    lock.lock().unwrap();
    page.say("a lock that another run has:", &mut world, &[look()]);
}

/// Names that are taken, things that somebody else has changed.
fn names(page: &mut Page) {
    let tagged =
        |by: &'static str| move |thing: &mut Thing| drop(thing.details.tags.insert("rolecall:setup".into(), by.into()));
    let mut world = World::new();
    world.thing(AUTH, "user richard", |thing| thing.details.arn = "arn:aws:iam::111111111111:user/richard".into());
    world.thing(WORKLOAD, "role Reader", tagged("other"));
    page.say("names that are taken:", &mut world, &[look(), survey(&person()), apply(&person())]);
    let mut world = World::new();
    world.thing(WORKLOAD, "role Reader", tagged("other"));
    page.say("a role that is taken:", &mut world, &[look(), apply(&person())]);
    let mut world = World::new();
    world.thing(WORKLOAD, "role Reader", tagged("prod"));
    page.say("a role with the tag of the setup:", &mut world, &[look(), apply(&person())]);

    let changed = |world: &World| {
        fs::remove_file(world.state_file()).unwrap();
        world.thing(AUTH, "user richard", |user| {
            user.dependents.attached.push("arn:aws:iam::aws:policy/AdministratorAccess".into());
            user.dependents.inline.push("Inline".into());
            user.dependents.devices.push("arn:aws:iam::111111111111:mfa/other".into());
            user.dependents.keys.push("AKIAOTHER".into());
        });
        world.thing(WORKLOAD, "role Reader", |role| {
            role.dependents.attached.push("arn:aws:iam::aws:policy/AdministratorAccess".into());
            role.dependents.inline.push("Inline".into());
            role.dependents.profiles.push("Profile".into());
        });
    };
    let mut world = World::applied(&person());
    changed(&world);
    let look_for = |steps: &[Step]| WorkerRequest::Survey { steps: steps.to_vec(), adopt: true };
    page.say("adopt with changes:", &mut world, &[look(), look_for(&person()), adopt(&person())]);
    page.say("rebuild and destroy with changes:", &mut world, &[look(), list(&person()), WorkerRequest::Destroy]);
    let mut world = World::applied(&application());
    fs::remove_file(world.state_file()).unwrap();
    for (key, role) in world.iam.things.lock().unwrap().iter_mut() {
        if key.1.starts_with("instance profile") {
            role.details.roles.push("Other".into());
        }
    }
    page.say("adopt of a changed instance profile:", &mut world, &[look(), adopt(&application())]);
    let mut world = World::applied(&person());
    for (key, policy) in world.iam.things.lock().unwrap().iter_mut() {
        if key.1.starts_with("policy") {
            policy.document = "{}".into();
            policy.details.attachments = Some(3);
        }
    }
    page.say("apply with a changed policy:", &mut world, &[look(), survey(&person()), apply(&person())]);
    page.say("destroy with a policy that others use:", &mut world, &[look(), list(&[]), WorkerRequest::Destroy]);
    let existing = steps_of(SetupFlags {
        user: Some("richard".into()),
        existing_user: true,
        attach: vec!["arn:aws:iam::aws:policy/ReadOnlyAccess".into()],
        ..SetupFlags::default()
    });
    let mut world = World::new();
    page.say("an existing user who is missing:", &mut world, &[look(), apply(&existing)]);
    world.thing(AUTH, "user richard", |user| {
        user.dependents.attached.push("arn:aws:iam::aws:policy/ReadOnlyAccess".into());
    });
    page.say("an existing user:", &mut world, &[look(), apply(&existing)]);
    page.say("an existing user, and destroy:", &mut world, &[look(), list(&[]), WorkerRequest::Destroy]);
}

fn keys(page: &mut Page) {
    let plain = steps_of(SetupFlags { user: Some("richard".into()), ..SetupFlags::default() });
    let existing = steps_of(SetupFlags { user: Some("richard".into()), existing_user: true, ..SetupFlags::default() });
    let mut world = World::new();
    world.thing(AUTH, "user richard", |user| user.dependents.keys = vec!["AKIAONE".into(), "AKIAOFF".into()]);
    page.say("two keys:", &mut world, &[look(), apply(&existing)]);
    let mut world = World::new();
    world.agent.lock().unwrap().key = Some(key_status(Some("AKIAOTHER"), Some("arn:aws:iam::111111111111:user/other")));
    page.say("a key of another user in the vault:", &mut world, &[look(), apply(&plain)]);
    world.agent.lock().unwrap().key =
        Some(key_status(Some("AKIAOTHER"), Some("arn:aws:iam::111111111111:user/richard")));
    page.say("a key of this user in the vault:", &mut world, &[look(), apply(&plain)]);
    let locked = UserError::new(Kind::Locked, "the vault is locked").hint("`rolecall unlock`");
    let mut world = World::new();
    world.agent.lock().unwrap().key = Some(KeyStatus { error: Some(locked.clone()), ..key_status(None, None) });
    page.say("a vault that is locked:", &mut world, &[look(), apply(&plain)]);
    let mut world = World::new();
    world.agent.lock().unwrap().odd = true;
    page.say("an agent that gives another answer:", &mut world, &[look(), apply(&plain)]);
    let mut world = World::new();
    world.agent.lock().unwrap().keys_fail = Some(UserError::new(Kind::Agent, "no agent").hint("start it"));
    page.say("an agent that does not answer:", &mut world, &[look(), apply(&plain)]);

    let unknown = |code: &str| {
        let message = format!("AWS refused to tell whose access key it is ({code})");
        let may_pass = Some(if code == "AccessDenied" { MayPass::AccessDenied } else { MayPass::UnknownKey });
        UserError { may_pass, ..UserError::new(Kind::Refused, message).hint("possible causes") }
    };
    let unreachable = UserError::new(Kind::Unreachable, "no answer of STS").hint("look at the network");
    for report in [
        unknown("InvalidClientTokenId"),
        unknown("UnrecognizedClientException"),
        unknown("InvalidAccessKeyId"),
        unknown("AccessDenied"),
        unreachable.clone(),
        locked.clone(),
    ] {
        for fails in [false, true] {
            let mut world = World::new();
            world.agent.lock().unwrap().add = vec![report.clone()];
            world.agent.lock().unwrap().add_fails = fails.then(|| report.clone());
            let said = world.run(&[look(), apply(&plain)]);
            page.add(&format!("store meets {:?}, always {fails}:", report.message), &outcome(&said));
        }
    }
    let mut world = World::new();
    world.agent.lock().unwrap().add_fails = Some(locked);
    world.fault("DeleteAccessKey", "AccessDenied");
    let said = world.run(&[look(), apply(&plain)]);
    page.add("a key that is neither kept nor deleted:", &outcome(&said));
    world.iam.faults.lock().unwrap().clear();
    world.agent.lock().unwrap().add_fails = None;
    page.say("and the next run:", &mut world, &[look(), apply(&plain)]);
    let mut world = World::new();
    world.faults(Fault { at: "CreateAccessKey".into(), code: "", skip: 0, times: 9, acts: true });
    page.say("keys that are made without an answer:", &mut world, &[look(), apply(&plain)]);
    world.iam.faults.lock().unwrap().clear();
    page.say("and destroy:", &mut world, &[look(), list(&[]), WorkerRequest::Destroy]);
    let mut world = World::applied(&plain);
    world.agent.lock().unwrap().key = None;
    page.say("a key whose secret is lost:", &mut world, &[look(), apply(&plain)]);
    let mut world = World::applied(&plain);
    world.thing(AUTH, "user richard", |user| user.dependents.keys.push("AKIAROTATED".into()));
    let first = Some("AKIA0000000000000001".to_owned());
    let arn = "arn:aws:iam::111111111111:user/richard";
    world.agent.lock().unwrap().key = Some(KeyStatus { first, ..key_status(Some("AKIAROTATED"), Some(arn)) });
    page.say("a key that was rotated:", &mut world, &[look(), apply(&plain), list(&[]), WorkerRequest::Destroy]);
}

fn devices(page: &mut Page) {
    let steps = person();
    let run = |page: &mut Page, title: &str, codes: &[[&'static str; 2]], request: WorkerRequest| {
        let mut world = World::new();
        world.codes = codes.to_vec();
        world.fault("EnableMFADevice", "InvalidAuthenticationCode");
        let said = world.run(&[look(), request]);
        page.add(title, &lines(&said));
    };
    run(page, "codes that nobody types:", &[], apply(&steps));
    run(page, "codes without their form:", &[["1", "2"]], apply(&steps));
    run(page, "wrong codes:", &[["123456", "654321"]; 5], apply(&steps));
    run(page, "wrong codes of a kept secret:", &[], keep_totp(&steps));
    let mut world = World::new();
    page.say("a device, first run:", &mut world, &[look(), apply(&steps)]);
    world.codes = vec![["123456", "654321"]];
    page.say("a device, second run:", &mut world, &[look(), apply(&steps)]);
    let mut world = World::new();
    let refused = UserError::new(Kind::Refused, "AWS refused the code").hint("wait");
    world.agent.lock().unwrap().totp = vec![refused.clone()];
    let requests = [look(), keep_totp(&steps), WorkerRequest::KeepTotp];
    page.say("a kept secret:", &mut world, &requests);
    for report in [refused, UserError::new(Kind::Locked, "the vault is locked").hint("`rolecall unlock`")] {
        let mut world = World::new();
        world.agent.lock().unwrap().totp = vec![report.clone(); 99];
        page.add(&format!("a kept secret that meets {:?}:", report.message), &outcome(&world.run(&requests)));
    }
    let mut world = World::new();
    world.iam.things.lock().unwrap().clear();
    world.faults(Fault { at: "CreateVirtualMFADevice".into(), code: "", skip: 0, times: 9, acts: true });
    page.say("devices that are made without an answer:", &mut world, &[look(), apply(&steps)]);
    // The state says that the device was made, and its secret is gone.
    let mut world = World::applied(&steps);
    let enable: Vec<Step> =
        steps.iter().filter(|step| matches!(step.call, Call::EnableMFADevice { .. })).cloned().collect();
    let state = fs::read_to_string(world.state_file()).unwrap();
    let at = state.find("\"EnableMFADevice\"").unwrap();
    let rest = state[at..].replacen("\"done\"", "\"begun\"", 1);
    fs::write(world.state_file(), format!("{}{rest}", &state[..at])).unwrap();
    page.say("a device whose secret nobody has:", &mut world, &[look(), apply(&enable)]);
}

fn removal(page: &mut Page) {
    let steps = person();
    let mut world = World::new();
    page.say("destroy of what is not there:", &mut world, &[look(), list(&steps)]);
    page.say("destroy of what nobody knows:", &mut world, &[look(), list(&[])]);
    let mut world = World::applied(&steps);
    fs::remove_file(world.state_file()).unwrap();
    page.say("destroy by the tags:", &mut world, &[look(), list(&steps), WorkerRequest::Destroy]);
    let mut world = World::applied(&steps);
    for (key, thing) in world.iam.things.lock().unwrap().iter_mut() {
        if key.1.starts_with("user") {
            thing.details.tags.clear();
        }
        if key.1.starts_with("role") {
            thing.details.tags.clear();
            thing.details.arn = "arn:aws:iam::222222222222:role/new/Reader".into();
        }
    }
    page.say("destroy of what is somebody else's now:", &mut world, &[look(), list(&[]), WorkerRequest::Destroy]);
    let mut world = World::applied(&steps);
    let state = fs::read_to_string(world.state_file()).unwrap();
    fs::write(world.state_file(), state.replace("\"user\": \"richard\"", "\"user\": \"root\"")).unwrap();
    page.say("destroy by a state that was edited:", &mut world, &[look(), list(&[])]);
    let mut world = World::applied(&steps);
    world.faults(Fault { at: "DeleteRole".into(), code: "DeleteConflict", skip: 0, times: 1, acts: false });
    page.say("something that cannot go:", &mut world, &[look(), list(&[]), WorkerRequest::Destroy]);
    let mut world = World::applied(&steps);
    world.agent.lock().unwrap().keys_fail = Some(UserError::new(Kind::Agent, "no agent").hint("start it"));
    page.say("destroy without an agent:", &mut world, &[look(), list(&[])]);
}

/// A state directory that vanishes at a call, and a state file that cannot be deleted.
fn disk(page: &mut Page) {
    let steps = person();
    let vanish = |world: &World, at: &str| {
        let dir = world.dir.path().to_path_buf();
        world.hook(at, move || drop(fs::remove_dir_all(&dir)));
    };
    for at in ["profile", "read", "CreateUser", "CreateAccessKey", "CreateVirtualMFADevice", "EnableMFADevice"] {
        let mut world = World::new();
        world.codes = vec![["123456", "654321"]];
        vanish(&world, at);
        let said = world.run(&[look(), apply(&steps)]);
        page.add(&format!("the state directory vanishes at {at}:"), &outcome(&said));
    }
    for at in ["profile", "read", "DeleteRole", "DeletePolicy"] {
        let mut world = World::applied(&steps);
        vanish(&world, at);
        let said = world.run(&[look(), list(&[]), WorkerRequest::Destroy]);
        page.add(&format!("the state directory vanishes at {at} in destroy:"), &outcome(&said));
    }
    let mut world = World::applied(&steps);
    fs::remove_file(world.state_file()).unwrap();
    vanish(&world, "read");
    page.add("the state directory vanishes before a rebuilt state:", &outcome(&world.run(&[look(), list(&steps)])));
    let mut world = World::applied(&steps);
    vanish(&world, "profile");
    page.add("the state directory vanishes before the end:", &outcome(&world.run(&[look(), WorkerRequest::Proven])));
    let mut world = World::applied(&steps);
    let file = world.state_file();
    world.hook("DeletePolicy", move || {
        fs::remove_file(&file).unwrap();
        fs::create_dir(&file).unwrap();
    });
    let said = world.run(&[look(), list(&[]), WorkerRequest::Destroy]);
    page.add("a state file that cannot be deleted:", &outcome(&said));
}

/// An interruption at each kind of call.
fn interruptions(page: &mut Page) {
    for (steps, at, removes) in [
        (person(), "read", false),
        (person(), "CreatePolicy", false),
        (person(), "CreateAccessKey", false),
        (person(), "CreateVirtualMFADevice", false),
        (person(), "read", true),
        (person(), "DeleteRole", true),
    ] {
        let mut world = if removes { World::applied(&steps) } else { World::new() };
        world.codes = vec![["123456", "654321"]];
        world.interrupt(at);
        let requests =
            if removes { vec![look(), list(&[]), WorkerRequest::Destroy] } else { vec![look(), apply(&steps)] };
        let said = world.run(&requests);
        page.add(&format!("interrupted at {at}, removes {removes}:"), &outcome(&said));
    }
    let mut world = World::new();
    world.fault("CreateUser", "Throttling");
    world.interrupt("CreateUser");
    let said = world.run(&[look(), apply(&person())]);
    page.add("interrupted in a pause:", &outcome(&said));
}
