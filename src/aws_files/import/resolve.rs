//! From each profile to the identity or role that it means, or to the reason why it stays.
//!
//! A chain is walked down to what is known and then resolved upwards, without recursion: a hostile file can chain ten
//! thousand profiles.

use super::super::document::{Document, FileKind};
use super::super::managed;
use super::command::{self, Command};
use super::profile::{Profile, Profiles};
use super::{Left, NewIdentity, NewRole, Origin, Plan, Scene, Served, Tool, edit, mfa};
use crate::domain::arn::{MfaSerial, RoleArn};
use crate::domain::catalogue::{Identity, MAX_CHAIN, Role};
use crate::domain::credential::AccessKey;
use crate::domain::names::{Name, check_external_id, check_region, check_session_word};
use crate::domain::report::{Report, printable};
use crate::domain::secret::SecretKey;
use crate::domain::source::Source;
use std::collections::{BTreeMap, HashMap, HashSet};

/// What AWS gives for AssumeRole, in seconds.
const DURATION: std::ops::RangeInclusive<u64> = 900..=43_200;

/// How many levels of `include_profile` are followed.
const INCLUDES_MAX: usize = 10;

/// The longest name of another profile that a reason repeats.
const SHOWN: usize = 128;

/// What a profile is, as the source of others.
#[derive(Clone, Debug)]
struct Known {
    name: Name,
    /// How many roles stand between the identity and this, this included.
    roles: usize,
}

type Outcome = Result<Known, String>;

/// Makes the plan; fails only where the markers of rolecall's own block are damaged.
pub fn plan(scene: &Scene<'_>) -> Result<Plan, Report> {
    let own = managed::find(scene.config.0, scene.config.1)?.map_or(0..0, |span| span.lines);
    let config = Document::parse(scene.config.1, FileKind::Config);
    let credentials = Document::parse(scene.credentials.1, FileKind::Credentials);
    let profiles = Profiles::of(&config, &own, &credentials);
    let mut resolver = Resolver::new(scene, &profiles);
    for profile in &profiles.all {
        resolver.take(profile);
    }
    resolver.take_entries();
    let mut plan = resolver.plan;
    mfa::settle(&mut plan.identities, &mut plan.roles, scene.catalogue, &mut plan.notes);
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
            && there.role_arn.as_str() == role.role_arn
            && there.external_id == role.external_id
            && there.role_session_name == role.role_session_name
    })
}

struct Resolver<'r, 's, 'a> {
    scene: &'r Scene<'r>,
    profiles: &'r Profiles<'s, 'a>,
    plan: Plan,
    /// What each profile is to those that name it as their source.
    known: HashMap<String, Outcome>,
    /// The names that are given away.
    taken: HashSet<String>,
    /// The identity that has the key of this id.
    keys: HashMap<String, Name>,
    machines: HashMap<&'static str, Name>,
    adopted: HashMap<(Tool, String), Name>,
}

