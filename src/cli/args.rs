//! The command line as it is typed: clap types and nothing else.
//!
//! Nothing is looked up, read or checked here beyond the form of a name: a value of the configuration has its one check
//! in `config`, so that a flag and a line of the file are refused with the same words. The doc comments are the help.

mod role;
mod source;

pub(super) use role::{RoleCommand, RoleFlags};
pub(super) use source::SourceArgs;

use crate::domain::catalogue::IdentityKind;
use crate::domain::names::Name;
use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use std::path::PathBuf;

/// One key in the keyring, one MFA prompt a day, every AWS role in every tool, instantly.
#[derive(Debug, Parser)]
#[command(
    name = "rolecall",
    bin_name = "rolecall",
    version,
    subcommand_required = true,
    arg_required_else_help = true,
    infer_long_args = false,
    max_term_width = 100,
    after_help = "\
First steps:
  rolecall identity add auth                               store an access key in the keyring
  rolecall role add prod --source auth --role-arn ARN      say which role it can become
  rolecall profiles sync                                   make it `aws … --profile prod`

Exit codes: 0 ok, 1 failed, 2 usage, 3 configuration, 4 locked or a person is needed,
            5 AWS refused, 6 AWS could not be reached, 7 the agent could not be reached"
)]
pub(super) struct Cli {
    #[command(subcommand)]
    pub(super) command: Command,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Print a role's credentials as a `credential_process` does
    #[command(after_help = "\
Examples:
  rolecall get prod
  credential_process = /usr/bin/rolecall get prod     (in ~/.aws/config; `rolecall profiles sync` writes it)")]
    Get(GetArgs),
    /// Print a role's credentials as variables for a shell
    #[command(after_help = "\
Examples:
  eval \"$(rolecall env prod)\"                                              sh, bash, zsh
  rolecall env prod --format fish | source                                 fish
  rolecall env prod --format powershell | Out-String | Invoke-Expression   PowerShell
  rolecall env prod --format dotenv > .env

The variables do not refresh themselves: AWS_CREDENTIAL_EXPIRATION says when they end.")]
    Env(EnvArgs),
    /// Show identities, roles, sessions, time left and who used them
    #[command(after_help = "\
Examples:
  rolecall status
  rolecall status --json | jq -r '.roles[] | select(.session) | .name'")]
    Status(JsonArgs),
    /// Show the audit log, oldest line first
    #[command(after_help = "\
Examples:
  rolecall log | tail
  rolecall log --follow
  rolecall log --json | jq 'select(.event == \"refuse\")'")]
    Log(LogArgs),
    /// Give an MFA code or the vault's passphrase ahead of time
    #[command(after_help = "\
Examples:
  rolecall unlock                         asks for the code of the only MFA device
  rolecall unlock auth                    asks for the code of this identity's device
  rolecall unlock audit                   the same, for a role with a device or a code of its own
  oathtool --totp -b - < seed | rolecall unlock auth
  rolecall unlock --vault                 asks for the file vault's passphrase")]
    Unlock(UnlockArgs),
    /// Forget every session and passphrase now, cancel every prompt
    #[command(after_help = "\
Example:
  rolecall lock")]
    Lock,
    /// Long-term keys and other sources of credentials
    #[command(
        subcommand,
        after_help = "\
Examples:
  rolecall identity add auth
  rolecall identity list"
    )]
    Identity(IdentityCommand),
    /// Roles that identities and other roles can become
    #[command(
        subcommand,
        after_help = "\
Examples:
  rolecall role add prod --source auth --role-arn arn:aws:iam::222222222222:role/AssumedRole
  rolecall role list"
    )]
    Role(RoleCommand),
    /// Profiles in ~/.aws/config for every role
    #[command(
        subcommand,
        after_help = "\
Examples:
  rolecall profiles diff
  rolecall profiles sync"
    )]
    Profiles(ProfilesCommand),
    /// The agent itself
    #[command(
        subcommand,
        after_help = "\
Examples:
  rolecall agent restart
  rolecall agent run        in the foreground, for systemd or to look at it"
    )]
    Agent(AgentCommand),
    /// Print the completion script of a shell
    #[command(after_help = "\
