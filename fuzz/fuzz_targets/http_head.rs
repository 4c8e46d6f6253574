//! Requests to the endpoint for programs, as bytes on a connection. No token is valid here, so nothing may be served.

#![no_main]

use libfuzzer_sys::fuzz_target;
use rolecall::adapters::clock::SystemClock;
use rolecall::adapters::dbus::SessionBus;
use rolecall::adapters::desktop::Desktop;
use rolecall::adapters::sources::StartupEnv;
use rolecall::adapters::sts::Sts;
use rolecall::adapters::vault::Vaults;
use rolecall::agent::endpoint_fuzzing::serve;
use rolecall::agent::{Agent, Ports};
use rolecall::paths::Paths;
use std::sync::Arc;
use tokio::runtime::{Builder, Runtime};

struct Stage {
    runtime: Runtime,
    agent: Arc<Agent>,
    _dir: tempfile::TempDir,
}

impl Stage {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        // SAFETY: no other thread of this process runs yet.
        unsafe {
            std::env::set_var("HOME", dir.path());
            std::env::set_var("ROLECALL_HOME", dir.path());
        }
        let paths = Paths::from_env().expect("paths of a home");
        let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
        let agent = runtime.block_on(async {
            let clock = Arc::new(SystemClock);
            let bus = SessionBus::new(None);
            let vault = Vaults::new(&paths.vault_file, &paths.state, "rolecall-fuzz", Arc::clone(&bus));
            let ports = Ports {
                vault: Arc::new(vault),
                tokens: Arc::new(Sts::new(clock.clone(), StartupEnv::default(), None)),
                prompter: Arc::new(Desktop::new(Vec::new(), bus)),
                clock,
            };
            Agent::new(ports, paths)
        });
        Self { runtime, agent, _dir: dir }
    }
}

thread_local! {
    static STAGE: Stage = Stage::new();
}

fuzz_target!(|bytes: &[u8]| {
    let answers = STAGE.with(|stage| stage.runtime.block_on(serve(&stage.agent, bytes)));
    let text = String::from_utf8_lossy(&answers);
    let statuses = text.split("HTTP/1.").skip(1).filter_map(|answer| answer.split(' ').nth(1)?.parse::<u16>().ok());
    for status in statuses {
        assert!((400..500).contains(&status), "a request without a token was answered with {status}: {text}");
    }
    // An error may name the header of the request that it is about; no answer may allow a web page to read it.
    assert!(!answers.to_ascii_lowercase().windows(20).any(|part| part == b"access-control-allow"));
});
