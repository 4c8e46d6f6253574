//! Blocking calls on a bounded pool of threads, each with a deadline.
//!
//! A file can lie on a file system that never answers, and no thread can be called back from such a call. So every access
//! to a path that somebody else chooses runs here: the caller waits until its deadline, the thread is left behind and
//! counted until it returns. Each [`Lane`] is one part of the pool with a limit of its own, so that hung paths of one kind
//! take no thread from another. Of one subject (mostly a path) one call runs at a time, so that a subject that does not answer
//! takes one thread, however many callers wait for it. When every thread of a lane hangs, calls fail at once.
//!
//! Not tokio's own pool: it queues 512 threads deep without a deadline, and panics when no thread can be started.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError, mpsc};
use std::thread;
use std::time::{Duration, Instant};
#[cfg(feature = "tokio")]
use tokio::{runtime::Handle, sync::oneshot, time::timeout};

/// Files of the configuration, and the directories that lead to them.
pub static CONFIGURATION: Lane = Lane::new("configuration", 16);

/// Whole readings of the configuration. Each waits for accesses of the lane above, never the other way round.
pub static RELOAD: Lane = Lane::new("reload", 4);

/// What a process keeps in its own memory (`/proc/PID/cmdline`), which can lie on a file system of its choice.
pub static CALLERS: Lane = Lane::new("callers", 16);

/// Paths of `access_by_program`.
pub static PROGRAMS: Lane = Lane::new("access_by_program", 64);

/// Token files, certificates, and the start of credential programs and pinentries.
pub static SOURCES: Lane = Lane::new("sources", 32);

/// Our own files: the encrypted-file vault, journals, sockets.
pub static STATE: Lane = Lane::new("state", 16);

static LANES: [&Lane; 6] = [&CONFIGURATION, &RELOAD, &CALLERS, &PROGRAMS, &SOURCES, &STATE];

/// How long a thread without work is kept.
const KEPT: Duration = Duration::from_secs(10);

/// Why a call brought no result; reads as the rest of a sentence that begins with the subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The deadline passed. The call may still return, and its result is then dropped.
    #[error("does not answer")]
    TimedOut,
    /// The deadline passed before the call was begun, and no call before it is past its own.
    #[error("was not looked at in time, because too many calls wait for it")]
    Busy,
    /// An earlier call for the same subject is past its deadline; this one was not begun.
    #[error("does not answer")]
    StillBlocked,
    /// Every thread of the lane is past its deadline; this call was not begun.
    #[error("was not looked at, because too many other files do not answer")]
    Exhausted,
    /// The call panicked.
    #[error("could not be looked at")]
    Panicked,
}

/// A call that is past its deadline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Overdue {
    /// The name of its lane.
    pub lane: &'static str,
    /// What does not answer.
    pub subject: String,
}

/// Returns every call that is past its deadline now.
pub fn overdue() -> Vec<Overdue> {
    LANES.iter().flat_map(|lane| lane.overdue()).collect()
}

/// One part of the pool.
pub struct Lane {
    name: &'static str,
    max: usize,
    state: Mutex<State>,
    work: Condvar,
}

struct State {
    queue: VecDeque<Call>,
    running: Vec<Running>,
    threads: usize,
    idle: usize,
    begun: u64,
}

impl State {
    fn is_running(&self, subject: &str) -> bool {
        self.running.iter().any(|running| running.subject == subject)
    }

    /// Returns the place of the first call whose subject has no other call running.
    fn runnable(&self) -> Option<usize> {
        self.queue.iter().position(|call| !self.is_running(&call.subject))
    }

    /// Takes the calls out of the queue whose callers have given up.
    fn abandoned(&mut self) -> Vec<Call> {
        let (wanted, abandoned) =
            self.queue.drain(..).partition(|call: &Call| !call.ticket.is_abandoned.load(Ordering::Acquire));
        self.queue = wanted;
        Vec::from(abandoned)
    }
}

struct Call {
    subject: String,
    deadline: Duration,
    ticket: Arc<Ticket>,
    job: Box<dyn FnOnce() + Send>,
}

struct Running {
    id: u64,
    subject: String,
    begun: Instant,
    deadline: Duration,
}

