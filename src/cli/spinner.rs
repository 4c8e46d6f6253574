//! What is waited for, said on a terminal after a second and taken away when it is over.
//!
//! Only where a person looks: on stderr, if that is a terminal. Not for what may have the agent ask on the same terminal
//! (`get`, `env`, a rotation): a pinentry draws there, and a word of ours would stand in its midst.

use super::line;
use super::output::{Screen, complain_over, complain_text, is_dumb};
use rolecall_core::domain::error::{UserError, printable};
use rolecall_ipc::client::{self, Autostart};
use rolecall_ipc::protocol::message::{Answer, Context, Request};
use rolecall_platform::paths::Paths;
use std::io::{self, IsTerminal};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// What takes longer is felt as waiting.
const SOON: Duration = Duration::from_secs(1);

/// Does something that may take long, and says meanwhile what is waited for.
pub(super) fn meanwhile<T>(what: &str, work: impl FnOnce() -> T) -> T {
    let said = (io::stderr().is_terminal() && !is_dumb()).then(|| Spinner::later(what));
    let done = work();
    drop(said);
    done
}

/// Asks the agent for what may take long.
pub(super) fn ask(paths: &Paths, request: Request, autostart: Autostart) -> Result<Answer, UserError> {
    let what = match &request {
        Request::IdentityAdd { .. } => "waiting for AWS to say whose key it is",
        Request::ForeignEntries | Request::IdentityAdopt { .. } => "waiting for the keyring",
        Request::IdentityTotp { .. } | Request::Unlock { .. } => "waiting for AWS to take the code",
        Request::Lock => "waiting until nothing is left in memory",
        Request::Reload => "waiting for the agent to read the configuration",
        Request::UnlockVault { passphrase: None, .. } => "waiting for the keyring, whose dialog asks for its password",
        Request::IdentityRemove { .. } | Request::Keys | Request::UnlockVault { .. } => "waiting for the vault",
        _ => "waiting for the agent",
    };
    meanwhile(what, || client::ask(paths, request, Context::from_env(), autostart))
}

/// Sends the agent a request that has no result, and returns the note of the answer, if it has one.
pub(super) fn tell(paths: &Paths, request: Request, autostart: Autostart) -> Result<Option<String>, UserError> {
    match ask(paths, request, autostart)? {
        Answer::Done { note } => Ok(note.map(|note| printable(&note, 2048))),
        _ => Err(client::odd_answer()),
    }
}

/// Words that appear when the time has come, and go when this is dropped.
struct Spinner {
    over: Option<Sender<()>>,
    teller: Option<JoinHandle<()>>,
}

impl Spinner {
    fn later(what: &str) -> Self {
        let (over, is_over) = channel();
        let screen = Screen::stderr();
        let mark = if screen.unicode { "…" } else { "..." };
        let text = format!("{what}{mark}");
        // One that went into a second line could not be taken away.
        let text =
            screen.width.map_or(text.clone(), |width| line::cut(&text, width.saturating_sub(1), screen.unicode).into());
        let teller = thread::spawn(move || {
            if is_over.recv_timeout(SOON) == Err(RecvTimeoutError::Timeout) {
                complain_text(&text);
                // Nothing is ever sent: the other end is dropped.
                let _ = is_over.recv();
                complain_over("");
            }
        });
        Self { over: Some(over), teller: Some(teller) }
    }
}

impl Drop for Spinner {
    fn drop(&mut self) {
        drop(self.over.take());
        if let Some(teller) = self.teller.take() {
            // It has nothing to tell; and it must be through before anything else is written.
            let _ = teller.join();
        }
    }
}
