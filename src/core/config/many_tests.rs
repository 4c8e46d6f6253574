//! Configurations of many accounts and several files: defaults, templates, includes; each mistake said where it stands.

use super::schema_types::RoleSection;
use super::*;
use crate::domain::catalogue::{Access, MfaMode};
use crate::domain::error::UserError;
use crate::domain::names::Name;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt::Write;
use std::path::PathBuf;
use std::time::Duration;

const AUTH: &str = "[identities.auth]\ntype = \"iam-user\"\nmfa_serial = \"arn:aws:iam::111111111111:mfa/richard\"\n";

/// Files of which none is on a disk.
#[derive(Default)]
pub(super) struct Memory(BTreeMap<PathBuf, String>, RefCell<Vec<PathBuf>>);

impl Memory {
    pub(super) fn with(files: &[(&str, &str)]) -> Self {
        Self(
            files.iter().map(|(path, text)| (Path::new("/c").join(path), (*text).to_owned())).collect(),
            RefCell::default(),
        )
    }
}

impl Files for Memory {
    fn read(&self, path: &Path, _limit: usize) -> Result<Content, Unread> {
        let path = path.components().fold(PathBuf::new(), |mut path, part| {
            if part.as_os_str() == ".." {
                path.pop();
            } else {
                path.push(part);
            }
            path
        });
        self.1.borrow_mut().push(path.clone());
        let (at, (_, text)) =
            self.0.iter().enumerate().find(|(_, (known, _))| **known == path).ok_or(Unread::Missing)?;
        Ok(Content { bytes: text.as_bytes().to_vec(), id: (1, at as u64) })
    }

    fn list(&self, dir: &Path, pattern: &str, _limit: usize) -> Result<Vec<OsString>, String> {
        let here = self.0.keys().filter(|path| path.parent() == Some(dir)).filter_map(|path| path.file_name());
        Ok(here.filter(|name| is_included(pattern, name.to_str().unwrap())).map(OsString::from).collect())
    }
}

pub(super) fn whole(files: &[(&str, &str)]) -> Result<Loaded, ConfigError> {
    load(Path::new("/c/config.toml"), &Memory::with(files))
}

fn one(text: &str) -> Config {
    parse(&format!("{AUTH}{text}"), Path::new("c.toml")).unwrap_or_else(|e| panic!("{e}"))
}

#[track_caller]
fn wrong(files: &[(&str, &str)], said: &[&str]) {
    let lines: Vec<String> = whole(files).err().map(|e| e.lines().collect()).unwrap_or_default();
    assert!(
        lines.len() == said.len() && lines.iter().zip(said).all(|(line, said)| line.contains(said)),
        "{lines:#?}\nshould be {said:#?}"
    );
}

#[track_caller]
fn wrong_one(text: &str, said: &[&str]) {
    wrong(&[("config.toml", &format!("{AUTH}{text}"))], said);
}