Examples:
  rolecall completions bash > ~/.local/share/bash-completion/completions/rolecall
  rolecall completions zsh > ~/.zfunc/_rolecall
  rolecall completions fish > ~/.config/fish/completions/rolecall.fish")]
    Completions(CompletionsArgs),
    /// Print the manual page
    #[command(after_help = "\
Examples:
  rolecall man | man -l -
  rolecall man --dir ~/.local/share/man/man1     a page for every command")]
    Man(ManArgs),
}

/// The commands by what one wants, in the order of the help.
pub(super) const GROUPS: [(&str, &[&str]); 4] = [
    ("Credentials", &["get", "env"]),
    ("Every day", &["status", "log", "unlock", "lock"]),
    ("Set-up", &["identity", "role", "profiles"]),
    ("The program", &["agent", "completions", "man", "help"]),
];

#[derive(Debug, Args)]
pub(super) struct GetArgs {
    /// A role or an identity
    pub(super) name: String,
}

#[derive(Debug, Args)]
pub(super) struct EnvArgs {
    /// A role or an identity
    pub(super) name: String,
    /// How to write the variables [default: what $SHELL reads]
    #[arg(long, short, value_enum)]
    pub(super) format: Option<Format>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// sh, bash, zsh, ksh
    Sh,
    /// fish
    Fish,
    /// PowerShell
    #[value(alias = "pwsh")]
    Powershell,
    /// NAME=value lines
    Dotenv,
    /// One JSON object
    Json,
}

#[derive(Debug, Args)]
pub(super) struct JsonArgs {
    /// Print JSON
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, Args)]
pub(super) struct LogArgs {
    /// Stay, and print each line as it is written
    #[arg(long, short)]
    pub(super) follow: bool,
    /// Print the lines as they are in the file, one JSON object each
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, Args)]
pub(super) struct UnlockArgs {
    /// An identity, or a role with a device or a code of its own [default: the only device]
    #[arg(value_parser = name)]
    pub(super) name: Option<Name>,
    /// Open the vault instead
    #[arg(long, conflicts_with = "name")]
    pub(super) vault: bool,
}

#[derive(Debug, Subcommand)]
pub(super) enum IdentityCommand {
    /// Store an access key and write its section; asks AWS whose key it is
    #[command(after_help = "\
The key is asked for on a terminal, else read from standard input: as JSON, also as
`aws iam create-access-key` prints it, or as the CSV of the console. It is never taken
from the command line or the environment.

With --totp the secret of the MFA device is asked for as well, or alone where the vault has
the key already; from standard input it is read as `TotpSecret` of a JSON object.

Examples:
  rolecall identity add auth --mfa-serial arn:aws:iam::111111111111:mfa/richard
  rolecall identity add auth --csv ~/Downloads/richard_accessKeys.csv
  aws iam create-access-key | rolecall identity add auth --replace
  rolecall identity add auth --totp                      the secret as text, or as otpauth:// URI
  rolecall identity add auth --no-totp
  rolecall identity add instance --type ec2 --region eu-west-1
  rolecall identity add ci --type web-identity --web-identity-token-file /run/token \
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
Makes a new key at AWS, stores it beside the old one, tries it out, uses it from then on, and
deactivates and deletes the old one. `get` works all the while. What was broken off, by a crash
or a policy, is finished by running it again. Wherever else the old key is in use, it stops working.

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
pub(super) struct IdentityAddArgs {
    /// What to call it
    #[arg(value_parser = name)]
    pub(super) name: Name,
    /// Read the key from the CSV file that the console offers
    #[arg(long, value_name = "FILE")]
    pub(super) csv: Option<PathBuf>,
    /// Where the credentials come from
    #[arg(long = "type", value_name = "TYPE", value_parser = KINDS.map(IdentityKind::as_str), default_value = "iam-user")]
    pub(super) kind: String,
    /// The MFA device
    #[arg(long, value_name = "ARN")]
    pub(super) mfa_serial: Option<String>,
    /// How long one MFA code lasts, 15m to 36h
    #[arg(long, value_name = "DURATION")]
    pub(super) mfa_session: Option<String>,
    /// The region whose STS is asked, and that tools get
    #[arg(long)]
    pub(super) region: Option<String>,
    /// How old the key may become before `status` warns, as 90d
    #[arg(long, value_name = "DURATION")]
    pub(super) rotate_after: Option<String>,
    /// Take the place of a key that is there already
    #[arg(long)]
    pub(super) replace: bool,
    /// Keep the secret of the MFA device beside the key, so that nobody is asked for codes
    #[arg(long)]
    pub(super) totp: bool,
    /// Remove that secret again; the key stays
    #[arg(long, conflicts_with_all = ["totp", "csv", "mfa_serial", "mfa_session", "region", "replace"])]
    pub(super) no_totp: bool,
    /// Do not ask whether both factors may lie in one place
    #[arg(long, short, requires = "totp")]
    pub(super) yes: bool,
    #[command(flatten)]
    pub(super) source: SourceArgs,
}

const KINDS: [IdentityKind; 6] = [
    IdentityKind::IamUser,
    IdentityKind::Ec2,
    IdentityKind::Ecs,
    IdentityKind::Environment,
    IdentityKind::WebIdentity,
    IdentityKind::Process,
];

#[derive(Debug, Args)]
pub(super) struct IdentityRotateArgs {
    /// Which one
    #[arg(value_parser = name)]
    pub(super) name: Name,
    /// Delete this second key of the user first: AWS allows two
    #[arg(long, value_name = "KEYID")]
    pub(super) delete: Option<String>,
    /// Do not ask
    #[arg(long, short)]
    pub(super) yes: bool,
    /// Print JSON
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, Args)]
pub(super) struct IdentityRemoveArgs {
    /// Which one
    #[arg(value_parser = name)]
    pub(super) name: Name,
    /// Do not ask
    #[arg(long, short)]
    pub(super) yes: bool,
}

