//! What the desktop tells: the screen is locked, the machine goes to sleep, it is awake again. By logind, on the system bus.
//!
//! It knows no sessions of ours and decides nothing; what becomes of an event is the agent's matter. Where there is no bus
//! or no logind it waits for one to appear. It follows the *owner* of logind's name by its unique name, because a rule that
//! names `org.freedesktop.login1` as the sender is checked by the bus for broadcasts only: anybody may send us a signal directly.

use super::dbus::Bus;
use futures_util::StreamExt;
use futures_util::stream::{SelectAll, select_all};
use rolecall_ports::DesktopEvent;
use rustix::process::geteuid;
use std::collections::HashMap;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{sleep, timeout};
use zbus::message::Type;
use zbus::names::UniqueName;
use zbus::zvariant::{ObjectPath, OwnedFd, OwnedObjectPath, OwnedValue};
use zbus::{Connection, MatchRule, Message, MessageStream};

/// How long after a failure the bus is tried again: from here to there, doubling. Nothing tells when it comes back.
const PAUSE_MIN: Duration = Duration::from_secs(1);
const PAUSE_MAX: Duration = Duration::from_secs(30);

/// The machine is kept awake for at most this long; logind itself goes on after five seconds (`InhibitDelayMaxSec=`).
const WIPE: Duration = Duration::from_secs(2);

/// Signals that wait to be read; a flood of another user's must not fill our memory.
const QUEUE: usize = 64;

const LOGIND: &str = "org.freedesktop.login1";
const MANAGER: &str = "org.freedesktop.login1.Manager";
const SESSION: &str = "org.freedesktop.login1.Session";
const PROPERTIES: &str = "org.freedesktop.DBus.Properties";
const TOP: &str = "/org/freedesktop/login1";
const SESSIONS: &str = "/org/freedesktop/login1/session";

/// Tells what happens on the desktop, for as long as somebody listens; on the system bus at an address, or at the standard one.
pub async fn follow(address: Option<String>, events: mpsc::Sender<DesktopEvent>) {
    let mut pause = PAUSE_MIN;
    let mut missed = false;
    while !events.is_closed() {
        if let Some(bus) = Bus::system(address.as_deref()).await {
            pause = PAUSE_MIN;
            let mut desk = LogindMonitor { bus: &bus.connection, events: &events, missed };
            if let Err(error) = desk.watch().await {
                tracing::debug!(%error, "the system bus is left");
            }
            missed = true;
        }
        tokio::select! {
            () = sleep(pause) => pause = (pause * 2).min(PAUSE_MAX),
            () = events.closed() => {}
        }
    }
}

struct LogindMonitor<'a> {
    bus: &'a Connection,
    events: &'a mpsc::Sender<DesktopEvent>,
    /// Whether there was a time when nothing could be heard.
    missed: bool,
}

