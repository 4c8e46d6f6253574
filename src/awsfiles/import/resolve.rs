//! From each profile to the identity or role that it means, or to the reason why it stays.
//!
//! A chain is walked down to what is known and then resolved upwards, without recursion: a hostile file can chain ten
//! thousand profiles.

mod make;
mod values;

use super::super::document::{Document, FileKind};
use super::super::managed_block;
use super::command::{self, Command};
use super::profile::{Profile, Profiles};
use super::{ImportInput, NewRole, Origin, Plan, ServedProfile, Skipped, edit, mfa, renewal};
use rolecall_core::domain::catalogue::{MAX_CHAIN, Role};
use rolecall_core::domain::error::{UserError, printable};
use rolecall_core::domain::names::Name;
use rolecall_core::domain::secret::SecretKey;
use rolecall_core::domain::source::{ForeignTool, IdentityKind};
use std::collections::{HashMap, HashSet};
use values::{check_secrets, key_of};

/// How many levels of `include_profile` are followed.
const INCLUDES_MAX: usize = 10;

/// The longest name of another profile that a reason repeats.
const SHOWN: usize = 128;

/// What a profile is, as the source of others.
#[derive(Clone, Debug)]
struct ResolvedProfile {
    name: Name,
    /// How many roles stand between the identity and this, this included.
    roles: usize,
}

type Outcome = Result<ResolvedProfile, String>;

/// Makes the plan; fails only where the markers of rolecall's own block are damaged.
pub fn plan(scene: &ImportInput<'_>) -> Result<Plan, UserError> {
    let own = managed_block::find(scene.config.0, scene.config.1)?.map_or(0..0, |span| span.lines);
    let config = Document::parse(scene.config.1, FileKind::Config);
    let credentials = Document::parse(scene.credentials.1, FileKind::Credentials);
    let profiles = Profiles::of(&config, &own, &credentials);
    let mut resolver = Resolver::new(scene, &profiles);
    for profile in &profiles.all {
        resolver.take(profile);
    }
    resolver.take_entries();
    let mut plan = resolver.plan;
    let served = plan.served.iter().map(|served| served.name.clone()).collect();
    mfa::settle(&mut plan.identities, &mut plan.roles, &served, scene.catalogue, &mut plan.notes);
    for role in &mut plan.roles {
        role.is_there = role.is_there || is_as(scene.catalogue.roles.get(&role.name), role);
    }
    edit::write(scene, &profiles, &config, &mut plan)?;
    Ok(plan)
}

/// Tells whether the configuration's role is the one that the profile means.
fn is_as(there: Option<&Role>, role: &NewRole) -> bool {
    there.is_some_and(|there| {
        there.source == role.source
            && there.role_arn.as_str() == role.section.role_arn
            && there.settings.external_id == role.section.external_id
            && there.settings.role_session_name == role.section.role_session_name
    })
}

struct Resolver<'r, 's, 'a> {
    scene: &'r ImportInput<'r>,
    profiles: &'r Profiles<'s, 'a>,
    plan: Plan,
    /// What each profile is to those that name it as their source.
    known: HashMap<String, Outcome>,
    /// The profiles whose source cannot be taken over.
    stuck: HashSet<String>,
    /// The names that are given away.
    taken: HashSet<String>,
    /// The identity that has the key of this id.
    keys: HashMap<String, (Name, SecretKey)>,
    machines: HashMap<IdentityKind, Name>,
    adopted: HashMap<(ForeignTool, String), Name>,
}

impl<'r, 's, 'a> Resolver<'r, 's, 'a> {
    fn new(scene: &'r ImportInput<'r>, profiles: &'r Profiles<'s, 'a>) -> Self {
        Self {
            scene,
            profiles,
            plan: Plan::default(),
            known: HashMap::new(),
            stuck: HashSet::new(),
            taken: HashSet::new(),
            keys: HashMap::new(),
            machines: HashMap::new(),
            adopted: HashMap::new(),
        }
    }

    fn is_wanted(&self, name: &str) -> bool {
        self.scene.only.is_none_or(|only| only.contains(name))
    }

    /// Decides about one profile.
    fn take(&mut self, profile: &Profile<'s, 'a>) {
        if !self.is_wanted(profile.name) || !(profile.gives_credentials() || self.entry_of(profile.name).is_some()) {
            return;
        }
        match self.serve(profile) {
            Ok(Some(name)) => {
                self.plan.served.push(ServedProfile { profile: profile.name.to_owned(), name });
            }
            Ok(None) => self.plan.done += 1,
            Err(reason) => {
                self.plan.left.push(Skipped { profile: profile.name.to_owned(), at: profile.at(), reason });
            }
        }
    }

