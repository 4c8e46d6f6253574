//! The operating system: files, directories, processes, the user database, calls that block.
//!
//! | module | owns |
//! |---|---|
//! | [`files`] | private files: who owns a path, atomic writes, state files |
//! | [`paths`] | where the files of a user are |
//! | [`process`] | this process and its memory; a handle on another process |
//! | [`child`] | programs that are run with a deadline |
//! | [`blocking`] | blocking calls on a bounded pool of threads, each with a deadline |
//! | [`config_loader`] | the files of a configuration on disk, for both programs |
//! | [`reach`] | looks at paths that may never answer |
//! | [`os`] | what differs between operating systems: `linux/`, `macos/`, with the same names |
//! | [`service`] | the service managers |
//! | [`panics`] | what a panic prints |

#![cfg_attr(test, allow(clippy::disallowed_methods, reason = "tests prepare files of their own"))]

pub mod blocking;
pub mod child;
pub mod config_loader;
pub mod files;
#[cfg(not(target_os = "linux"))]
#[path = "macos/mod.rs"]
pub mod os;
#[cfg(target_os = "linux")]
#[path = "linux/mod.rs"]
pub mod os;
pub mod panics;
pub mod paths;
pub mod process;
pub mod reach;
pub mod service;
