//! Sessions over HTTP: what SDKs are told, who is told nothing, and what outlives what.

mod bad;
mod browser;
mod client;
mod container;
mod imds;
mod owner;
mod restart;
mod state;
