//! Entry point of `fuzz/` into what a pinentry program writes. Compiled for cargo-fuzz only.

use super::Dialog;
use rolecall_core::domain::question::{Question, Surroundings};
use rolecall_ports::PromptResult;
use tokio::io::{BufReader, sink};

/// Holds the whole conversation with a program that writes these bytes and reads everything.
pub async fn converse(written: &[u8], question: &Question) -> Option<PromptResult> {
    let mut dialog = Dialog { to: sink(), from: BufReader::new(written) };
    dialog.prepare(question, &Surroundings::default()).await?;
    dialog.put(question).await
}
