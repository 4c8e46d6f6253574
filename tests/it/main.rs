//! What users rely on, seen from outside: the real binaries, or the real agent on a clock that tests can move, against an
//! AWS that enforces AWS's rules.

mod harness;

mod get;
mod layers;
mod sessions;
