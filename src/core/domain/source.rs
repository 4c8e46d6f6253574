//! Where an identity without a stored key gets its credentials: the settings of each kind.
//!
//! Pure data, and part of what makes one session differ from another. Asking is the work of an adapter, which alone knows
//! the network, files, programs and the agent's environment.

use super::arn::RoleArn;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// Where the instance metadata service is, where nothing is said.
pub const METADATA_ENDPOINT: &str = "http://169.254.169.254";

/// A source of credentials, with all its settings.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Source {
    /// The role of the EC2 instance, by the instance metadata service.
    Ec2 {
        /// Where that service is.
        endpoint: String,
    },
    /// The role of the ECS task or EKS pod, by the container endpoint.
    Ecs {
        /// The path at ECS's own address, or the whole address; the agent's environment says it where this does not.
        uri: Option<ContainerUri>,
        /// The file whose content is sent as authorization, read anew each time.
        token_file: Option<PathBuf>,
    },
    /// `AWS_ACCESS_KEY_ID` and its companions in the agent's own environment.
    Environment,
    /// A program that prints credentials.
    Process {
        /// The program, an absolute path, and its arguments.
        argv: Vec<String>,
    },
    /// A token of an identity provider, traded for a session of a role.
    WebIdentity(WebIdentity),
}

/// Where a container endpoint is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ContainerUri {
    /// The whole address.
    Full(String),
    /// A path at 169.254.170.2.
    Relative(String),
}

/// What AssumeRoleWithWebIdentity is told, without the token.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct WebIdentity {
    /// The file that holds the token, read anew for each call.
    pub token_file: PathBuf,
    /// The role.
    pub role_arn: RoleArn,
    /// The session's name; `None` lets the agent make one.
    pub session_name: Option<String>,
    /// How long the session lasts.
    pub duration: Duration,
}

/// Names the source in a sentence, as "the … gives".
impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ec2 { endpoint } => {
                write!(f, "the instance metadata service at {}", endpoint.strip_prefix("http://").unwrap_or(endpoint))
            }
            Self::Ecs { .. } => f.write_str("the container endpoint"),
            Self::Environment => f.write_str("the agent's environment"),
            Self::Process { argv } => {
                write!(f, "the program {}", super::error::printable(argv.first().map_or("", String::as_str), 200))
            }
            Self::WebIdentity(_) => f.write_str("the identity provider's token"),
        }
    }
}

impl Source {
    /// Gives its settings under their names in the configuration, for people. A program's arguments are left out: they
    /// are the configuration's to show, and may say more than others need to see.
    pub fn settings(&self) -> Vec<(&'static str, String)> {
        let path = |path: &PathBuf| path.display().to_string();
        match self {
            Self::Ec2 { endpoint } => vec![("ec2_metadata_service_endpoint", endpoint.clone())],
            Self::Ecs { uri, token_file } => {
                let uri = uri.as_ref().map(|uri| match uri {
                    ContainerUri::Full(uri) => ("container_credentials_full_uri", uri.clone()),
                    ContainerUri::Relative(path) => ("container_credentials_relative_uri", path.clone()),
                });
                let token = token_file.as_ref().map(|file| ("container_authorization_token_file", path(file)));
                uri.into_iter().chain(token).collect()
            }
            Self::Environment => Vec::new(),
            Self::Process { argv } => vec![("credential_process", argv.first().cloned().unwrap_or_default())],
            Self::WebIdentity(call) => {
                vec![("web_identity_token_file", path(&call.token_file)), ("role_arn", call.role_arn.to_string())]
            }
        }
    }
}

/// A tool whose entries in the keyring can be imported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ForeignTool {
    /// aws-vault, by 99designs and ByteNess.
    AwsVault,
    /// Granted, by Common Fate and fwd:cloudsec.
    Granted,
}

impl ForeignTool {
    /// Every tool.
    pub const ALL: [Self; 2] = [Self::AwsVault, Self::Granted];

    /// Returns the name of the tool, as in its commands.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AwsVault => "aws-vault",
            Self::Granted => "granted",
        }
    }

    /// Returns its collection in the Secret Service: `LibSecretCollectionName` of aws-vault (ByteNess/aws-vault,
    /// cli/global.go); `granted-` and the suffix of the IAM credentials of Granted (common-fate/granted,
    /// pkg/securestorage/iam-credential-storage.go).
    pub const fn collection(self) -> &'static str {
        match self {
            Self::AwsVault => "awsvault",
            Self::Granted => "granted-aws-iam-credentials",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_show_their_settings_and_no_arguments() {
        let role = RoleArn::new("arn:aws:iam::222222222222:role/A").expect("valid");
        let web = WebIdentity {
            token_file: "/run/token".into(),
            role_arn: role,
            session_name: None,
            duration: Duration::from_hours(1),
        };
        let ecs = |uri| Source::Ecs { uri, token_file: Some("/run/auth".into()) };
        let (full, relative) = (ContainerUri::Full("http://[::1]/c".into()), ContainerUri::Relative("/v2".into()));
        let auth = "container_authorization_token_file=/run/auth";
        for (source, name, settings) in [
            (
                Source::Ec2 { endpoint: METADATA_ENDPOINT.into() },
                "the instance metadata service at 169.254.169.254",
                "ec2_metadata_service_endpoint=http://169.254.169.254".to_owned(),
            ),
            (ecs(None), "the container endpoint", auth.to_owned()),
            (
                ecs(Some(full)),
                "the container endpoint",
                format!("container_credentials_full_uri=http://[::1]/c {auth}"),
            ),
            (ecs(Some(relative)), "the container endpoint", format!("container_credentials_relative_uri=/v2 {auth}")),
            (Source::Environment, "the agent's environment", String::new()),
            (
                Source::Process { argv: vec!["/bin/get".into(), "--token=x".into()] },
                "the program /bin/get",
                "credential_process=/bin/get".to_owned(),
            ),
            (
                Source::WebIdentity(web),
                "the identity provider's token",
                "web_identity_token_file=/run/token role_arn=arn:aws:iam::222222222222:role/A".to_owned(),
            ),
        ] {
            assert_eq!(source.to_string(), name);
            let shown: Vec<_> = source.settings().iter().map(|(key, value)| format!("{key}={value}")).collect();
            assert_eq!(shown.join(" "), settings);
        }
    }

    #[test]
    fn foreign_tools_have_the_names_and_collections_of_their_own_sources() {
        let shown = ForeignTool::ALL.map(|tool| (tool.as_str(), tool.collection()));
        assert_eq!(shown, [("aws-vault", "awsvault"), ("granted", "granted-aws-iam-credentials")]);
    }
}
