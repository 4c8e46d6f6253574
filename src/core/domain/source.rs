//! Where an identity gets its credentials: the kinds of identities, the facts in which they differ, and their settings.
//!
//! Pure data. The configuration, plans, the agent, the commands and the documentation read [`KindFacts`] instead of comparing
//! kinds. The settings are part of the key of a session. The adapters of the sources request the credentials.

use super::arn::RoleArn;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// The default address of the instance metadata service.
pub const METADATA_ENDPOINT: &str = "http://169.254.169.254";

/// The environment of a running agent does not change.
const RESTART: &str =
    "start the agent anew where the variables are of today: `rolecall agent stop`, then `rolecall agent run`";

/// A kind of identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum IdentityKind {
    /// An access key in the vault.
    IamUser,
    /// The instance metadata service.
    Ec2,
    /// The container endpoint of ECS or EKS.
    Ecs,
    /// The environment of the agent.
    Environment,
    /// A token file and AssumeRoleWithWebIdentity.
    WebIdentity,
    /// The `credential_process` of another program.
    Process,
}

/// The facts in which the kinds of identities differ.
#[derive(Clone, Copy, Debug, Default)]
pub struct KindFacts {
    /// The value of `type` in config.toml, and the name of the kind in texts and JSON.
    pub name: &'static str,
    /// Where the credentials come from, as in docs/configuration.md.
    pub credentials: &'static str,
    /// Whether the vault contains its long-term key. Only such a key is rotated. It signs the first AssumeRole itself, so that
    /// a role can last longer than an hour.
    pub has_stored_key: bool,
    /// Whether it can provide the long-term key of an IAM user. AWS accepts MFA codes only with such a key.
    pub takes_codes: bool,
    /// Whether a person can sign in to the console as this identity and switch roles there.
    pub signs_in_to_console: bool,
    /// The keys in config.toml that only this kind has.
    pub keys: &'static [&'static str],
    /// The value of `credential_source` in the AWS files.
    pub credential_source: Option<&'static str>,
    /// The hint for an expired session, if a retry does not help.
    pub expired_hint: Option<&'static str>,
}

impl IdentityKind {
    /// Every kind, in the order of lists for people.
    pub const ALL: [Self; 6] =
        [Self::IamUser, Self::Ec2, Self::Ecs, Self::Environment, Self::WebIdentity, Self::Process];

    /// Returns the facts of the kind.
    pub fn facts(self) -> KindFacts {
        match self {
            Self::IamUser => KindFacts {
                name: "iam-user",
                credentials: "an access key in the vault",
                has_stored_key: true,
                takes_codes: true,
                signs_in_to_console: true,
                ..KindFacts::default()
            },
            Self::Ec2 => KindFacts {
                name: "ec2",
                credentials: "the role of the EC2 instance, from the instance metadata service (IMDSv2)",
                keys: &["ec2_metadata_service_endpoint"],
                credential_source: Some("Ec2InstanceMetadata"),
                ..KindFacts::default()
            },
            Self::Ecs => KindFacts {
                name: "ecs",
                credentials: "the role of the ECS task or EKS pod, from the container endpoint",
                keys: &[
                    "container_credentials_relative_uri",
                    "container_credentials_full_uri",
                    "container_authorization_token_file",
                ],
                credential_source: Some("EcsContainer"),
                ..KindFacts::default()
            },
            Self::Environment => KindFacts {
                name: "environment",
                credentials: "`AWS_ACCESS_KEY_ID` and its companions in the environment of the agent",
                takes_codes: true,
                credential_source: Some("Environment"),
                expired_hint: Some(RESTART),
                ..KindFacts::default()
            },
            Self::WebIdentity => KindFacts {
                name: "web-identity",
                credentials: "a token file of an identity provider, exchanged by AssumeRoleWithWebIdentity",
                keys: &["web_identity_token_file", "role_arn", "role_session_name", "duration"],
                ..KindFacts::default()
            },
            Self::Process => KindFacts {
                name: "process",
                credentials: "the output of a program",
                takes_codes: true,
                keys: &["credential_process"],
                ..KindFacts::default()
            },
        }
    }

    /// Returns the value of `type` in the configuration.
    pub fn as_str(self) -> &'static str {
        self.facts().name
    }

    /// Returns the kind with this value of `type`.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }
}

/// A source of credentials, with all its settings.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Source {
    /// The instance metadata service.
    Ec2(Ec2),
    /// The container endpoint.
    Ecs(Ecs),
    /// `AWS_ACCESS_KEY_ID` and its companions in the environment of the agent.
    Environment(Environment),
    /// A program that prints credentials.
    Process(Process),
    /// A token of an identity provider, exchanged for a session of a role.
    WebIdentity(WebIdentity),
}

/// The instance metadata service.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Ec2 {
    /// Its URL.
    pub endpoint: String,
}

/// The container endpoint.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Ecs {
    /// Its address; by default that in the environment of the agent.
    pub uri: Option<ContainerUri>,
    /// The file whose content is sent as authorization. It is read for each request.
    pub token_file: Option<PathBuf>,
}

