//! The flags of an identity without a stored key: one per key of the configuration.

use clap::Args;

#[derive(Debug, Default, Args)]
pub(crate) struct SourceArgs {
    /// Type ec2: where the instance metadata service is
    #[arg(long, value_name = "URL", help_heading = "Without a stored key")]
    pub(crate) ec2_metadata_service_endpoint: Option<String>,
    /// Type ecs: the path at ECS's own address
    #[arg(long, value_name = "PATH", help_heading = "Without a stored key")]
    pub(crate) container_credentials_relative_uri: Option<String>,
    /// Type ecs: the whole address
    #[arg(long, value_name = "URL", help_heading = "Without a stored key")]
    pub(crate) container_credentials_full_uri: Option<String>,
    /// Type ecs: the file whose content is sent as authorization
    #[arg(long, value_name = "FILE", help_heading = "Without a stored key")]
    pub(crate) container_authorization_token_file: Option<String>,
    /// Type web-identity: the file with the identity provider's token
    #[arg(long, value_name = "FILE", help_heading = "Without a stored key")]
    pub(crate) web_identity_token_file: Option<String>,
    /// Type web-identity: the role that the token is traded for
    #[arg(long, value_name = "ARN", help_heading = "Without a stored key")]
    pub(crate) role_arn: Option<String>,
    /// Type web-identity: how sessions are called in CloudTrail
    #[arg(long, value_name = "NAME", help_heading = "Without a stored key")]
    pub(crate) role_session_name: Option<String>,
    /// Type web-identity: how long a session lasts, 15m to 12h
    #[arg(long, value_name = "DURATION", help_heading = "Without a stored key")]
    pub(crate) duration: Option<String>,
    /// Type process: the program that prints credentials, by its whole path, and its arguments
    #[arg(last = true, value_name = "PROGRAM", help_heading = "Without a stored key")]
    pub(crate) program: Vec<String>,
}
