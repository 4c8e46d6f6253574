use super::*;
use chrono::DateTime;
use rolecall_core::domain::secret::{SecretKey, SessionToken};
use std::process::Command;

const HOSTILE: [&str; 6] = [
    "plain+/=",
    "it's $(touch x) `id` \"q\" \\ !history",
    "'; rm -rf /; '",
    "two\nlines\r\n",
    "\u{2019}; Remove-Item x; \u{2018}",
    "-n --help ~ * #",
];

fn session(value: &str) -> Session {
    Session {
        access_key_id: "ASIAEXAMPLE".into(),
        secret: SecretKey::new(value.into()),
        token: SessionToken::new(value.into()),
        expiration: DateTime::from_timestamp(1_795_305_600, 0).expect("in range"),
        account: None,
    }
}

/// Runs a shell that takes the text over and shows what it has then.
fn in_shell(shell: &str, text: &str) -> std::process::Output {
    let script = match shell {
        "fish" => {
            "set -gx AWS_PROFILE old; set -gx AMAZON_ACCESS_KEY_ID old; printf %s $argv[1] | source; or exit 9
             env | grep -E '^(AWS_PROFILE|AMAZON_)'
             printf '%s|%s|%s' \"$AWS_SESSION_TOKEN\" \"$AWS_CREDENTIAL_EXPIRATION\" \"$AWS_DEFAULT_REGION\""
        }
        _ => {
            "set -eu; export AWS_PROFILE=old AMAZON_ACCESS_KEY_ID=old; eval \"$1\"
             if env | grep -E '^(AWS_PROFILE|AMAZON_)'; then exit 9; fi
             printf '%s|%s|%s' \"${AWS_SESSION_TOKEN-}\" \"${AWS_CREDENTIAL_EXPIRATION-}\" \"${AWS_DEFAULT_REGION-}\""
        }
    };
    let mut command = Command::new(shell);
    command.args(["-c", script]);
    // The first argument of fish is the first, that of the others the script's own name.
    command.args((shell != "fish").then_some(shell)).arg(text);
    let home = tempfile::tempdir().expect("a directory");
    command.env("HOME", home.path()).env("XDG_CONFIG_HOME", home.path()).output().expect(shell)
}

fn rendered(session: &Session, region: Option<&str>, format: Format) -> Zeroizing<String> {
    render(session, &RoleContext { name: "prod", region, in_a_role: false }, format)
}

#[test]
fn of_another_role_neither_region_nor_metadata_service_stays() {
    let place = RoleContext { name: "prod", region: None, in_a_role: true };
    let text = render(&session("value"), &place, Format::Sh);
    assert!(text.starts_with("unset ") && text.lines().next().unwrap().contains("AWS_REGION"), "{}", &*text);
    assert!(text.contains("export ROLECALL_ROLE='prod'") || text.contains("export ROLECALL_ROLE=prod"), "{}", &*text);
    let names = |in_a_role| unset(Format::Sh, in_a_role).expect("a shell");
    assert!(names(true).contains("AWS_EC2_METADATA_SERVICE_ENDPOINT"));
    assert!(!names(false).contains("AWS_EC2_METADATA"), "the person's own setting");
}

const FORMATS: [Format; 8] = [
    Format::Sh,
    Format::Fish,
    Format::Csh,
    Format::Nushell,
    Format::Xonsh,
    Format::Powershell,
    Format::Dotenv,
    Format::Json,
];

/// csh's `eval` joins lines, so that no value with a line end comes through; no credential has one.
#[test]
fn csh_reads_exactly_what_was_meant_and_unsets_the_rest() {
    let script = "setenv AWS_PROFILE old; setenv AMAZON_ACCESS_KEY_ID old; eval \"`cat $TEXT`\"
        if ($?AWS_PROFILE || $?AMAZON_ACCESS_KEY_ID) exit 9
        printenv AWS_SESSION_TOKEN; printenv AWS_DEFAULT_REGION; exit 0";
    let file = tempfile::NamedTempFile::new().expect("a file");
    let run = |text: &str| {
        std::fs::write(file.path(), text).expect("written");
        Command::new("tcsh").args(["-f", "-c", script]).env_clear().env("TEXT", file.path()).output().expect("tcsh")
    };
    for value in HOSTILE.into_iter().filter(|value| !value.contains('\n')) {
        let text = rendered(&session(value), Some("eu-west-1"), Format::Csh);
        let set = run(&text);
        assert_eq!(String::from_utf8_lossy(&set.stdout), format!("{value}\neu-west-1\n"), "{value:?}: {set:?}");
        assert!(set.status.success() && set.stderr.is_empty(), "{value:?}: {set:?}");
        let taken_back = run(&format!("{}{}", &*text, unset(Format::Csh, false).expect("a shell")));
        assert!(taken_back.status.success() && taken_back.stdout.is_empty(), "{value:?}: {taken_back:?}");
    }
}

