//! A pinentry that is a shell script: polite, but for what a test says.

use super::home::set_mode;
use std::path::{Path, PathBuf};

/// Writes one that does a thing when it is asked for a code (`GETPIN`) or for consent (`CONFIRM`).
///
/// It answers OK to everything else, and writes down what it was told in `pinentry.said`. The thing finds the caller's
/// terminal in `$tty` and the question in `$desc`, and has to answer by itself.
pub(crate) fn script(dir: &Path, asked: &str) -> PathBuf {
    let program = dir.join("pinentry");
    let script = format!(
        "#!/bin/sh\nPATH=/usr/bin:/bin\necho OK ready\nwhile read -r verb rest; do\n\
         echo \"$verb $rest\" >> '{}.said'\ncase \"$verb $rest\" in\n\
         'OPTION ttyname='*) tty=${{rest#ttyname=}}; echo OK;;\n'SETDESC '*) desc=$rest; echo OK;;\nGETPIN*|CONFIRM*) {asked};;\n*) echo OK;;\nesac; done\n",
        program.display()
    );
    std::fs::write(&program, script).unwrap();
    set_mode(&program, 0o700);
    program
}

/// What a person does who looks at their device: waits until a file has a code, gives it, and empties the file.
///
/// Each question leaves a line in the file with `.asked` behind its name.
pub(crate) fn answering_from(code: &Path) -> String {
    format!(
        "echo asked >> {0}.asked; until test -s {0}; do sleep 0.05; done; echo D $(cat {0}); rm -f {0}; echo OK",
        code.display()
    )
}

/// Tells how many questions were answered from a file, or wait for it.
pub(crate) fn questions(code: &Path) -> usize {
    std::fs::read_to_string(format!("{}.asked", code.display())).unwrap_or_default().lines().count()
}
