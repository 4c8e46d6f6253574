//! The paths of the container credential endpoint, which the agent serves and the client writes into an environment.

/// A role is served below this path. Ruby rejects an empty path, and the name shows in an SDK's error.
pub const ROLE_PATH: &str = "/role/";

/// The metadata service of a container endpoint is served below this path and the token.
pub const METADATA_PATH: &str = "/metadata/";