#[test]
fn a_template_makes_a_role_for_every_account() {
    let catalogue = one(r#"
        [defaults]
        source = "auth"
        [accounts]
        dev = { id = "222222222222", tags = ["team-a"] }
        prod = { id = "333333333333", region = "eu-west-1", color = "red", external_id = "7f3a" }
        [templates.admin]
        role_arn = "arn:aws:iam::{account}:role/{name}"
        tags = ["wide"]
        [templates.read]
        name = "{account_name}/reader"
        role_arn = "arn:aws:iam::{account}:role/path/Read-{account_name}"
        source = "{account_name}-admin"
        color = "blue"
        display_name = "{account_name} ({account})"
        "#);
    let mut names: Vec<&str> = catalogue.roles.keys().map(Name::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, ["dev-admin", "dev/reader", "prod-admin", "prod/reader"]);
    let admin = &catalogue.roles["prod-admin"];
    assert_eq!(admin.role_arn.as_str(), "arn:aws:iam::333333333333:role/admin");
    assert_eq!((admin.settings.region.as_deref(), admin.settings.color.as_deref()), (Some("eu-west-1"), Some("red")));
    assert_eq!((admin.source.as_str(), admin.settings.external_id.as_deref()), ("auth", Some("7f3a")));
    assert_eq!(catalogue.roles["dev-admin"].settings.tags, ["wide", "team-a"]);
    let read = &catalogue.roles["prod/reader"];
    assert_eq!((read.source.as_str(), read.settings.color.as_deref()), ("prod-admin", Some("blue")));
    assert_eq!(read.settings.display_name.as_deref(), Some("prod (333333333333)"));
}

#[test]
fn a_template_is_for_the_accounts_that_it_names_or_whose_tags_it_names() {
    let accounts = r#"
        [accounts]
        a.id = "222222222222"
        a-b.id = "333333333333"
        c = { id = "444444444444", tags = ["x"] }
        [templates.t]
        source = "auth"
        role_arn = "arn:aws:iam::{account}:role/R"
        "#;
    for (chosen, wanted) in [
        ("", vec!["a-b-t", "a-t", "c-t"]),
        ("accounts = [\"*\"]", vec!["a-b-t", "a-t", "c-t"]),
        ("accounts = [\"a\"]", vec!["a-t"]),
        ("accounts = [\"a*\"]", vec!["a-b-t", "a-t"]),
        ("account_tags = [\"x\"]", vec!["c-t"]),
        ("accounts = [\"a\"]\naccount_tags = [\"x\"]", vec!["a-t", "c-t"]),
    ] {
        let catalogue = one(&format!("{accounts}{chosen}"));
        let mut names: Vec<&str> = catalogue.roles.keys().map(Name::as_str).collect();
        names.sort_unstable();
        assert_eq!(names, wanted, "{chosen}");
    }
    for (chosen, said) in [
        ("accounts = [\"A\"]", "templates.t.accounts: no account is called `A`; did you mean `a`?"),
        ("accounts = [\"z*\"]", "no account is called `z*`"),
        ("accounts = []", "names no account; leave it out for all"),
        ("accounts = [\"a\", \"a\"]", "accounts.1: is listed twice"),
        ("account_tags = [\"y\"]", "templates.t.account_tags: no account has the tag `y`"),
    ] {
        wrong_one(&format!("{accounts}{chosen}"), &[said]);
    }
}

#[test]
fn a_slip_in_a_template_is_said_once_with_template_account_and_place() {
    let accounts = "[accounts]\na.id = \"222222222222\"\nb.id = \"333333333333\"\nc.id = \"444444444444\"\n";
    let t = "[templates.t]\nsource = \"auth\"\n";
    for (template, said) in [
        (
            format!("{t}role_arn = \"arn:aws:iam::{{account}}:user/x\""),
            "config.toml:10: templates.t.role_arn: for the account `a` (/c/config.toml:5): `arn:aws:iam::222222222222:user/x`: ",
        ),
        (format!("{t}role_arn = \"{{account}}\""), "(and for 2 more)"),
        (format!("{t}role_arn = \"arn:aws:iam::222222222222:role/R\""), "would be the same for every account"),
        (format!("{t}role_arn = \"arn:aws:iam::{{id}}:role/R\""), "unknown placeholder `{id}`; known: {account}, "),
        (format!("{t}rolearn = \"x\"\nrole_arn = \"arn:aws:iam::{{account}}:role/R\""), "did you mean `role_arn`?"),
        (
            format!("{t}name = \"{{account_name}} x\"\nrole_arn = \"arn:aws:iam::{{account}}:role/R\""),
            "templates.t.name: for the account `a`",
        ),
        (
            format!("{t}duration = \"20h\"\nrole_arn = \"arn:aws:iam::{{account}}:role/R\""),
            "templates.t.duration: 20h is not between",
        ),
        (
            format!("{t}duration = \"2h\"\nrole_arn = \"arn:aws:iam::{{account}}:role/R\""),
            "templates.t.duration: for the account `a` (/c/config.toml:5): the role `a-t`: AWS limits",
        ),
        (
            "[templates.t]\nsource = \"autj\"\nrole_arn = \"arn:aws:iam::{account}:role/R\"".to_owned(),
            "templates.t.source: for the account `a` (/c/config.toml:5): the role `a-t`: there is no identity or role called `autj`; did you mean `auth`? (and for 2 more)",
        ),
        ("[templates.t]\nrole_arn = \"arn:aws:iam::{account}:role/R\"".to_owned(), "templates.t.source: is missing"),
        (t.to_owned(), "templates.t.role_arn: is missing"),
    ] {
        wrong_one(&format!("{accounts}{template}\n"), &[said]);
    }
    wrong_one(
        &format!("{t}role_arn = \"arn:aws:iam::{{account}}:role/R\""),
        &["there are no accounts to make roles for"],
    );
}

#[test]
fn a_wrong_account_is_said_where_it_stands_and_nowhere_else() {
    let t = "[templates.t]\nsource = \"auth\"\nrole_arn = \"arn:aws:iam::{account}:role/R\"\n[roles.x]\nsource = \"a-t\"\nrole_arn = \"arn:aws:iam::555555555555:role/R\"\n";
    for (account, said) in [
        ("a = { id = \"22\" }", "config.toml:5: accounts.a.id: an account number has 12 digits"),
        ("a = { id = 222222222222 }", "accounts.a.id: expected a string"),
        ("a = {}", "accounts.a.id: is missing"),
        ("a = \"222222222222\"", "accounts.a: expected a table"),
        ("a = { id = \"222222222222\", tag = [\"x\"] }", "accounts.a.tag: unknown key; did you mean `tags`?"),
        ("a = { id = \"222222222222\", tags = [\"x y\"] }", "accounts.a.tags.0: a tag is made of"),
        ("\"a b\" = { id = \"222222222222\" }", "accounts.\"a b\": a name is made of"),
    ] {
        let lines: Vec<String> = parse(&format!("{AUTH}[accounts]\n{account}\n{t}"), Path::new("config.toml"))
            .err()
            .unwrap()
            .lines()
            .collect();
        assert!(lines[0].contains(said), "{account}: {lines:?}");
        assert!(lines.iter().all(|line| line.contains("accounts.")), "{lines:?}");
    }
}

#[test]
fn an_entry_of_its_own_goes_before_a_template_and_two_templates_collide() {
    let both = "[accounts]\na.id = \"222222222222\"\nb.id = \"333333333333\"\n[templates.t]\nsource = \"auth\"\nrole_arn = \"arn:aws:iam::{account}:role/R\"\n";
    let catalogue =
        one(&format!("{both}[roles.a-t]\nsource = \"auth\"\nrole_arn = \"arn:aws:iam::222222222222:role/Other\"\n"));
    assert_eq!(catalogue.roles["a-t"].role_arn.name(), "Other");
    assert_eq!(catalogue.roles.len(), 2);
    wrong_one(
        &format!(
            "{both}[templates.u]\nname = \"{{account_name}}-t\"\nsource = \"auth\"\nrole_arn = \"arn:aws:iam::{{account}}:role/U\"\n"
        ),
        &[
            "templates.u.name: for the account `a` (/c/config.toml:5): `a-t` is made by the template `t` for the account `a` already (and for 1 more)",
        ],
    );
    wrong_one(
        &format!("{both}[identities.a-t]\ntype = \"ec2\"\n"),
        &["templates.t.source: for the account `a` (/c/config.toml:5): the role `a-t`: an identity has the same name"],
    );
}

#[test]
fn the_number_of_roles_that_templates_make_has_a_limit() {
    let mut text = AUTH.to_owned() + "[accounts]\n";
    for n in 0..1001_u64 {
        let _ = writeln!(text, "a{n}.id = \"{:012}\"", 200_000_000_000_u64 + n);
    }
    for n in 0..100 {
        let _ =
            write!(text, "[templates.t{n}]\nsource = \"auth\"\nrole_arn = \"arn:aws:iam::{{account}}:role/R{n}\"\n");
    }
    wrong(&[("config.toml", &text)], &["templates make at most 100000 roles"]);
}

#[test]
fn what_is_not_said_is_inherited_where_aws_takes_it() {
    let catalogue = one(r#"
        [defaults]
        source = "auth"
        region = "eu-central-1"
        duration = "8h"
        mfa = "direct"
        access = "ask"
        color = "green"
        role_session_name = "richard"
        [identities.us]
        type = "ec2"
        region = "us-east-1"
        [roles.first]
        role_arn = "arn:aws:iam::222222222222:role/R"
        [roles.second]
        source = "first"
        role_arn = "arn:aws:iam::333333333333:role/R"
        [roles.own]
        role_arn = "arn:aws:iam::333333333333:role/R"
        duration = "1h"
        mfa = "session"
        access = "allow"
        color = "red"
        role_session_name = "other"
        "#);
    let first = &catalogue.roles["first"].settings;
    assert_eq!((first.duration, first.mfa), (Some(Duration::from_hours(8)), Some(MfaMode::Direct)));
    assert_eq!((first.access, first.color.as_deref()), (Some(Access::Ask), Some("green")));
    assert_eq!(first.role_session_name.as_deref(), Some("richard"));
    let second = &catalogue.roles["second"].settings;
    assert_eq!((second.duration, second.mfa, second.access), (None, None, Some(Access::Ask)));
    let own = &catalogue.roles["own"].settings;
    assert_eq!((own.duration, own.mfa), (Some(Duration::from_hours(1)), Some(MfaMode::Session)));
    assert_eq!((own.access, own.color.as_deref()), (Some(Access::Allow), Some("red")));
    assert_eq!(own.role_session_name.as_deref(), Some("other"));
    let region = |name: &str| catalogue.identities[name].region.clone().unwrap();
    assert_eq!((region("auth").as_str(), region("us").as_str()), ("eu-central-1", "us-east-1"));
    wrong_one(
        "[defaults]\nduration = \"8h\"\n[roles.x]\nsource = \"auth\"\nrole_arn = \"arn:aws:iam::222222222222:role/R\"\n",
        &[
            "config.toml:6: roles.x.duration: AWS limits a role assumed with an MFA session to 1h; `mfa = \"direct\"` allows 12h (from [defaults])",
        ],
    );
    wrong_one("[defaults]\nexternal_id = \"x1\"\n", &["defaults.external_id: unknown key; it belongs to a role"]);
}

const ROLE: &str = "source = \"auth\"\nrole_arn = \"arn:aws:iam::222222222222:role/R\"\n";

#[test]
fn files_are_included_from_where_they_stand() {
    let main = format!("include = [\"accounts.toml\", \"teams/*.toml\"]\n{AUTH}");
    let a = format!("include = [\"more/x.toml\", \"../top.toml\"]\n[roles.a]\n{ROLE}");
    let files = [
        ("config.toml", main.as_str()),
        ("accounts.toml", "[accounts]\ndev.id = \"222222222222\"\n"),
        ("teams/a.toml", a.as_str()),
        ("teams/b.toml", "# nothing yet\n"),
        ("teams/.b.toml.swp", "not toml"),
        ("teams/b.toml~", "not toml"),
        ("teams/more/x.toml", "[templates.t]\nsource = \"auth\"\nrole_arn = \"arn:aws:iam::{account}:role/R\"\n"),
        ("top.toml", "\n[identities.other]\ntype = \"ec2\"\n[sockets.vm]\nroles = [\"dev-t\"]\n"),
    ];
    let Loaded { catalogue, origins } = whole(&files).unwrap_or_else(|e| panic!("{e}"));
    assert!(catalogue.roles.contains_key("a") && catalogue.roles.contains_key("dev-t"));
    assert!(catalogue.identities.contains_key("other") && catalogue.sockets.contains_key("vm"));
    let at = |table: &str, name: &str| {
        let origin = origins.of(table, name).expect(name);
        format!("{}:{}", origin.file.display(), origin.line)
    };
    assert_eq!(at("identities", "auth"), "/c/config.toml:2");
    assert_eq!(at("roles", "a"), "/c/teams/a.toml:2");
    assert_eq!(at("identities", "other"), "/c/teams/../top.toml:2");
    assert_eq!(at("roles", "dev-t"), "/c/teams/more/x.toml:1");
    let made = origins.of("roles", "dev-t").and_then(|origin| origin.made).expect("made");
    assert_eq!((made.template.as_str(), made.account.as_str()), ("t", "dev"));
    assert_eq!(made.account_at, (PathBuf::from("/c/accounts.toml"), 2));
    assert_eq!(origins.of("roles", "nobody"), None);
}

#[test]
fn what_cannot_be_included_is_said_with_both_files() {
    let with = |list: &str| AUTH.replacen("[identities", &format!("include = [{list}]\n[identities"), 1);
    for (list, said) in [
        ("\"no.toml\"", "/c/config.toml:1: include: there is no file /c/no.toml"),
        ("\"no/*.toml\"", "/c/config.toml:1: include.0: no file fits `*.toml` in /c/no"),
        ("\"~/x.toml\"", "include.0: ~ is not expanded here"),
        ("\"*/x.toml\"", "include.0: * stands in the last part of a path only"),
        ("\"\"", "include.0: names no file"),
        ("\"a\\u0000b\"", "include.0: a path has no control characters"),
        ("1", "include.0: expected a string"),
        ("\"config.toml\"", "include: the files include each other: /c/config.toml -> /c/config.toml"),
        ("\"empty.toml\"", "include: /c/empty.toml is empty"),
        ("\"a.toml\", \"a.toml\"", "include: /c/a.toml is included twice, first by /c/config.toml:1"),
        ("\"a.toml\", \"*.toml\"", "is included twice"),
        ("\"bad.toml\"", "/c/bad.toml:2: not valid TOML"),
        ("\"agent.toml\"", "/c/agent.toml:1: agent: unknown key; it belongs to the main file"),
        ("\"defaults.toml\"", "/c/defaults.toml:1: defaults: unknown key; it belongs to the main file"),
        ("\"loop.toml\"", "/c/loop.toml:1: include: the files include each other: /c/loop.toml -> /c/./loop.toml"),
    ] {
        let main = with(list);
        let files = [
            ("config.toml", main.as_str()),
            ("a.toml", "# a\n"),
            ("empty.toml", ""),
            ("bad.toml", "\n]\n"),
            ("agent.toml", "[agent]\nvault = \"os\"\n"),
            ("defaults.toml", "[defaults]\n"),
            ("loop.toml", "include = [\"./loop.toml\"]"),
        ];
        let lines: Vec<String> = whole(&files).err().map(|e| e.lines().collect()).unwrap_or_default();
        assert!(lines.iter().any(|line| line.contains(said)), "{list}: {lines:#?}");
    }
    wrong(&[("config.toml", "include = \"a.toml\"\n")], &["include: is a list"]);
}

#[test]
fn too_deep_too_many_and_too_large_are_refused() {
    let names: Vec<String> = (0..20).map(|n| format!("{n}.toml")).collect();
    let texts: Vec<String> = (0..20).map(|n| format!("include = [\"{}.toml\"]\n", n + 1)).collect();
    let mut files: Vec<(&str, &str)> = names.iter().map(String::as_str).zip(texts.iter().map(String::as_str)).collect();
    files.push(("config.toml", "include = [\"0.toml\"]"));
    wrong(&files, &["/c/6.toml:1: include: /c/7.toml is included over more than 8 files"]);

    let names: Vec<String> = (0..600).map(|n| format!("x/{n}.toml")).collect();
    let mut files: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "# x\n")).collect();
    files.push(("config.toml", "include = [\"x/*.toml\"]"));
    wrong(&files, &["/c/config.toml:1: include.0: more than 512 files are included"]);

    let large = "#\n".repeat(MAX_BYTES / 4);
    let files = [("config.toml", "include = [\"a\", \"b\", \"c\"]"), ("a", &large), ("b", &large), ("c", &large)];
    let lines: Vec<String> = whole(&files).err().unwrap().lines().collect();
    assert!(lines.iter().any(|line| line.contains("the files are larger than 8 MiB")), "{lines:?}");
}

