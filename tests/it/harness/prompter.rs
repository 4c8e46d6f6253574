//! Asks as the real agent does, and keeps what it is told to tell: a test must not write on somebody's desktop.

use async_trait::async_trait;
use rolecall::adapters::dbus::SessionBus;
use rolecall::adapters::desktop::Desktop;
use rolecall::domain::question::{Notice, Question, Surroundings};
use rolecall::ports::{PromptResult, Prompter};
use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;

#[derive(Default)]
pub(crate) struct TestPrompter {
    told: Mutex<Vec<Notice>>,
}

impl TestPrompter {
    /// Gives what was told so far.
    pub(crate) fn told(&self) -> Vec<Notice> {
        self.told.lock().unwrap().clone()
    }
}

#[async_trait]
impl Prompter for TestPrompter {
    async fn ask(
        &self,
        program: Option<&Path>,
        question: &Question,
        surroundings: &Surroundings,
        start: Duration,
    ) -> PromptResult {
        desktop().ask(program, question, surroundings, start).await
    }

    async fn settled(&self) {
        desktop().settled().await;
    }

    fn at_home(&self) -> Surroundings {
        Surroundings::default()
    }

    async fn notify(&self, notice: &Notice) {
        self.told.lock().unwrap().push(notice.clone());
    }
}

fn desktop() -> Desktop {
    Desktop::new(Vec::new(), SessionBus::new(None))
}
