//! The packages behind the two programs, under one name for the tests, the benches and the fuzz targets.
//!
//! `docs/architecture.md` describes the packages and their order.

#[cfg(feature = "agent")]
pub use rolecall_daemon::{adapters, agent, oneshot, ports};

pub use rolecall_awsfiles as aws_files;
pub use rolecall_cli as cli;
pub use rolecall_core::{config, domain, setup};
pub use rolecall_ipc::{client, protocol};
pub use rolecall_platform::{blocking, config_loader, files, panics, paths, process, reach};
