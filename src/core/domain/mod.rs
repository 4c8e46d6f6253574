//! What the words mean: names, ARNs, secrets, credentials, plans and reports.
//!
//! Pure: functions of their input. Nothing here reads a clock, the environment, a file or a socket, and nothing here
//! knows the AWS SDK, tokio or the shape of the configuration file. Everything else may import this; this imports nobody.

pub mod arn;
pub mod catalogue;
pub mod config_rules;
pub mod console;
pub mod credential;
pub mod diagnosis;
pub mod error;
pub mod names;
pub mod palette;
pub mod plan;
pub mod plan_summary;
pub mod question;
pub mod regions;
pub mod remedy;
pub mod restricted_socket;
pub mod secret;
pub mod source;
pub mod switch_role;
pub mod text;
pub mod totp;
pub mod urls;
