//! What a setup writes on this machine: the two sections of config.toml and the profile.

use super::super::{config_file, profiles};
use rolecall_awsfiles::entry::Entry;
use rolecall_core::config::schema_types::{Configuration, IdentitySection, RoleSection};
use rolecall_core::domain::error::UserError;
use rolecall_core::domain::source::IdentityKind;
use rolecall_core::domain::text;
use rolecall_core::setup::{Setup, Who};
use rolecall_platform::paths::Paths;
use std::time::Duration;

/// What IAM gives where nobody asks for more; also the most behind another role.
const HOUR: Duration = Duration::from_hours(1);

/// Gives the identity's section.
pub(crate) fn identity(setup: &Setup) -> IdentitySection {
    let kind = match &setup.who {
        Who::Person(_) => IdentityKind::IamUser,
        Who::Application(application) => application.service.identity_kind(),
    };
    let (mfa_serial, region) = (setup.mfa_serial(), setup.region.clone());
    IdentitySection { r#type: kind.as_str().to_owned(), mfa_serial, region, ..IdentitySection::default() }
}

/// Gives the role's section.
pub(crate) fn role(setup: &Setup) -> RoleSection {
    // With a device the role is assumed behind an MFA session, and from a role it is a chain: one hour is the most then.
    let direct = matches!(&setup.who, Who::Person(_)) && setup.mfa_serial().is_none();
    let longest = setup.role.max_session;
    RoleSection {
        source: setup.who.identity().to_string(),
        role_arn: setup.role_arn(),
        external_id: setup.role.external_id.clone(),
        duration: (direct && longest > HOUR).then(|| text::duration(longest)),
        region: setup.region.clone(),
        ..RoleSection::default()
    }
}

/// Writes both sections as config.toml has them.
pub(crate) fn config_text(setup: &Setup) -> String {
    let configuration = Configuration {
        identities: [(setup.who.identity().to_string(), identity(setup))].into(),
        roles: [(setup.name.to_string(), role(setup))].into(),
        ..Configuration::default()
    };
    toml::to_string(&configuration).expect("strings and tables of strings")
}

/// Writes the profile as ~/.aws/config has it.
pub(crate) fn profile_text(setup: &Setup) -> Result<String, UserError> {
    let entry = Entry::new(setup.name.clone(), &profiles::program()?, setup.region.as_deref())?;
    Ok(entry.section())
}

/// Says what of these names config.toml has already.
pub(super) fn remarks(paths: &Paths, setup: &Setup) -> Result<Vec<String>, UserError> {
    let catalogue = config_file::load(paths)?;
    let file = config_file::shown(&paths.config);
    let (name, identity) = (setup.name.as_str(), setup.who.identity().as_str());
    let mut remarks = Vec::new();
    if let Some(role) = catalogue.roles.get(name)
        && (role.role_arn.as_str() != setup.role_arn() || role.source.as_str() != identity)
    {
        remarks.push(format!(
            "{file} has a role {name} already, which is {} from {}: choose another `--name`",
            role.role_arn, role.source
        ));
    }
    if catalogue.identities.contains_key(name) || catalogue.roles.contains_key(identity) {
        remarks.push(format!(
            "{file} has a role and an identity in each other's names: choose another `--name` or `--identity`"
        ));
    }
    if let (Some(known), Who::Person(person)) = (catalogue.identities.get(identity), &setup.who)
        && person.key
    {
        let kind = known.kind().as_str();
        remarks.push(format!(
            "{file} has an identity {identity} ({kind}) already: its key would be another user's, or a second one"
        ));
    }
    Ok(remarks)
}
