//! What `apply` and `destroy` have in common: a one-shot that does it, a person who is told and asked, and interruptions.

use crate::output::{self, Cell, Failure, Screen, Style, table};
use crate::{config_file, confirm};
use rolecall_core::domain::error::{Kind, UserError, printable};
use rolecall_core::domain::secret::{MfaCode, SecretKey, is_mfa_code};
use rolecall_core::setup::call::Side;
use rolecall_ipc::client::setup_worker::{SetupWorker, Watcher};
use rolecall_ipc::protocol::message::Progress;
use rolecall_ipc::protocol::setup::{Code, FirstCodes, NewDevice, Outcome, ProfilesResolved, WorkerRequest};
use rolecall_platform::paths::Paths;
use signal_hook::consts::SIGINT;
use signal_hook::flag;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use zeroize::Zeroizing;

/// What shells give a program that an interrupt ended.
const INTERRUPTED: u8 = 130;

/// One conversation with a one-shot.
pub(super) struct SetupRunner {
    shot: SetupWorker,
    teller: Teller,
    proxy_password: Option<SecretKey>,
    interrupted: Arc<AtomicBool>,
    asking: Arc<AtomicBool>,
}

impl SetupRunner {
    /// Starts the one-shot. From here on an interrupt lets what is under way be finished; a second one ends at once.
    pub(super) fn start(paths: &Paths, silent: bool) -> Result<Self, UserError> {
        let shot = SetupWorker::start()?;
        // After what can refuse: nobody types a password for nothing.
        let proxy_password = proxy_password(paths)?;
        let interrupted = Arc::new(AtomicBool::new(false));
        // At a question nothing is under way, and the one who is asked has answered by it.
        let asking = Arc::new(AtomicBool::new(false));
        let _ = flag::register_conditional_shutdown(SIGINT, INTERRUPTED.into(), Arc::clone(&asking));
        // Without them an interrupt ends us at once, which loses nothing either.
        let _ = flag::register_conditional_shutdown(SIGINT, INTERRUPTED.into(), Arc::clone(&interrupted));
        let _ = flag::register(SIGINT, Arc::clone(&interrupted));
        let teller = Teller { silent, screen: Screen::stdout(), asking: Arc::clone(&asking) };
        Ok(Self { shot, teller, proxy_password, interrupted, asking })
    }

    /// Asks for consent; an interrupt ends the command there.
    pub(super) fn consent(&self, question: &str) -> Result<bool, UserError> {
        if self.is_interrupted() {
            return Err(UserError::new(Kind::Failed, "interrupted").hint("nothing was changed"));
        }
        self.asking.store(true, Ordering::Relaxed);
        let given = confirm::consent(question);
        self.asking.store(false, Ordering::Relaxed);
        given
    }

    /// Has one thing done.
    pub(super) fn ask(&mut self, errand: &WorkerRequest) -> Result<Outcome, UserError> {
        self.shot.ask(errand, &mut self.teller)
    }

    /// Opens the two profiles.
    pub(super) fn look(&mut self, setup: &str, auth: &str, workload: &str) -> Result<ProfilesResolved, UserError> {
        let errand = WorkerRequest::Look {
            setup: setup.to_owned(),
            auth_profile: auth.to_owned(),
            workload_profile: workload.to_owned(),
            proxy_password: self.proxy_password.take(),
        };
        match self.ask(&errand)? {
            Outcome::Looked(looked) => Ok(*looked),
            _ => Err(odd()),
        }
    }

    /// Says how far it is.
    pub(super) fn say(&mut self, step: &str, text: &str) {
        self.teller.progress(&Progress { step: step.to_owned(), text: text.to_owned() });
    }

    /// Tells whether a person has had enough.
    pub(super) fn is_interrupted(&self) -> bool {
        self.interrupted.load(Ordering::Relaxed)
    }

