//! A plain thread for calls that block, panic or never return, so that nobody else has to wait for them.
//!
//! It knows nothing of keyrings. One job runs at a time. A job that outlives its deadline is left alone on its thread and the
//! next one gets a new thread: a locked keyring with nobody at its dialog was seen to block a call for ever, and no call
//! into it can be cancelled. Not a thread of tokio's: its shutdown would wait for the stuck one.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::Duration;
use tokio::sync::{Mutex, oneshot};
use tokio::time::timeout;

/// How many threads may be stuck at once: each costs a stack and a connection, and a fourth would fare no better.
pub(crate) const STUCK_MAX: usize = 3;

/// How long a job waits for those before it. With a deadline of ten seconds a call ends within thirty.
const TURN: Duration = Duration::from_secs(15);

type Job<S> = Box<dyn FnOnce(&mut S) + Send>;

/// Why a job gave no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WorkerError {
    /// Other jobs took too long; this one was not begun.
    Busy,
    /// It took longer than its deadline; it may still come to its end.
    Late,
    /// Its thread panicked.
    Panicked,
    /// Earlier jobs hold all the threads there may be; this one was not begun.
    Stuck,
}

/// A thread with a state of its own, replaced when it is stuck.
pub(crate) struct Worker<S> {
    name: &'static str,
    make: Arc<dyn Fn() -> S + Send + Sync>,
    thread: Mutex<Option<Thread<S>>>,
    stuck: Arc<AtomicUsize>,
}

struct Thread<S> {
    jobs: mpsc::Sender<Job<S>>,
    /// Set by whoever is first: the thread at its end, or the one who gives it up. The second corrects the count.
    over: Arc<AtomicBool>,
}

/// Counts an abandoned thread out when it ends after all.
struct Leaving {
    over: Arc<AtomicBool>,
    stuck: Arc<AtomicUsize>,
}

impl Drop for Leaving {
    fn drop(&mut self) {
        if self.over.swap(true, Ordering::AcqRel) {
            self.stuck.fetch_sub(1, Ordering::AcqRel);
        }
    }
}

impl<S: 'static> Worker<S> {
    /// Prepares a worker; its thread starts with the first job and makes its state there, so that the state need not be
    /// fit to be moved between threads.
    pub(crate) fn new(name: &'static str, make: impl Fn() -> S + Send + Sync + 'static) -> Self {
        Self { name, make: Arc::new(make), thread: Mutex::new(None), stuck: Arc::default() }
    }

    /// Runs a job when its turn comes and waits for its answer until the deadline.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        deadline: Duration,
        job: impl FnOnce(&mut S) -> T + Send + 'static,
    ) -> Result<T, WorkerError> {
        let mut slot = timeout(TURN, self.thread.lock()).await.map_err(|_| WorkerError::Busy)?;
        let (answer, answered) = oneshot::channel();
        let mut job: Job<S> = Box::new(move |state| {
            // Nobody listens after the deadline: what came too late is dropped here, and wiped by its type.
            drop(answer.send(job(state)));
        });
        if let Some(thread) = slot.as_ref() {
            match thread.jobs.send(job) {
                Ok(()) => return self.wait(&mut slot, deadline, answered).await,
                // It ended by a panic since the last job.
                Err(mpsc::SendError(unsent)) => job = unsent,
            }
        }
        *slot = None;
        let thread = self.start()?;
        thread.jobs.send(job).map_err(|_| WorkerError::Panicked)?;
        *slot = Some(thread);
        self.wait(&mut slot, deadline, answered).await
    }

    async fn wait<T>(
        &self,
        slot: &mut Option<Thread<S>>,
        deadline: Duration,
        answered: oneshot::Receiver<T>,
    ) -> Result<T, WorkerError> {
        match timeout(deadline, answered).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(_)) => {
                *slot = None;
                Err(WorkerError::Panicked)
            }
            Err(_) => {
                if let Some(thread) = slot.take() {
                    self.stuck.fetch_add(1, Ordering::AcqRel);
                    if thread.over.swap(true, Ordering::AcqRel) {
                        self.stuck.fetch_sub(1, Ordering::AcqRel);
                    }
                    // Dropping the sender ends the thread as soon as its job does.
                }
                Err(WorkerError::Late)
            }
        }
    }

    fn start(&self) -> Result<Thread<S>, WorkerError> {
        if self.stuck.load(Ordering::Acquire) >= STUCK_MAX {
            return Err(WorkerError::Stuck);
        }
        let (jobs, queue) = mpsc::channel::<Job<S>>();
        let over = Arc::new(AtomicBool::new(false));
        let leaving = Leaving { over: Arc::clone(&over), stuck: Arc::clone(&self.stuck) };
        let make = Arc::clone(&self.make);
        let body = move || {
            let _leaving = leaving;
            let mut state = make();
            while let Ok(job) = queue.recv() {
                job(&mut state);
            }
        };
        std::thread::Builder::new().name(self.name.to_owned()).spawn(body).map_err(|_| WorkerError::Stuck)?;
        Ok(Thread { jobs, over })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHORT: Duration = Duration::from_millis(50);
    const LONG: Duration = Duration::from_secs(10);

    #[tokio::test]
    async fn the_state_lives_from_job_to_job() {
        let worker = Worker::new("test", || 0);
        for want in 1..=3 {
            let got = worker.run(LONG, |n| {
                *n += 1;
                *n
            });
            assert_eq!(got.await, Ok(want));
        }
    }

    #[tokio::test]
    async fn a_stuck_job_is_left_alone_and_the_next_gets_a_new_thread() {
        let worker = Worker::new("test", || ());
        let (release, held) = mpsc::channel::<()>();
        assert_eq!(worker.run(SHORT, move |()| held.recv()).await, Err(WorkerError::Late));
        assert_eq!(worker.run(LONG, |()| 7).await, Ok(7));
        drop(release);
    }

    #[tokio::test]
    async fn stuck_threads_are_counted_and_counted_out_again() {
        let worker = Worker::new("test", || ());
        let mut releases = Vec::new();
        for _ in 0..STUCK_MAX {
            let (release, held) = mpsc::channel::<()>();
            assert_eq!(worker.run(SHORT, move |()| held.recv()).await, Err(WorkerError::Late));
            releases.push(release);
        }
        assert_eq!(worker.run(LONG, |()| 7).await, Err(WorkerError::Stuck));

        drop(releases);
        let recovered = async {
            while worker.stuck.load(Ordering::Acquire) > 0 {
                tokio::task::yield_now().await;
            }
        };
        timeout(LONG, recovered).await.expect("the threads have ended");
        assert_eq!(worker.run(LONG, |()| 7).await, Ok(7));
    }

    #[tokio::test]
    async fn a_panic_costs_one_answer_and_the_state() {
        let worker = Worker::new("test", || 0);
        assert_eq!(worker.run(LONG, |n| *n = 5).await, Ok(()));
        let lost: Result<(), WorkerError> = worker.run(LONG, |_| panic!("as zbus does on a thread of tokio's")).await;
        assert_eq!(lost, Err(WorkerError::Panicked));
        assert_eq!(worker.run(LONG, |n| *n).await, Ok(0));
    }
}
