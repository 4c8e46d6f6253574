//! `identity` as it is typed.

use super::values::{JsonArgs, ShowArgs, name};
use clap::builder::{PossibleValuesParser, StringValueParser, TypedValueParser};
use clap::{Args, Subcommand};
use rolecall_core::domain::names::Name;
use rolecall_core::domain::source::IdentityKind;
use serde::Serialize;
use std::path::PathBuf;

#[derive(Debug, Subcommand)]
pub(crate) enum IdentityCommand {
    /// Store an access key and write its section; asks AWS whose key it is
    #[command(after_help = "\
The key is asked for on a terminal, else read from standard input: as JSON, also as `aws iam create-access-key` prints it, or as the CSV of the console. It is never taken from the command line or the environment.

With --totp the secret of the MFA device is asked for as well, or alone where the vault has the key already; from standard input it is read as `TotpSecret` of a JSON object.

Examples:
  rolecall identity add auth --mfa-serial arn:aws:iam::111111111111:mfa/richard
  rolecall identity add auth --csv ~/Downloads/richard_accessKeys.csv
  aws iam create-access-key | rolecall identity add auth --replace
  rolecall identity add auth --totp                      the secret as text, or as otpauth:// URI
  rolecall identity add auth --no-totp
  rolecall identity add instance --type ec2 --region eu-west-1
  rolecall identity add ci --type web-identity --web-identity-token-file /run/token \\
    --role-arn arn:aws:iam::222222222222:role/Deploy
  rolecall identity add corp --type process -- /usr/local/bin/corp-login --profile dev")]
    Add(Box<IdentityAddArgs>),
    /// List identities and their keys
    #[command(after_help = "\
Examples:
  rolecall identity list
  rolecall identity list --json | jq -r '.[].arn'")]
    List(JsonArgs),
    /// Show one identity and the roles it reaches
    #[command(after_help = "\
Example:
  rolecall identity show auth")]
    Show(ShowArgs),
    /// Put a new access key in the place of an identity's
    #[command(after_help = "\
Makes a new key at AWS, stores it beside the old one, tries it out, uses it from then on, and deactivates and deletes the old one. `get` works all the while. Ctrl-C ends this command only: the agent goes on with what it has begun. What was broken off, by a crash or a policy, is finished by running it again. Wherever else the old key is in use, it stops working.

Examples:
  rolecall identity rotate auth
  rolecall identity rotate auth --yes --json
  rolecall identity rotate auth --delete AKIAIOSFODNN7EXAMPLE    makes room where there are two keys")]
    Rotate(IdentityRotateArgs),
    /// Delete an identity: its key in the vault, its sessions and its section
    #[command(after_help = "\
The key itself stays valid at AWS: delete it there with `aws iam delete-access-key`.

Examples:
  rolecall identity remove auth
  rolecall identity remove auth --yes")]
    Remove(IdentityRemoveArgs),
}

#[expect(clippy::struct_excessive_bools, reason = "flags as they are typed, which clap gives as bools")]
#[derive(Debug, Args)]
pub(crate) struct IdentityAddArgs {
    /// What to call it
    #[arg(value_parser = name)]
    pub(crate) name: Name,
    /// Read the key from the CSV file that the console offers
    #[arg(long, value_name = "FILE")]
    pub(crate) csv: Option<PathBuf>,
    /// Where the credentials come from
    #[arg(long = "type", value_name = "TYPE", value_parser = kind(), default_value = IdentityKind::IamUser.as_str())]
    pub(crate) kind: IdentityKind,
    /// The MFA device
    #[arg(long, value_name = "ARN")]
    pub(crate) mfa_serial: Option<String>,
    /// How long one MFA code lasts, 15m to 36h
    #[arg(long, value_name = "DURATION")]
    pub(crate) mfa_session: Option<String>,
    /// The region whose STS is asked, and that tools get
    #[arg(long)]
    pub(crate) region: Option<String>,
    /// How old the key may become before `status` warns, as 90d
    #[arg(long, value_name = "DURATION")]
    pub(crate) rotate_after: Option<String>,
    /// Take the place of a key that is there already
    #[arg(long)]
    pub(crate) replace: bool,
    /// Keep the secret of the MFA device beside the key, so that nobody is asked for codes
    #[arg(long)]
    pub(crate) totp: bool,
    /// Remove that secret again; the key stays
    #[arg(long, conflicts_with_all = [
        "totp", "csv", "kind", "mfa_serial", "mfa_session", "region", "rotate_after", "replace", "SourceArgs",
    ])]
    pub(crate) no_totp: bool,
    /// Do not ask whether both factors may lie in one place
    #[arg(long, short, requires = "totp")]
    pub(crate) yes: bool,
    #[command(flatten)]
    pub(crate) source: SourceArgs,
}

