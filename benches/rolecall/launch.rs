//! What `exec`, `shell` and `prompt` add to a command, a shell and a prompt, whole processes, with a warm agent.

use crate::Programs;
use crate::measure::{self, Times};
use crate::sheet::Sheet;
use crate::stage::Stage;
use std::path::Path;
use std::process::Command;

const ROUNDS: usize = 200;

/// What starting something in a role may add, in milliseconds.
const ADDED: f64 = 10.0;

/// What a prompt may take, in milliseconds: whoever types feels more than that.
const PROMPT: f64 = 5.0;

const ROLES: usize = 10_000;

pub(crate) fn run(programs: &Programs, sheet: &mut Sheet) {
    for (name, program) in [("released", programs.released.as_deref()), ("plain", Some(programs.plain.as_path()))] {
        let Some(program) = program else { continue };
        for roles in [1, ROLES] {
            let stage = Stage::start(programs, roles);
            let role = format!("r{}", roles - 1);
            stage.get(&role);
            sheet.part(&format!("rolecall, {name}, {roles} role(s), {ROUNDS} rounds"));
            measure_one(&stage, program, &role, sheet);
        }
    }
}

fn measure_one(stage: &Stage, program: &Path, role: &str, sheet: &mut Sheet) {
    let command = |program: &Path, args: &[&str]| -> Command {
        let mut command = stage.command(program);
        command.args(args).env("SHELL", "/bin/sh").env("ROLECALL_ROLE", role);
        command
    };
    let mut commands = [
        command(Path::new("/bin/true"), &[]),
        command(program, &["exec", role, "--", "/bin/true"]),
        // Its input is at its end, so that it leaves at once.
        command(Path::new("/bin/sh"), &[]),
        command(program, &["shell", role]),
        command(program, &["prompt"]),
    ];
    let mut times = vec![Times::default(); commands.len()];
    for round in 0..ROUNDS + ROUNDS / 10 {
        for at in 0..commands.len() {
            // Each comes first as often as the others: what ran before leaves its mark on caches.
            let at = (at + round) % commands.len();
            let run = measure::run(&mut commands[at]);
            if round >= ROUNDS / 10 {
                times[at].add(run.wall);
            }
        }
    }
    let [plain, exec, sh, shell, prompt] = times.as_slice() else { unreachable!("five commands") };
    let ms = |times: &Times| times.median() / 1e3;
    sheet.note("/bin/true, /bin/sh, medians", &format!("{:.2}, {:.2} ms", ms(plain), ms(sh)));
    sheet.at_most("exec adds, medians", ms(exec) - ms(plain), ADDED, " ms");
    sheet.at_most("exec adds, minima", (exec.min() - plain.min()) / 1e3, ADDED, " ms");
    sheet.at_most("shell adds, medians", ms(shell) - ms(sh), ADDED, " ms");
    sheet.at_most("shell adds, minima", (shell.min() - sh.min()) / 1e3, ADDED, " ms");
    sheet.at_most("prompt, median", ms(prompt), PROMPT, " ms");
    sheet.at_most("prompt, min", prompt.min() / 1e3, PROMPT, " ms");
    assert_eq!(stage.aws.count("AssumeRole"), 1, "one session serves all of them");
}
