//! What the handle and the server share.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::call::Call;
use crate::clock::Clock;
use crate::fault::Faults;
use crate::gate::Gate;
use crate::state::State;

/// The whole of a running sandbox.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) clock: Clock,
    state: Mutex<State>,
    calls: Mutex<Vec<Call>>,
    faults: Mutex<Faults>,
    gates: Mutex<Vec<Arc<Gate>>>,
    under_way: Mutex<UnderWay>,
}

/// How many calls to STS are under way, and how many were at most.
#[derive(Debug, Default)]
pub(crate) struct UnderWay {
    now: usize,
    pub(crate) most: usize,
}

/// One call that is under way for as long as this lives.
pub(crate) struct OneMore<'a>(&'a Shared);

impl Drop for OneMore<'_> {
    fn drop(&mut self) {
        self.0.under_way().now -= 1;
    }
}

impl Shared {
    pub(crate) fn new(clock: Clock, state: State) -> Self {
        Self {
            clock,
            state: Mutex::new(state),
            calls: Mutex::default(),
            faults: Mutex::default(),
            gates: Mutex::default(),
            under_way: Mutex::default(),
        }
    }

    pub(crate) fn under_way(&self) -> MutexGuard<'_, UnderWay> {
        lock(&self.under_way)
    }

    /// Counts a call until the value is dropped.
    pub(crate) fn one_more(&self) -> OneMore<'_> {
        let mut under_way = self.under_way();
        under_way.now += 1;
        under_way.most = under_way.most.max(under_way.now);
        drop(under_way);
        OneMore(self)
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    pub(crate) fn calls(&self) -> MutexGuard<'_, Vec<Call>> {
        lock(&self.calls)
    }

    pub(crate) fn faults(&self) -> MutexGuard<'_, Faults> {
        lock(&self.faults)
    }

    pub(crate) fn gates(&self) -> MutexGuard<'_, Vec<Arc<Gate>>> {
        lock(&self.gates)
    }
}

/// A test that panics while it changes the world must not take the sandbox of its neighbours with it.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
