use super::*;

/// Names as somebody would choose them who wants another question to be read: they clear the screen, begin lines of their
/// own, turn the direction of reading, and never end.
const HOSTILE: [&str; 7] = [
    "\u{1b}[2J\u{1b}[H",
    "a\r\nrolecall: `other`",
    "\u{202e}txet",
    "\u{2066}a\u{2069}",
    "\u{2028}",
    "\u{7}\u{9b}1m",
    "\0",
];

fn question(wanted: Wanted, name: &str, program: Option<&str>) -> Question {
    let since = chrono::DateTime::from_timestamp(1_795_334_400, 0);
    Question { wanted, name: name.into(), program: program.map(Into::into), since, reason: None }
}

fn code(identity: &str, serial: &str) -> Wanted {
    Wanted::Code { identity: identity.into(), serial: serial.into() }
}

fn is_harmless(text: &str) -> bool {
    let turns =
        |c| matches!(c, '\u{200e}' | '\u{200f}' | '\u{061c}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    // Ends of lines are ours: one after each reason.
    !text.replace("\r\n", "").chars().any(|c| c.is_control() || turns(c))
}

#[test]
fn the_question_names_identity_device_role_program_and_since_when() {
    let serial = "arn:aws:iam::111111111111:mfa/richard";
    let text = text(&question(code("auth", serial), "prod", Some("/usr/bin/terraform")));
    let since = chrono::DateTime::from_timestamp(1_795_334_400, 0).unwrap().with_timezone(&Local);
    for part in ["auth", serial, "prod", "/usr/bin/terraform", &format!("since {}", since.format("%H:%M"))] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[test]
fn no_name_reaches_the_terminal_as_anything_but_printable_text() {
    for hostile in HOSTILE {
        let consent = Wanted::Consent { role_arn: hostile.into(), minutes: 60 };
        for asked in [
            question(code(hostile, "serial"), "prod", None),
            question(code("auth", hostile), "prod", None),
            question(code("auth", "serial"), hostile, None),
            question(code("auth", "serial"), "prod", Some(hostile)),
            question(consent, "prod", None),
            question(Wanted::Consent { role_arn: "arn".into(), minutes: 60 }, hostile, Some(hostile)),
        ] {
            let text = text(&asked);
            assert!(is_harmless(&text) && !text.contains("\r\n"), "{text:?}");
            assert!(text.contains("\\u{"), "what was taken away is shown: {text}");
        }
        let asked = Question { reason: Some(hostile.into()), ..question(code("auth", "serial"), "prod", None) };
        let text = text(&asked);
        assert!(is_harmless(&text) && text.matches("\r\n").count() == 1, "{text:?}");
    }
}

#[test]
fn a_name_without_end_leaves_the_question_on_the_screen() {
    let long = "x".repeat(100_000);
    let text = text(&question(code("auth", "serial"), &long, Some(&long)));
    assert!(text.chars().count() < 1000 && text.contains("MFA code of auth"), "{text}");
}
