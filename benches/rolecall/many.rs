//! Ten thousand roles of templates: 500 accounts, 20 templates, three files; what a person types and a Tab asks.

use crate::Programs;
use crate::measure::{self, Times};
use crate::sheet::Sheet;
use crate::stage::Stage;
use rolecall::protocol::message::Request;

const ROUNDS: usize = 30;

/// What is shown at once, in milliseconds.
const AT_ONCE: f64 = 100.0;

/// In how many milliseconds the configuration is taken over.
const RELOAD: f64 = 50.0;

pub(crate) fn run(programs: &Programs, sheet: &mut Sheet) {
    let stage = Stage::start(programs, 1);
    let mut taken = Times::default();
    for round in 0..ROUNDS {
        stage.use_templates(round);
        taken.add(measure::time(|| drop(stage.ask(Request::Reload))));
        // The agent has seen the change by itself as well; that must be over before the next.
        std::thread::sleep(std::time::Duration::from_millis(120));
    }
    assert_eq!(stage.status().roles.len(), 10_001);
    sheet.part("10000 roles of templates, 500 accounts x 20");
    sheet.at_most("reload, median", taken.median() / 1e3, RELOAD, " ms");
    let program = programs.released.as_deref().unwrap_or(&programs.plain);
    for (name, args) in [
        ("rolecall", [].as_slice()),
        ("roles", &["roles"]),
        ("roles SEARCH", &["roles", "a499", "t19"]),
        ("roles --tree", &["roles", "--tree"]),
        ("role show", &["role", "show", "a499-t19"]),
        ("a Tab behind get", &["complete-names", "get", "a499-t1"]),
    ] {
        let mut command = stage.command(program);
        command.args(args);
        let mut times = Times::default();
        for _ in 0..ROUNDS {
            times.add(measure::run(&mut command).wall);
        }
        sheet.at_most(&format!("{name}, whole process, median"), times.median() / 1e3, AT_ONCE, " ms");
    }
}
