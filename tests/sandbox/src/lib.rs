//! An AWS on loopback that enforces AWS's rules.
//!
//! It is no stub: signatures, policies, sessions, one-time codes and limits are decided as AWS decides them, so that a
//! client that is wrong fails here as it would there. It keeps everything in memory, listens on 127.0.0.1 only, and lives
//! by a clock that tests move.
//!
//! The way of a request: `server` reads it, `signature` and `request` say what it presents and asks for, a gate may
//! hold it, a fault may befall it, `authenticate` finds the caller, then `sts`, `iam`, `s3` or `kms` decide with `authority` and
//! `policy` over the `world`. What speaks without a signature, `imds`, `container` and `signin`, is found by its path. A further
//! service is a module beside those and an arm in `server`; a further operation of IAM is a function in a file of `iam` and
//! its line in `iam::handle`. What IAM has changed may be late to be seen: `unsettled` remembers what was there before.

mod answer;
mod authenticate;
mod authority;
mod call;
mod caller;
mod clock;
mod container;
mod error;
mod exchange;
mod fault;
mod gate;
mod iam;
mod imds;
mod kms;
mod mfa;
mod mint;
mod oidc;
mod parameters;
mod place;
mod policy;
mod query;
mod request;
mod s3;
mod sandbox;
mod server;
mod shared;
mod signature;
mod signin;
mod state;
mod sts;
mod unsettled;
pub mod world;
mod xml;

pub use self::call::Call;
pub use self::caller::SessionCredentials;
pub use self::clock::Clock;
pub use self::fault::{Fault, FaultKind, Match};
pub use self::gate::Hold;
pub use self::policy::{MalformedPolicy, Policy};
pub use self::sandbox::Sandbox;
pub use self::signin::SignIn;
pub use self::world::{
    AccessKey, Account, Bucket, Delay, Instance, InstanceProfile, KeyStatus, LastUse, ManagedPolicy, MfaDevice,
    OidcProvider, Permissions, PolicyVersion, Propagation, Quotas, Role, Tags, Task, User, World, tutorials,
};
