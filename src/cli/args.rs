//! The command line as it is typed: clap types and nothing else.
//!
//! Nothing is looked up, read or checked here beyond the form of a name: a value of the configuration has its one check
//! in `config`, so that a flag and a line of the file are refused with the same words. The doc comments are the help.

mod agent;
mod identity;
mod launch;
mod role;
mod setup;
mod values;

pub(super) use agent::{AgentCommand, InstallArgs, SocketAddArgs, SocketCommand, UninstallArgs};
#[cfg(test)]
pub(super) use identity::SourceArgs;
pub(super) use identity::{IdentityAddArgs, IdentityCommand, IdentityRemoveArgs, IdentityRotateArgs};
pub(super) use launch::{
    ConsoleArgs, ExecArgs, ImdsArgs, InitArgs, InitShell, Inner, NamesArgs, PromptArgs, SubshellArgs, SwitchLinkArgs,
    VariablesArgs, WayArgs,
};
pub(super) use role::{RoleCommand, RoleFlags, RolesArgs};
pub(super) use setup::{
    PlanForm, PlanSide, SetupChangeArgs, SetupCommand, SetupPlanArgs, SetupService, SetupTrust, WishArgs,
};
pub(super) use values::ShowArgs;

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use rolecall_core::domain::names::Name;
use std::path::PathBuf;
use values::{JsonArgs, name};

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
  rolecall init                                            leads through them: import, or these three
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
  rolecall env prod --format json | jq -r .AWS_ACCESS_KEY_ID
  eval \"$(rolecall env --unset)\"                                           as before

Whatever else in the environment says who one is goes first. The variables do not refresh themselves: AWS_CREDENTIAL_EXPIRATION says when they end.")]
    Env(EnvArgs),
    /// Run a command in a role, with credentials that refresh themselves
    #[command(after_help = "\
Examples:
  rolecall exec prod -- aws s3 ls
  rolecall exec prod -- terraform apply
  rolecall exec --static prod -- s3cmd ls        for tools that read nothing but plain variables

The command takes the place of rolecall: its signals, its exit code and its terminal are its own. It is 127 where there is no such command and 126 where it cannot be run.")]
    Exec(ExecArgs),
    /// Open a shell in a role, with credentials that refresh themselves
    #[command(after_help = "\
Examples:
  rolecall shell prod        `exit` goes back
  SHELL=/usr/bin/fish rolecall shell prod")]
    Shell(SubshellArgs),
    /// Serve a role as an instance metadata service (IMDSv2), until it is interrupted
    #[command(after_help = "\
Examples:
  rolecall imds prod
  rolecall imds prod --port 9911

Whatever program of yours reaches the port is served. `rolecall exec` has a token, and is to be preferred.")]
    Imds(ImdsArgs),
    /// Print the role of this shell and the time that is left, for a prompt
    #[command(after_help = "\
Examples:
  PS1='$(rolecall prompt --format \"[{}] \")\\w\\$ '     bash
  rolecall prompt --long

Prints nothing outside of a role. It never starts the agent and never waits for it.")]
    Prompt(PromptArgs),
    /// Sign the browser in to the AWS console
    #[command(after_help = "\
Examples:
  rolecall console prod
  rolecall console prod --service s3 --region eu-central-1
  rolecall console prod --print                      the address, for a browser elsewhere")]
    Console(ConsoleArgs),
    /// Print the link by which the console switches to a role
    #[command(after_help = "\
The link is no secret: it holds account, role, display name and colour. Whoever follows it must be signed in to the console as the user that the role trusts, with MFA if the role asks for it.

Example:
  rolecall switch-link prod")]
    SwitchLink(SwitchLinkArgs),
    /// List the roles, for people and for other tools; `role list` is the same
    #[command(after_help = role::ROLES_EXAMPLES)]
    Roles(RolesArgs),
    /// Show identities, roles, sessions, time left and who used them
    #[command(after_help = "\
Examples:
  rolecall status
  rolecall status --watch                 drawn anew each second; q leaves
  rolecall status --json | jq -r '.roles[] | select(.session) | .name'")]
    Status(StatusArgs),
    /// Show the audit log, oldest line first
    #[command(after_help = "\
Examples:
  rolecall log | tail
  rolecall log --follow
  rolecall log --role prod --since 2h
  rolecall log --json | jq 'select(.event == \"refuse\")'")]
    Log(LogArgs),
    /// Find the broken link of a chain, and what exactly to change
    #[command(after_help = "\
