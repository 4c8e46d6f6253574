use super::*;
use proptest::prelude::*;

const REAL: &[u8] = b"\
# my accounts ; really
[default]
region=eu-west-1
output = json # botocore keeps this

[profile prod]
ROLE_ARN = arn:aws:iam::222222222222:role/A
source_profile=default
s3 =
  # indented comment
\taddressing_style = path

  Max = 20
; another
[profile \"two words\"]
sso_session = corp
[sso-session corp]
sso_region = us-east-1
[services local]
sts =
  endpoint_url = http://127.0.0.1:5000
[prod]
cli_pager=\n";

fn parse(text: &[u8]) -> Document<'_> {
    Document::parse(text, FileKind::Config)
}

fn flaws(text: &[u8]) -> Vec<(usize, ParseIssueKind)> {
    parse(text).flaws().iter().map(|flaw| (flaw.line, flaw.kind)).collect()
}

#[test]
fn a_real_file_is_read_with_its_lines() {
    let document = parse(REAL);
    let sections: Vec<_> = document.sections().iter().map(|s| (s.kind, s.name.as_str(), s.line, s.last)).collect();
    assert_eq!(
        sections,
        [
            (SectionKind::Profile, "default", 2, 4),
            (SectionKind::Profile, "prod", 6, 13),
            (SectionKind::Profile, "two words", 15, 16),
            (SectionKind::SsoSession, "corp", 17, 18),
            (SectionKind::Services, "local", 19, 21),
            (SectionKind::Other, "prod", 22, 23),
        ]
    );
    let prod = document.profile("prod").next().expect("there");
    assert_eq!(prod.key("role_arn").expect("key").written, b"arn:aws:iam::222222222222:role/A");
    let s3 = prod.key("s3").expect("key");
    assert_eq!((s3.line, s3.last, s3.written), (9, 13, b"".as_slice()));
    let nested: Vec<_> = s3.nested.iter().map(|n| (n.name.as_str(), n.written, n.line)).collect();
    assert_eq!(nested, [("addressing_style", b"path".as_slice(), 11), ("Max", b"20", 13)]);
    let output = document.profile("default").next().and_then(|s| s.key("output")).expect("key");
    assert_eq!(output.written, b"json # botocore keeps this");
    assert_eq!(output.value(), b"json");
}

#[test]
fn a_hash_without_a_space_before_it_is_part_of_the_value() {
    let document = parse(b"[default]\na = x#y\nb = x ;y\nc = #z\nd =\t # z\n");
    let values: Vec<_> = document.sections()[0].keys.iter().map(Key::value).collect();
    assert_eq!(values, [b"x#y".as_slice(), b"x", b"#z", b"# z"]);
}

#[test]
fn the_credentials_file_has_bare_headers() {
    let document = Document::parse(b"[default]\n[a b]\n[profile x]\n[y]\n", FileKind::Credentials);
    let sections: Vec<_> = document.sections().iter().map(|s| (s.kind, s.name.as_str())).collect();
    assert_eq!(
        sections,
        [
            (SectionKind::Profile, "default"),
            (SectionKind::Profile, "a b"),
            (SectionKind::Other, "profile x"),
            (SectionKind::Profile, "y"),
        ]
    );
}

#[test]
fn headers_are_read_as_botocore_does() {
    for (header, name) in [
        ("[profile a]", "a"),
        ("[profile\ta]", "a"),
        ("[profile  a] # note", "a"),
        ("[profile 'a b']", "a b"),
        ("[profile default]", "default"),
        ("[profile a]b]", "a]b"),
        ("[profile a#b]", "a#b"),
        ("[profile a=b]", "a=b"),
    ] {
        let document = parse(header.as_bytes());
        assert_eq!((document.sections()[0].kind, document.sections()[0].name.as_str()), (SectionKind::Profile, name));
    }
    for header in ["[a]", "[profilea]", "[DEFAULT]", "[preview]"] {
        assert_eq!(parse(header.as_bytes()).sections()[0].kind, SectionKind::Other, "{header}");
    }
}