fn kind() -> impl TypedValueParser<Value = IdentityKind> {
    let names = PossibleValuesParser::new(IdentityKind::ALL.map(IdentityKind::as_str));
    names.map(|name| IdentityKind::named(&name).expect("the parser accepts names of kinds only"))
}

/// Makes a path absolute. The agent opens the file later, from another directory.
fn absolute() -> impl TypedValueParser<Value = String> {
    StringValueParser::new().map(|path| {
        let absolute = std::path::absolute(&path).ok();
        absolute.and_then(|path| path.into_os_string().into_string().ok()).unwrap_or(path)
    })
}

#[derive(Debug, Args)]
pub(crate) struct IdentityRotateArgs {
    /// Which one
    #[arg(value_parser = name)]
    pub(crate) name: Name,
    /// Delete this second key of the user first: AWS allows two
    #[arg(long, value_name = "KEYID")]
    pub(crate) delete: Option<String>,
    /// Do not ask
    #[arg(long, short)]
    pub(crate) yes: bool,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct IdentityRemoveArgs {
    /// Which one
    #[arg(value_parser = name)]
    pub(crate) name: Name,
    /// Do not ask
    #[arg(long, short)]
    pub(crate) yes: bool,
}

/// The keys of [`IdentityKind::facts`] as flags. They are serialized as these keys.
#[derive(Debug, Default, Args, Serialize)]
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
    #[arg(long, value_name = "FILE", value_parser = absolute(), help_heading = "Without a stored key")]
    pub(crate) container_authorization_token_file: Option<String>,
    /// Type web-identity: the file with the identity provider's token
    #[arg(long, value_name = "FILE", value_parser = absolute(), help_heading = "Without a stored key")]
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
    #[serde(rename = "credential_process", skip_serializing_if = "Vec::is_empty")]
    pub(crate) program: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::{Command, CommandFactory, FromArgMatches, Parser};
    use std::collections::BTreeSet;

    #[derive(Parser)]
    struct Flags {
        #[command(flatten)]
        source: SourceArgs,
    }

    #[test]
    fn each_key_of_a_kind_has_a_flag_that_names_the_kind() {
        let command: Command = Flags::command();
        let mut described = BTreeSet::new();
        for facts in IdentityKind::ALL.map(IdentityKind::facts) {
            for key in facts.keys {
                let flag = command.get_arguments().find(|arg| match arg.get_long() {
                    Some(long) => long.replace('-', "_") == *key,
                    None => *key == "credential_process",
                });
                let flag = flag.unwrap_or_else(|| panic!("no flag for {key}"));
                let help = flag.get_help().expect("a help").to_string();
                assert!(help.starts_with(&format!("Type {}: ", facts.name)), "{key}: {help}");
                described.insert(flag.get_id());
            }
        }
        let others = command.get_arguments().filter(|arg| !described.contains(arg.get_id()));
        assert_eq!(others.filter(|arg| arg.get_id() != "help").count(), 0);
        let typed = ["x", "--duration", "2h", "--role-arn", "A", "--", "/bin/login", "-v"];
        let flags = Flags::from_arg_matches(&command.get_matches_from(typed)).expect("parsed");
        let keys = toml::Table::try_from(&flags.source).expect("a table");
        assert_eq!(keys.keys().collect::<Vec<_>>(), ["role_arn", "duration", "credential_process"]);
    }
}
