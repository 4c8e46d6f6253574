use super::super::diff;
use super::*;
use rolecall_core::domain::catalogue::HOUR;
use zeroize::Zeroizing;

mod renewal;

const ID: &str = "AKIAIOSFODNN7EXAMPLE";
const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
const OTHER_ID: &str = "AKIAI44QH8DHBEXAMPLE";
const OTHER_SECRET: &str = "je7MtGbClwBF/2Zp9Utk/h3yCo8nvbEXAMPLEKEY";

struct Files {
    config: Vec<u8>,
    credentials: Vec<u8>,
    catalogue: Config,
    stored: HashMap<String, Name>,
    entries: BTreeSet<(ForeignTool, String)>,
    only: Option<BTreeSet<String>>,
    excluded: BTreeMap<String, String>,
}

fn files(config: impl Into<Vec<u8>>, credentials: impl Into<Vec<u8>>) -> Files {
    Files {
        config: config.into(),
        credentials: credentials.into(),
        catalogue: Config::default(),
        stored: HashMap::new(),
        entries: BTreeSet::new(),
        only: None,
        excluded: BTreeMap::new(),
    }
}

impl Files {
    fn plan(&self) -> Plan {
        plan(&ImportInput {
            config: (Path::new("/h/.aws/config"), &self.config),
            credentials: (Path::new("/h/.aws/credentials"), &self.credentials),
            catalogue: &self.catalogue,
            stored: &self.stored,
            entries: &self.entries,
            only: self.only.as_ref(),
            excluded: &self.excluded,
            program: Path::new("/usr/bin/rolecall"),
        })
        .expect("no damaged markers")
    }

    fn after(&self) -> (String, String) {
        let plan = self.plan();
        let text = |old: &[u8], changes: &[Change]| String::from_utf8_lossy(&change::apply(old, changes)).into_owned();
        (text(&self.config, &plan.config), text(&self.credentials, &plan.credentials))
    }

    fn reasons(&self) -> Vec<(String, String)> {
        self.plan().left.into_iter().map(|left| (left.profile, left.reason)).collect()
    }
}

fn key(name: &str, id: &str, secret: &str) -> String {
    format!("[{name}]\naws_access_key_id = {id}\naws_secret_access_key = {secret}\n")
}

fn arn(name: &str) -> String {
    format!("arn:aws:iam::222222222222:role/{name}")
}

fn secrets(identity: &str) -> Option<Zeroizing<String>> {
    match identity {
        "other" => Some(Zeroizing::new(OTHER_SECRET.to_owned())),
        "missing" => None,
        _ => Some(Zeroizing::new(SECRET.to_owned())),
    }
}

const GROWN: &str = "\
# mine
[default]
region = eu-west-1
output = json # kept

[profile prod]
role_arn = arn:aws:iam::222222222222:role/AssumedRole
# a word about it
source_profile = default
s3 =
  max_concurrent_requests = 20