impl Running {
    fn is_overdue(&self, now: Instant) -> bool {
        self.begun + self.deadline <= now
    }
}

/// What the caller and the thread of a call tell each other.
#[derive(Default)]
struct Ticket {
    /// Set when the caller has given up.
    is_abandoned: AtomicBool,
    /// When the call was begun.
    begun: OnceLock<Instant>,
}

/// The caller's interest in a call; dropped, a call that has not begun never begins.
struct Interest(Arc<Ticket>);

impl Drop for Interest {
    fn drop(&mut self) {
        self.0.is_abandoned.store(true, Ordering::Release);
    }
}

impl Lane {
    const fn new(name: &'static str, max: usize) -> Self {
        let state = State { queue: VecDeque::new(), running: Vec::new(), threads: 0, idle: 0, begun: 0 };
        Self { name, max, state: Mutex::new(state), work: Condvar::new() }
    }

    /// Runs a job on a thread of this lane and waits for its result until the deadline.
    ///
    /// The deadline is that of the job itself. The time before the job begins is as much at most, and does not count.
    ///
    /// The job may use the runtime, as starting a child process does. It is not stopped when the caller gives up.
    #[cfg(feature = "tokio")]
    pub async fn run<T: Send + 'static>(
        &'static self,
        subject: impl Into<String>,
        deadline: Duration,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Error> {
        let (answer, answered) = oneshot::channel();
        let runtime = Handle::current();
        let job = move || {
            let _entered = runtime.enter();
            // A result that comes too late is dropped here, and wiped by its type.
            drop(answer.send(job()));
        };
        let subject = subject.into();
        let interest = self.submit(subject.clone(), deadline, Box::new(job))?;
        let mut answered = std::pin::pin!(answered);
        let mut left = deadline;
        loop {
            match timeout(left, &mut answered).await {
                Ok(result) => return result.map_err(|_| Error::Panicked),
                Err(_) => left = self.time_left(&interest, &subject, deadline)?,
            }
        }
    }

    /// Does the same where no runtime is: blocks the calling thread until the deadline.
    pub fn call<T: Send + 'static>(
        &'static self,
        subject: impl Into<String>,
        deadline: Duration,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Error> {
        let (answer, answered) = mpsc::sync_channel(1);
        let subject = subject.into();
        let interest = self.submit(subject.clone(), deadline, Box::new(move || drop(answer.send(job()))))?;
        let mut left = deadline;
        loop {
            match answered.recv_timeout(left) {
                Ok(result) => return Ok(result),
                Err(mpsc::RecvTimeoutError::Timeout) => left = self.time_left(&interest, &subject, deadline)?,
                Err(mpsc::RecvTimeoutError::Disconnected) => return Err(Error::Panicked),
            }
        }
    }

    /// Returns how much of its deadline a call has left that has not answered yet.
    fn time_left(&self, interest: &Interest, subject: &str, deadline: Duration) -> Result<Duration, Error> {
        // Under the lock, so that a call that was not begun is not begun meanwhile.
        let state = self.state();
        let now = now();
        if let Some(begun) = interest.0.begun.get() {
            return match (*begun + deadline).saturating_duration_since(now) {
                Duration::ZERO => Err(Error::TimedOut),
                left => Ok(left),
            };
        }
        interest.0.is_abandoned.store(true, Ordering::Release);
        let is_blocked = state.running.iter().any(|it| it.subject == subject && it.is_overdue(now));
        Err(if is_blocked { Error::TimedOut } else { Error::Busy })
    }

    fn submit(
        &'static self,
        subject: String,
        deadline: Duration,
        job: Box<dyn FnOnce() + Send>,
    ) -> Result<Interest, Error> {
        let mut state = self.state();
        let now = now();
        if state.running.iter().any(|running| running.subject == subject && running.begun + deadline <= now) {
            return Err(Error::StillBlocked);
        }
        // Not under the lock: a job may hold anything.
        let abandoned = state.abandoned();
        let runnable = state.queue.iter().filter(|call| !state.is_running(&call.subject)).count();
        if state.idle <= runnable && !state.is_running(&subject) {
            let can_start = state.threads < self.max && self.start().is_ok();
            if can_start {
                state.threads += 1;
            } else if state.running.iter().filter(|running| running.is_overdue(now)).count() >= state.threads {
                drop(state);
                return Err(Error::Exhausted);
            }
        }
        let ticket = Arc::new(Ticket::default());
        state.queue.push_back(Call { subject, deadline, ticket: Arc::clone(&ticket), job });
        drop(state);
        drop(abandoned);
        self.work.notify_one();
        Ok(Interest(ticket))
    }

