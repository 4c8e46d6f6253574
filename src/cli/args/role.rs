//! The arguments of `role` and `roles`. `role add` has a flag for each key of `[roles.NAME]`, dashes for underscores.

use super::values::{NameArgs, ShowArgs, name, tag};
use clap::{Args, Subcommand};
use rolecall_core::domain::names::Name;

/// The examples of `roles` and `role list`, which are the same command.
pub(super) const ROLES_EXAMPLES: &str = "\
Examples:
  rolecall roles
  rolecall roles prod admin                          those with both words somewhere
  rolecall roles --tag team-a --account 222222222222
  rolecall roles --tree
  rolecall roles --json | jq -r '.[].role_arn'
  rolecall roles --aesr                              for the browser extension AWS Extend Switch Roles";

#[derive(Debug, Subcommand)]
pub(crate) enum RoleCommand {
    /// Write a role into config.toml; its comments stay
    #[command(after_help = "\
Examples:
  rolecall role add prod --source auth --role-arn arn:aws:iam::222222222222:role/AssumedRole
  rolecall role add data --source prod --role-arn arn:aws:iam::333333333333:role/DataReader
  rolecall role add ci --source auth --role-arn ARN --external-id 7f3a --session-tag team=web \\
      --session-tag stage=prod --transitive-tag-key team --policy file://policy.json
  rolecall role add prod --source auth --role-arn ARN --replace")]
    Add(Box<RoleAddArgs>),
    /// List the roles, for people and for other tools; `roles` is the same
    #[command(after_help = ROLES_EXAMPLES)]
    List(RolesArgs),
    /// Show one role and its chain
    #[command(after_help = "\
Example:
  rolecall role show prod")]
    Show(ShowArgs),
    /// Take a role out of config.toml
    #[command(after_help = "\
Nothing at AWS changes, and `rolecall role add` brings it back: no question is asked.

Example:
  rolecall role remove prod")]
    Remove(NameArgs),
}

#[derive(Debug, Args)]
pub(crate) struct RoleAddArgs {
    /// What to call it; also the AWS profile's name
    #[arg(value_parser = name)]
    pub(crate) name: Name,
    #[command(flatten)]
    pub(crate) flags: RoleFlags,
    /// Write the section anew if the role is there already
    #[arg(long)]
    pub(crate) replace: bool,
}

#[derive(Debug, Args)]
pub(crate) struct RoleFlags {
    /// The role's ARN
    #[arg(long, value_name = "ARN")]
    pub(crate) role_arn: String,
    /// The identity or role that assumes it
    #[arg(long, value_name = "NAME")]
    pub(crate) source: String,
    /// What the role's trust policy asks for
    #[arg(long, value_name = "ID")]
    pub(crate) external_id: Option<String>,
    /// How long a session lasts, 15m to 12h; AWS allows 1h behind an MFA session or another role
    #[arg(long)]
    pub(crate) duration: Option<String>,
    /// How sessions are called in CloudTrail
    #[arg(long, value_name = "WORD")]
    pub(crate) role_session_name: Option<String>,
    /// The SourceIdentity to set
    #[arg(long, value_name = "WORD")]
    pub(crate) source_identity: Option<String>,
    /// A session tag; may be repeated
    #[arg(long = "session-tag", visible_alias = "session-tags", value_name = "KEY=VALUE", value_parser = tag)]
    pub(crate) session_tags: Vec<(String, String)>,
    /// The key of a tag that passes on along the chain; may be repeated
    #[arg(long = "transitive-tag-key", visible_alias = "transitive-tag-keys", value_name = "KEY")]
    pub(crate) transitive_tag_keys: Vec<String>,
    /// A session policy, as JSON or as file://PATH
    #[arg(long, value_name = "JSON")]
    pub(crate) policy: Option<String>,
    /// The ARN of a managed session policy; may be repeated
    #[arg(long = "policy-arn", visible_alias = "policy-arns", value_name = "ARN")]
    pub(crate) policy_arns: Vec<String>,
    /// The region whose STS is asked, and that tools get
    #[arg(long)]
    pub(crate) region: Option<String>,
    /// One code for all roles, a code for each session, or none
    #[arg(long, value_parser = ["session", "direct", "none"])]
    pub(crate) mfa: Option<String>,
    /// The MFA device for this role, where it is not the identity's
    #[arg(long, value_name = "ARN")]
    pub(crate) mfa_serial: Option<String>,
    /// Whether programs may have its sessions; `ask` asks a person first
    #[arg(long, value_parser = ["allow", "ask", "deny"])]
    pub(crate) access: Option<String>,
    /// The same for one program, by the absolute path of its file or of a link to it; may be repeated
    #[arg(long, value_name = "PROGRAM=ACCESS", value_parser = program_access)]
    pub(crate) access_by_program: Vec<(String, String)>,
    /// How the console shows it
    #[arg(long, value_name = "TEXT")]
    pub(crate) display_name: Option<String>,
    /// In which colour the console shows it: red, orange, yellow, green, blue or six hexadecimal digits
    #[arg(long)]
    pub(crate) color: Option<String>,
    /// What it is found by, as in `rolecall roles --tag`; may be repeated
    #[arg(long = "tag", visible_alias = "tags", value_name = "TAG")]
    pub(crate) tags: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct RolesArgs {
    /// Only roles with all of these words in their name, ARN, account's name, display name or tags
    #[arg(value_name = "SEARCH")]
    pub(crate) search: Vec<String>,
    /// Only roles with this tag; given more than once, with all of them
    #[arg(long, value_name = "TAG")]
    pub(crate) tag: Vec<String>,
    /// Only roles in this account, by its number or its name in [accounts]; may be repeated
    #[arg(long, value_name = "ACCOUNT")]
    pub(crate) account: Vec<String>,
    /// Draw each identity with the roles that are assumed from it, and from those
    #[arg(long, conflicts_with = "json")]
    pub(crate) tree: bool,
    /// Print JSON
    #[arg(long, conflicts_with = "aesr")]
    pub(crate) json: bool,
    /// Print the configuration of the browser extension AWS Extend Switch Roles, with all roles
    #[arg(long, conflicts_with_all = ["search", "tag", "account", "tree"])]
    pub(crate) aesr: bool,
}

fn program_access(text: &str) -> Result<(String, String), &'static str> {
    match text.rsplit_once('=') {
        Some((program, access)) if program.starts_with('/') => Ok((program.to_owned(), access.to_owned())),
        _ => Err("it is written /PATH/OF/PROGRAM=allow, =ask or =deny"),
    }
}
