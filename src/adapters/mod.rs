//! What stands behind the ports: the real STS.

pub mod sts;