    fn start(&'static self) -> std::io::Result<()> {
        thread::Builder::new().name(self.name.to_owned()).spawn(move || self.work()).map(drop)
    }

    fn work(&'static self) {
        let mut state = self.state();
        loop {
            // A call whose subject is running is left to the thread that runs it.
            let Some(call) = state.runnable().and_then(|at| state.queue.remove(at)) else {
                state.idle += 1;
                let (woken, waited) = self.work.wait_timeout(state, KEPT).unwrap_or_else(PoisonError::into_inner);
                state = woken;
                state.idle -= 1;
                if waited.timed_out() && state.runnable().is_none() {
                    state.threads -= 1;
                    return;
                }
                continue;
            };
            let Call { subject, deadline, ticket, job } = call;
            let is_begun = !ticket.is_abandoned.load(Ordering::Acquire);
            let id = state.begun;
            if is_begun {
                let begun = *ticket.begun.get_or_init(now);
                state.begun += 1;
                state.running.push(Running { id, subject, begun, deadline });
            }
            drop(state);
            // Not under the lock, and neither is the end of a job that nobody waits for: it may hold anything.
            if is_begun {
                // The caller is told by the answer that never comes.
                let _ = catch_unwind(AssertUnwindSafe(job));
            } else {
                drop(job);
            }
            state = self.state();
            state.running.retain(|running| !is_begun || running.id != id);
        }
    }

    fn overdue(&self) -> Vec<Overdue> {
        let now = now();
        let state = self.state();
        let late = state.running.iter().filter(|running| running.is_overdue(now));
        late.map(|running| Overdue { lane: self.name, subject: running.subject.clone() }).collect()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // No job runs under this lock, so nothing under it panics half way.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn now() -> Instant {
    #[expect(clippy::disallowed_methods, reason = "a thread hangs by the time that the machine is awake")]
    Instant::now()
}

#[cfg(all(test, feature = "tokio"))]
mod tests {
    use super::*;

    const SHORT: Duration = Duration::from_millis(20);
    const LONG: Duration = Duration::from_mins(1);

    fn lane(max: usize) -> &'static Lane {
        Box::leak(Box::new(Lane::new("test", max)))
    }

    /// Makes a job that blocks until the sender is dropped.
    fn blocked() -> (mpsc::Sender<()>, impl FnOnce() + Send + 'static) {
        let (release, held) = mpsc::channel::<()>();
        (release, move || {
            let _ = held.recv();
        })
    }

    /// Leaves a call running that is past its deadline.
    async fn hung(lane: &'static Lane, subject: &str) -> mpsc::Sender<()> {
        loop {
            let (release, job) = blocked();
            match lane.run(subject, SHORT, job).await {
                Err(Error::TimedOut) => return release,
                // On a busy machine no thread may have begun the call in time.
                other => assert_eq!(other, Err(Error::Busy)),
            }
        }
    }

    #[tokio::test]
    async fn a_hung_subject_takes_one_thread_until_it_returns() {
        let lane = lane(8);
        let release = hung(lane, "a").await;
        for _ in 0..100 {
            assert_eq!(lane.run("a", SHORT, || ()).await, Err(Error::StillBlocked));
        }
        assert_eq!(lane.run("b", LONG, || 7).await, Ok(7), "another subject is none of its business");
        assert_eq!(lane.overdue(), [Overdue { lane: "test", subject: "a".into() }]);
        drop(release);
        while lane.run("a", SHORT, || ()).await.is_err() {
            tokio::task::yield_now().await;
        }
        assert_eq!(lane.overdue(), []);
    }

