//! A lease: the permission of one process to be served the session of one name.

use super::lease_owner::LeaseOwner;
use super::listener::RunningListener;
use super::tokens::{Digest, ImdsTokens};
use crate::caller::Caller;
use chrono::{DateTime, Utc};
use rolecall_core::domain::catalogue::AuditMode;
use rolecall_ipc::protocol::message::EndpointForm;
use rolecall_ipc::protocol::status::GrantStatus;
use rolecall_platform::panics::Guard;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::Notify;

/// One lease.
pub(super) struct EndpointLease {
    /// The digest of its token.
    pub(super) id: Digest,
    pub(super) name: String,
    pub(super) form: EndpointForm,
    pub(super) owner: LeaseOwner,
    /// The caller that created it: each request applies the access rules to this caller.
    pub(super) caller: Caller,
    pub(super) since: DateTime<Utc>,
    /// Its end, by the boot clock.
    pub(super) until: Duration,
    /// The port of a metadata service; zero for a container endpoint.
    port: u16,
    listening: Mutex<Option<RunningListener>>,
    /// The tokens of the clients of a metadata service.
    pub(super) tokens: ImdsTokens,
    /// Its last audit line. Held while a line is written, so that no session is sent before its line is in the file.
    pub(super) told: tokio::sync::Mutex<Option<Told>>,
    pub(super) served: AtomicU64,
    /// Notified when it ends.
    closed: Notify,
}

/// An audit line about a lease.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Told {
    /// The access key ID that was handed out, or why there was none.
    pub(super) what: String,
    /// The mode that it was written in: a line in best effort may be lost.
    pub(super) mode: AuditMode,
}

impl Told {
    /// Returns whether this line stands for another hand-out or failure.
    pub(super) fn stands_for(&self, what: &str, mode: AuditMode) -> bool {
        self.what == what && (self.mode == mode || mode == AuditMode::BestEffort)
    }
}

impl EndpointLease {
    #[expect(clippy::too_many_arguments, reason = "the parts of a plain record, some of them read from a file")]
    pub(super) fn new(
        id: Digest,
        name: String,
        form: EndpointForm,
        owner: LeaseOwner,
        caller: Caller,
        since: DateTime<Utc>,
        until: Duration,
        port: u16,
    ) -> Self {
        let (listening, tokens, told, served, closed) = Default::default();
        Self { id, name, form, owner, caller, since, until, port, listening, tokens, told, served, closed }
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    /// Returns whether its owner lives and its time is not over.
    pub(super) fn holds(&self, now: Duration) -> bool {
        now < self.until && self.owner.is_alive()
    }

    /// Stores the listener of its own port.
    pub(super) fn listens(&self, listening: RunningListener) {
        *self.listening.guard() = Some(listening);
    }

    pub(super) fn take_listening(&self) -> Option<RunningListener> {
        self.listening.guard().take()
    }

    pub(super) fn close(&self) {
        drop(self.take_listening());
        self.closed.notify_one();
    }

    /// Returns when it has ended.
    pub(super) async fn mark_closed(&self) {
        self.closed.notified().await;
    }

    pub(super) fn shown(&self) -> GrantStatus {
        GrantStatus {
            name: self.name.clone(),
            form: self.form,
            port: (self.form == EndpointForm::Imds).then_some(self.port),
            pid: self.owner.pid,
            program: self.owner.program(),
            since: self.since,
            served: self.served.load(Ordering::Relaxed),
        }
    }
}