Examples:
  rolecall doctor prod
  rolecall doctor                            every chain, 16 at most
  rolecall doctor prod --json | jq -r '.names[].findings[] | .cause'
  rolecall doctor prod --bundle=report.json   a report to send to somebody, shown before it is written

It asks AWS what a `get` would ask, and where that is refused, varies the call and reads IAM where it may. No session that comes of it is kept. The exit code is that of the first link that does not hold.")]
    Doctor(DoctorArgs),
    /// Give an MFA code or the vault's passphrase ahead of time
    #[command(after_help = "\
Examples:
  rolecall unlock                         asks for the code of the only MFA device
  rolecall unlock auth                    asks for the code of this identity's device
  rolecall unlock audit                   the same, for a role with a device or a code of its own
  oathtool --totp -b - < seed | rolecall unlock auth
  rolecall unlock --vault                 asks for the file vault's passphrase
  rolecall unlock --vault --accept-restored  the same, after a backup of the vault file was put back")]
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
    /// Take over what ~/.aws has: keys into the vault, role profiles into config.toml
    #[command(after_help = "\
What becomes of each profile is shown first, with the change of each file; then it is done after a yes, or with --yes. Keys are tried and stored before they go from the file. Entries of aws-vault and Granted in the keyring are taken over too, and stay there.

Examples:
  rolecall import
  rolecall import --dry-run
  rolecall import --only default prod --yes
  rolecall import --undo                   puts the files back, and plaintext keys with them")]
    Import(ImportArgs),
    /// User, key, role and trust in two accounts, from nothing and back
    #[command(
        subcommand,
        after_help = "\
Examples:
  rolecall setup plan --auth-profile auth-admin --workload-profile prod-admin --policy-arn AmazonS3ReadOnlyAccess
  rolecall setup apply --auth-profile auth-admin --workload-profile prod-admin --policy-arn AmazonS3ReadOnlyAccess
  rolecall setup destroy --auth-profile auth-admin --workload-profile prod-admin"
    )]
    Setup(SetupCommand),
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
    /// Lead through the first steps; with a shell, print what it reads at its start
    #[command(after_help = "\
Without a shell it asks: take over the profiles and keys that are there, or store a key, add a role, write the profiles, try one. Each step is a command that it shows and runs. With a shell it prints completions, and `role`, which switches that shell.

Examples:
  rolecall init                            the first steps
  eval \"$(rolecall init bash)\"            in ~/.bashrc
  eval \"$(rolecall init zsh)\"             in ~/.zshrc, after compinit
  rolecall init fish | source              in ~/.config/fish/config.fish

Then:
  role prod       switches this shell
  role            says where it is
  role -          goes back to what was before")]
    Init(InitArgs),
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
pub(super) const GROUPS: [(&str, &[&str]); 5] = [
    ("Credentials", &["get", "env", "exec", "shell", "imds"]),
    ("Console", &["console", "switch-link", "roles"]),
    ("Every day", &["status", "log", "doctor", "unlock", "lock", "prompt"]),
    ("Set-up", &["import", "setup", "identity", "role", "profiles"]),
    ("The program", &["agent", "init", "completions", "man", "help"]),
];

#[derive(Debug, Args)]
pub(super) struct GetArgs {
    /// A role or an identity
    pub(super) name: String,
}

#[derive(Debug, Args)]
pub(super) struct EnvArgs {
    /// A role or an identity
    #[arg(required_unless_present = "unset")]
    pub(super) name: Option<String>,
    /// How to write the variables [default: what $SHELL reads; in a file NAME=value, or JSON if it ends in .json]
    #[arg(long, short, value_enum)]
    pub(super) format: Option<Format>,
    /// Print what unsets every variable that says who one is, and set none
    #[arg(long, visible_alias = "clear", conflicts_with_all = ["name", "write_file"])]
    pub(super) unset: bool,
    /// Write them into a file that only you can read
    #[arg(long, value_name = "FILE")]
    pub(super) write_file: Option<PathBuf>,
    /// Let the secrets rest on disk, which --write-file does
    #[arg(long, requires = "write_file")]
    pub(super) yes_secrets_on_disk: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// sh, bash, zsh, ksh
    Sh,
    /// fish
    Fish,
    /// csh, tcsh
    #[value(alias = "tcsh")]
    Csh,
    /// Nushell
    #[value(alias = "nu")]
    Nushell,
    /// xonsh
    Xonsh,
    /// PowerShell
    #[value(alias = "pwsh")]
    Powershell,
    /// NAME=value lines
    Dotenv,
    /// One JSON object
    Json,
}

