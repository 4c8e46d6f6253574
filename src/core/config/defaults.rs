//! `[defaults]`: what identities and roles inherit where they do not say it themselves.
//!
//! Only keys that a role can say otherwise, or that do no harm: an ExternalId, once inherited, could not be taken away.

use super::reader::{Field, Section, duration};
use super::validators;
use crate::domain::catalogue::{Access, Config, HOUR, MfaMode, RoleSettings};
use crate::domain::names::{Name, check_region, check_session_word};
use crate::domain::palette;
use std::time::Duration;

#[derive(Default)]
pub(super) struct Defaults {
    pub(super) source: Option<Name>,
    region: Option<String>,
    duration: Option<Duration>,
    role_session_name: Option<String>,
    mfa: Option<MfaMode>,
    access: Option<Access>,
    color: Option<String>,
}

pub(super) static DEFAULTS: Section<Defaults> = Section {
    fields: &[
        Field { key: "source", read: |d, s| d.source = s.checked(Name::new) },
        Field { key: "region", read: |d, s| d.region = s.text(check_region) },
        Field { key: "duration", read: |d, s| d.duration = duration(s, &validators::ROLE_DURATION) },
        Field { key: "role_session_name", read: |d, s| d.role_session_name = s.text(check_session_word) },
        Field { key: "mfa", read: |d, s| d.mfa = s.word(&validators::MFA_MODES) },
        Field { key: "access", read: |d, s| d.access = s.word(&validators::ACCESS) },
        Field { key: "color", read: |d, s| d.color = s.text(palette::check) },
    ],
    advice: &[
        ("external_id", "it belongs to a role, a template or an account: what one account asks for is not another's"),
        ("mfa_serial", "it belongs to [identities.NAME], whose roles inherit it"),
        ("tags", "they belong to a role, a template or an account"),
    ],
};

impl Defaults {
    /// Tells whether it says anything about a key.
    pub(super) fn has(&self, key: &str) -> bool {
        match key {
            "source" => self.source.is_some(),
            "region" => self.region.is_some(),
            "duration" => self.duration.is_some(),
            "role_session_name" => self.role_session_name.is_some(),
            "mfa" => self.mfa.is_some(),
            _ => false,
        }
    }

    /// Returns the settings of a role with the defaults that do not depend on its chain.
    pub(super) fn complete(&self, settings: RoleSettings) -> RoleSettings {
        RoleSettings {
            role_session_name: settings.role_session_name.or_else(|| self.role_session_name.clone()),
            access: Some(settings.access.or(self.access).unwrap_or_default()),
            color: settings.color.or_else(|| self.color.clone()),
            ..settings
        }
    }

    /// Fills in what depends on the whole: a region goes by the identity, so that one that has its own keeps it for its
    /// roles; MFA and more than an hour AWS knows for roles only that an identity assumes.
    pub(super) fn fill(&self, catalogue: &mut Config) {
        if let Some(region) = &self.region {
            for identity in catalogue.identities.values_mut().filter(|identity| identity.region.is_none()) {
                identity.region = Some(region.clone());
            }
        }
        if self.duration.is_none() && self.mfa.is_none() {
            return;
        }
        let identities = &catalogue.identities;
        for role in catalogue.roles.values_mut() {
            let identity = identities.get(&role.source);
            if role.settings.duration.is_none()
                && (identity.is_some() || self.duration.is_some_and(|most| most <= HOUR))
            {
                role.settings.duration = self.duration;
            }
            if role.settings.mfa.is_none() && identity.is_some_and(|identity| identity.device(role).is_some()) {
                role.settings.mfa = self.mfa;
            }
        }
    }
}