#[derive(Debug, Args)]
pub(super) struct ShowArgs {
    /// Which one
    #[arg(value_parser = name)]
    pub(super) name: Name,
    /// Print JSON
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, Subcommand)]
pub(super) enum ProfilesCommand {
    /// Write a profile for every role, between rolecall's own markers
    #[command(after_help = "\
What stands outside `# >>> rolecall >>>` and `# <<< rolecall <<<` is not touched.

Example:
  rolecall profiles sync && aws sts get-caller-identity --profile prod")]
    Sync(JsonArgs),
    /// Show what `sync` would change
    #[command(after_help = "\
Example:
  rolecall profiles diff")]
    Diff(JsonArgs),
}

#[derive(Debug, Subcommand)]
pub(super) enum AgentCommand {
    /// Run the agent in the foreground
    #[command(after_help = "\
Example:
  rolecall agent run")]
    Run,
    /// Start the agent in the background, if none runs
    #[command(after_help = "\
Example:
  rolecall agent start")]
    Start,
    /// End the agent; its sessions are forgotten
    #[command(after_help = "\
Example:
  rolecall agent stop")]
    Stop,
    /// End the agent and start it anew, as after an update
    #[command(after_help = "\
Example:
  rolecall agent restart")]
    Restart,
}

#[derive(Debug, Args)]
pub(super) struct CompletionsArgs {
    /// Which shell
    #[arg(value_enum)]
    pub(super) shell: Shell,
}

#[derive(Debug, Args)]
pub(super) struct ManArgs {
    /// Write the pages of all commands into this directory
    #[arg(long, value_name = "DIR")]
    pub(super) dir: Option<PathBuf>,
}

impl Command {
    /// Gives the identity or role that the command is about, for its error messages.
    pub(super) fn subject(&self) -> Option<String> {
        let name = match self {
            Self::Get(GetArgs { name }) | Self::Env(EnvArgs { name, .. }) => name.as_str(),
            Self::Unlock(UnlockArgs { name, .. }) => name.as_ref()?.as_str(),
            Self::Identity(IdentityCommand::Add(args)) => args.name.as_str(),
            Self::Identity(IdentityCommand::Remove(args)) => args.name.as_str(),
            Self::Identity(IdentityCommand::Show(args)) | Self::Role(RoleCommand::Show(args)) => args.name.as_str(),
            Self::Role(RoleCommand::Add(args)) => args.name.as_str(),
            Self::Role(RoleCommand::Remove(args)) => args.name.as_str(),
            _ => return None,
        };
        Some(name.to_owned())
    }
}

fn name(text: &str) -> Result<Name, &'static str> {
    Name::new(text)
}
