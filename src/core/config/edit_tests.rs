use super::super::parse;
use super::super::schema_types::{IdentitySection, RoleSection};
use super::super::tests::EXAMPLE;
use super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;

const START: &str = "# mine\n\n[identities.auth] # me\ntype = \"iam-user\"   # key in the vault\n\n# Production.\n[roles.prod]\nsource=\"auth\"\nrole_arn = 'arn:aws:iam::222222222222:role/AssumedRole'\n# end\n";

fn role(source: &str) -> RoleSection {
    RoleSection {
        source: source.into(),
        role_arn: "arn:aws:iam::333333333333:role/DataReader".into(),
        ..RoleSection::default()
    }
}

fn user() -> IdentitySection {
    IdentitySection { r#type: "iam-user".into(), ..IdentitySection::default() }
}

fn file() -> &'static Path {
    Path::new("c.toml")
}

fn put(text: &str, name: &str, role: &RoleSection) -> Result<String, UserError> {
    Ok(add(EntryKind::Roles, text, file(), name, role, IfPresent::Refuse)?)
}

#[test]
fn a_new_file_has_a_header_and_standard_tables() {
    let text = add(EntryKind::Identities, "", file(), "auth", &user(), IfPresent::Refuse).expect("added");
    let text = put(&text, "prod", &role("auth")).expect("added");
    assert_eq!(
        text,
        format!(
            "{HEADER}\n[identities.auth]\ntype = \"iam-user\"\n\n[roles.prod]\nsource = \"auth\"\n\
             role_arn = \"arn:aws:iam::333333333333:role/DataReader\"\n"
        )
    );
}

#[test]
fn a_role_is_written_with_its_keys_in_one_order() {
    let full = RoleSection {
        external_id: Some("7f3a".into()),
        duration: Some("1h".into()),
        role_session_name: Some("me".into()),
        source_identity: Some("me".into()),
        session_tags: BTreeMap::from([("Team x".into(), "a b".into()), ("A".into(), String::new())]),
        transitive_tag_keys: vec!["A".into()],
        policy: Some("{\n\"a\": ''}".replace('\'', "\"")),
        policy_arns: vec!["arn:aws:iam::aws:policy/ReadOnlyAccess".into()],
        region: Some("eu-west-1".into()),
        mfa: Some("none".into()),
        mfa_serial: Some("arn:aws:iam::111111111111:mfa/richard".into()),
        access: Some("ask".into()),
        access_by_program: BTreeMap::from([("/usr/bin/terraform".into(), "allow".into())]),
        display_name: Some("Data".into()),
        color: Some("red".into()),
        tags: vec!["team-a".into()],
        ..role("auth")
    };
    let text = put(START, "team.data", &full).expect("added");
    let new = text.strip_prefix(START).expect("the old text stays as it was");
    let keys: Vec<&str> = new.lines().filter_map(|line| line.split_once(" = ")).map(|(key, _)| key).collect();
    let order = "source role_arn external_id duration role_session_name source_identity session_tags \
                 transitive_tag_keys policy policy_arns region mfa mfa_serial access access_by_program display_name color \
                 tags";
    assert_eq!(keys, order.split(' ').collect::<Vec<_>>());
    let (_, mut known) = super::super::sections::keys().into_iter().find(|(s, _)| *s == "roles").expect("roles");
    let mut written = keys;
    known.sort_unstable();
    written.sort_unstable();
    assert_eq!(written, known);
    assert!(new.starts_with("\n[roles.\"team.data\"]\nsource = \"auth\"\n"), "{new}");
    let catalogue = parse(&text, file()).expect("good");
    assert_eq!(catalogue.roles["team.data"].settings.session_tags["Team x"], "a b");
    assert_eq!(catalogue.roles["team.data"].settings.policy.as_deref(), Some("{\n\"a\": \"\"}"));
}

