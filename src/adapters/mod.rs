//! The real world behind the [`ports`](crate::ports): where keys rest, who issues sessions, what the place gives, and what time it is.
//!
//! Adapters know the ports and the domain; nothing but the main of the agent knows adapters.

pub mod clock;
pub mod pinentry;
pub mod sources;
pub mod sts;
pub mod vault;