#[test]
fn nushell_and_xonsh_get_one_statement_per_change() {
    let text = rendered(&session("it's \"q\" \\ $x\n"), None, Format::Nushell);
    let mut lines = text.lines();
    assert!(
        lines.next().is_some_and(|line| line.starts_with("hide-env --ignore-errors ") && line.contains("AWS_PROFILE"))
    );
    assert_eq!(lines.next(), Some("load-env {"));
    assert!(text.contains("  AWS_SESSION_TOKEN: \"it's \\\"q\\\" \\\\ $x\\u{0a}\"\n"), "{}", &*text);
    assert!(text.ends_with("\n}\n"));
    let text = rendered(&session("it's \"q\" \\ $x\n"), None, Format::Xonsh);
    assert!(text.contains("${...}.pop('AWS_PROFILE', None)\n"), "{}", &*text);
    assert!(text.contains("$AWS_SESSION_TOKEN = 'it\\'s \"q\" \\\\ $x\\x0a'\n"), "{}", &*text);
}

const SHELLS: [(&str, Format); 4] =
    [("sh", Format::Sh), ("bash", Format::Sh), ("zsh", Format::Sh), ("fish", Format::Fish)];

#[test]
fn shells_read_exactly_what_was_meant_and_lose_what_would_contradict_it() {
    for (shell, format) in SHELLS {
        for value in HOSTILE {
            let run = in_shell(shell, &rendered(&session(value), Some("eu-west-1"), format));
            let want = format!("{value}|2026-11-22T00:00:00Z|eu-west-1");
            assert_eq!(String::from_utf8_lossy(&run.stdout), want, "{shell} {value:?}: {run:?}");
            assert!(run.status.success() && run.stderr.is_empty(), "{shell} {value:?}: {run:?}");
        }
    }
}

#[test]
fn what_env_has_set_is_taken_back_by_every_shell() {
    for (shell, format) in SHELLS {
        let text = rendered(&session("value"), Some("eu-west-1"), format);
        let run = in_shell(shell, &format!("{}{}", &*text, unset(format, false).expect("a shell")));
        assert_eq!(String::from_utf8_lossy(&run.stdout), "||", "{shell}: {run:?}");
        assert!(run.status.success() && run.stderr.is_empty(), "{shell}: {run:?}");
    }
    let powershell = unset(Format::Powershell, false).expect("a shell");
    assert_eq!(powershell.lines().count(), SHADOWING.len() + REGIONS.len() + 1);
    assert!(powershell.lines().all(|line| line.starts_with("$Env:") && line.ends_with(" = $null")));
    for format in [Format::Dotenv, Format::Json] {
        assert_eq!(unset(format, false).expect_err("sets only").kind, Kind::Usage);
    }
}

#[test]
fn a_universal_variable_of_fish_is_left_to_its_owner_who_is_told() {
    let home = tempfile::tempdir().expect("a directory");
    let run = |script: &str, text: &str| {
        let mut fish = Command::new("fish");
        fish.args(["-c", script, text]).env("HOME", home.path()).env("XDG_CONFIG_HOME", home.path());
        fish.output().expect("fish")
    };
    run("set -Ux AWS_PROFILE old", "");
    let text = rendered(&session("value"), None, Format::Fish);
    let told = run("printf %s $argv[1] | source", &text);
    assert_eq!(
        String::from_utf8_lossy(&told.stderr),
        "rolecall: AWS_PROFILE is universal in fish and stays set; remove it: set -eU AWS_PROFILE\n"
    );
    assert!(run("set -qU AWS_PROFILE", "").status.success(), "it is every shell's");
}

#[test]
fn every_format_names_every_variable_and_no_region_that_nobody_said() {
    for format in FORMATS {
        let text = rendered(&session("v"), None, format);
        for name in ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_CREDENTIAL_EXPIRATION"] {
            assert!(text.contains(name), "{format:?} {name}");
        }
        assert!(!text.contains("REGION"), "{format:?}");
    }
    let json: BTreeMap<String, String> =
        serde_json::from_str(&rendered(&session("v\n\""), Some("eu-west-1"), Format::Json)).expect("JSON");
    assert_eq!((json.len(), json["AWS_SESSION_TOKEN"].as_str()), (6, "v\n\""));
}

#[test]
fn no_value_makes_the_buffer_grow() {
    for format in FORMATS {
        for c in ['\'', '\u{1}', '\u{2019}', '\n', '\\', '$'] {
            // `render` itself asserts that there was room.
            assert!(rendered(&session(&c.to_string().repeat(3000)), None, format).len() > 6000);
        }
    }
}

#[test]
fn the_shell_that_runs_decides_the_format() {
    for (shell, format) in [
        (Some("/usr/bin/fish"), Format::Fish),
        (Some("/opt/microsoft/powershell/7/pwsh"), Format::Powershell),
        (Some("/bin/zsh"), Format::Sh),
        (Some("/usr/bin/tcsh"), Format::Csh),
        (Some("/usr/bin/nu"), Format::Nushell),
        (Some("/usr/bin/xonsh"), Format::Xonsh),
        (None, Format::Sh),
    ] {
        assert_eq!(of_shell(shell).expect("known"), format);
    }
    let unknown = of_shell(Some("/usr/bin/elvish")).expect_err("unknown");
    assert_eq!(unknown.kind, Kind::Usage);
    assert!(unknown.hint.is_some_and(|hint| hint.contains("`--format sh`")));
}
