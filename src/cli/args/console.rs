//! The arguments of what has to do with the web console.

use clap::Args;
use rolecall_core::domain::names::Name;

#[derive(Debug, Args)]
pub(crate) struct ConsoleArgs {
    /// A role, or an identity of another type than iam-user
    pub(crate) name: String,
    /// Print the address instead of opening the browser; whoever has it is signed in
    #[arg(long)]
    pub(crate) print: bool,
    /// The service to land on, by the name that the AWS CLI has for it
    #[arg(long, short, value_name = "SERVICE")]
    pub(crate) service: Option<String>,
    /// The region to land in [default: the role's]
    #[arg(long, short, value_name = "REGION")]
    pub(crate) region: Option<String>,
    /// The page to land on, an https address of the console
    #[arg(long, value_name = "URL", conflicts_with_all = ["service", "region"])]
    pub(crate) destination: Option<String>,
    /// How long the console's session lasts, 15m to 12h; not for a role that another session assumes
    #[arg(long, value_name = "DURATION")]
    pub(crate) duration: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct SwitchLinkArgs {
    /// A role that an IAM user assumes
    #[arg(value_parser = super::name)]
    pub(crate) name: Name,
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
