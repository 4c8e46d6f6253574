//! How big the agent is, whether it stays so, and what ten thousand roles cost.

use crate::Programs;
use crate::measure::{self, Times};
use crate::process::{Look, megabytes, processor_time};
use crate::sheet::Sheet;
use crate::stage::Stage;
use rolecall::protocol::message::Request;
use std::time::Duration;

/// The resident memory of an idle agent, in MB.
const IDLE: f64 = 12.0;

/// How long an agent that has worked is left alone before it is looked at.
const REST: Duration = Duration::from_secs(3);

const REQUESTS: usize = 200_000;

/// As many callers at once as drive the requests.
const CALLERS: usize = 8;

/// What they may add, in MB: the queue of the audit log, 4096 lines of half a kilobyte, may have filled for a moment. Five
/// bytes lost per request would be half of it.
const GROWTH: f64 = 2.0;

const ROLES: usize = 10_000;

/// So often is it taken over.
const RELOADS: usize = 30;

/// In how many milliseconds a configuration of that many roles is taken over.
const RELOAD: f64 = 50.0;

/// What a warm `get` may cost with that many roles, times what it costs with one.
const UNCHANGED: f64 = 1.1;

/// The agent at rest after it has served a session, from the file vault and from the keyring.
pub(crate) fn idle(programs: &Programs, sheet: &mut Sheet) {
    sheet.part("The idle agent, resident memory");
    let file = Stage::start(programs, 1);
    for (name, stage) in [("file vault", Some(file)), ("keyring", Stage::with_keyring(programs))] {
        let Some(stage) = stage else {
            sheet.note(name, "no gnome-keyring");
            continue;
        };
        let mut show = |when: &str| {
            std::thread::sleep(REST);
            let look = Look::at(stage.pid);
            sheet.at_most(&format!("{name}, {when}"), megabytes(look.resident), IDLE, " MB");
            sheet.note(
                &format!("{name}, {when}: of it not the program's file"),
                &format!("{:.2} MB", megabytes(look.anonymous)),
            );
        };
        show("key stored");
        stage.get("r0");
        show("a session served");
        sheet.note(&format!("{name}: threads"), &Look::at(stage.pid).threads.to_string());
    }
}

/// The same agent before and after very many requests.
pub(crate) fn flat(programs: &Programs, sheet: &mut Sheet) {
    let stage = Stage::start(programs, 1);
    drive(&stage, REQUESTS / 10);
    std::thread::sleep(REST);
    let before = Look::at(stage.pid);
    let taken = measure::time(|| drive(&stage, REQUESTS));
    std::thread::sleep(REST);
    let after = Look::at(stage.pid);
    let counts = stage.status().counts;

    sheet.part(&format!("After {REQUESTS} more requests of {CALLERS} callers"));
    #[expect(clippy::cast_precision_loss, reason = "a number to look at")]
    sheet.note("requests per second", &format!("{:.0}", REQUESTS as f64 / taken.as_secs_f64()));
    // The program's own pages: those of its file come and go as the system likes.
    let growth = megabytes(after.anonymous) - megabytes(before.anonymous);
    sheet.at_most("memory of its own grew by", growth, GROWTH, " MB");
    sheet.at_most("resident memory", megabytes(after.resident), IDLE, " MB");
    // Fewer is well: a connection that STS was asked over, or a thread that waited for work, may have ended meanwhile.
    sheet.no_more("threads", before.threads, after.threads);
    match (before.descriptors, after.descriptors) {
        (Some(before), Some(after)) => sheet.no_more("descriptors", before, after),
        _ => sheet.note("descriptors", "hidden from us"),
    }
    sheet.exactly("calls to STS", stage.aws.count("AssumeRole") as u64, 1);
    sheet.note("audit lines lost to a full queue", &counts.audit_lost.to_string());
}

fn drive(stage: &Stage, requests: usize) {
    std::thread::scope(|scope| {
        for _ in 0..CALLERS {
            scope.spawn(|| {
                for _ in 0..requests / CALLERS {
                    stage.get("r0");
                }
            });
        }
    });
}

/// Ten thousand roles: taking them over, and what they cost a `get`.
pub(crate) fn reload(programs: &Programs, sheet: &mut Sheet) {
    let (small, big) = (Stage::start(programs, 1), Stage::start(programs, ROLES));
    // Sessions to be kept over the reload: every one is looked up in the new configuration.
    for n in 0..50 {
        big.get(&format!("r{n}"));
    }
    small.get("r0");
    let mut round = 0;
    let mut reload = |stage: &Stage, roles| {
        round += 1;
        stage.touch_config(roles, round);
        let before = processor_time(stage.pid);
        let taken = measure::time(|| drop(stage.ask(Request::Reload)));
        let processor = processor_time(stage.pid).saturating_sub(before);
        // The agent has seen the change by itself as well; that must be over before the next.
        std::thread::sleep(Duration::from_millis(120));
        (taken, processor)
    };
    let (mut one, mut many, mut processor) = (Times::default(), Times::default(), Times::default());
    for _ in 0..RELOADS {
        one.add(reload(&small, 1).0);
        let (taken, on_processor) = reload(&big, ROLES);
        many.add(taken);
        processor.add(on_processor);
    }
    sheet.part(&format!("{ROLES} roles"));
    sheet.note("reload of one role, median", &format!("{:.2} ms", one.median() / 1e3));
    sheet.at_most(&format!("reload of {ROLES} roles, median"), many.median() / 1e3, RELOAD, " ms");
    sheet.at_most(&format!("reload of {ROLES} roles, min"), many.min() / 1e3, RELOAD, " ms");
    // What it would take if nobody else used the machine.
    sheet.at_most(&format!("reload of {ROLES} roles, processor time, median"), processor.median() / 1e3, RELOAD, " ms");

    // The last name, and one that comes late in the file.
    let (first, last) = ("r0".to_owned(), format!("r{}", ROLES - 1));
    big.get(&last);
    let gets = measure::interleave(
        5000,
        &mut [&mut || measure::time(|| small.get(&first)), &mut || measure::time(|| big.get(&last))],
    );
    sheet.note("a warm get with one role, without a process, median", &format!("{:.0} µs", gets[0].median()));
    sheet.at_most(
        &format!("a warm get with {ROLES} roles : with one, medians"),
        gets[1].median() / gets[0].median(),
        UNCHANGED,
        "",
    );
    assert_eq!(big.aws.count("AssumeRole"), 51, "every session survived every reload");
    sheet.note(
        &format!("resident memory with {ROLES} roles"),
        &format!("{:.1} MB", megabytes(Look::at(big.pid).resident)),
    );
}
