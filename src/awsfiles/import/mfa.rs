//! Which MFA device belongs to an identity, and which to a role alone.
//!
//! In the AWS files the device stands at each role, so that the AWS CLI asks once for each. Where all roles of an identity
//! agree on one it becomes the identity's, and one code opens them all; a role without a device keeps asking for none.

use super::{NewIdentity, NewRole};
use rolecall_core::domain::catalogue::{Config, HOUR};
use rolecall_core::domain::names::Name;
use std::collections::{BTreeSet, HashMap, HashSet};

/// What is said of a device that AWS would never have taken a code of.
const NO_CODES: &str = "mfa_serial is left out: AWS takes codes only with the key of an IAM user";
/// What is said of a duration that AWS would have refused.
const CAPPED: &str = "duration_seconds is left out: AWS gives an hour to a role that is assumed with a session";

/// Gives each identity and role its device and its way of MFA.
pub(super) fn settle(
    identities: &mut [NewIdentity],
    roles: &mut [NewRole],
    served: &HashSet<Name>,
    catalogue: &Config,
    notes: &mut Vec<(String, String)>,
) {
    let mut wanted: HashMap<&str, BTreeSet<Option<&str>>> = HashMap::new();
    for role in roles.iter().filter(|role| !role.is_there) {
        wanted.entry(role.source.as_str()).or_default().insert(role.section.mfa_serial.as_deref());
    }
    for identity in identities.iter_mut().filter(|identity| !identity.is_there) {
        if !identity.origin.kind().facts().takes_codes {
            if identity.mfa_serial.take().is_some() {
                notes.push((identity.profile.clone(), NO_CODES.to_owned()));
            }
            continue;
        }
        let agreed = wanted.get(identity.name.as_str()).filter(|serials| serials.len() == 1);
        // A profile of its own that asks for no code now must not begin to: whoever uses it may be a cron job. The roles
        // keep the device; as they name the same one, one code still opens them all.
        if identity.mfa_serial.is_none() && !served.contains(&identity.name) {
            identity.mfa_serial = agreed.and_then(|serials| (*serials.first()?).map(str::to_owned));
        }
    }
    let new: HashMap<&Name, &NewIdentity> = identities.iter().map(|identity| (&identity.name, identity)).collect();
    for role in roles.iter_mut().filter(|role| !role.is_there) {
        let known = catalogue.identities.get(&role.source);
        let (takes_codes, device) = match (new.get(&role.source), known) {
            (_, Some(known)) => {
                (Some(known.takes_codes()), known.mfa_serial.as_ref().map(|serial| serial.as_str().to_owned()))
            }
            (Some(identity), None) => (Some(identity.origin.kind().facts().takes_codes), identity.mfa_serial.clone()),
            // A role: no code goes with a session.
            (None, None) => (None, None),
        };
        let long = role.duration.is_some_and(|duration| duration > HOUR);
        if takes_codes != Some(true) {
            if role.section.mfa_serial.take().is_some() {
                notes.push((role.profile.clone(), NO_CODES.to_owned()));
            }
            if long {
                role.duration = None;
                notes.push((role.profile.clone(), CAPPED.to_owned()));
            }
            continue;
        }
        match (role.section.mfa_serial.take(), device) {
            (None, Some(_)) => role.section.mfa = Some("none".to_owned()),
            (None, None) => {}
            (own, device) => {
                // The AWS CLI sends the code with AssumeRole, which alone gives more than an hour.
                role.section.mfa = long.then(|| "direct".to_owned());
                role.section.mfa_serial = own.filter(|own| device.as_ref() != Some(own));
            }
        }
    }
}
