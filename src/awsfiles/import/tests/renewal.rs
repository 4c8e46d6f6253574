//! Keys with which other tools renew sessions.

use super::*;

#[test]
fn keys_that_aws_mfa_renews_with_stay() {
    let session = |name: &str| format!("{}aws_session_token = t\naws_security_token = t\n", key(name, "ASIAX", SECRET));
    let device = "aws_mfa_device = arn:aws:iam::111111111111:mfa/richard\n";
    for (credentials, profile, why) in [
        (key("x-long-term", ID, SECRET) + device, "x-long-term", Some("aws-mfa renews `x`")),
        (key("x-long-term", ID, SECRET) + &session("x"), "x-long-term", Some("aws-mfa renews `x`")),
        (key("base", ID, SECRET) + device, "base", Some("aws-mfa renews another")),
        (key("x-long-term", ID, SECRET), "x-long-term", None),
    ] {
        let role = format!("[profile r]\nrole_arn = {}\nsource_profile = {profile}\n", arn("R"));
        let files = files(role, credentials.clone());
        let reasons = files.reasons();
        let found = reasons.iter().find(|(name, _)| name == profile).map(|(_, reason)| reason.as_str());
        assert_eq!(found.is_some(), why.is_some(), "{credentials}: {reasons:?}");
        if let Some(why) = why {
            assert!(found.is_some_and(|reason| reason.contains(why)), "{reasons:?}");
            assert!(reasons.iter().any(|(name, reason)| name == "r" && reason.contains("aws-mfa")), "{reasons:?}");
            assert_eq!(files.after().1, credentials, "untouched");
        }
    }
}

#[test]
fn sessions_named_after_a_key_are_noted() {
    for (session, noted) in [("a-mfa", true), ("autoawsume-a", true), ("ab", false), ("other", false)] {
        let text = format!("{}{}aws_session_token = t\n", key("a", ID, SECRET), key(session, "ASIAX", SECRET));
        let notes = files("", text).plan().notes;
        assert_eq!(
            notes.iter().any(|(name, note)| name == "a" && note.contains(session)),
            noted,
            "{session}: {notes:?}"
        );
    }
}

#[test]
fn session_of_another_tool_stays_and_the_tool_is_named() {
    for (name, more, by) in [
        (
            "saml",
            "aws_session_token = t\naws_security_token = t\nx_principal_arn = arn:aws:sts::1:x\n",
            "like saml2aws",
        ),
        ("okta", "aws_session_token = t\nx_security_token_expires = 2030-01-02T00:47:31Z\n", "like okta-aws-cli"),
        ("autoawsume-prod", "aws_session_token = t\nexpiration = 2030-01-02 00:47:31\n", "awsume"),
        ("old", "aws_security_token = t\n", ""),
    ] {
        for id in [ID, "ASIAIOSFODNN7EXAMPLE"] {
            let credentials = format!("{}{more}", key(name, id, SECRET));
            let role = format!("[profile r]\nrole_arn = {}\nsource_profile = {name}\n", arn("R"));
            let files = files(role.clone(), credentials.clone());
            let reasons = files.reasons();
            let found = reasons.iter().find(|(left, _)| left == name).map(|(_, reason)| reason.as_str());
            let found = found.unwrap_or_else(|| panic!("{credentials}: {reasons:?}"));
            assert!(found.contains("it holds a temporary session") && found.contains(by), "{found}");
            assert!(reasons.iter().any(|(left, reason)| left == "r" && reason.contains(name)), "{reasons:?}");
            let after = files.after();
            assert_eq!((after.0.as_str(), after.1), (role.as_str(), credentials), "untouched");
        }
    }
}
