//! A window, or a terminal, that asks for an MFA code or for consent: any pinentry program, spoken to in its own protocol
//! (Assuan).
//!
//! The program comes from the configuration or from the system's own directories, never from a caller's PATH. Whatever it
//! does (dies, hangs, floods), it costs this question and nothing else.

#[cfg(fuzzing)]
pub mod fuzzing;
pub(super) mod program;

use chrono::Local;
use program::{Program, Screen};
use rolecall_core::domain::question::{Question, Surroundings, Wanted};
use rolecall_core::domain::secret::MfaCode;
use rolecall_platform::blocking::SOURCES;
use rolecall_ports::PromptResult;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::process::Command;
use tokio::time::timeout;
use zeroize::Zeroizing;

/// Where a pinentry lies when the configuration names none.
const PROGRAMS: [&str; 4] =
    ["/usr/bin/pinentry", "/usr/local/bin/pinentry", "/opt/homebrew/bin/pinentry-mac", "/usr/local/bin/pinentry-mac"];

/// How long a person may look for the device.
const PATIENCE: Duration = Duration::from_mins(5);

/// The longest line of the protocol (Assuan manual, "Client requests").
const LINE_MAX: u64 = 1002;

/// Lines that are not an answer (status, comments); more are a flood.
const LINES_MAX: usize = 64;

/// The last 16 bits of the error codes that mean the person said no (libgpg-error: CANCELED, NOT_CONFIRMED,
/// FULLY_CANCELED).
const SAID_NO: [u32; 3] = [99, 114, 198];

/// What a pinentry may know of the agent's environment. Threat: the agent's own may hold credentials (`rolecall agent
/// run`), and a pinentry's can be read by every program of the same user.
pub(super) type Environment = [(OsString, OsString)];

/// Asks by the program that the configuration names, or the system's own.
pub(super) async fn prompt(
    environment: &Environment,
    program: Option<&Path>,
    question: &Question,
    surroundings: &Surroundings,
    start: Duration,
) -> PromptResult {
    let found = async || {
        let look = || PROGRAMS.iter().map(PathBuf::from).find(|program| program.is_file());
        SOURCES.run("the system's pinentry", start, look).await.ok().flatten()
    };
    let program = match program {
        Some(program) => Some(program.to_path_buf()),
        None => found().await,
    };
    let Some(program) = program else { return PromptResult::Nobody };
    ask(environment, &program, question, surroundings, start).await.unwrap_or_else(|| {
        tracing::warn!(program = %program.display(), "pinentry did not do its part");
        PromptResult::Nobody
    })
}

/// Both ends of the conversation with a program.
struct Dialog<W, R> {
    to: W,
    from: BufReader<R>,
}

enum Said {
    /// What it gave, if anything.
    Ok(Option<Zeroizing<String>>),
    Err(u32),
}

async fn ask(
    environment: &Environment,
    program: &Path,
    question: &Question,
    surroundings: &Surroundings,
    start: Duration,
) -> Option<PromptResult> {
    let terminal = surroundings.terminal.as_ref();
    let mut command = Command::new(program);
    command.env_clear().envs(environment.iter().map(|(name, value)| (name, value)));
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true).process_group(0);
    // The caller's display and nobody else's: the agent's own may be on a desktop where nobody sits.
    command.env_remove("DISPLAY").env_remove("WAYLAND_DISPLAY").env_remove("XAUTHORITY");
    if terminal.is_some() {
        // By this GNOME's pinentry would find the desktop all the same.
        command.env_remove("DBUS_SESSION_BUS_ADDRESS");
    }
    for (name, value) in [
        ("DISPLAY", &surroundings.display),
        ("WAYLAND_DISPLAY", &surroundings.wayland_display),
        ("XAUTHORITY", &surroundings.xauthority),
        ("LANG", &surroundings.lang),
    ] {
        if let Some(value) = value {
            command.env(name, value);
        }
    }
    let prepared = async {
        let drawn_on = terminal.cloned();
        let begin = move || {
            let screen = match drawn_on.as_ref().map(Screen::of) {
                Some(None) => return None,
                screen => screen.flatten(),
            };
            Some((command.spawn().ok()?, screen))
        };
        let (mut child, screen) = SOURCES.run(program.display().to_string(), start, begin).await.ok()??;
        let (to, from) = (child.stdin.take()?, BufReader::new(child.stdout.take()?));
        // Ended when the dialog is dropped, as when the code came from elsewhere.
        let program = Program::new(child, screen);
        let mut dialog = Dialog { to, from };
        dialog.prepare(question, surroundings).await?;
        Some((program, dialog))
    };
    let (_program, mut dialog) = timeout(start, prepared).await.ok()??;
    dialog.put(question).await
}