    /// Gives the name that rolecall is to serve a profile by; `None` where it does so already.
    fn serve(&mut self, profile: &Profile<'s, 'a>) -> Result<Option<Name>, String> {
        if let Some(command) = profile.value("credential_process")
            && let Command::Own(name) = command::read(command)
        {
            let others = ["role_arn", "aws_access_key_id", "aws_secret_access_key", "web_identity_token_file"];
            let Some(rival) = others.into_iter().find(|key| profile.has(key)) else { return Ok(None) };
            self.check(profile)?;
            // Broken off between the two files: the key is in the vault, and still in the file.
            let key =
                (!rival.contains("role") && !rival.contains("web")).then(|| key_of(profile)).transpose()?.flatten();
            let key = key.filter(|key| self.scene.stored.contains_key(&key.id));
            let key = key.ok_or_else(|| format!("it asks rolecall, and its {rival} wins over that in most tools"))?;
            self.identity_named(profile, Origin::Key(key), None)?;
            let name = Name::new(&name).map_err(str::to_owned)?;
            return Ok(Some(name));
        }
        if !self.scene.excluded.contains_key(profile.name)
            && let Some(Command::Other(_) | Command::Shell) = profile.value("credential_process").map(command::read)
            && !profile.has("role_arn")
            && !profile.has("aws_access_key_id")
        {
            return Err("it asks another program, which goes on working".to_owned());
        }
        self.resolve(profile.name).map(|known| Some(known.name))
    }

    /// Refuses what cannot be edited, or must stay.
    fn check(&self, profile: &Profile<'s, 'a>) -> Result<(), String> {
        if let Some(why) = self.scene.excluded.get(profile.name) {
            return Err(why.clone());
        }
        if let Some(why) = &profile.broken {
            return Err(why.clone());
        }
        check_secrets(profile, self.has_another_source(profile))?;
        edit::header(profile.name).map(drop).map_err(str::to_owned)
    }

    /// Tells whether its credentials come from elsewhere than from a key of its own.
    fn has_another_source(&self, profile: &Profile<'s, 'a>) -> bool {
        let asks_another = |text| !matches!(command::read(text), Command::Own(_));
        if profile.has("web_identity_token_file") || profile.value("credential_process").is_some_and(asks_another) {
            return true;
        }
        self.inherited(profile, "role_arn").is_some()
            && match self.inherited(profile, "source_profile") {
                Some(source) => source != profile.name,
                None => profile.has("credential_source"),
            }
    }

    /// Finds out what a profile is, with all that it stands on.
    fn resolve(&mut self, name: &str) -> Outcome {
        let mut path: Vec<String> = vec![name.to_owned()];
        let mut on_path: HashSet<String> = path.iter().cloned().collect();
        // Down: to the first profile that needs no other.
        while let Some(at) = path.last() {
            let next = match self.profiles.get(at) {
                Some(profile) if !self.known.contains_key(at) => self.source_of(profile),
                _ => None,
            };
            let Some(next) = next else { break };
            if !on_path.insert(next.clone()) {
                let shown: Vec<String> = path.iter().take(MAX_CHAIN).map(|name| printable(name, SHOWN)).collect();
                let reason = format!("its chain is a loop: {} -> {}", shown.join(" -> "), printable(&next, SHOWN));
                for name in &path {
                    self.known.insert(name.clone(), Err(reason.clone()));
                }
                break;
            }
            path.push(next);
        }
        // And up again.
        let mut outcome = Err(String::new());
        while let Some(name) = path.pop() {
            outcome = if let Some(known) = self.known.get(&name) {
                known.clone()
            } else {
                let outcome = match self.profiles.get(&name) {
                    Some(profile) => self.meaning(profile),
                    None => self.of_entry(&name),
                };
                self.known.insert(name, outcome.clone());
                outcome
            };
        }
        outcome
    }