#[test]
fn an_entry_that_two_files_have_is_refused_with_both_places() {
    let main = format!("include = [\"a.toml\"]\n{AUTH}[roles.x]\n{ROLE}");
    let a = format!("[identities.auth]\ntype = \"ec2\"\n[roles.x]\n{ROLE}");
    wrong(
        &[("config.toml", &main), ("a.toml", &a)],
        &[
            "/c/a.toml:1: identities.auth: is in /c/config.toml:2 already",
            "/c/a.toml:3: roles.x: is in /c/config.toml:5 already",
        ],
    );
}

#[test]
fn an_edit_is_made_in_the_file_of_the_entry_and_refused_for_what_a_template_makes() {
    let main = format!("include = [\"a.toml\"]\n{AUTH}");
    let a = format!(
        "# mine\n[accounts]\ndev.id = \"222222222222\"\n[templates.t]\n{}[roles.x]\n{ROLE}",
        ROLE.replace("222222222222", "{account}")
    );
    let files = Memory::with(&[("config.toml", &main), ("a.toml", &a)]);
    let path = |name: &str| Path::new("/c").join(name);
    let (main_path, a_path) = (path("config.toml"), path("a.toml"));
    let in_main = Part { main: &main_path, file: &main_path, files: &files };
    let in_a = Part { main: &main_path, file: &a_path, files: &files };
    let new = RoleSection {
        source: "auth".into(),
        role_arn: "arn:aws:iam::333333333333:role/N".into(),
        ..RoleSection::default()
    };

    let report = add(EntryKind::Roles, &main, &in_main, "x", &new, IfPresent::Replace).expect_err("elsewhere").report;
    assert!(report.message.contains("role `x` is in /c/a.toml:7"), "{}", report.message);
    let edited = add(EntryKind::Roles, &a, &in_a, "x", &new, IfPresent::Replace).expect("edited");
    assert!(edited.starts_with("# mine\n") && edited.contains("role/N"), "{edited}");
    let edited = remove(EntryKind::Roles, &a, &in_a, "x").expect("removed");
    assert!(!edited.contains("[roles.x]") && edited.contains("[templates.t]"), "{edited}");

    let report = remove(EntryKind::Roles, &main, &in_main, "dev-t").expect_err("made");
    assert!(
        report.message.contains("role `dev-t` is made by the template `t` (/c/a.toml:4) for the account `dev`"),
        "{}",
        report.message
    );
    let edited = add(EntryKind::Roles, &main, &in_main, "dev-t", &new, IfPresent::Replace).expect("goes before it");
    assert!(edited.contains("[roles.dev-t]"), "{edited}");
    let error = add(
        EntryKind::Roles,
        &main,
        &in_main,
        "n",
        &RoleSection { duration: Some("1".into()), ..new },
        IfPresent::Refuse,
    )
    .expect_err("wrong");
    let report = UserError::from(error);
    assert!(report.message.starts_with("role `n`: duration: "), "{}", report.message);
}