#[test]
fn additions_go_behind_their_kind_and_change_no_other_byte() {
    let text = add(EntryKind::Identities, START, file(), "second", &user(), IfPresent::Refuse).expect("added");
    let at = START.find("\n# Production").expect("there");
    assert_eq!(text, format!("{}\n[identities.second]\ntype = \"iam-user\"\n{}", &START[..at], &START[at..]));

    let crlf = format!("\u{feff}{}", START.replace('\n', "\r\n"));
    let text = put(&crlf, "x", &role("prod")).expect("added");
    let new = text.strip_prefix(&crlf).expect("BOM and line endings stay");
    assert_eq!(new.matches("\r\n").count(), new.matches('\n').count());

    let open_end = START.trim_end();
    let text = put(open_end, "x", &role("prod")).expect("added");
    assert!(text.starts_with(&format!("{open_end}\n\n[roles.x]\n")) && text.ends_with("\"\n"), "{text}");
}

#[test]
fn unusual_forms_are_edited_in_their_form_or_left_alone() {
    let arn = "arn:aws:iam::222222222222:role/A";
    let forms = [
        format!(
            "identities = {{ auth = {{ type = \"iam-user\" }} }}\nroles = {{ a = {{ source = \"auth\", role_arn = \"{arn}\" }} }}\n"
        ),
        format!("identities.auth.type = \"iam-user\"\nroles.a.source = \"auth\"\nroles.a.role_arn = \"{arn}\"\n"),
        format!(
            "[roles]\na.source = \"auth\"\na.role_arn = \"{arn}\"\n\n[identities]\nauth = {{ type = \"iam-user\" }}\n"
        ),
        format!(
            "[roles.a.session_tags]\nx = \"y\"\n[identities.auth]\ntype = \"iam-user\"\n[roles.a]\nsource = \"auth\"\nrole_arn = \"{arn}\"\n"
        ),
        format!(
            "[ roles . a ]\nsource = \"auth\"\nrole_arn = \"\"\"\\\n  {arn}\"\"\"\n[identities]\n[identities.\"auth\"]\ntype = \"iam-user\"\n"
        ),
    ];
    for text in forms {
        parse(&text, file()).unwrap_or_else(|e| panic!("{text}{e}"));
        let added = put(&text, "b", &role("a")).unwrap_or_else(|e| panic!("{text}{e}"));
        assert_eq!(parse(&added, file()).expect("good").roles.len(), 2);
        let removed = remove(EntryKind::Roles, &added, file(), "b").expect("removed");
        assert_eq!(removed, text, "{added}");
        let gone = remove(EntryKind::Roles, &text, file(), "a").unwrap_or_else(|e| panic!("{text}{e}"));
        assert!(!gone.contains(arn) && parse(&gone, file()).expect("good").roles.is_empty(), "{gone}");
    }
}

#[test]
fn an_order_that_the_writer_would_change_is_left_alone() {
    let text = "agent.vault = \"os\"\naws.use_fips_endpoint = false\nagent.idle_lock = \"1h\"\n";
    match add(EntryKind::Identities, text, file(), "a", &user(), IfPresent::Refuse) {
        Ok(after) => assert!(after.starts_with(text), "{after}"),
        Err(error) => assert!(error.report.message.contains("order"), "{error:?}"),
    }
}

