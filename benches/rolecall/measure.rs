//! Taking times: interleaved, so that a busy machine slows every candidate alike, and told as medians and minima.

use rolecall::adapters::clock::SystemClock;
use rolecall::ports::Clock;
use std::io::Read;
use std::process::{Command, Stdio};
use std::time::Duration;

/// Gives a time to take differences of.
pub(crate) fn now() -> Duration {
    SystemClock.now().boot
}

/// Times one thing.
pub(crate) fn time(work: impl FnOnce()) -> Duration {
    let start = now();
    work();
    now().saturating_sub(start)
}

/// The times of one candidate, in microseconds.
#[derive(Clone, Default)]
pub(crate) struct Times(Vec<f64>);

impl Times {
    pub(crate) fn add(&mut self, time: Duration) {
        self.0.push(time.as_secs_f64() * 1e6);
    }

    pub(crate) fn median(&self) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        sorted[sorted.len() / 2]
    }

    pub(crate) fn min(&self) -> f64 {
        self.0.iter().copied().fold(f64::INFINITY, f64::min)
    }

    pub(crate) fn max(&self) -> f64 {
        self.0.iter().copied().fold(0.0, f64::max)
    }
}

/// Runs candidates in turn, so many rounds; the first tenth warms up and is not counted.
pub(crate) fn interleave(rounds: usize, candidates: &mut [&mut dyn FnMut() -> Duration]) -> Vec<Times> {
    let mut times = vec![Times::default(); candidates.len()];
    for round in 0..rounds + rounds / 10 {
        for at in 0..candidates.len() {
            // Each comes first as often as the others: what ran before leaves its mark on caches.
            let at = (at + round) % candidates.len();
            let taken = candidates[at]();
            if round >= rounds / 10 {
                times[at].add(taken);
            }
        }
    }
    times
}

/// What one run of a program took.
pub(crate) struct Run {
    /// From before it was started until it was gone and its output read.
    pub(crate) wall: Duration,
    /// Its own time on the processor, user and system.
    pub(crate) cpu: Duration,
    /// How many pages it touched that were not mapped yet.
    pub(crate) page_faults: i64,
    /// What it printed.
    pub(crate) output: Vec<u8>,
}

/// Runs a program as an SDK does: stdout is a pipe that is read to its end.
#[expect(clippy::zombie_processes, reason = "it is waited for below, with its processor time")]
pub(crate) fn run(command: &mut Command) -> Run {
    let start = now();
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().expect("the program can be run");
    let mut output = Vec::with_capacity(4096);
    child.stdout.take().expect("piped").read_to_end(&mut output).expect("its output can be read");
    let (status, usage) = wait(child.id());
    let wall = now().saturating_sub(start);
    assert_eq!(status, 0, "{command:?}");
    let time = |time: libc::timeval| {
        Duration::from_secs(time.tv_sec.unsigned_abs()) + Duration::from_micros(time.tv_usec.unsigned_abs())
    };
    let cpu = time(usage.ru_utime) + time(usage.ru_stime);
    Run { wall, cpu, page_faults: usage.ru_minflt + usage.ru_majflt, output }
}

#[allow(unsafe_code, reason = "nothing safe returns what one child has used")]
fn wait(pid: u32) -> (i32, libc::rusage) {
    let pid = libc::pid_t::try_from(pid).expect("a process id");
    let mut status = 0;
    // SAFETY: zeroed is a valid rusage, both pointers are to live values, and the child is ours and not yet waited for.
    let (waited, usage) = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        (libc::wait4(pid, &raw mut status, 0, &raw mut usage), usage)
    };
    assert_eq!(waited, pid, "the child can be waited for");
    (status, usage)
}
