//! The handle of a running sandbox.

use std::sync::Arc;
use std::thread::{self, JoinHandle};

use chrono::{DateTime, TimeDelta, Utc};
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use crate::call::Call;
use crate::caller::{SessionCredentials, Sessions};
use crate::clock::Clock;
use crate::fault::{Fault, Match};
use crate::gate::{Gate, Hold};
use crate::mfa::SpentCodes;
use crate::oidc::{self, Claims};
use crate::place::Place;
use crate::server;
use crate::shared::Shared;
use crate::signin::{SignIn, Signin};
use crate::state::State;
use crate::unsettled::Unsettled;
use crate::world::{AccessKey, World};

/// A running sandbox; dropping it stops it.
///
/// It has a thread of its own, so that tests with and without a runtime can use it alike.
#[derive(Debug)]
pub struct Sandbox {
    shared: Arc<Shared>,
    url: String,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Sandbox {
    /// Starts a sandbox on a free port of 127.0.0.1.
    pub fn start(world: World, clock: Clock) -> Self {
        Self::start_on(world, clock, 0)
    }

    /// Starts a sandbox on a port of 127.0.0.1; 0 is a free one.
    pub fn start_on(world: World, clock: Clock, port: u16) -> Self {
        let state = State {
            world,
            unsettled: Unsettled::default(),
            sessions: Sessions::default(),
            spent_codes: SpentCodes::default(),
            place: Place::default(),
            signin: Signin::default(),
        };
        let shared = Arc::new(Shared::new(clock, state));
        let listener = std::net::TcpListener::bind(("127.0.0.1", port)).expect("a port of 127.0.0.1 is free");
        listener.set_nonblocking(true).expect("a socket can be made non-blocking");
        let address = listener.local_addr().expect("a bound socket has an address");
        let (stop, stopped) = oneshot::channel();
        let thread = thread::Builder::new().name("sandbox".to_owned()).spawn({
            let shared = Arc::clone(&shared);
            move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
                runtime.expect("the system gives an event queue").block_on(async {
                    let listener = TcpListener::from_std(listener).expect("the socket fits the runtime");
                    server::serve(listener, shared, stopped).await;
                });
            }
        });
        let thread = thread.expect("the system gives a thread");
        Self { shared, url: format!("http://{address}"), stop: Some(stop), thread: Some(thread) }
    }

    /// Returns the address of every service, without a slash at its end.
    pub fn url(&self) -> String {
        self.url.clone()
    }

    /// Returns the clock it lives by.
    pub fn clock(&self) -> Clock {
        self.shared.clock.clone()
    }

    /// Changes or reads the world while it runs; requests wait meanwhile.
    pub fn world<T>(&self, change: impl FnOnce(&mut World) -> T) -> T {
        change(&mut self.shared.state().world)
    }

    /// Has what IAM has changed so far be seen by everybody.
    pub fn settle(&self) {
        self.shared.state().unsettled.settle();
    }

    /// Returns the first access key of a user.
    pub fn access_key(&self, user_arn: &str) -> AccessKey {
        self.world(|world| world.user(user_arn).access_keys.first().cloned()).expect("the user has an access key")
    }

    /// Returns the code that a user's first MFA device shows now.
    pub fn mfa_code(&self, user_arn: &str) -> String {
        let device = self.world(|world| world.user(user_arn).mfa_devices.first().cloned());
        device.expect("the user has an MFA device").code_at(self.shared.clock.now())
    }

    /// Issues a role session to an AWS service (EC2 for an instance, ECS for a task); none if the role does not trust it.
    pub fn issue_to_service(
        &self,
        service: &str,
        role_arn: &str,
        session_name: &str,
        seconds: i64,
    ) -> Option<SessionCredentials> {
        let now = self.shared.clock.now();
        self.shared.state().issue_to_service(service, role_arn, session_name, seconds, now)
    }

    /// Has the metadata service and the container endpoint give new sessions from now on.
    pub fn rotate_place(&self) {
        self.shared.state().rotate_place();
    }

    /// Makes a token of an identity provider.
    pub fn web_token(&self, issuer: &str, subject: &str, audience: &str, seconds: i64) -> String {
        let now = self.shared.clock.now();
        let claims = Claims {
            issuer: issuer.to_owned(),
            subject: subject.to_owned(),
            audience: audience.to_owned(),
            expires: now + TimeDelta::seconds(seconds),
        };
        let token = oidc::mint_token(&claims, now);
        self.shared.state().place.signed.push(token.clone());
        token
    }

    /// Returns the browsers that have signed in to the console, in that order.
    pub fn signed_in(&self) -> Vec<SignIn> {
        self.shared.state().signin.signed_in.clone()
    }

    /// Returns when a session ends, if it was issued here.
    pub fn session_expiration(&self, access_key_id: &str) -> Option<DateTime<Utc>> {
        self.shared.state().sessions.find(access_key_id).map(|session| session.credentials.expiration)
    }

    /// Returns the calls so far, in the order they were answered.
    pub fn calls(&self) -> Vec<Call> {
        self.shared.calls().clone()
    }

    /// Forgets the calls so far.
    pub fn clear_calls(&self) {
        self.shared.calls().clear();
    }

    /// Returns how many calls there were to an operation.
    pub fn count(&self, action: &str) -> usize {
        self.shared.calls().iter().filter(|call| call.action == action).count()
    }

    /// Returns how many calls to STS were under way at most.
    pub fn most_at_once(&self) -> usize {
        self.shared.under_way().most
    }

    /// Sets a fault.
    pub fn fault(&self, fault: Fault) {
        self.shared.faults().add(fault);
    }

    /// Returns how many faults have not happened as often as they were set to.
    pub fn faults_due(&self) -> usize {
        self.shared.faults().due()
    }

    /// Forgets all faults.
    pub fn clear_faults(&self) {
        self.shared.faults().clear();
    }

    /// Holds all requests back until the hold is released or dropped.
    pub fn hold(&self) -> Hold {
        self.hold_matching(Match::any())
    }

    /// Holds some requests back until the hold is released or dropped.
    pub fn hold_matching(&self, when: Match) -> Hold {
        let gate = Gate::new(when);
        let mut gates = self.shared.gates();
        gates.retain(|gate| !gate.is_open());
        gates.push(Arc::clone(&gate));
        Hold::new(gate)
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        // Either end may be gone already; then there is nothing left to stop.
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