/// Says where to draw, in the order in which gpg-agent does.
fn options(surroundings: &Surroundings) -> Vec<String> {
    let Some(terminal) = &surroundings.terminal else { return Vec::new() };
    let mut lines = vec![format!("OPTION ttyname={}", terminal.device.path)];
    lines.extend(terminal.kind.as_deref().map(|kind| format!("OPTION ttytype={kind}")));
    lines.extend(surroundings.lang.as_deref().map(|lang| format!("OPTION lc-ctype={lang}")));
    lines
}

fn preparations(question: &Question) -> Vec<String> {
    let [what, answer] = question.text(&Local).map(|line| escaped(&line));
    let mut lines = vec!["SETTITLE rolecall".to_owned(), format!("SETDESC {what}.%0A{answer}")];
    lines.extend(match &question.wanted {
        Wanted::Code { .. } => vec!["SETPROMPT Code:".to_owned()],
        Wanted::Consent { .. } | Wanted::Key { .. } => vec!["SETOK Allow".to_owned(), "SETCANCEL Refuse".to_owned()],
    });
    lines.push(format!("SETTIMEOUT {}", PATIENCE.as_secs()));
    lines.extend(question.again().map(|reason| format!("SETERROR {}", escaped(&reason))));
    lines
}

/// Escapes what has a meaning in the protocol.
fn escaped(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

impl<W: AsyncWrite + Unpin, R: AsyncRead + Unpin> Dialog<W, R> {
    /// Reads the greeting and sends all that precedes the question.
    async fn prepare(&mut self, question: &Question, surroundings: &Surroundings) -> Option<()> {
        self.hear().await?;
        for line in options(surroundings).into_iter().chain(preparations(question)) {
            // An option that this pinentry does not know is no reason to give up.
            self.say(&line).await?;
        }
        Some(())
    }

    /// Sends the question and reads the answer.
    async fn put(&mut self, question: &Question) -> Option<PromptResult> {
        let is_consent = matches!(question.wanted, Wanted::Consent { .. } | Wanted::Key { .. });
        match timeout(PATIENCE, self.say(if is_consent { "CONFIRM" } else { "GETPIN" })).await.ok()?? {
            Said::Ok(_) if is_consent => Some(PromptResult::Allowed),
            Said::Ok(Some(code)) => Some(PromptResult::Code(MfaCode::typed(&code))),
            Said::Ok(None) => Some(PromptResult::Cancelled),
            Said::Err(code) if SAID_NO.contains(&(code & 0xffff)) => Some(PromptResult::Cancelled),
            Said::Err(_) => None,
        }
    }

    async fn say(&mut self, line: &str) -> Option<Said> {
        self.to.write_all(format!("{line}\n").as_bytes()).await.ok()?;
        self.hear().await
    }

    async fn hear(&mut self) -> Option<Said> {
        let mut given = None;
        for _ in 0..LINES_MAX {
            let mut line = Zeroizing::new(Vec::with_capacity(1024));
            (&mut self.from).take(LINE_MAX).read_until(b'\n', &mut line).await.ok()?;
            if line.pop() != Some(b'\n') {
                return None;
            }
            let line = Zeroizing::new(String::from_utf8(line.to_vec()).ok()?);
            match line.split_once(' ').unwrap_or((line.as_str(), "")) {
                ("OK", _) => return Some(Said::Ok(given)),
                ("ERR", rest) => return Some(Said::Err(rest.split(' ').next()?.parse().ok()?)),
                ("D", data) => given = Some(Zeroizing::new(data.to_owned())),
                // Status and comments (Assuan manual, "Server responses"); what is none of these comes from no pinentry.
                ("S", _) => {}
                _ if line.starts_with('#') => {}
                _ => return None,
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn question() -> Question {
        Question {
            wanted: Wanted::Code { identity: "auth".into(), serial: "arn:aws:iam::111111111111:mfa/richard".into() },
            name: "prod".into(),
            program: Some("a\nGETPIN%".into()),
            since: None,
            reason: None,
        }
    }

    fn consent() -> Question {
        let wanted = Wanted::Consent { role_arn: "arn:aws:iam::222222222222:role/R".into(), minutes: 60 };
        Question { wanted, ..question() }
    }

    async fn with(script: &str) -> PromptResult {
        asking(script, &question()).await
    }

    /// Runs a shell script as the pinentry.
    async fn asking(script: &str, question: &Question) -> PromptResult {
        let dir = tempfile::tempdir().expect("tempdir");
        let program = dir.path().join("pinentry");
        std::fs::write(&program, format!("#!/bin/sh\n{script}\n")).expect("written");
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o700)).expect("chmod");
        prompt(&[], Some(&program), question, &Surroundings::default(), START).await
    }

    /// Longer than any of these scripts needs.
    const START: Duration = Duration::from_mins(5);

    const POLITE: &str = "echo OK hello; while read -r verb rest; do case $verb in GETPIN)";

    #[tokio::test]
    async fn the_code_is_what_the_person_typed() {
        let answer =
            with(&format!("{POLITE} echo 'S PASSWORD_FROM_CACHE'; echo 'D 123456'; echo OK;; *) echo OK;; esac; done"))
                .await;
        assert!(matches!(answer, PromptResult::Code(code) if code.expose() == "123456"));
    }

    #[tokio::test]
    async fn a_person_who_cancels_has_said_no() {
        let answer =
            with(&format!("{POLITE} echo 'ERR 83886179 Operation cancelled <Pinentry>';; *) echo OK;; esac; done"))
                .await;
        assert!(matches!(answer, PromptResult::Cancelled), "{answer:?}");
    }

    #[tokio::test]
    async fn consent_is_a_yes_and_nothing_else() {
        let confirm = |said: &str| {
            format!("echo OK; while read -r verb rest; do case $verb in CONFIRM) {said};; *) echo OK;; esac; done")
        };
        assert!(matches!(asking(&confirm("echo OK"), &consent()).await, PromptResult::Allowed));
        let refused = asking(&confirm("echo 'ERR 83886194 Not confirmed <Pinentry>'"), &consent()).await;
        assert!(matches!(refused, PromptResult::Cancelled), "{refused:?}");
        let died = asking(&confirm("exit 0"), &consent()).await;
        assert!(matches!(died, PromptResult::Nobody), "{died:?}");
        let asked_for_a_code = with(&confirm("echo OK")).await;
        assert!(matches!(asked_for_a_code, PromptResult::Cancelled), "an OK alone is no code: {asked_for_a_code:?}");
    }

    #[tokio::test]
    async fn an_unknown_option_is_no_reason_to_give_up() {
        let answer = with(&format!(
            "{POLITE} echo 'D 654321'; echo OK;; SETTIMEOUT) echo 'ERR 536871187 Unknown';; *) echo OK;; esac; done"
        ))
        .await;
        assert!(matches!(answer, PromptResult::Code(_)), "{answer:?}");
    }

    #[tokio::test]
    async fn a_pinentry_that_dies_floods_or_babbles_asked_nobody() {
        for script in [
            "exit 1",
            "echo OK; exit 0",
            "yes 'S flood'",
            "head -c 5000 /dev/zero | tr '\\0' x; echo",
            "printf '\\377\\376\\n'",
            "echo ERR no number",
        ] {
            let answer = with(script).await;
            assert!(matches!(answer, PromptResult::Nobody), "{script}: {answer:?}");
        }
        let missing = prompt(&[], Some(Path::new("/nowhere")), &question(), &Surroundings::default(), START).await;
        assert!(matches!(missing, PromptResult::Nobody));
    }

    #[tokio::test]
    async fn a_pinentry_that_does_not_get_as_far_as_asking_costs_what_it_may_and_no_more() {
        let dir = tempfile::tempdir().expect("tempdir");
        let program = dir.path().join("pinentry");
        for script in ["sleep 600", "echo OK; sleep 600", "while :; do echo '# still busy'; sleep 0.05; done"] {
            std::fs::write(&program, format!("#!/bin/sh\n{script}\n")).expect("written");
            std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o700)).expect("chmod");
            let start = Duration::from_millis(100);
            let (question, nowhere) = (question(), Surroundings::default());
            let asked = prompt(&[], Some(&program), &question, &nowhere, start);
            let answer = timeout(PATIENCE / 2, asked).await.expect("given up before a person would be");
            assert!(matches!(answer, PromptResult::Nobody), "{script}: {answer:?}");
        }
    }

    #[test]
    fn a_hostile_name_cannot_speak_the_protocol() {
        let lines = preparations(&question());
        assert!(lines.iter().all(|line| !line.contains('\n')), "{lines:?}");
        assert!(lines[1].contains("a\\u{a}GETPIN%25"), "{lines:?}");
    }
}