    #[tokio::test]
    async fn callers_of_one_subject_take_one_thread_before_the_deadline() {
        let lane = lane(2);
        let (release, job) = blocked();
        let first = tokio::spawn(lane.run("hung", LONG, job));
        while lane.state().running.is_empty() {
            tokio::task::yield_now().await;
        }
        let others: Vec<_> = (0..50).map(|n| tokio::spawn(lane.run("hung", LONG, move || n))).collect();
        while lane.state().queue.len() < others.len() {
            tokio::task::yield_now().await;
        }
        // None of their deadlines is near, and the lane serves another subject.
        assert_eq!(lane.run("other", LONG, || 7).await, Ok(7));
        // The thread of an answer is done a moment after it.
        while lane.state().running.len() > 1 {
            tokio::task::yield_now().await;
        }
        assert_eq!(lane.state().queue.len(), others.len());
        drop(release);
        first.await.expect("it runs").expect("released");
        for (n, other) in others.into_iter().enumerate() {
            assert_eq!(other.await.expect("it runs"), Ok(n), "each gets its answer in turn");
        }
        assert!(lane.state().threads <= 2);
    }

    #[tokio::test]
    async fn callers_that_give_up_leave_the_queue() {
        let lane = lane(2);
        let (release, job) = blocked();
        let first = tokio::spawn(lane.run("hung", LONG, job));
        while lane.state().running.is_empty() {
            tokio::task::yield_now().await;
        }
        for _ in 0..10 {
            assert!(lane.run("hung", SHORT, || ()).await.is_err());
        }
        assert_eq!(lane.run("other", LONG, || 7).await, Ok(7));
        assert_eq!(lane.state().queue.len(), 0);
        drop(release);
        first.await.expect("it runs").expect("released");
    }

    #[tokio::test]
    async fn deadline_begins_with_the_work() {
        let lane = lane(1);
        let (release, job) = blocked();
        let first = tokio::spawn(lane.run("a", LONG, job));
        while lane.state().running.is_empty() {
            tokio::task::yield_now().await;
        }
        let (release_second, job) = blocked();
        let interest = lane.submit("a".into(), SHORT, Box::new(job)).expect("queued");
        drop(release);
        first.await.expect("it runs").expect("released");
        while interest.0.begun.get().is_none() {
            tokio::task::yield_now().await;
        }
        let begun = *interest.0.begun.get().expect("begun");
        let is_late = |now: Instant| lane.state().running.iter().any(|running| running.is_overdue(now));
        assert!(
            !is_late(begun + SHORT.mul_f32(0.999)) && is_late(begun + SHORT),
            "the time in the queue does not count"
        );
        drop(release_second);
    }

    #[tokio::test]
    async fn an_exhausted_lane_fails_at_once_and_recovers() {
        let lane = lane(3);
        let mut releases = Vec::new();
        for n in 0..3 {
            releases.push(hung(lane, &n.to_string()).await);
        }
        for n in 10..200 {
            assert_eq!(lane.run(n.to_string(), LONG, || ()).await, Err(Error::Exhausted));
        }
        assert_eq!(lane.state().threads, 3);
        drop(releases);
        while lane.run("again", LONG, || ()).await.is_err() {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn a_busy_lane_queues_and_a_caller_that_gives_up_costs_nothing() {
        let lane = lane(1);
        let (release, job) = blocked();
        let first = tokio::spawn(lane.run("first", LONG, job));
        while lane.state().running.is_empty() {
            tokio::task::yield_now().await;
        }
        let begun = Arc::new(AtomicBool::new(false));
        let noted = Arc::clone(&begun);
        let given_up = lane.run("given up", SHORT, move || noted.store(true, Ordering::Release)).await;
        assert_eq!(given_up, Err(Error::Busy), "nothing is past its deadline");
        assert_eq!(lane.overdue(), []);
        let queued = tokio::spawn(lane.run("queued", LONG, || 7));
        drop(release);
        assert_eq!(queued.await.expect("it runs"), Ok(7));
        assert_eq!(first.await.expect("it runs"), Ok(()));
        assert!(!begun.load(Ordering::Acquire));
    }

    #[test]
    fn a_panic_costs_one_result() {
        let lane = lane(1);
        let lost: Result<(), Error> = lane.call("a", LONG, || panic!("on purpose"));
        assert_eq!(lost, Err(Error::Panicked));
        assert_eq!(lane.call("a", LONG, || 7), Ok(7));
    }
}