#[test]
fn a_text_by_itself_includes_nothing() {
    let error = parse("include = [\"/etc/passwd\"]", Path::new("c.toml")).expect_err("refused");
    assert!(error.to_string().contains("/etc/passwd is not read here"), "{error}");
}

#[test]
fn ten_thousand_roles_of_templates_are_made_and_each_file_is_read_once() {
    let mut accounts = "[accounts]\n".to_owned();
    for n in 0..500_u64 {
        let _ = writeln!(accounts, "a{n}.id = \"{:012}\"", 200_000_000_000_u64 + n);
    }
    let mut templates = String::new();
    for n in 0..20 {
        let _ = write!(
            templates,
            "[templates.t{n}]\nsource = \"auth\"\nrole_arn = \"arn:aws:iam::{{account}}:role/R{n}\"\n"
        );
    }
    let main = format!("include = [\"*s.toml\"]\n{AUTH}");
    let files = Memory::with(&[("config.toml", &main), ("accounts.toml", &accounts), ("templates.toml", &templates)]);
    let loaded = load(Path::new("/c/config.toml"), &files).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(loaded.catalogue.roles.len(), 10_000);
    assert_eq!(files.1.borrow().len(), 3, "{:?}", files.1);
    assert_eq!(loaded.catalogue.roles["a499-t19"].role_arn.as_str(), "arn:aws:iam::200000000499:role/R19");
}