impl<'r, 's, 'a> Resolver<'r, 's, 'a> {
    fn new(scene: &'r Scene<'r>, profiles: &'r Profiles<'s, 'a>) -> Self {
        Self {
            scene,
            profiles,
            plan: Plan::default(),
            known: HashMap::new(),
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
                self.plan.served.push(Served { profile: profile.name.to_owned(), name });
            }
            Ok(None) => self.plan.done += 1,
            Err(reason) => {
                self.plan.left.push(Left { profile: profile.name.to_owned(), at: profile.at(), reason });
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
        edit::header(profile.name).map(drop).map_err(str::to_owned)
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
            outcome = match self.known.get(&name) {
                Some(known) => known.clone(),
                None => {
                    let outcome = match self.profiles.get(&name) {
                        Some(profile) => self.meaning(profile),
                        None => self.of_entry(&name),
                    };
                    self.known.insert(name, outcome.clone());
                    outcome
                }
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

    fn entry_of(&self, name: &str) -> Option<Tool> {
        [Tool::AwsVault, Tool::Granted].into_iter().find(|tool| self.scene.entries.contains(&(*tool, name.to_owned())))
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
        Ok(Known { name: Name::new(name).map_err(str::to_owned)?, roles })
    }

    /// The key of a profile, in a file or in a keyring.
    fn keyed(&mut self, profile: &Profile<'s, 'a>, wish: Option<&str>) -> Outcome {
        match key_of(profile)? {
            Some(key) => self.identity_named(profile, Origin::Key(key), wish),
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

    fn role(&mut self, profile: &Profile<'s, 'a>, arn: &str) -> Outcome {
        RoleArn::new(arn).map_err(|why| format!("role_arn: {why}"))?;
        if let Some(file) = profile.value("web_identity_token_file") {
            if !file.starts_with('/') {
                return Err("web_identity_token_file is not an absolute path".to_owned());
            }
            let origin = Origin::WebIdentity {
                token_file: file.to_owned(),
                role_arn: arn.to_owned(),
                role_session_name: self.word(profile, "role_session_name", check_session_word)?,
                duration_seconds: self.duration(profile)?,
            };
            return self.identity_named(profile, origin, None);
        }
        let source = self.inherited(profile, "source_profile");
        let source = match (source, profile.value("credential_source")) {
            (Some(_), Some(_)) => {
                return Err("it has source_profile and credential_source, which exclude each other".into());
            }
            (Some(source), None) if source == profile.name => self.own_key(profile)?,
            (Some(source), None) => self.known_of(source).map_err(|why| stands_on(source, why))?,
            (None, Some(word)) => self.machine(profile, word)?,
            // aws-vault and Granted: a stored key of the profile's own goes before all else.
            (None, None) if self.entry_of(profile.name).is_some() => self.own_key(profile)?,
            (None, None) => return Err("it has role_arn without source_profile or credential_source".to_owned()),
        };
        if source.roles >= MAX_CHAIN {
            return Err(format!("its chain has more than {MAX_CHAIN} roles"));
        }
        let role = NewRole {
            name: source.name.clone(),
            profile: profile.name.to_owned(),
            source: source.name,
            role_arn: arn.to_owned(),
            external_id: self.word(profile, "external_id", check_external_id)?,
            duration_seconds: self.duration(profile)?,
            role_session_name: self.word(profile, "role_session_name", check_session_word)?,
            source_identity: self.word(profile, "source_identity", check_session_word)?,
            session_tags: self.tags(profile)?,
            transitive_tag_keys: self
                .inherited(profile, "transitive_session_tags")
                .map(|keys| keys.split(',').map(|key| key.trim().to_owned()).filter(|key| !key.is_empty()).collect())
                .unwrap_or_default(),
            region: self.region(profile),
            mfa: None,
            mfa_serial: self.serial(profile)?,
            is_there: false,
        };
        self.remark(profile);
        let (name, is_there) = self.role_name(&role)?;
        self.plan.roles.push(NewRole { name: name.clone(), is_there, ..role });
        Ok(Known { name, roles: source.roles + 1 })
    }

    /// Gives a role its name: that of the configuration's role that is the same, or one that nobody has.
    fn role_name(&mut self, role: &NewRole) -> Result<(Name, bool), String> {
        for wish in candidates(&wished(&role.profile)) {
            let there = self.scene.catalogue.roles.get(wish.as_str());
            if there.is_none() {
                break;
            }
            if is_as(there, role) && self.taken.insert(wish.clone()) {
                return Ok((Name::new(&wish).map_err(str::to_owned)?, true));
            }
        }
        Ok((self.give_name(&wished(&role.profile))?, false))
    }

    /// A profile that is its own source: its key is an identity beside the role.
    fn own_key(&mut self, profile: &Profile<'s, 'a>) -> Outcome {
        let wish = format!("{}-user", wished(profile.name));
        self.keyed(profile, Some(&wish)).map_err(|why| format!("it is its own source, but {why}"))
    }

    fn machine(&mut self, profile: &Profile<'s, 'a>, word: &str) -> Outcome {
        let kind = match word.to_ascii_lowercase().as_str() {
            "environment" => "environment",
            "ec2instancemetadata" => "ec2",
            "ecscontainer" => "ecs",
            _ => return Err(format!("credential_source `{}` is none that AWS knows", printable(word, SHOWN))),
        };
        if let Some(name) = self.machines.get(kind) {
            return Ok(Known { name: name.clone(), roles: 0 });
        }
        let there = self.scene.catalogue.identities.values().filter(|identity| identity.kind.as_str() == kind);
        if let Some(name) = there.map(|identity| &identity.name).min() {
            self.machines.insert(kind, name.clone());
            return Ok(Known { name: name.clone(), roles: 0 });
        }
        let name = self.give_name(kind)?;
        self.machines.insert(kind, name.clone());
        self.plan.identities.push(NewIdentity {
            name: name.clone(),
            profile: profile.name.to_owned(),
            origin: Origin::Machine(kind),
            region: self.region(profile),
            mfa_serial: None,
            is_there: false,
        });
        Ok(Known { name, roles: 0 })
    }

    fn identity_named(&mut self, profile: &Profile<'s, 'a>, origin: Origin, wish: Option<&str>) -> Outcome {
        let wish = wish.map_or_else(|| wished(profile.name), str::to_owned);
        let mut is_there = false;
        let name = match &origin {
            Origin::Key(key) => {
                if let Some(name) = self.keys.get(&key.id) {
                    return Ok(Known { name: name.clone(), roles: 0 });
                }
                let name = match self.scene.stored.get(&key.id) {
                    Some(name) => {
                        is_there = true;
                        name.clone()
                    }
                    None => self.give_name(&wish)?,
                };
                self.keys.insert(key.id.clone(), name.clone());
                name
            }
            Origin::Process(_) | Origin::WebIdentity { .. } => {
                let there = self.scene.catalogue.identities.values().filter(|there| is_same(there, &origin));
                match there.map(|identity| &identity.name).min() {
                    Some(name) => {
                        is_there = true;
                        name.clone()
                    }
                    None => self.give_name(&wish)?,
                }
            }
            Origin::Keyring(..) | Origin::Machine(_) => self.give_name(&wish)?,
        };
        let mfa_serial = self.serial(profile)?;
        self.remark(profile);
        self.plan.identities.push(NewIdentity {
            name: name.clone(),
            profile: profile.name.to_owned(),
            origin,
            region: self.region(profile),
            mfa_serial,
            is_there,
        });
        Ok(Known { name, roles: 0 })
    }

    fn adopt(&mut self, tool: Tool, entry: &str, profile: Option<&Profile<'s, 'a>>, wish: Option<&str>) -> Outcome {
        let shown = printable(entry, SHOWN);
        let id = (tool, entry.to_owned());
        if let Some(name) = self.adopted.get(&id) {
            return Ok(Known { name: name.clone(), roles: 0 });
        }
        if !self.scene.entries.contains(&id) {
            return Err(format!("the keyring has no entry `{shown}` of {}", tool.as_str()));
        }
        let profile = profile.or_else(|| self.profiles.get(entry));
        if let Some(profile) = profile {
            self.check(profile)?;
        } else if let Some(why) = self.scene.excluded.get(entry) {
            return Err(why.clone());
        }
        let wish = wish.map_or_else(|| wished(entry), str::to_owned);
        // Its key is seen by the agent alone: what has the name already is taken for what was made of it before.
        let there = self.scene.catalogue.identities.get(wish.as_str());
        let there = there.filter(|identity| identity.source.is_none()).map(|identity| identity.name.clone());
        let is_there = there.is_some();
        let name = match there {
            Some(name) => name,
            None => self.give_name(&wish)?,
        };
        self.taken.insert(name.to_string());
        self.adopted.insert(id, name.clone());
        let (region, mfa_serial) = match profile {
            Some(profile) => (self.region(profile), self.serial(profile)?),
            None => (None, None),
        };
        self.plan.identities.push(NewIdentity {
            name: name.clone(),
            profile: entry.to_owned(),
            origin: Origin::Keyring(tool, entry.to_owned()),
            region,
            mfa_serial,
            is_there,
        });
        Ok(Known { name, roles: 0 })
    }

    /// Takes the entries of which no profile speaks.
    fn take_entries(&mut self) {
        for (tool, entry) in self.scene.entries {
            if !self.is_wanted(entry) || self.profiles.get(entry).is_some() {
                continue;
            }
            match self.adopt(*tool, entry, None, None) {
                Ok(known) => self.plan.served.push(Served { profile: entry.clone(), name: known.name }),
                Err(reason) => self.plan.left.push(Left { profile: entry.clone(), at: None, reason }),
            }
        }
    }

    /// Gives a name that nobody has, as near to the wish as can be.
    fn give_name(&mut self, wish: &str) -> Result<Name, String> {
        let catalogue = self.scene.catalogue;
        let is_free = |name: &str| {
            !catalogue.identities.contains_key(name)
                && !catalogue.roles.contains_key(name)
                && !self.taken.contains(name)
        };
        let found = candidates(wish).find(|name| is_free(name)).ok_or("ten thousand others have its name")?;
        let name = Name::new(&found).map_err(str::to_owned)?;
        self.taken.insert(found);
        Ok(name)
    }

    fn region(&self, profile: &Profile<'s, 'a>) -> Option<String> {
        self.inherited(profile, "region").filter(|region| check_region(region).is_ok()).map(str::to_owned)
    }

    fn serial(&self, profile: &Profile<'s, 'a>) -> Result<Option<String>, String> {
        let Some(serial) = self.inherited(profile, "mfa_serial") else { return Ok(None) };
        MfaSerial::new(serial).map_err(|why| format!("mfa_serial: {why}"))?;
        Ok(Some(serial.to_owned()))
    }

    fn word(
        &self,
        profile: &Profile<'s, 'a>,
        key: &str,
        check: fn(&str) -> Result<(), &'static str>,
    ) -> Result<Option<String>, String> {
        let Some(word) = self.inherited(profile, key) else { return Ok(None) };
        check(word).map_err(|why| format!("{key}: {why}"))?;
        Ok(Some(word.to_owned()))
    }

    fn duration(&self, profile: &Profile<'s, 'a>) -> Result<Option<u64>, String> {
        let Some(text) = self.inherited(profile, "duration_seconds") else { return Ok(None) };
        let seconds = text.parse().ok().filter(|seconds| DURATION.contains(seconds));
        seconds.map(Some).ok_or_else(|| "duration_seconds: AWS wants 900 to 43200".to_owned())
    }

    fn tags(&self, profile: &Profile<'s, 'a>) -> Result<BTreeMap<String, String>, String> {
        let text = self.inherited(profile, "session_tags").unwrap_or_default();
        let pairs = text.split(',').map(str::trim).filter(|pair| !pair.is_empty());
        let pair = |pair: &str| {
            let (key, value) = pair.split_once('=').ok_or("session_tags looks like key1=value1,key2=value2")?;
            Ok((key.trim().to_owned(), value.trim().to_owned()))
        };
        pairs.map(pair).collect()
    }

    /// Tells what a person may miss afterwards.
    fn remark(&mut self, profile: &Profile<'s, 'a>) {
        let mut note = |text: &str| self.plan.notes.push((profile.name.to_owned(), text.to_owned()));
        if profile.has("mfa_process") {
            note(
                "mfa_process goes; write it as a list into the identity's section: `mfa_process = [\"/program\", \"argument\"]`",
            );
        }
        if profile.has("endpoint_url") || profile.has("services") {
            note(
                "its endpoint stays for tools; rolecall asks AWS's own STS unless `[aws]` in config.toml says otherwise",
            );
        }
        if profile.has("ca_bundle") {
            note("its ca_bundle stays for tools; for rolecall set `ca_bundle` under [aws] in config.toml");
        }
    }
}

/// Tells whether the configuration's identity takes its credentials from the same place.
fn is_same(there: &Identity, origin: &Origin) -> bool {
    match (&there.source, origin) {
        (Some(Source::Process { argv: there }), Origin::Process(argv)) => there == argv,
        (Some(Source::WebIdentity(there)), Origin::WebIdentity { token_file, role_arn, .. }) => {
            there.token_file.to_str() == Some(token_file) && there.role_arn.as_str() == role_arn
        }
        _ => false,
    }
}

/// Says that a chain is broken further down; the first break is named, not every role on the way.
fn stands_on(source: &str, why: String) -> String {
    const BEGIN: &str = "its source `";
    if why.starts_with(BEGIN) {
        why
    } else {
        format!("{BEGIN}{}` cannot be taken over: {why}", printable(source, SHOWN))
    }
}

/// Reads the key of a profile, in either file; `None` where there is none.
fn key_of(profile: &Profile<'_, '_>) -> Result<Option<AccessKey>, String> {
    let (id, secret) = (profile.value("aws_access_key_id"), profile.value("aws_secret_access_key"));
    if profile.has("aws_session_token")
        || profile.has("aws_security_token")
        || id.is_some_and(|id| id.starts_with("ASIA"))
    {
        return Err("its key is that of a temporary session (ASIA…), which ends by itself".to_owned());
    }
    match (id, secret) {
        (Some(id), Some(secret)) => {
            let key = AccessKey { id: id.to_owned(), secret: SecretKey::new(secret.to_owned()) };
            key.check().map_err(str::to_owned)?;
            Ok(Some(key))
        }
        (None, None) => Ok(None),
        (Some(_), None) => Err("it has aws_access_key_id without aws_secret_access_key".to_owned()),
        (None, Some(_)) => Err("it has aws_secret_access_key without aws_access_key_id".to_owned()),
    }
}

/// Gives a name and those that stand for it where it is taken.
fn candidates(wish: &str) -> impl Iterator<Item = String> + use<'_> {
    std::iter::once(wish.to_owned()).chain((2..10_000).map(move |number| format!("{wish}-{number}")))
}

/// Makes a name for rolecall of a profile's name: what a name must not have becomes `-`.
fn wished(profile: &str) -> String {
    if Name::new(profile).is_ok() {
        return profile.to_owned();
    }
    let fits = |c: char| c.is_ascii_alphanumeric() || "_.@+/=:-".contains(c);
    let mut name = String::new();
    for c in profile.chars().take(100) {
        if fits(c) {
            name.push(c);
        } else if !name.ends_with('-') {
            name.push('-');
        }
    }
    let name = name.trim_matches('-');
    if Name::new(name).is_ok() { name.to_owned() } else { format!("profile-{name}").trim_end_matches('-').to_owned() }
}
