//! The link by which the console, signed in as a user, switches to a role; and for which roles it cannot.
//!
//! It knows what the configuration says and asks nobody: whether the role trusts the user is between AWS and the person who
//! follows the link.
//!
//! Sources: IAM User Guide, "Switch from a user to an IAM role (console)" and "Methods to assume a role"; for displayName and
//! color, which AWS does not document, AWS re:Post, "Switch role link query parameters".

use super::arn::RoleArn;
use super::catalogue::{Config, Role};
use super::console::{encode, hosts_or_why};
use super::error::{Kind, UserError};
use super::palette;

/// What the console takes of a role's path and name together ("Methods to assume a role").
const NAME_MAX: usize = 64;

/// Makes the link by which the console, signed in as the role's own source, switches to a role; says why there is none.
pub fn link(catalogue: &Config, role: &Role) -> Result<String, UserError> {
    if let Some(report) = refusal(catalogue, role) {
        return Err(report);
    }
    let hosts = hosts_or_why(role.role_arn.partition())?;
    let signin = match hosts.plain {
        Some(_) => hosts.signin.to_owned(),
        None => format!("{}.{}", role.role_arn.partition().default_region(), hosts.signin),
    };
    let mut url = format!("https://{signin}/switchrole?account={}&roleName=", role.role_arn.account());
    encode(&mut url, path_and_name(&role.role_arn));
    url.push_str("&displayName=");
    encode(&mut url, shown_name(role));
    if let Some(color) = role.settings.color.as_deref().and_then(palette::console) {
        url.push_str("&color=");
        url.push_str(color);
    }
    Ok(url)
}

/// Gives the name under which the console shows a role.
pub fn shown_name(role: &Role) -> &str {
    role.settings.display_name.as_deref().unwrap_or(role.name.as_str())
}

/// Gives what the console calls the role: its path and name, without the slash in front.
pub fn path_and_name(arn: &RoleArn) -> &str {
    arn.as_str().split_once(":role/").map_or(arn.name(), |(_, path)| path)
}

/// Tells why the console cannot switch to a role, if it cannot: it calls AssumeRole with the user that is signed in, with
/// the role's name and with nothing else.
pub fn refusal(catalogue: &Config, role: &Role) -> Option<UserError> {
    let name = &role.name;
    let instead = format!("run `rolecall console {name}`: that signs in with rolecall's own session of the role");
    let refuse = |why: String| Some(UserError::new(Kind::Config, why).hint(instead.clone()));
    if let Some(before) = catalogue.roles.get(&role.source) {
        return refuse(format!(
            "`{name}` is assumed by role `{}`, and the console switches roles with the user that signed in, never with a \
             role it has switched to",
            before.name
        ));
    }
    let identity = catalogue.identities.get(&role.source)?;
    if !identity.kind().facts().signs_in_to_console {
        return refuse(format!(
            "`{name}` is assumed by identity `{}` of type {}, as whom nobody signs in to the console",
            identity.name,
            identity.kind().as_str()
        ));
    }
    if role.settings.external_id.is_some() {
        return refuse(format!("`{name}` wants an external id, and the console cannot give one"));
    }
    for (key, is_set) in [
        ("source_identity", role.settings.source_identity.is_some()),
        ("session_tags", !role.settings.session_tags.is_empty()),
    ] {
        if is_set {
            return refuse(format!("`{name}` has `{key}`, and the console passes nothing along when it switches"));
        }
    }
    let length = path_and_name(&role.role_arn).len();
    if length > NAME_MAX {
        return refuse(format!(
            "path and name of `{name}` have {length} characters together, and the console takes {NAME_MAX}"
        ));
    }
    None
}