// Both columns are what botocore 1.43 and aws-runtime 1.10 do when they are run.
#[test]
fn a_bad_line_is_noted_with_who_refuses_the_file() {
    let table: &[(&[u8], usize, ParseIssueKind, bool, bool)] = &[
        (b"\xef\xbb\xbf[default]\n", 1, ParseIssueKind::Bom, true, true),
        (b"# a\n# caf\xe9\n", 2, ParseIssueKind::NotUtf8, true, false),
        (b"[profile a]\nx = 1\r[profile b]\n", 2, ParseIssueKind::BareReturn, false, false),
        (b"[default]\n[profile a\n", 2, ParseIssueKind::NoBracket, true, true),
        (b"[]\n", 1, ParseIssueKind::EmptyHeader, true, false),
        (b"[profile a] junk\n", 1, ParseIssueKind::HeaderTail, false, true),
        (b"[profile a#b]\n", 1, ParseIssueKind::HeaderTail, false, true),
        (b"  [profile a]\n", 1, ParseIssueKind::IndentedHeader, false, true),
        (b"[default]\nx = 1\n  [profile a]\n", 3, ParseIssueKind::IndentedHeader, false, true),
        (b"[default]\nnonsense\n", 2, ParseIssueKind::NoEquals, true, true),
        (b"[default]\n= x\n", 2, ParseIssueKind::NoName, true, true),
        (b"\nx = 1\n[default]\n", 2, ParseIssueKind::BeforeSection, true, true),
        (b"[default]\n  x = 1\n", 2, ParseIssueKind::IndentedKey, false, true),
        (b"[default]\nx: 1\n", 2, ParseIssueKind::Colon, false, true),
        (b"[default]\ns3 =\n  path\n", 3, ParseIssueKind::NestedNoEquals, true, true),
        (b"[default]\nx = 1\n  # y\n", 3, ParseIssueKind::IndentedComment, false, true),
        (b"[default]\nx = 1\nX = 2\n", 3, ParseIssueKind::DuplicateKey { first: 2 }, true, false),
        (b"[default]\n[a]\n[default]\n", 3, ParseIssueKind::DuplicateSection { first: 1 }, true, false),
        (b"[default]\n[profile default]\n", 2, ParseIssueKind::SecondHeader { first: 1 }, false, false),
        (b"[profile a]\n[profile \"a\"]\n", 2, ParseIssueKind::SecondHeader { first: 1 }, false, false),
    ];
    for (text, line, kind, python, rust) in table {
        assert_eq!(flaws(text), [(*line, *kind)], "{:?}", String::from_utf8_lossy(text));
        assert_eq!((kind.stops_python(), kind.stops_rust()), (*python, *rust), "{kind:?}");
        assert!(!kind.what().is_empty() && !kind.consequence().is_empty() && !kind.remedy().is_empty());
    }
    for good in [b"[DEFAULT]\n[DEFAULT]\n".as_slice(), b"[default]\r\nx = 1\r\n", b""] {
        assert_eq!(flaws(good), []);
    }
}

#[test]
fn indented_keys_and_headers_are_seen_all_the_same() {
    let document = parse(b"  [profile a]\n  role_arn = x\n  region = y\n    more\n");
    let section = &document.sections()[0];
    assert_eq!(section.keys.iter().map(|key| key.name.as_str()).collect::<Vec<_>>(), ["role_arn", "region"]);
    assert_eq!((section.keys[1].last, section.last), (4, 4));
}

#[test]
fn sections_are_taken_out_and_comments_stay() {
    let document = parse(REAL);
    let prod = document.profile("prod").next().expect("there").range();
    let text = String::from_utf8(document.without(&[prod])).expect("utf-8");
    assert!(text.contains("keeps this\n\n; another\n[profile \"two words\"]\n"), "{text}");
    assert_eq!(document.without(&[]), REAL);
}

#[test]
fn debug_output_shows_no_value() {
    let document = Document::parse(b"[a]\naws_secret_access_key = hush\ns3 =\n  x = hush\n", FileKind::Credentials);
    assert!(!format!("{document:?}").contains("hush"));
}

proptest! {
    #[test]
    fn the_lines_are_the_file(text in proptest::collection::vec(any::<u8>(), 0..300)) {
        let document = parse(&text);
        prop_assert_eq!(document.lines().iter().flat_map(|line| line.raw).copied().collect::<Vec<u8>>(), text);
    }

    #[test]
    fn the_lines_of_ini_like_text_are_the_file(text in "([\\[\\]#; =:a\t\"']{0,8}(\r\n|\n|\r)){0,12}") {
        for kind in [FileKind::Config, FileKind::Credentials] {
            let document = Document::parse(text.as_bytes(), kind);
            let lines: Vec<u8> = document.lines().iter().flat_map(|line| line.raw).copied().collect();
            prop_assert_eq!(&lines[..], text.as_bytes());
            for section in document.sections() {
                prop_assert!(section.line <= section.last && section.last <= document.lines().len());
            }
        }
    }
}