region = eu-central-1
external_id = 7f3a
[profile \"two words\"]
ROLE_ARN=arn:aws:iam::222222222222:role/Other
Source_Profile=prod
cli_pager=
[sso-session corp]
sso_region = us-east-1
[profile sso]
sso_session = corp
sso_account_id = 222222222222
[services local]
sts =
  endpoint_url = http://127.0.0.1:5000
";

#[test]
fn a_grown_file_asks_rolecall_and_all_else_stands_where_it_stood() {
    let files =
        files(GROWN, format!("# keys\n{}\n{}", key("default", ID, SECRET), key("other", OTHER_ID, OTHER_SECRET)));
    let (config, credentials) = files.after();
    assert_eq!(
        config,
        "\
# mine
[default]
credential_process = /usr/bin/rolecall get default
region = eu-west-1
output = json # kept

[profile prod]
credential_process = /usr/bin/rolecall get prod
# a word about it
s3 =
  max_concurrent_requests = 20
region = eu-central-1
[profile \"two words\"]
credential_process = /usr/bin/rolecall get two-words
cli_pager=
[sso-session corp]
sso_region = us-east-1
[profile sso]
sso_session = corp
sso_account_id = 222222222222
[services local]
sts =
  endpoint_url = http://127.0.0.1:5000

[profile other]
credential_process = /usr/bin/rolecall get other
"
    );
    assert_eq!(credentials, "# keys\n\n");
    let plan = files.plan();
    let roles: Vec<_> =
        plan.roles.iter().map(|r| (r.name.as_str(), r.source.as_str(), r.section.region.as_deref())).collect();
    assert_eq!(roles, [("prod", "default", Some("eu-central-1")), ("two-words", "prod", None)]);
    assert_eq!(plan.roles[0].section.external_id.as_deref(), Some("7f3a"));
    assert_eq!(plan.left.len(), 1, "{:?}", plan.left);
    assert!(plan.left[0].reason.contains("SSO") && plan.left[0].at == Some((FileKind::Config, 20)), "{:?}", plan.left);
}

/// The shapes that files have: for each, the change is taken back byte for byte, and made once only.
#[test]
fn every_shape_is_changed_once_and_taken_back_byte_for_byte() {
    let credentials = format!("{}\n{}", key("default", ID, SECRET), key("other", OTHER_ID, OTHER_SECRET));
    let tabs = GROWN.replace(" = ", "\t=\t").replace("  max", "\tmax").replace("  endpoint", "\tendpoint");
    let one = |n| format!("[profile p{n}]\nrole_arn = {}\nsource_profile = default\nregion = eu-west-1\n\n", arn("R"));
    let many = (0..300).map(one).collect::<Vec<_>>().concat();
    let shapes: Vec<(&str, Vec<u8>, Vec<u8>)> = vec![
        ("plain", GROWN.into(), credentials.clone().into()),
        ("CRLF", GROWN.replace('\n', "\r\n").into(), credentials.replace('\n', "\r\n").into()),
        ("BOM", format!("\u{feff}{GROWN}").into(), format!("\u{feff}{credentials}").into()),
        ("tabs", tabs.into(), credentials.replace(" = ", "\t= ").into()),
        ("no last line end", GROWN.trim_end().into(), credentials.trim_end().into()),
        ("nothing but keys", Vec::new(), credentials.clone().into()),
        ("keys in the config file", key("default", ID, SECRET).into(), Vec::new()),
        ("upper case", GROWN.into(), credentials.replace("aws_", "AWS_").into()),
        ("no spaces", GROWN.replace(" = ", "=").into(), credentials.replace(" = ", "=").into()),
        (
            "comments after values",
            GROWN.replace("source_profile = default\n", "source_profile = default  # mine\n").into(),
            credentials.clone().into(),
        ),
        ("a comment at a header", GROWN.into(), credentials.replace("[default]", "[default] # me").into()),
        (
            "indented keys",
            GROWN.replace("\nrole_arn", "\n  role_arn").replace("\nsource_profile", "\n  source_profile").into(),
            credentials.clone().into(),
        ),
        (
            "no UTF-8 elsewhere",
            [GROWN.as_bytes(), b"# caf\xe9\n"].concat(),
            [credentials.as_bytes(), b"# caf\xe9\n"].concat(),
        ),
        ("three hundred", many.into(), credentials.clone().into()),
        ("a section that ends the file", "[default]".into(), credentials.clone().into()),
        (
            "a secret that ends the file untouched",
            format!("[profile x]\naws_session_token = {OTHER_SECRET}").into(),
            credentials.into(),
        ),
    ];
    for (shape, config, credentials) in shapes {
        let files = files(config.clone(), credentials.clone());
        let plan = files.plan();
        assert!(!plan.served.is_empty(), "{shape}");
        let rested = serde_json::to_string(&(&plan.config, &plan.credentials)).expect("written");
        assert!(!rested.contains(SECRET) && !rested.contains(OTHER_SECRET), "{shape}: a secret rests: {rested}");
        let new = (change::apply(&config, &plan.config), change::apply(&credentials, &plan.credentials));
        for (old, new, changes) in [(&config, &new.0, &plan.config), (&credentials, &new.1, &plan.credentials)] {
            let back = change::revert(new, changes, &secrets).expect("all secrets");
            assert_eq!(String::from_utf8_lossy(&back), String::from_utf8_lossy(old), "{shape}");
            assert!(*back == *old, "{shape}");
            let shown = diff::unified(Path::new("x"), old, &change::apply(old, changes));
            assert!(!shown.contains(SECRET) && !shown.contains(OTHER_SECRET), "{shape}: {shown}");
            // An editor elsewhere in the file does not keep it from being taken back.
            let grown = [new.as_slice(), b"\n# later\n".as_slice()].concat();
            let (back, lost) = change::revert_found(&grown, changes, &secrets).expect("all secrets");
            assert!(lost.is_empty(), "{shape}: {lost:?}");
            assert!(String::from_utf8_lossy(&back).contains("# later"), "{shape}");
        }
        let text = String::from_utf8_lossy(&new.1).into_owned();
        assert!(!text.contains(SECRET) && !text.to_lowercase().contains("aws_access_key_id"), "{shape}: {text}");
        let again = Files { config: new.0.to_vec(), credentials: new.1.to_vec(), ..files }.plan();
        assert!(again.is_empty(), "{shape}: {again:?}");
    }
}

#[test]
fn what_cannot_be_taken_over_stays_with_its_reason() {
    let role = format!("role_arn = {}\n", arn("R"));
    for (config, credentials, profile, why) in [
        (format!("[profile a]\n{role}"), String::new(), "a", "without source_profile"),
        (format!("[profile a]\n{role}source_profile = gone\n"), String::new(), "a", "no profile `gone`"),
        (format!("[profile a]\n{role}source_profile = a\n"), String::new(), "a", "its own source, but it gives no"),
        (
            format!("[profile a]\n{role}source_profile = b\n[profile b]\n{role}source_profile = a\n"),
            String::new(),
            "b",
            "a loop: a -> b -> a",
        ),
        (format!("[profile a]\n{role}source_profile = s\n[profile s]\nsso_session = x\n"), String::new(), "a", "SSO"),
        (format!("[profile a]\n{role}credential_source = Moon\n"), String::new(), "a", "`Moon`"),
        (
            format!("[profile a]\n{role}source_profile = k\ncredential_source = Environment\n"),
            key("k", ID, SECRET),
            "a",
            "exclude",
        ),
        ("[profile a]\nrole_arn = nonsense\n".into(), String::new(), "a", "role_arn: "),
        (format!("[profile a]\n{role}source_profile = k\nduration_seconds = 1\n"), key("k", ID, SECRET), "a", "900"),
        (
            format!("[profile a]\n{role}source_profile = k\nexternal_id = x y\n"),
            key("k", ID, SECRET),
            "a",
            "external_id",
        ),
        (String::new(), key("a", &ID.replace("AKIA", "ASIA"), SECRET), "a", "temporary"),
        (String::new(), format!("{}aws_session_token = t\n", key("a", ID, SECRET)), "a", "temporary"),
        (String::new(), format!("[a]\naws_access_key_id = {ID}\n"), "a", "without aws_secret"),
        (
            String::new(),
            format!("[a]\naws_access_key_id = {ID}\naws_secret_access_key =\n  {SECRET}\n"),
            "a",
            "next line",
        ),
        (String::new(), format!("{0}{0}", key("a", ID, SECRET)), "a", "AWS CLI refuses"),
        (format!("[profile a]\n{role}[profile \"a\"]\noutput = json\n"), String::new(), "a", "reads the last"),
        (String::new(), format!("{}aws_access_key_id = {OTHER_ID}\n", key("a", ID, SECRET)), "a", "line 4"),
        (String::new(), key("a\"b", ID, SECRET), "a\"b", "its name"),
        ("[profile a]\ncredential_process = corp | jq .\n".into(), String::new(), "a", "another program"),
        (
            "[profile a]\ncredential_process = aws-vault export --format=json a\n".into(),
            String::new(),
            "a",
            "no entry `a` of aws-vault",
        ),
        (format!("[profile a]\n{role}web_identity_token_file = token\n"), String::new(), "a", "absolute"),
    ] {
        let files = files(config.clone(), credentials.clone());
        let reasons = files.reasons();
        assert!(
            reasons.iter().any(|(p, reason)| p == profile && reason.contains(why)),
            "{config}{credentials}: {reasons:?}"
        );
        let (after, _) = files.after();
        let section = |text: &str| Some(text.split("[profile a]").nth(1)?.split("\n[").next()?.trim_end().to_owned());
        assert_eq!(section(&after), section(&config), "{why}: untouched");
        assert!(reasons.iter().all(|(_, reason)| !reason.contains(SECRET)), "{reasons:?}");
    }
}

#[test]
fn profile_with_a_header_that_is_not_utf8_stays() {
    let keys = key("x", ID, SECRET);
    let credentials = [b"[de\xd9]\n".as_slice(), keys.strip_prefix("[x]\n").expect("a header").as_bytes()].concat();
    let files = files("", credentials.clone());
    assert!(files.plan().credentials.is_empty(), "an undo could not restore the header");
    assert!(files.reasons()[0].1.contains("its header in line 1"), "{:?}", files.reasons());
}

#[test]
fn a_chain_of_ten_thousand_is_neither_followed_to_the_end_nor_an_overflow() {
    let one = |n| format!("[profile p{n}]\nrole_arn = {}\nsource_profile = p{}\n", arn("R"), n + 1);
    let config = (0..10_000).map(one).collect::<Vec<_>>().concat();
    let files = files(config, key("p10000", ID, SECRET));
    let plan = files.plan();
    assert_eq!(plan.roles.len(), 10, "as many as a chain may have");
    assert!(plan.left.iter().any(|left| left.reason.contains("more than 10 roles")));
}

#[test]
fn the_device_that_all_roles_share_is_the_identitys_and_no_role_is_asked_that_was_not() {
    let device = "arn:aws:iam::111111111111:mfa/richard";
    let role =
        |name: &str, more: &str| format!("[profile {name}]\nrole_arn = {}\nsource_profile = k\n{more}", arn("R"));
    let mfa = format!("mfa_serial = {device}\n");
    let mut all =
        files(role("a", &mfa) + &role("b", &format!("{mfa}duration_seconds = 14400\n")), key("k", ID, SECRET));
    // The identity's own profile asks for no code, and must not begin to.
    let served = all.plan();
    assert_eq!(served.identities[0].mfa_serial, None);
    assert_eq!(
        (served.roles[0].section.mfa.as_deref(), served.roles[0].section.mfa_serial.as_deref()),
        (None, Some(device))
    );
    assert_eq!(
        (served.roles[1].section.mfa.as_deref(), served.roles[1].section.mfa_serial.as_deref()),
        (Some("direct"), Some(device))
    );
    all.only = Some(["a", "b"].map(str::to_owned).into());
    let all = all.plan();
    assert_eq!(all.identities[0].mfa_serial.as_deref(), Some(device));
    assert_eq!((all.roles[0].section.mfa.as_deref(), all.roles[0].section.mfa_serial.as_deref()), (None, None));
    assert_eq!((all.roles[1].section.mfa.as_deref(), all.roles[1].duration), (Some("direct"), Some(HOUR * 4)));
    let some = files(role("a", &mfa) + &role("b", ""), key("k", ID, SECRET)).plan();
    assert_eq!(
        (some.identities[0].mfa_serial.as_deref(), some.roles[0].section.mfa_serial.as_deref()),
        (None, Some(device))
    );
    let own = files(format!("[profile k]\n{mfa}{}{}", role("a", &mfa), role("b", "")), key("k", ID, SECRET)).plan();
    assert_eq!(
        (own.identities[0].mfa_serial.as_deref(), own.roles[1].section.mfa.as_deref()),
        (Some(device), Some("none"))
    );
    let chained = files(role("a", "") + &role("b", &mfa).replace("= k", "= a"), key("k", ID, SECRET)).plan();
    assert_eq!(chained.roles[1].section.mfa_serial, None);
    assert!(chained.notes[0].1.contains("IAM user"), "{:?}", chained.notes);
}

#[test]
fn each_source_becomes_an_identity_of_its_kind() {
    let config = format!(
        "[profile e]\nrole_arn = {0}\ncredential_source = Ec2InstanceMetadata\n\
         [profile f]\nrole_arn = {0}\ncredential_source = Ec2InstanceMetadata\n\
         [profile w]\nrole_arn = {0}\nweb_identity_token_file = /run/token\nrole_session_name = ci\n\
         [profile p]\nrole_arn = {0}\nsource_profile = corp\n\
         [profile corp]\ncredential_process = /opt/corp/login --json\n\
         [profile self]\nrole_arn = {0}\nsource_profile = self\n",
        arn("R")
    );
    let files = files(config, key("self", ID, SECRET));
    let plan = files.plan();
    let kinds: Vec<_> = plan
        .identities
        .iter()
        .map(|identity| (identity.name.as_str(), std::mem::discriminant(&identity.origin)))
        .collect();
    let names: Vec<&str> = kinds.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, ["ec2", "w", "corp", "self-user"]);
    assert!(matches!(&plan.identities[1].origin, Origin::WebIdentity { token_file, .. } if token_file == "/run/token"));
    assert_eq!(plan.roles.last().map(|role| (role.name.as_str(), role.source.as_str())), Some(("self", "self-user")));
    // What asks another program goes on doing so; what became of it serves the roles above it.
    let (config, credentials) = files.after();
    assert!(config.contains("[profile corp]\ncredential_process = /opt/corp/login --json\n"), "{config}");
    assert!(config.ends_with("[profile self]\ncredential_process = /usr/bin/rolecall get self\n"), "{config}");
    assert_eq!(credentials, "");
}

#[test]
fn the_entries_of_other_tools_are_found_by_the_profiles_that_use_them() {
    let config = format!(
        "[default]\nregion = eu-west-1\n[profile base]\nmfa_serial = arn:aws:iam::111111111111:mfa/r\n\
         [profile auth]\ninclude_profile = base\n\
         [profile prod]\nsource_profile = auth\nrole_arn = {}\ninclude_profile = base\n\
         [profile via]\ncredential_process = aws-vault exec prod --json\nregion = eu-west-2\n\
         [profile g]\ncredential_process = granted credential-process --profile g\n",
        arn("R")
    );
    let entries = [(ForeignTool::AwsVault, "auth"), (ForeignTool::AwsVault, "lone"), (ForeignTool::Granted, "g")];
    let mut files = files(config, "");
    files.entries = entries.into_iter().map(|(tool, name)| (tool, name.to_owned())).collect();
    let plan = files.plan();
    let identities: Vec<_> = plan.identities.iter().map(|i| (i.name.as_str(), i.mfa_serial.is_some())).collect();
    assert_eq!(identities, [("auth", true), ("g", false), ("lone", false)]);
    let served: Vec<_> = plan.served.iter().map(|s| (s.profile.as_str(), s.name.as_str())).collect();
    assert_eq!(served, [("auth", "auth"), ("prod", "prod"), ("via", "prod"), ("g", "g"), ("lone", "lone")]);
    let (config, _) = files.after();
    assert!(
        config.contains("[profile via]\ncredential_process = /usr/bin/rolecall get prod\nregion = eu-west-2\n"),
        "{config}"
    );
    assert!(config.ends_with("\n[profile lone]\ncredential_process = /usr/bin/rolecall get lone\n"), "{config}");
}

#[test]
fn names_are_made_to_fit_and_never_given_twice() {
    let config = format!(
        "[profile a b]\nrole_arn = {0}\nsource_profile = k\n[profile a  b]\nrole_arn = {0}\nsource_profile = k\n\
         [profile ü]\nrole_arn = {0}\nsource_profile = k\n[profile ../../x]\nrole_arn = {0}\nsource_profile = k\n",
        arn("R")
    );
    let plan = files(config, key("k", ID, SECRET)).plan();
    let names: Vec<&str> = plan.roles.iter().map(|role| role.name.as_str()).collect();
    assert_eq!(names, ["a-b", "a-b-2", "profile", "profile-../../x"]);
}

#[test]
fn one_key_in_two_profiles_is_one_identity_and_a_key_that_is_stored_is_known() {
    let credentials = key("default", ID, SECRET) + &key("auth", ID, SECRET);
    let mut files = files("", credentials);
    let plan = files.plan();
    assert_eq!(plan.identities.len(), 1);
    assert_eq!(plan.served.iter().map(|served| served.name.as_str()).collect::<Vec<_>>(), ["default", "default"]);
    files.stored.insert(ID.to_owned(), Name::new("mine").expect("valid"));
    let plan = files.plan();
    assert!(plan.identities[0].is_there && plan.served[1].name.as_str() == "mine");
}

#[test]
fn a_key_that_is_left_keeps_what_stands_on_it() {
    let config = format!("[profile prod]\nrole_arn = {}\nsource_profile = default\n", arn("R"));
    let mut files = files(config, key("default", ID, SECRET) + &key("other", OTHER_ID, OTHER_SECRET));
    files.excluded.insert("default".into(), "AWS refused its key".into());
    let reasons = files.reasons();
    assert_eq!(reasons.len(), 2, "{reasons:?}");
    assert!(reasons.iter().all(|(_, reason)| reason.contains("AWS refused its key")), "{reasons:?}");
    assert_eq!(files.plan().served.len(), 1);
    files.excluded.clear();
    files.only = Some(BTreeSet::from(["prod".to_owned()]));
    let plan = files.plan();
    assert_eq!((plan.served.len(), plan.identities.len(), plan.credentials.len()), (1, 1, 0));
}

#[test]
fn what_was_changed_since_is_never_written_over() {
    let files = files("", key("default", ID, SECRET));
    let plan = files.plan();
    let (_, lost) = change::revert_found(b"[default]\nregion = x\n", &plan.credentials, &secrets).expect("secrets");
    assert_eq!(lost, [0], "somebody has made the section anew");
    let (_, lost) = change::revert_found(b"", &plan.config, &secrets).expect("secrets");
    assert_eq!(lost, [0], "what was put there is gone");
    let none = |_: &str| None;
    assert_eq!(change::revert(b"", &plan.credentials, &none).expect_err("no secret"), "default");
}

#[test]
fn a_secret_that_the_vault_would_not_keep_leaves_its_profile_where_it_is() {
    const CANARY: &str = "CANARYCANARYCANARYCANARYCANARYCANARYCANA";
    let base = key("base", ID, SECRET);
    let role = format!("[profile r]\nrole_arn = {}\nsource_profile = base\n", arn("R"));
    let cases = [
        // A role with a key of its own, whole, without an id, with an empty one.
        (format!("{role}aws_access_key_id = {OTHER_ID}\naws_secret_access_key = {CANARY}\n"), base.clone(), "r"),
        (format!("{role}aws_secret_access_key = {CANARY}\n"), base.clone(), "r"),
        (format!("{role}aws_access_key_id =\naws_secret_access_key = {CANARY}\n"), base.clone(), "r"),
        // In the other file.
        (role.clone(), format!("{base}{}", key("r", OTHER_ID, CANARY)), "r"),
        // Beside another program.
        (format!("[profile r]\ncredential_process = /bin/p\naws_secret_access_key = {CANARY}\n"), base.clone(), "r"),
        (
            format!(
                "[profile r]\ncredential_process = aws-vault export --format=json r\naws_secret_access_key = {CANARY}\n"
            ),
            base.clone(),
            "r",
        ),
        // A comment, which no vault has.
        (
            String::new(),
            format!("{base}[r]\naws_access_key_id = {OTHER_ID}\naws_secret_access_key = {OTHER_SECRET} # {CANARY}\n"),
            "r",
        ),
        (
            String::new(),
            format!("{base}[r]\naws_access_key_id = {OTHER_ID} # {CANARY}\naws_secret_access_key = {OTHER_SECRET}\n"),
            "r",
        ),
        // Two keys of one profile, two secrets of one key.
        (
            format!("[profile r]\naws_access_key_id = {OTHER_ID}\naws_secret_access_key = {CANARY}\n"),
            key("r", ID, SECRET),
            "r",
        ),
        (
            format!("[profile r]\naws_access_key_id = {ID}\naws_secret_access_key = {CANARY}\n"),
            key("r", ID, SECRET),
            "r",
        ),
        (String::new(), format!("{base}{}", key("r", ID, CANARY)), "r"),
    ];
    for (config, credentials, left) in cases {
        let files = files(config.clone(), credentials.clone());
        let plan = files.plan();
        assert!(plan.left.iter().any(|found| found.profile == left), "{config}{credentials}");
        let record = serde_json::to_string(&(&plan.config, &plan.credentials)).expect("json");
        assert!(!record.contains(CANARY), "{config}{credentials}: {record}");
        let (config_after, credentials_after) = files.after();
        assert_eq!(
            (config + &credentials).matches(CANARY).count(),
            (config_after + &credentials_after).matches(CANARY).count()
        );
    }
}

#[test]
fn a_line_with_a_secret_never_rests_on_disk() {
    let line = |head: &str, secret_of: Option<&str>, tail: &str| change::Removed {
        head: head.to_owned(),
        secret_of: secret_of.map(str::to_owned),
        tail: tail.to_owned(),
    };
    assert!(line("aws_secret_access_key = x\n", None, "").has_secret());
    assert!(line("  AWS_Session_Token: x\n", None, "").has_secret());
    assert!(line("aws_secret_access_key = ", Some("a"), " # x\n").has_secret());
    assert!(!line("aws_secret_access_key = ", Some("a"), "\n").has_secret());
    assert!(!line("aws_secret_access_key =\n", None, "").has_secret());
    assert!(!line("[aws_secret_access_key]\n", None, "").has_secret());
}
