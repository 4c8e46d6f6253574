//! Many cold callers at once, each a process of its own: how many calls to AWS and reads of the vault they cause.

use crate::Programs;
use crate::sheet::Sheet;
use crate::stage::Stage;
use rolecall_sandbox::Match;
use std::process::{Child, Stdio};
use std::time::Duration;

pub(crate) fn run(programs: &Programs, sheet: &mut Sheet) {
    sheet.part("Cold callers at once, each a process");
    for (callers, roles) in [(1000, 1), (1000, 50)] {
        let stage = Stage::start(programs, roles);
        let program = programs.released.as_ref().unwrap_or(&programs.plain);
        let before = stage.status().counts;
        let hold = stage.aws.hold_matching(Match::action("AssumeRole"));
        let children: Vec<Child> = (0..callers)
            .map(|n| {
                let mut command = stage.get_command(program, &format!("r{}", n % roles));
                command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().expect("the client can be run")
            })
            .collect();
        // The calls are held until every caller is there, or there would be no crowd. A caller waits 20 seconds at most.
        while stage.status().counts.gets - before.gets < callers as u64 {
            std::thread::sleep(Duration::from_millis(5));
        }
        hold.release();
        let mut sessions = std::collections::BTreeSet::new();
        for child in children {
            let output = child.wait_with_output().expect("it ends");
            assert!(output.status.success(), "every caller is served");
            sessions.insert(output.stdout);
        }
        let after = stage.status().counts;
        let who = format!("{callers} callers of {roles} role{}", if roles == 1 { "" } else { "s" });
        sheet.exactly(&format!("{who}: calls to STS"), stage.aws.count("AssumeRole") as u64, roles as u64);
        sheet.exactly(&format!("{who}: sessions handed out"), sessions.len() as u64, roles as u64);
        let reads = after.vault_reads - before.vault_reads;
        if roles == 1 {
            sheet.exactly(&format!("{who}: reads of the vault"), reads, 1);
        } else {
            sheet.note(&format!("{who}: reads of the vault"), &reads.to_string());
        }
    }
}