#[test]
fn includes_are_bounded_before_a_file_is_read() {
    let names: Vec<String> = (0..600).map(|n| format!("x/{n}.toml")).collect();
    let mut files: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "# x\n")).collect();
    files.push(("config.toml", "include = [\"x/*.toml\", \"x/1*.toml\"]"));
    let memory = Memory::with(&files);
    assert!(load(Path::new("/c/config.toml"), &memory).is_err());
    assert_eq!(*memory.1.borrow(), [PathBuf::from("/c/config.toml")], "what is too many is not read first");

    let names: Vec<String> = (0..200).map(|n| format!("d{n}/a.toml")).collect();
    let mut files: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "# x\n")).collect();
    let patterns: Vec<String> = (0..200).map(|n| format!("\"d{n}/*.toml\"")).collect();
    let main = format!("include = [{}]", patterns.join(", "));
    files.push(("config.toml", &main));
    wrong(&files, &["more than 128 patterns are looked through"]);
}

#[test]
fn what_a_template_says_of_trust_is_not_quoted_when_it_is_wrong() {
    let text = "[defaults]\nsource = \"auth\"\n[accounts]\na = { id = \"222222222222\" }\n\
                [templates.t]\nrole_arn = \"arn:aws:iam::{account}:role/r\"\nexternal_id = \"canary {account}\"\n";
    let text = format!("{AUTH}{text}");
    let error = whole(&[("config.toml", &text)]).err().expect("an external id has no space");
    let lines: Vec<String> = error.lines().collect();
    assert!(lines[0].contains("external_id") && !lines.concat().contains("canary"), "{lines:#?}");
}

#[test]
fn a_source_of_a_templates_roles_is_not_removed_and_the_template_is_named() {
    let text = format!(
        "{AUTH}[accounts]\na = {{ id = \"222222222222\" }}\n[templates.t]\nsource = \"auth\"\n\
         role_arn = \"arn:aws:iam::{{account}}:role/r\"\n"
    );
    let report = remove(EntryKind::Identities, &text, Path::new("/c/config.toml"), "auth").expect_err("it is in use");
    assert_eq!(report.hint.as_deref(), Some("change the template `t` that makes it first: /c/config.toml:6"));
}
