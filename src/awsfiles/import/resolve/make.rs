//! New identities and roles: what a profile means, under a name that nobody has.

use super::super::profile::Profile;
use super::super::{NewIdentity, NewRole, Origin};
use super::{Outcome, ResolvedProfile, Resolver, SHOWN, is_as};
use rolecall_core::config::schema_types::RoleSection;
use rolecall_core::domain::arn::RoleArn;
use rolecall_core::domain::catalogue::{Identity, MAX_CHAIN};
use rolecall_core::domain::error::printable;
use rolecall_core::domain::names::{Name, check_external_id, check_session_word};
use rolecall_core::domain::source::{ForeignTool, IdentityKind, Process, Source};

impl<'s, 'a> Resolver<'_, 's, 'a> {
    pub(super) fn role(&mut self, profile: &Profile<'s, 'a>, arn: &str) -> Outcome {
        RoleArn::new(arn).map_err(|why| format!("role_arn: {why}"))?;
        if let Some(file) = profile.value("web_identity_token_file") {
            if !file.starts_with('/') {
                return Err("web_identity_token_file is not an absolute path".to_owned());
            }
            let origin = Origin::WebIdentity {
                token_file: file.to_owned(),
                role_arn: arn.to_owned(),
                role_session_name: self.word(profile, "role_session_name", check_session_word)?,
                duration: self.duration(profile)?,
            };
            return self.identity_named(profile, origin, None);
        }
        let source = self.inherited(profile, "source_profile");
        let source = match (source, profile.value("credential_source")) {
            (Some(_), Some(_)) => {
                return Err("it has source_profile and credential_source, which exclude each other".into());
            }
            (Some(source), None) if source == profile.name => self.own_key(profile)?,
            (Some(source), None) => self.known_of(source).map_err(|why| self.stuck_on(profile.name, source, why))?,
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
            duration: self.duration(profile)?,
            section: RoleSection {
                role_arn: arn.to_owned(),
                external_id: self.word(profile, "external_id", check_external_id)?,
                role_session_name: self.word(profile, "role_session_name", check_session_word)?,
                source_identity: self.word(profile, "source_identity", check_session_word)?,
                session_tags: self.tags(profile)?,
                transitive_tag_keys: self.transitive_tag_keys(profile),
                region: self.region(profile),
                mfa_serial: self.serial(profile)?,
                ..RoleSection::default()
            },
            is_there: false,
        };
        self.remark(profile);
        let (name, is_there) = self.role_name(&role)?;
        self.plan.roles.push(NewRole { name: name.clone(), is_there, ..role });
        Ok(ResolvedProfile { name, roles: source.roles + 1 })
    }

    /// Gives a role its name: that of the configuration's role that is the same, or one that nobody has.
    pub(super) fn role_name(&mut self, role: &NewRole) -> Result<(Name, bool), String> {
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
    pub(super) fn own_key(&mut self, profile: &Profile<'s, 'a>) -> Outcome {
        let wish = format!("{}-user", wished(profile.name));
        self.keyed(profile, Some(&wish)).map_err(|why| format!("it is its own source, but {why}"))
    }

    pub(super) fn machine(&mut self, profile: &Profile<'s, 'a>, word: &str) -> Outcome {
        let is_meant = |known: &str| known.eq_ignore_ascii_case(word);
        let mut kinds = IdentityKind::ALL.into_iter();
        let kind = kinds.find(|kind| kind.facts().credential_source.is_some_and(is_meant));
        let kind =
            kind.ok_or_else(|| format!("credential_source `{}` is none that AWS knows", printable(word, SHOWN)))?;
        if let Some(name) = self.machines.get(&kind) {
            return Ok(ResolvedProfile { name: name.clone(), roles: 0 });
        }
        let there = self.scene.catalogue.identities.values().filter(|identity| identity.kind() == kind);
        if let Some(name) = there.map(|identity| &identity.name).min() {
            self.machines.insert(kind, name.clone());
            return Ok(ResolvedProfile { name: name.clone(), roles: 0 });
        }
        let name = self.give_name(kind.as_str())?;
        self.machines.insert(kind, name.clone());
        let region = self.region(profile);
        Ok(self.add_identity(name, profile.name, Origin::Machine(kind), (region, None), false))
    }

    pub(super) fn identity_named(&mut self, profile: &Profile<'s, 'a>, origin: Origin, wish: Option<&str>) -> Outcome {
        let wish = wish.map_or_else(|| wished(profile.name), str::to_owned);
        let mut is_there = false;
        let name = match &origin {
            Origin::Key(key) => {
                if let Some((name, secret)) = self.keys.get(&key.id) {
                    if secret.expose() != key.secret.expose() {
                        return Err(format!(
                            "`{name}` has another secret for the same aws_access_key_id: one is wrong"
                        ));
                    }
                    return Ok(ResolvedProfile { name: name.clone(), roles: 0 });
                }
                let name = match self.scene.stored.get(&key.id) {
                    Some(name) => {
                        is_there = true;
                        name.clone()
                    }
                    // Described before, and its key is still to come: this is it.
                    None if self.is_described(&wish) => {
                        is_there = true;
                        Name::new(&wish).map_err(str::to_owned)?
                    }
                    None => self.give_name(&wish)?,
                };
                self.keys.insert(key.id.clone(), (name.clone(), key.secret.clone()));
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
        let region = self.region(profile);
        Ok(self.add_identity(name, profile.name, origin, (region, mfa_serial), is_there))
    }

    fn add_identity(
        &mut self,
        name: Name,
        profile: &str,
        origin: Origin,
        (region, mfa_serial): (Option<String>, Option<String>),
        is_there: bool,
    ) -> ResolvedProfile {
        let profile = profile.to_owned();
        self.plan.identities.push(NewIdentity { name: name.clone(), profile, origin, region, mfa_serial, is_there });
        ResolvedProfile { name, roles: 0 }
    }

    /// Tells whether the configuration has an IAM user of this name without a key in the vault; takes the name.
    fn is_described(&mut self, wish: &str) -> bool {
        let there = self.scene.catalogue.identities.get(wish);
        there.is_some_and(Identity::has_stored_key)
            && !self.scene.stored.values().any(|name| name.as_str() == wish)
            && self.taken.insert(wish.to_owned())
    }

    pub(super) fn adopt(
        &mut self,
        tool: ForeignTool,
        entry: &str,
        profile: Option<&Profile<'s, 'a>>,
        wish: Option<&str>,
    ) -> Outcome {
        let shown = printable(entry, SHOWN);
        let id = (tool, entry.to_owned());
        if let Some(name) = self.adopted.get(&id) {
            return Ok(ResolvedProfile { name: name.clone(), roles: 0 });
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
        let there = there.filter(|identity| identity.has_stored_key()).map(|identity| identity.name.clone());
        let is_there = there.is_some();
        let name = match there {
            Some(name) => name,
            None => self.give_name(&wish)?,
        };
        self.taken.insert(name.to_string());
        self.adopted.insert(id, name.clone());
        let settings = match profile {
            Some(profile) => (self.region(profile), self.serial(profile)?),
            None => (None, None),
        };
        Ok(self.add_identity(name, entry, Origin::Keyring(tool, entry.to_owned()), settings, is_there))
    }

    /// Returns why a profile is not taken over if its source is not. The first profile of a chain that fails is named.
    fn stuck_on(&mut self, profile: &str, source: &str, why: String) -> String {
        self.stuck.insert(profile.to_owned());
        if self.stuck.contains(source) {
            return why;
        }
        format!("its source `{}` cannot be taken over: {why}", printable(source, SHOWN))
    }

    /// Gives a name that nobody has, as near to the wish as can be.
    pub(super) fn give_name(&mut self, wish: &str) -> Result<Name, String> {
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
}

/// Tells whether the configuration's identity takes its credentials from the same place.
fn is_same(there: &Identity, origin: &Origin) -> bool {
    match (&there.source, origin) {
        (Some(Source::Process(Process { argv: there })), Origin::Process(argv)) => there == argv,
        (Some(Source::WebIdentity(there)), Origin::WebIdentity { token_file, role_arn, .. }) => {
            there.token_file.to_str() == Some(token_file) && there.role_arn.as_str() == role_arn
        }
        _ => false,
    }
}

/// Gives a name and those that stand for it where it is taken.
pub(super) fn candidates(wish: &str) -> impl Iterator<Item = String> + use<'_> {
    std::iter::once(wish.to_owned()).chain((2..10_000).map(move |number| format!("{wish}-{number}")))
}

/// Makes a name for rolecall of a profile's name: what a name must not have becomes `-`.
pub(super) fn wished(profile: &str) -> String {
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
