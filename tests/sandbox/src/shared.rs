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
}

impl Shared {
    pub(crate) fn new(clock: Clock, state: State) -> Self {
        Self {
            clock,
            state: Mutex::new(state),
            calls: Mutex::default(),
            faults: Mutex::default(),
            gates: Mutex::default(),
        }
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
