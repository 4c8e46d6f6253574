//! Other tools that write sessions into the AWS files: which tool it was, and tools that renew one profile with the
//! long-term key of another one, which an import would take away from them.
//!
//! aws-mfa (broamski/aws-mfa) reads the key and `aws_mfa_device` of `[NAME-long-term]` in the credentials file and writes
//! the session to `[NAME]`. Other tools and scripts have the same pattern under other names (`[NAME-mfa]`,
//! `[autoawsume-NAME]`); of these only the session that they left can be seen.

use super::profile::{Profile, Profiles};
use rolecall_core::domain::error::printable;

/// How aws-mfa names the profile with the key, unless it is told otherwise.
const LONG_TERM: &str = "-long-term";

/// The key of a profile that only aws-mfa reads.
const DEVICE: &str = "aws_mfa_device";

/// The longest name that a reason or a note repeats.
const SHOWN: usize = 128;

/// Returns which tool writes the session of a profile, as far as the keys or the name tell.
///
/// awsume gives the profile a name with `autoawsume-`. saml2aws (Versent/saml2aws, pkg/awsconfig) writes `x_principal_arn`
/// and `x_security_token_expires`; okta-aws-cli writes only the latter.
pub(super) fn writer_of_session(profile: &Profile<'_, '_>) -> Option<&'static str> {
    if profile.has("autoawsume") || profile.name.starts_with("autoawsume-") {
        Some("awsume")
    } else if profile.has("x_principal_arn") {
        Some("a tool like saml2aws")
    } else if profile.has("x_security_token_expires") {
        Some("a tool like okta-aws-cli")
    } else {
        None
    }
}

/// Returns why the key of a profile must stay, if aws-mfa renews another profile with it.
pub(super) fn by_aws_mfa(profile: &Profile<'_, '_>, profiles: &Profiles<'_, '_>) -> Option<String> {
    let short = profile.name.strip_suffix(LONG_TERM).filter(|short| !short.is_empty());
    let is_session = short.and_then(|short| profiles.get(short)).is_some_and(has_session);
    match short {
        Some(short) if is_session || profile.has(DEVICE) => {
            Some(format!("aws-mfa renews `{}` with its key, and cannot without it", printable(short, SHOWN)))
        }
        _ if profile.has(DEVICE) => {
            Some("aws-mfa renews another profile with its key, and cannot without it".to_owned())
        }
        _ => None,
    }
}

/// Returns what a person should know of sessions that seem to be made with the key of a profile.
pub(super) fn of_scripts(profile: &Profile<'_, '_>, profiles: &Profiles<'_, '_>) -> Option<String> {
    let session = profiles.all.iter().find(|other| has_session(other) && is_named_after(other.name, profile.name))?;
    Some(format!(
        "`{}` holds a session: a tool that renews it with this key fails from now on",
        printable(session.name, SHOWN)
    ))
}

fn has_session(profile: &Profile<'_, '_>) -> bool {
    profile.has("aws_session_token") || profile.has("aws_security_token")
}

fn is_named_after(session: &str, profile: &str) -> bool {
    let is_joint = |rest: &str, at_end: bool| {
        let c = if at_end { rest.chars().next_back() } else { rest.chars().next() };
        c.is_some_and(|c| "-_.:@/".contains(c))
    };
    session.strip_prefix(profile).is_some_and(|rest| is_joint(rest, false))
        || session.strip_suffix(profile).is_some_and(|rest| is_joint(rest, true))
        || (profile == "default" && session == "mfa")
}
