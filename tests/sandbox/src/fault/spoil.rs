//! Answers that are almost right.

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};

use super::FaultKind;
use crate::answer::Answer;
use crate::request::Request;
use crate::xml;

/// Spoils an answer, or makes one up; other kinds of fault leave it as it is.
pub(super) fn spoil(kind: &FaultKind, answer: Answer, now: DateTime<Utc>) -> Answer {
    let expiring = |end: DateTime<Utc>| end.to_rfc3339_opts(SecondsFormat::Secs, true);
    match kind {
        FaultKind::TruncatedXml => {
            let half = answer.body.len() / 2;
            Answer { body: answer.body[..half].to_vec(), ..answer }
        }
        FaultKind::WrongRole(arn) => edit(answer, |text| wrong_role(text, arn)),
        FaultKind::WrongAccount(id) => edit(answer, |text| wrong_account(text, id)),
        FaultKind::ExpiredAnswer => {
            edit(answer, |text| xml::replace(text, "Expiration", &expiring(now - TimeDelta::hours(1))))
        }
        FaultKind::FarFuture => {
            edit(answer, |text| xml::replace(text, "Expiration", &expiring(now + TimeDelta::days(3650))))
        }
        FaultKind::BadExpiration(bad) => edit(answer, |text| xml::replace(text, "Expiration", bad)),
        FaultKind::NoExpiration => edit(answer, |text| xml::remove(text, "Expiration")),
        FaultKind::MissingField(name) => edit(answer, |text| xml::remove(text, name)),
        _ => answer,
    }
}

/// Returns a message that repeats a request's credentials.
pub(super) fn echo(request: &Request) -> String {
    let header = |name| request.header(name).unwrap_or_default();
    let body = String::from_utf8_lossy(&request.body);
    format!(
        "Rejected request: Authorization: {} X-Amz-Security-Token: {} Body: {body}",
        header("authorization"),
        header("x-amz-security-token")
    )
}

fn edit(answer: Answer, change: impl Fn(&str) -> String) -> Answer {
    let text = String::from_utf8_lossy(&answer.body);
    Answer { body: change(&text).into_bytes(), ..answer }
}

/// Names another role's session of the same name in `AssumedRoleUser`.
fn wrong_role(text: &str, role_arn: &str) -> String {
    let session = xml::text(text, "Arn").and_then(|arn| arn.rsplit('/').next()).unwrap_or_default();
    let (account, role) = crate::world::named(role_arn, "role").unwrap_or_default();
    xml::replace(text, "Arn", &format!("arn:aws:sts::{account}:assumed-role/{role}/{session}"))
}

fn wrong_account(text: &str, id: &str) -> String {
    let Some(arn) = xml::text(text, "Arn") else { return text.to_owned() };
    let changed: Vec<&str> = arn.split(':').enumerate().map(|(at, part)| if at == 4 { id } else { part }).collect();
    let text = xml::replace(text, "Arn", &changed.join(":"));
    if xml::text(&text, "Account").is_some() { xml::replace(&text, "Account", id) } else { text }
}