#[derive(Debug, Args)]
pub(super) struct StatusArgs {
    /// Print JSON
    #[arg(long)]
    pub(super) json: bool,
    /// Stay on the screen and draw it anew each second
    #[arg(long, short, conflicts_with = "json")]
    pub(super) watch: bool,
}

#[derive(Debug, Args)]
pub(super) struct LogArgs {
    /// Stay, and print each line as it is written; without --since it begins with the last 10
    #[arg(long, short)]
    pub(super) follow: bool,
    /// Print the lines as they are in the file, one JSON object each
    #[arg(long)]
    pub(super) json: bool,
    /// Only lines about this role or identity
    #[arg(long, value_name = "NAME")]
    pub(super) role: Option<String>,
    /// Only lines that are not older than this, as 2h
    #[arg(long, value_name = "DURATION")]
    pub(super) since: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct UnlockArgs {
    /// An identity, or a role with a device or a code of its own [default: the only device]
    #[arg(value_parser = name)]
    pub(super) name: Option<Name>,
    /// Open the vault instead
    #[arg(long, conflicts_with = "name")]
    pub(super) vault: bool,
    /// Accept a vault file that you restored from a backup: it is older than the last one
    #[arg(long, requires = "vault")]
    pub(super) accept_restored: bool,
    /// Store the password of the proxy (`https_proxy_user`) in the vault instead
    #[arg(long, conflicts_with_all = ["name", "vault"])]
    pub(super) proxy: bool,
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

#[derive(Debug, Args)]
pub(crate) struct DoctorArgs {
    /// A role or an identity [default: every role that no other starts from, and every identity without roles]
    pub(crate) name: Option<String>,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// Write a report to send to somebody, without secrets and external ids; it is shown first
    #[arg(
        long,
        value_name = "FILE",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "rolecall-doctor.json",
        conflicts_with = "json"
    )]
    pub(crate) bundle: Option<PathBuf>,
    /// Write the report without a question
    #[arg(long, requires = "bundle")]
    pub(crate) yes: bool,
}

#[expect(clippy::struct_excessive_bools, reason = "flags as they are typed, which clap gives as bools")]
#[derive(Debug, Args)]
pub(crate) struct ImportArgs {
    /// Only these profiles, with what they stand on
    #[arg(long, visible_alias = "profile", value_name = "PROFILE", num_args = 1..)]
    pub(crate) only: Vec<String>,
    /// Show what would be done, and do nothing
    #[arg(long, conflicts_with = "yes")]
    pub(crate) dry_run: bool,
    /// Write config.toml alone; keys and ~/.aws stay as they are
    #[arg(long, conflicts_with = "undo")]
    pub(crate) config_only: bool,
    /// Take the last import back: both files as they were, with the keys in plain text; the agent asks for each key
    #[arg(long, conflicts_with = "only")]
    pub(crate) undo: bool,
    /// Do not ask; for a key that goes back into a file, the agent asks all the same
    #[arg(long, short)]
    pub(crate) yes: bool,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

impl Command {
    /// Gives the identity or role that the command is about, for its error messages.
    pub(super) fn subject(&self) -> Option<String> {
        let name = match self {
            Self::Get(GetArgs { name })
            | Self::Console(ConsoleArgs { name, .. })
            | Self::Exec(ExecArgs { name, .. })
            | Self::Shell(SubshellArgs { name, .. })
            | Self::Imds(ImdsArgs { name, .. }) => name.as_str(),
            Self::Env(EnvArgs { name, .. }) | Self::Doctor(DoctorArgs { name, .. }) => name.as_deref()?,
            Self::SwitchLink(SwitchLinkArgs { name }) => name.as_str(),
            Self::Unlock(UnlockArgs { name, .. }) => name.as_ref()?.as_str(),
            Self::Identity(IdentityCommand::Add(args)) => args.name.as_str(),
            Self::Identity(IdentityCommand::Remove(args)) => args.name.as_str(),
            Self::Identity(IdentityCommand::Rotate(args)) => args.name.as_str(),
            Self::Identity(IdentityCommand::Show(args)) | Self::Role(RoleCommand::Show(args)) => args.name.as_str(),
            Self::Role(RoleCommand::Add(args)) => args.name.as_str(),
            Self::Agent(AgentCommand::Socket(SocketCommand::Add(args))) => args.name.as_str(),
            Self::Role(RoleCommand::Remove(args)) | Self::Agent(AgentCommand::Socket(SocketCommand::Remove(args))) => {
                args.name.as_str()
            }
            _ => return None,
        };
        Some(name.to_owned())
    }
}
