//! The Principal element, and how closely it names a caller.
//!
//! Rules: IAM User Guide, "AWS JSON policy elements: Principal". A wildcard is only allowed as the whole of it.

use std::collections::BTreeMap;

use serde_json::Value;

use super::MalformedPolicy;

/// How closely a principal element names a caller; a closer one is greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Reach {
    /// The caller's account: it delegates to the account, whose own policies must allow.
    Account,
    /// The caller's role: any session of it, within that session's own limits.
    Role,
    /// The caller itself: the user, the session, or anyone.
    Caller,
}

/// The names a caller answers to.
#[derive(Clone, Debug, Default)]
pub(crate) struct Names {
    pub(crate) account: String,
    /// The user's or the session's ARN.
    pub(crate) arn: String,
    /// The ARN of the role a session is of.
    pub(crate) role_arn: Option<String>,
    /// The unique id of the user, or of the role a session is of.
    pub(crate) id: Option<String>,
    /// The service that acts, when no identity of an account does.
    pub(crate) service: Option<String>,
    /// The identity provider that vouches, when no identity of an account does.
    pub(crate) federated: Option<String>,
}

#[derive(Clone, Debug)]
pub(crate) enum PrincipalClause {
    Only(Vec<Principal>),
    AllBut(Vec<Principal>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Principal {
    Anyone,
    Account(String),
    Arn(String),
    Service(String),
    /// An identity provider.
    Federated(String),
    /// A canonical user: nobody here is one.
    Other,
}

impl PrincipalClause {
    /// Returns everybody it names.
    pub(crate) fn all(&self) -> &[Principal] {
        let (Self::Only(principals) | Self::AllBut(principals)) = self;
        principals
    }

    /// Says how closely the element names a caller, if it does.
    pub(crate) fn reach(&self, names: &Names, bound: &BTreeMap<String, String>) -> Option<Reach> {
        match self {
            Self::Only(principals) => principals.iter().filter_map(|principal| principal.reach(names, bound)).max(),
            Self::AllBut(principals) => {
                principals.iter().all(|principal| principal.reach(names, bound).is_none()).then_some(Reach::Caller)
            }
        }
    }
}

impl Principal {
    /// Returns the ARN, where it is one of a user, a role or a session.
    pub(crate) fn arn(&self) -> Option<&str> {
        if let Self::Arn(arn) = self { Some(arn) } else { None }
    }

    fn reach(&self, names: &Names, bound: &BTreeMap<String, String>) -> Option<Reach> {
        match self {
            Self::Anyone => Some(Reach::Caller),
            Self::Account(id) => (!names.account.is_empty() && *id == names.account).then_some(Reach::Account),
            // "If you delete the user or role, you break the relationship": who comes after has another id.
            Self::Arn(arn) if bound.get(arn).is_some_and(|id| names.id.as_ref() != Some(id)) => None,
            Self::Arn(arn) if *arn == names.arn => Some(Reach::Caller),
            Self::Arn(arn) => (names.role_arn.as_ref() == Some(arn)).then_some(Reach::Role),
            Self::Service(service) => (names.service.as_ref() == Some(service)).then_some(Reach::Caller),
            Self::Federated(provider) => (names.federated.as_ref() == Some(provider)).then_some(Reach::Caller),
            Self::Other => None,
        }
    }
}

/// Replaces a name in every Principal element of a document.
pub(crate) fn rename(document: &mut Value, from: &str, to: &str) {
    let statements = match document.get_mut("Statement") {
        Some(Value::Array(statements)) => statements.iter_mut().collect(),
        Some(statement) => vec![statement],
        None => Vec::new(),
    };
    for statement in statements {
        for element in ["Principal", "NotPrincipal"] {
            match statement.get_mut(element).and_then(|principal| principal.get_mut("AWS")) {
                Some(Value::Array(names)) => {
                    names.iter_mut().filter(|name| *name == from).for_each(|name| *name = to.into());
                }
                Some(name) if name == from => *name = to.into(),
                _ => {}
            }
        }
    }
}

/// Parses the value of a Principal or NotPrincipal element.
pub(crate) fn parse(value: &Value) -> Result<Vec<Principal>, MalformedPolicy> {
    let malformed = || MalformedPolicy("Syntax errors in policy.".to_owned());
    if value == "*" {
        return Ok(vec![Principal::Anyone]);
    }
    let mut principals = Vec::new();
    for (kind, names) in value.as_object().ok_or_else(malformed)? {
        for name in super::statement::strings(names)? {
            principals.push(match kind.as_str() {
                "AWS" => aws(&name)?,
                "Service" => Principal::Service(name),
                "Federated" => Principal::Federated(name),
                "CanonicalUser" => Principal::Other,
                _ => return Err(malformed()),
            });
        }
    }
    Ok(principals)
}

fn aws(name: &str) -> Result<Principal, MalformedPolicy> {
    let invalid = || MalformedPolicy(format!("Invalid principal in policy: \"AWS\":\"{name}\""));
    if name == "*" {
        return Ok(Principal::Anyone);
    }
    if name.len() == 12 && name.bytes().all(|byte| byte.is_ascii_digit()) {
        return Ok(Principal::Account(name.to_owned()));
    }
    match name.splitn(6, ':').collect::<Vec<_>>()[..] {
        ["arn", _, "iam", "", account, "root"] => Ok(Principal::Account(account.to_owned())),
        ["arn", _, "iam" | "sts", "", _, rest] if !rest.contains(['*', '?']) => Ok(Principal::Arn(name.to_owned())),
        _ => Err(invalid()),
    }
}
