//! A stand-in of the desktop's notification server, which keeps what it was told to show.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use zbus::blocking::Connection;
use zbus::blocking::connection::Builder;
use zbus::zvariant::OwnedValue;

/// What it was told: the application, the summary, the body.
pub(crate) type Shown = (String, String, String);

struct Notifications(Arc<Mutex<Vec<Shown>>>);

#[zbus::interface(name = "org.freedesktop.Notifications")]
impl Notifications {
    #[expect(clippy::too_many_arguments, clippy::needless_pass_by_value, reason = "the specification's")]
    fn notify(
        &self,
        application: String,
        replaces: u32,
        icon: &str,
        summary: String,
        body: String,
        actions: Vec<String>,
        hints: HashMap<String, OwnedValue>,
        timeout: i32,
    ) -> u32 {
        assert!(replaces == 0 && actions.is_empty() && timeout == -1);
        assert!(!icon.is_empty() && hints.contains_key("urgency"));
        self.0.lock().unwrap().push((application, summary, body));
        1
    }
}

/// The running stand-in.
pub(crate) struct Server {
    shown: Arc<Mutex<Vec<Shown>>>,
    _connection: Connection,
}

impl Server {
    pub(crate) fn start(address: &str) -> Self {
        let shown = Arc::new(Mutex::new(Vec::new()));
        let connection = Builder::address(address)
            .and_then(|bus| bus.serve_at("/org/freedesktop/Notifications", Notifications(Arc::clone(&shown))))
            .and_then(|bus| bus.name("org.freedesktop.Notifications"))
            .and_then(Builder::build)
            .expect("the server's name is free");
        Self { shown, _connection: connection }
    }

    pub(crate) fn shown(&self) -> Vec<Shown> {
        self.shown.lock().unwrap().clone()
    }
}
