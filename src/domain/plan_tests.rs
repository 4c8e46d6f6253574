use super::*;

#[test]
fn an_unknown_name_is_answered_with_what_was_meant() {
    let mut catalogue = Catalogue::default();
    for name in ["prod", "staging"] {
        let name = Name::new(name).expect("valid");
        catalogue.identities.insert(
            name.clone(),
            Identity {
                name,
                kind: IdentityKind::IamUser,
                mfa_serial: None,
                mfa_session: HOUR,
                region: None,
                rotate_after: None,
            },
        );
    }
    let report = Plan::of(&catalogue, "prdo").expect_err("unknown");
    assert_eq!(report.kind, Kind::Config);
    assert!(report.hint.expect("a hint").contains("`prod`"));
}

#[test]
fn an_identity_is_served_by_a_session_never_by_its_long_term_key() {
    let name = Name::new("auth").expect("valid");
    let mut catalogue = Catalogue::default();
    catalogue.identities.insert(
        name.clone(),
        Identity {
            name,
            kind: IdentityKind::IamUser,
            mfa_serial: None,
            mfa_session: HOUR * 12,
            region: None,
            rotate_after: None,
        },
    );
    let plan = Plan::of(&catalogue, "auth").expect("planned");
    let [key] = plan.keys.as_slice() else { panic!("one call") };
    assert_eq!(
        key.step(),
        &Step::SessionToken(SessionTokenCall { region: "us-east-1".into(), duration: HOUR * 12, mfa_serial: None })
    );
}