/// The address of a container endpoint.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ContainerUri {
    /// The whole URL.
    Full(String),
    /// A path at 169.254.170.2.
    Relative(String),
}

/// The environment of the agent.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Environment;

/// A program that prints credentials.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Process {
    /// The program, an absolute path, and its arguments.
    pub argv: Vec<String>,
}

/// The parameters of AssumeRoleWithWebIdentity, without the token.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct WebIdentity {
    /// The file that contains the token. It is read for each call.
    pub token_file: PathBuf,
    /// The role.
    pub role_arn: RoleArn,
    /// The name of the session; if `None`, the agent makes one.
    pub session_name: Option<String>,
    /// How long the session lasts.
    pub duration: Duration,
}

/// Names the source in a sentence, as in "the … gives".
impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ec2(Ec2 { endpoint }) => {
                write!(f, "the instance metadata service at {}", endpoint.strip_prefix("http://").unwrap_or(endpoint))
            }
            Self::Ecs(_) => f.write_str("the container endpoint"),
            Self::Environment(_) => f.write_str("the agent's environment"),
            Self::Process(Process { argv }) => {
                write!(f, "the program {}", super::error::printable(argv.first().map_or("", String::as_str), 200))
            }
            Self::WebIdentity(_) => f.write_str("the identity provider's token"),
        }
    }
}

impl Source {
    /// Returns the kind of the identities that have this source.
    pub const fn kind(&self) -> IdentityKind {
        match self {
            Self::Ec2(_) => IdentityKind::Ec2,
            Self::Ecs(_) => IdentityKind::Ecs,
            Self::Environment(_) => IdentityKind::Environment,
            Self::Process(_) => IdentityKind::Process,
            Self::WebIdentity(_) => IdentityKind::WebIdentity,
        }
    }

    /// Returns its settings by their keys in the configuration, for people. The arguments of a program are left out: only the
    /// configuration shows them, because they can contain secrets.
    pub fn settings(&self) -> Vec<(&'static str, String)> {
        let path = |path: &PathBuf| path.display().to_string();
        match self {
            Self::Ec2(Ec2 { endpoint }) => {
                vec![("ec2_metadata_service_endpoint", endpoint.clone())]
            }
            Self::Ecs(Ecs { uri, token_file }) => {
                let uri = uri.as_ref().map(|uri| match uri {
                    ContainerUri::Full(uri) => ("container_credentials_full_uri", uri.clone()),
                    ContainerUri::Relative(path) => ("container_credentials_relative_uri", path.clone()),
                });
                let token = token_file.as_ref().map(|file| ("container_authorization_token_file", path(file)));
                uri.into_iter().chain(token).collect()
            }
            Self::Environment(_) => Vec::new(),
            Self::Process(Process { argv }) => {
                vec![("credential_process", argv.first().cloned().unwrap_or_default())]
            }
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
        let ecs = |uri| Source::Ecs(Ecs { uri, token_file: Some("/run/auth".into()) });
        let (full, relative) = (ContainerUri::Full("http://[::1]/c".into()), ContainerUri::Relative("/v2".into()));
        let auth = "container_authorization_token_file=/run/auth";
        for (source, name, settings) in [
            (
                Source::Ec2(Ec2 { endpoint: METADATA_ENDPOINT.into() }),
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
            (Source::Environment(Environment), "the agent's environment", String::new()),
            (
                Source::Process(Process { argv: vec!["/bin/get".into(), "--token=x".into()] }),
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
            assert!(!source.kind().facts().has_stored_key);
            for (key, _) in source.settings() {
                assert!(source.kind().facts().keys.contains(&key), "{key} is a key of {source}");
            }
            let shown: Vec<_> = source.settings().iter().map(|(key, value)| format!("{key}={value}")).collect();
            assert_eq!(shown.join(" "), settings);
        }
    }

    #[test]
    fn docs_describe_every_kind_and_its_keys() {
        let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/configuration.md");
        let page = std::fs::read_to_string(file).expect("the page");
        for facts in IdentityKind::ALL.map(IdentityKind::facts) {
            let (name, yes) = (facts.name, |is: bool| if is { "yes" } else { "no" });
            assert!(!name.is_empty() && !facts.credentials.is_empty(), "{facts:?}");
            let (key, codes) = (yes(facts.has_stored_key), yes(facts.takes_codes));
            let row = format!("| `{name}` | {} | {key} | {codes} |\n", facts.credentials);
            assert!(page.contains(&row), "docs/configuration.md has no row {row}");
            for key in facts.keys {
                assert!(page.contains(&format!("| `{key}` | `{name}` |")), "docs/configuration.md: {key}");
            }
        }
    }

    #[test]
    fn foreign_tools_have_the_names_and_collections_of_their_own_sources() {
        let shown = ForeignTool::ALL.map(|tool| (tool.as_str(), tool.collection()));
        assert_eq!(shown, [("aws-vault", "awsvault"), ("granted", "granted-aws-iam-credentials")]);
    }
}