    /// Returns the exit code of an interrupted program, if the command failed after an interrupt.
    pub(super) fn failure(&self, failure: Failure) -> Failure {
        match failure {
            Failure::Report(report) if self.is_interrupted() => {
                output::complain(None, &report);
                Failure::Exit(INTERRUPTED)
            }
            other => other,
        }
    }
}

struct Teller {
    silent: bool,
    screen: Screen,
    asking: Arc<AtomicBool>,
}

impl Watcher for Teller {
    fn progress(&mut self, progress: &Progress) {
        if self.silent {
            return;
        }
        let word = Cell::new(Style::Dim, &format!("{:<8}", printable(&progress.step, 16)));
        let line = table(Screen { width: None, ..self.screen }, &[vec![word, Cell::plain(&progress.text)]]);
        // Who no longer reads is not asked again; the work goes on.
        if output::print(&line).is_err() {
            self.silent = true;
        }
    }

    fn device(&mut self, device: &NewDevice) -> FirstCodes {
        let text = match &device.again {
            Some(again) => Zeroizing::new(format!("{}\n", printable(again, 256))),
            None => shown(device, self.screen.unicode),
        };
        self.asking.store(true, Ordering::Relaxed);
        let first = code(&format!("{}First code: ", *text));
        let second = first.as_ref().and_then(|_| code("Second code, the next that it shows: "));
        self.asking.store(false, Ordering::Relaxed);
        FirstCodes { codes: first.zip(second).map(|(first, second)| [Code(first), Code(second)]) }
    }
}

fn shown(device: &NewDevice, unicode: bool) -> Zeroizing<String> {
    let serial = printable(&device.serial, 256);
    let secret = device.secret.expose();
    let mut text = Zeroizing::new(String::with_capacity(8192));
    if unicode {
        text.push_str("\nScan this with your authenticator app:\n\n");
        text.push_str(&device.qr);
        text.push_str("\n\nor type its secret: ");
    } else {
        text.push_str("\nType this secret into your authenticator app: ");
    }
    text.push_str(secret);
    text.push_str("\nIt is the MFA device ");
    text.push_str(&serial);
    text.push_str(".\n");
    text
}

/// Asks for a code until it has the form of one; `None` where nothing is typed.
fn code(prompt: &str) -> Option<MfaCode> {
    let mut prompt = Zeroizing::new(prompt.to_owned());
    loop {
        let typed = confirm::visible(&prompt).ok()?;
        if typed.trim().is_empty() {
            return None;
        }
        let code = MfaCode::typed(&typed);
        if is_mfa_code(code.expose()) {
            return Some(code);
        }
        prompt = Zeroizing::new("A code has six digits: ".to_owned());
    }
}

/// Names the account of a side.
pub(super) fn account(looked: &ProfilesResolved, side: Side) -> &str {
    match side {
        Side::Auth => &looked.auth.account,
        Side::Workload => &looked.workload.account,
    }
}

pub(super) fn odd() -> UserError {
    UserError::new(Kind::Agent, "the one-shot gave an answer that does not fit")
        .hint("rolecall and rolecalld are of different versions: install both anew")
}

/// Takes the password of the proxy, if the one-shot cannot read it: the agent alone has the encrypted file open, and hands
/// no password out.
pub(super) fn proxy_password(paths: &Paths) -> Result<Option<SecretKey>, UserError> {
    let catalogue = config_file::load(paths)?;
    let is_needed = catalogue.aws.https_proxy.is_some() && catalogue.agent.vault.facts().takes_passphrase;
    let Some(user) = catalogue.aws.https_proxy_user.as_deref().filter(|_| is_needed) else { return Ok(None) };
    let typed = if confirm::is_possible() {
        confirm::hidden(&format!("Password of {user} at the proxy (not shown): "))?
    } else {
        confirm::line_of_stdin()?
    };
    if typed.is_empty() {
        return Err(UserError::new(Kind::Locked, format!("no password of {user} at the proxy was given"))
            .hint("run it on a terminal and type the password, or give it on stdin"));
    }
    Ok(Some(SecretKey::new(typed.to_string())))
}