#[test]
fn what_is_there_is_replaced_only_when_asked_and_keeps_its_comments() {
    let text =
        "[identities.a]\n# why\ntype = \"iam-user\" # key\nregion = \"eu-west-1\"\n\n[identities.b]\ntype = \"ec2\"\n";
    let new = IdentitySection { mfa_session: Some("1h".into()), r#type: "environment".into(), ..user() };
    let report = add(EntryKind::Identities, text, file(), "a", &new, IfPresent::Refuse).expect_err("there").report;
    assert_eq!((report.kind, report.message.as_str()), (Kind::Config, "identity `a` is in c.toml already"));
    assert_eq!(
        add(EntryKind::Identities, text, file(), "a", &new, IfPresent::Replace).expect("replaced"),
        "[identities.a]\n# why\ntype = \"environment\" # key\nmfa_session = \"1h\"\n\n[identities.b]\ntype = \"ec2\"\n"
    );
    let tagged = format!("{START}[roles.prod.session_tags]\nx = \"y\"\n");
    let tags = BTreeMap::from([("z".to_owned(), "1".to_owned())]);
    let new = RoleSection { session_tags: tags, ..role("auth") };
    let text = add(EntryKind::Roles, &tagged, file(), "prod", &new, IfPresent::Replace).expect("replaced");
    assert_eq!(parse(&text, file()).expect("good").roles["prod"].settings.session_tags.len(), 1);
}

#[test]
fn a_removal_takes_its_own_comment_and_leaves_the_others() {
    let text = remove(EntryKind::Roles, START, file(), "prod").expect("removed");
    assert_eq!(text, "# mine\n\n[identities.auth] # me\ntype = \"iam-user\"   # key in the vault\n# end\n");
    let text = remove(EntryKind::Identities, &text, file(), "auth").expect("removed");
    assert_eq!(text, "# mine\n# end\n");
    let two = "# file\n\n# a\n[identities.a]\ntype = \"ec2\"\n\n# b\n[identities.b]\ntype = \"ec2\"\n";
    assert_eq!(
        remove(EntryKind::Identities, two, file(), "a").expect("removed"),
        "# file\n\n# b\n[identities.b]\ntype = \"ec2\"\n"
    );
    assert_eq!(
        remove(EntryKind::Identities, &two[8..], file(), "a").expect("removed"),
        "# b\n[identities.b]\ntype = \"ec2\"\n"
    );
}

#[test]
fn an_edit_that_would_break_the_file_is_refused() {
    let in_use = remove(EntryKind::Identities, START, file(), "auth").expect_err("in use");
    assert_eq!(in_use.message, "`auth` is the source of role `prod`");
    let none = remove(EntryKind::Roles, START, file(), "prdo").expect_err("none");
    assert_eq!(none.message, "there is no role called `prdo`; did you mean `prod`?");
    let shared = put(START, "auth", &role("prod")).expect_err("shared");
    assert_eq!(shared.message, "`auth` is the name of an identity already");
    let bad = put(START, "x", &RoleSection { duration: Some("1".into()), ..role("auth") }).expect_err("bad");
    assert_eq!(bad.kind, Kind::Usage);
    assert!(bad.message.starts_with("role `x`: duration: a duration looks like"), "{bad}");
    assert!(put(START, "x", &role("nobody")).expect_err("bad").message.starts_with("role `x`: source: there is no"));
    assert!(put(START, "a b", &role("auth")).expect_err("bad").message.starts_with("role `a b`: a name is made of"));
    let broken = put("[rolls]\n", "x", &role("auth")).expect_err("broken");
    assert!(broken.message.starts_with("c.toml:1: rolls: unknown key"), "{broken}");
    assert!(broken.hint.is_some_and(|h| h.ends_with("nothing was changed")));
}

proptest! {
    #[test]
    fn an_addition_is_only_an_addition(blank in "[\n \t]{0,3}", comment in "(#[ -~]{0,10}\r?\n){0,3}", crlf: bool, at in 0..2usize) {
        let text = match at { 0 => format!("{comment}{blank}{EXAMPLE}"), _ => format!("{EXAMPLE}{comment}{blank}") };
        let text = if crlf { text.replace("\r\n", "\n").replace('\n', "\r\n") } else { text };
        let added = put(&text, "new", &role("auth")).expect("added");
        let same_start = text.bytes().zip(added.bytes()).take_while(|(a, b)| a == b).count();
        let same_end = text.bytes().rev().zip(added.bytes().rev()).take_while(|(a, b)| a == b).count();
        prop_assert!(same_start + same_end >= text.len(), "{added}");
        let removed = remove(EntryKind::Roles, &added, file(), "new").expect("removed");
        prop_assert_eq!(removed.trim_end(), text.trim_end());
    }

    #[test]
    fn no_text_makes_an_edit_panic(text in "(?s).{0,80}", name in "(?s).{0,6}") {
        let _ = put(&text, &name, &role("auth"));
        let _ = remove(EntryKind::Roles, &text, file(), &name);
    }
}
