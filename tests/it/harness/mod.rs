//! Two ways to run rolecall: [`home::Home`] starts the real binaries in a home of their own, [`inside::Inside`] runs the
//! real agent in this process, where its clock can be moved. Both scan for leaked secrets when they end.

#![allow(dead_code, reason = "shared by several test programs, none of which needs all of it")]

pub(crate) mod clock;
pub(crate) mod dead_mount;
pub(crate) mod home;
pub(crate) mod inside;
pub(crate) mod leaks;
pub(crate) mod memory;
pub(crate) mod memory_vault;
#[macro_use]
pub(crate) mod needs;
pub(crate) mod pinentry;
pub(crate) mod process;
pub(crate) mod programs;
pub(crate) mod prompter;
pub(crate) mod remote;
pub(crate) mod tiny_disk;
pub(crate) mod tls;
pub(crate) mod window;
pub(crate) mod wire;
