//! Sessions over HTTP: what SDKs are told, who is told nothing, and what outlives what.

mod client;
mod container;
mod owner;
