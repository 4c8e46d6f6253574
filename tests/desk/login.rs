//! A stand-in of logind: two sessions, ours and another user's, and inhibitors that are held until they are closed.

use crate::harness::inside::until;
use crate::harness::wire::NOBODY;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::collections::HashMap;
use std::fs::File;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, MutexGuard};
use zbus::blocking::Connection;
use zbus::blocking::connection::Builder;
use zbus::zvariant::{OwnedFd as SentFd, OwnedObjectPath, Value};

const NAME: &str = "org.freedesktop.login1";
const TOP: &str = "/org/freedesktop/login1";
const SESSION: &str = "org.freedesktop.login1.Session";

/// A session, by the end of its object path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Whose {
    Ours,
    Theirs,
}

impl Whose {
    fn path(self) -> String {
        let id = if self == Self::Ours { "_31" } else { "_32" };
        format!("{TOP}/session/{id}")
    }

    fn uid(self) -> u32 {
        if self == Self::Ours { rustix::process::geteuid().as_raw() } else { NOBODY }
    }
}

#[derive(Default)]
struct State {
    /// The other end of each inhibitor: it hangs up when its holder lets go.
    inhibitors: Vec<File>,
    /// Who took them.
    holder: Option<String>,
    /// How often it was asked whose a session is.
    asked: usize,
    /// Whether our own screen is locked.
    locked: bool,
}

#[derive(Clone, Default)]
struct Shared(Arc<Mutex<State>>);

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }
}

struct Manager(Shared);

#[zbus::interface(name = "org.freedesktop.login1.Manager")]
impl Manager {
    #[expect(clippy::needless_pass_by_value, reason = "zbus gives it so")]
    fn inhibit(
        &self,
        what: &str,
        who: &str,
        why: &str,
        mode: &str,
        #[zbus(header)] header: zbus::message::Header<'_>,
    ) -> SentFd {
        assert_eq!((what, who, mode), ("sleep", "rolecall", "delay"));
        assert!(!why.is_empty());
        let (ours, theirs) = rustix::pipe::pipe().unwrap();
        let mut state = self.0.state();
        state.inhibitors.push(File::from(ours));
        state.holder = header.sender().map(ToString::to_string);
        SentFd::from(OwnedFd::from(File::from(theirs)))
    }

    #[expect(clippy::unused_self, reason = "a method on the bus")]
    fn list_sessions(&self) -> Vec<(String, u32, String, String, OwnedObjectPath)> {
        let listed = |whose: Whose| {
            (format!("{whose:?}"), whose.uid(), "user".into(), "seat0".into(), whose.path().try_into().unwrap())
        };
        vec![listed(Whose::Ours), listed(Whose::Theirs)]
    }
}

struct Session(Shared, Whose);

#[zbus::interface(name = "org.freedesktop.login1.Session")]
impl Session {
    #[zbus(property)]
    fn user(&self) -> (u32, OwnedObjectPath) {
        self.0.state().asked += 1;
        (self.1.uid(), format!("{TOP}/user/_{}", self.1.uid()).try_into().unwrap())
    }

    #[zbus(property)]
    fn locked_hint(&self) -> bool {
        self.1 == Whose::Ours && self.0.state().locked
    }
}

/// The running stand-in; when it is dropped, logind has left the bus.
pub(crate) struct Login {
    connection: Connection,
    shared: Shared,
}

impl Login {
    pub(crate) fn start(address: &str) -> Self {
        Self::start_with(address, false)
    }

    /// Starts it with our screen locked or not.
    pub(crate) fn start_with(address: &str, locked: bool) -> Self {
        let shared = Shared::default();
        shared.state().locked = locked;
        let session = |whose: Whose| (whose.path(), Session(shared.clone(), whose));
        let (ours, theirs) = (session(Whose::Ours), session(Whose::Theirs));
        let connection = Builder::address(address)
            .and_then(|bus| bus.serve_at(TOP, Manager(shared.clone())))
            .and_then(|bus| bus.serve_at(ours.0, ours.1))
            .and_then(|bus| bus.serve_at(theirs.0, theirs.1))
            .and_then(|bus| bus.name(NAME))
            .and_then(Builder::build)
            .expect("logind's name is free");
        Self { connection, shared }
    }

    /// Tells how many keep the machine awake.
    pub(crate) fn inhibitors(&self) -> usize {
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        let held = |end: &File| {
            let mut ends = [PollFd::new(end, PollFlags::IN)];
            poll(&mut ends, Some(&now)).unwrap();
            !ends[0].revents().contains(PollFlags::HUP)
        };
        let mut state = self.shared.state();
        state.inhibitors.retain(held);
        state.inhibitors.len()
    }

    /// Waits until the agent listens: it asks to be waited for after it has said what it wants to hear.
    pub(crate) fn wait_for_the_agent(&self) {
        until("the agent keeps the machine awake", || self.inhibitors() == 1);
    }

    /// Gives the bus name of who keeps the machine awake.
    pub(crate) fn holder(&self) -> String {
        self.shared.state().holder.clone().expect("somebody did")
    }

    pub(crate) fn lock(&self, whose: Whose) {
        self.emit(&whose.path(), SESSION, "Lock", &());
    }

    pub(crate) fn hint(&self, whose: Whose, locked: bool) {
        let changed = HashMap::from([("LockedHint", Value::from(locked)), ("IdleHint", Value::from(false))]);
        let body = (SESSION, changed, Vec::<&str>::new());
        self.emit(&whose.path(), "org.freedesktop.DBus.Properties", "PropertiesChanged", &body);
    }

    pub(crate) fn prepare_for_sleep(&self, begins: bool) {
        self.emit(TOP, "org.freedesktop.login1.Manager", "PrepareForSleep", &begins);
    }

    fn emit(
        &self,
        path: &str,
        interface: &str,
        member: &str,
        body: &(impl serde::Serialize + zbus::zvariant::DynamicType),
    ) {
        self.connection.emit_signal(None::<&str>, path, interface, member, body).unwrap();
    }

    /// Waits until the agent has read everything that was sent so far: it asks whose the other user's session is.
    pub(crate) fn catch_up(&self) {
        let before = self.shared.state().asked;
        self.lock(Whose::Theirs);
        until("the agent asks whose session it is", || self.shared.state().asked > before);
        // And has the answer: it takes one signal after the other.
        self.lock(Whose::Theirs);
        until("the agent asks again", || self.shared.state().asked > before + 1);
    }
}

/// Sends what logind sends, as anybody on the bus can: to all, and to one.
pub(crate) fn forge(address: &str, to: &str) {
    let forger = Builder::address(address).and_then(Builder::build).unwrap();
    for destination in [None, Some(to)] {
        forger.emit_signal(destination, Whose::Ours.path().as_str(), SESSION, "Lock", &()).unwrap();
        forger.emit_signal(destination, TOP, "org.freedesktop.login1.Manager", "PrepareForSleep", &true).unwrap();
    }
    // The bus takes one message after the other: with this answer it has passed the others on.
    let bus = "org.freedesktop.DBus";
    forger.call_method(Some(bus), "/org/freedesktop/DBus", Some(bus), "GetId", &()).unwrap();
}