    /// Gives a value of a profile, or of those that it includes (`include_profile`, in old versions of aws-vault
    /// `parent_profile`; ByteNess/aws-vault, vault/config.go).
    fn inherited(&self, profile: &Profile<'s, 'a>, key: &str) -> Option<&'a str> {
        let mut at = profile;
        for _ in 0..INCLUDES_MAX {
            if let Some(value) = at.value(key) {
                return Some(value);
            }
            let next = at.value("include_profile").or_else(|| at.value("parent_profile"))?;
            at = self.profiles.get(next)?;
        }
        None
    }

    /// Gives the other profile that must be known first.
    fn source_of(&self, profile: &Profile<'s, 'a>) -> Option<String> {
        if let Some(Command::Tool(_, name)) = profile.value("credential_process").map(command::read)
            && name != profile.name
        {
            return Some(name);
        }
        self.inherited(profile, "role_arn")?;
        let source = self.inherited(profile, "source_profile")?;
        (source != profile.name && !profile.has("web_identity_token_file")).then(|| source.to_owned())
    }

    fn entry_of(&self, name: &str) -> Option<ForeignTool> {
        ForeignTool::ALL.into_iter().find(|tool| self.scene.entries.contains(&(*tool, name.to_owned())))
    }

    /// A source that is no profile: an entry of a keyring, or nothing.
    fn of_entry(&mut self, name: &str) -> Outcome {
        let shown = printable(name, SHOWN);
        let tool = self.entry_of(name).ok_or_else(|| format!("there is no profile `{shown}`, which it stands on"))?;
        self.adopt(tool, name, None, None)
    }

    fn meaning(&mut self, profile: &Profile<'s, 'a>) -> Outcome {
        self.check(profile)?;
        let is_sso = |key: &str| profile.has(key);
        if ["sso_session", "sso_start_url", "sso_account_id", "granted_sso_start_url", "granted_sso_account_id"]
            .into_iter()
            .any(is_sso)
        {
            return Err("it signs in by SSO, which rolecall does not".to_owned());
        }
        if profile.has("login_session") {
            return Err("it signs in by `aws login`, which rolecall does not".to_owned());
        }
        if profile.has("web_identity_token_process") {
            return Err("web_identity_token_process is a key of aws-vault's that rolecall has not".to_owned());
        }
        if let Some(text) = profile.value("credential_process") {
            match command::read(text) {
                Command::Own(name) => return self.of_own(&name),
                Command::Tool(_, name) if name != profile.name => {
                    return self.known_of(&name);
                }
                Command::Tool(tool, name) => {
                    if self.inherited(profile, "role_arn").is_none() {
                        return self.adopt(tool, &name, Some(profile), None);
                    }
                }
                Command::Other(argv) if !profile.has("role_arn") && !profile.has("aws_access_key_id") => {
                    return self.of_program(profile, argv);
                }
                Command::Shell if !profile.has("role_arn") && !profile.has("aws_access_key_id") => {
                    return Err("its credential_process needs a shell, and rolecall runs none".to_owned());
                }
                _ => {
                    return Err(
                        "it has credential_process beside other credentials: tools differ on which counts".to_owned()
                    );
                }
            }
        }
        match self.inherited(profile, "role_arn") {
            Some(arn) => self.role(profile, arn),
            None => self.keyed(profile, None),
        }
    }

    fn known_of(&self, name: &str) -> Outcome {
        self.known
            .get(name)
            .cloned()
            .unwrap_or_else(|| Err(format!("there is no profile `{}`", printable(name, SHOWN))))
    }

    fn of_own(&self, name: &str) -> Outcome {
        let catalogue = self.scene.catalogue;
        let mut roles = 0;
        let mut at = name;
        while let Some(role) = catalogue.roles.get(at) {
            roles += 1;
            at = role.source.as_str();
            if roles > MAX_CHAIN {
                break;
            }
        }
        if !catalogue.identities.contains_key(at) {
            return Err(format!("rolecall does not know `{}`", printable(name, SHOWN)));
        }
        Ok(ResolvedProfile { name: Name::new(name).map_err(str::to_owned)?, roles })
    }

    /// The key of a profile, in a file or in a keyring.
    fn keyed(&mut self, profile: &Profile<'s, 'a>, wish: Option<&str>) -> Outcome {
        match key_of(profile)? {
            Some(key) => {
                if let Some(why) = renewal::by_aws_mfa(profile, self.profiles) {
                    return Err(why);
                }
                let known = self.identity_named(profile, Origin::Key(key), wish)?;
                let note = renewal::of_scripts(profile, self.profiles);
                self.plan.notes.extend(note.map(|note| (profile.name.to_owned(), note)));
                Ok(known)
            }
            None => match self.entry_of(profile.name) {
                Some(tool) => self.adopt(tool, profile.name, Some(profile), wish),
                None => Err("it gives no credentials".to_owned()),
            },
        }
    }

    fn of_program(&mut self, profile: &Profile<'s, 'a>, argv: Vec<String>) -> Outcome {
        if !argv.first().is_some_and(|program| program.starts_with('/')) {
            return Err("its credential_process has no absolute path".to_owned());
        }
        self.identity_named(profile, Origin::Process(argv), None)
    }

    /// Takes the entries of which no profile speaks.
    fn take_entries(&mut self) {
        for (tool, entry) in self.scene.entries {
            if !self.is_wanted(entry) || self.profiles.get(entry).is_some() {
                continue;
            }
            match self.adopt(*tool, entry, None, None) {
                Ok(known) => self.plan.served.push(ServedProfile { profile: entry.clone(), name: known.name }),
                Err(reason) => self.plan.left.push(Skipped { profile: entry.clone(), at: None, reason }),
            }
        }
    }
}
