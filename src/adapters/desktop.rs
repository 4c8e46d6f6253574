//! The person in front of the machine: asked by a pinentry, told by a notification.
//!
//! Questions on the caller's terminal that need no program go another way: by the caller itself, over its connection.

use super::dbus::SessionBus;
use super::pinentry;
use async_trait::async_trait;
use rolecall_core::domain::question::{Notice, Question, Surroundings};
use rolecall_ports::{PromptResult, Prompter};
use std::ffi::OsString;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// The desktop, or what there is of one.
#[derive(Clone)]
pub struct Desktop {
    environment: Vec<(OsString, OsString)>,
    bus: Arc<SessionBus>,
}

impl Desktop {
    /// Makes one whose programs know this environment and no other.
    pub fn new(environment: Vec<(OsString, OsString)>, bus: Arc<SessionBus>) -> Self {
        Self { environment, bus }
    }
}

#[async_trait]
impl Prompter for Desktop {
    async fn ask(
        &self,
        program: Option<&Path>,
        question: &Question,
        surroundings: &Surroundings,
        start: Duration,
    ) -> PromptResult {
        let mut environment = self.environment.clone();
        // By it a pinentry finds the desktop: that of the login there is now.
        environment.extend(self.bus.usable_address().await.map(|bus| ("DBUS_SESSION_BUS_ADDRESS".into(), bus.into())));
        pinentry::prompt(&environment, program, question, surroundings, start).await
    }

    async fn settled(&self) {
        pinentry::program::settled().await;
    }

    fn at_home(&self) -> Surroundings {
        let var = |wanted: &str| {
            let found = self.environment.iter().find(|(name, _)| name == wanted);
            found.and_then(|(_, value)| value.to_str()).filter(|value| !value.is_empty()).map(str::to_owned)
        };
        Surroundings {
            display: var("DISPLAY"),
            wayland_display: var("WAYLAND_DISPLAY"),
            xauthority: var("XAUTHORITY"),
            lang: var("LANG"),
            terminal: None,
        }
    }

    async fn notify(&self, notice: &Notice) {
        super::system::notifications::show(&self.bus, notice).await;
    }
}