impl LogindMonitor<'_> {
    /// Follows logind from one owner of its name to the next; returns when the bus is gone.
    async fn watch(&mut self) -> zbus::Result<()> {
        let owners = MatchRule::builder()
            .msg_type(Type::Signal)
            .sender("org.freedesktop.DBus")?
            .interface("org.freedesktop.DBus")?
            .member("NameOwnerChanged")?
            .arg(0, LOGIND)?
            .build();
        let mut owners = MessageStream::for_match_rule(owners, self.bus, Some(QUEUE)).await?;
        let mut owner = self.owner().await;
        loop {
            let next = match owner {
                None => next_owner(&mut owners).await,
                Some(name) => {
                    tokio::select! {
                        next = next_owner(&mut owners) => next,
                        result = self.listen(&name) => return result,
                    }
                }
            };
            owner = next?;
            self.missed = true;
        }
    }

    async fn owner(&self) -> Option<UniqueName<'static>> {
        let bus = "org.freedesktop.DBus";
        // Asked of the bus and not of logind, which would start one where there is none.
        let reply =
            self.bus.call_method(Some(bus), "/org/freedesktop/DBus", Some(bus), "GetNameOwner", &LOGIND).await.ok()?;
        UniqueName::try_from(reply.body().deserialize::<String>().ok()?).ok()
    }

    /// Hears one owner of logind's name out.
    async fn listen(&self, owner: &UniqueName<'static>) -> zbus::Result<()> {
        let mut signals = self.signals(owner).await?;
        let mut awake = self.stay_awake().await;
        if self.missed && self.is_a_screen_locked().await {
            self.tell(DesktopEvent::ScreenLocked).await;
        }
        while let Some(signal) = signals.next().await {
            let signal = signal?;
            let header = signal.header();
            let Some(member) = header.member() else { continue };
            match member.as_str() {
                "PrepareForSleep" if signal.body().deserialize::<bool>()? => {
                    let (done, wiped) = oneshot::channel();
                    self.tell(DesktopEvent::Sleep(done)).await;
                    let _ = timeout(WIPE, wiped).await;
                    // Closing it is what lets the machine sleep.
                    awake = None;
                }
                "PrepareForSleep" => {
                    self.tell(DesktopEvent::Wake).await;
                    awake = self.stay_awake().await;
                }
                "Lock" | "PropertiesChanged" => {
                    if let Some(path) = header.path()
                        && says_locked(&signal)
                        && self.is_ours(path).await
                    {
                        self.tell(DesktopEvent::ScreenLocked).await;
                    }
                }
                _ => {}
            }
        }
        drop(awake);
        Ok(())
    }

    async fn signals(&self, owner: &UniqueName<'static>) -> zbus::Result<SelectAll<MessageStream>> {
        let rule = |interface, member| {
            MatchRule::builder().msg_type(Type::Signal).sender(owner.clone())?.interface(interface)?.member(member)
        };
        let rules = [
            rule(MANAGER, "PrepareForSleep")?.path(TOP)?.build(),
            rule(SESSION, "Lock")?.path_namespace(SESSIONS)?.build(),
            rule(PROPERTIES, "PropertiesChanged")?.path_namespace(SESSIONS)?.arg(0, SESSION)?.build(),
        ];
        let mut streams = Vec::with_capacity(rules.len());
        for rule in rules {
            streams.push(MessageStream::for_match_rule(rule, self.bus, Some(QUEUE)).await?);
        }
        Ok(select_all(streams))
    }

    /// Asks logind to wait for us before it lets the machine sleep. Refused, the wipe races with the sleep.
    async fn stay_awake(&self) -> Option<OwnedFd> {
        let wish = ("sleep", "rolecall", "Sessions are wiped before sleep", "delay");
        let reply = self.bus.call_method(Some(LOGIND), TOP, Some(MANAGER), "Inhibit", &wish).await;
        match reply.and_then(|reply| reply.body().deserialize::<OwnedFd>()) {
            Ok(held) => Some(held),
            Err(error) => {
                tracing::warn!(%error, "logind will not wait for the wipe before sleep");
                None
            }
        }
    }

    /// Tells whose session it is; in doubt ours, as a lock too many costs a code and one too few the sessions.
    async fn is_ours(&self, session: &ObjectPath<'_>) -> bool {
        let user = self.property(session, "User").await;
        let user = user.and_then(|user| <(u32, OwnedObjectPath)>::try_from(user).ok());
        user.is_none_or(|(uid, _)| uid == geteuid().as_raw())
    }

    async fn property(&self, session: &ObjectPath<'_>, name: &str) -> Option<OwnedValue> {
        let reply =
            self.bus.call_method(Some(LOGIND), session, Some(PROPERTIES), "Get", &(SESSION, name)).await.ok()?;
        reply.body().deserialize::<OwnedValue>().ok()
    }

    /// Looks for what a signal would have told while none could be heard.
    async fn is_a_screen_locked(&self) -> bool {
        type Listed = Vec<(String, u32, String, String, OwnedObjectPath)>;
        let Ok(reply) = self.bus.call_method(Some(LOGIND), TOP, Some(MANAGER), "ListSessions", &()).await else {
            return false;
        };
        let sessions = reply.body().deserialize::<Listed>().unwrap_or_default();
        for (_, uid, _, _, path) in sessions {
            let locked = uid == geteuid().as_raw()
                && self.property(&path, "LockedHint").await.is_some_and(|hint| hint.try_into().unwrap_or(false));
            if locked {
                return true;
            }
        }
        false
    }

    async fn tell(&self, event: DesktopEvent) {
        // The agent that does not listen any more is at its end, where everything is wiped.
        let _ = self.events.send(event).await;
    }
}

async fn next_owner(owners: &mut MessageStream) -> zbus::Result<Option<UniqueName<'static>>> {
    let gone = || zbus::Error::InputOutput(std::io::Error::from(std::io::ErrorKind::BrokenPipe).into());
    let change = owners.next().await.ok_or_else(gone)??;
    let (_, _, new) = change.body().deserialize::<(String, String, String)>()?;
    Ok(UniqueName::try_from(new).ok())
}

/// Tells whether a signal of a session says that its screen is locked: by `Lock`, or by its hint.
fn says_locked(signal: &Message) -> bool {
    type Changed = (String, HashMap<String, OwnedValue>, Vec<String>);
    let body = signal.body();
    if signal.header().member().is_some_and(|member| member == "Lock") {
        return true;
    }
    let Ok((_, mut changed, _)) = body.deserialize::<Changed>() else { return false };
    changed.remove("LockedHint").is_some_and(|hint| hint.try_into().unwrap_or(false))
}
