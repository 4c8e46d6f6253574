//! `setup` as it is typed.

use super::values::{name, tag};
use clap::{Args, Subcommand, ValueEnum};
use rolecall_core::domain::names::Name;
use std::path::PathBuf;

/// One group for the three, so that `plan` in a line may be changed into `apply` and `destroy`.
#[derive(Debug, Subcommand)]
pub(crate) enum SetupCommand {
    /// Show every call and every document, and change nothing
    #[command(after_help = "\
Examples:
  rolecall setup plan --auth-profile auth-admin --workload-profile prod-admin \\
    --user richard --role AssumedRole --policy-arn AmazonS3ReadOnlyAccess
  rolecall setup plan --auth-account 111111111111 --workload-account 222222222222 \\
    --user richard --role AssumedRole --policy-file s3.json --as terraform > setup.tf
  rolecall setup plan … --as cloudformation --only auth > auth.yaml
  rolecall setup plan … --json | jq -r '.steps[].call.action'

With the two accounts' numbers instead of profiles nobody is asked, and the plan does not know what is there already.")]
    Plan(Box<SetupPlanArgs>),
    /// Make it: in both accounts, in the vault, in config.toml and ~/.aws/config
    #[command(after_help = "\
Examples:
  rolecall setup apply --auth-profile auth-admin --workload-profile prod-admin \\
    --user richard --role AssumedRole --name prod --policy-arn AmazonS3ReadOnlyAccess --require-mfa --mfa-device
  rolecall setup apply --auth-profile auth-admin --workload-profile prod-admin \\
    --application ec2 --assuming-role AssumingRole --role AssumedRole --policy-file s3.json --yes

Nobody sees the access key: it goes from IAM's answer into the vault. What was broken off is finished by the same command again.")]
    Apply(Box<SetupChangeArgs>),
    /// Remove what a setup made, newest first, and nothing else
    #[command(after_help = "\
Examples:
  rolecall setup destroy --auth-profile auth-admin --workload-profile prod-admin --name prod
  rolecall setup destroy --auth-profile auth-admin --workload-profile prod-admin --name prod --yes --json

It takes the flags of `apply`, so that the same line can be used; of those only the profiles and the name count.")]
    Destroy(Box<SetupChangeArgs>),
}

#[derive(Debug, Args)]
pub(crate) struct SetupPlanArgs {
    /// A profile of ~/.aws with admin rights in the authentication account
    #[arg(long, value_name = "PROFILE", required_unless_present = "auth_account")]
    pub(crate) auth_profile: Option<String>,
    /// A profile of ~/.aws with admin rights in the workload account
    #[arg(long, value_name = "PROFILE", required_unless_present = "workload_account")]
    pub(crate) workload_profile: Option<String>,
    /// The number of the authentication account, to plan without asking AWS
    #[arg(long, value_name = "ACCOUNT", requires = "workload_account")]
    pub(crate) auth_account: Option<String>,
    /// The number of the workload account, to plan without asking AWS
    #[arg(long, value_name = "ACCOUNT", requires = "auth_account")]
    pub(crate) workload_account: Option<String>,
    #[command(flatten)]
    pub(crate) wish: WishArgs,
    /// In which form
    #[arg(long = "as", value_enum, value_name = "FORM", default_value = "calls")]
    pub(crate) form: PlanForm,
    /// Of the two CloudFormation templates, print this account's alone
    #[arg(long, value_enum, value_name = "ACCOUNT")]
    pub(crate) only: Option<PlanSide>,
    /// Print JSON
    #[arg(long, conflicts_with = "form")]
    pub(crate) json: bool,
    /// Accepted, as for `apply`; a plan asks nothing
    #[arg(long, short)]
    pub(crate) yes: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum PlanForm {
    /// Each call with its reason, each document, and what is written on this machine
    Calls,
    /// Two CloudFormation templates, one per account
    Cloudformation,
    /// A Terraform module with a provider per account
    Terraform,
    /// A shell script of `aws iam` commands
    Aws,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum PlanSide {
    /// The authentication account
    Auth,
    /// The workload account
    Workload,
}

#[derive(Debug, Args)]
pub(crate) struct SetupChangeArgs {
    #[command(flatten)]
    pub(crate) profiles: SetupProfileArgs,
    #[command(flatten)]
    pub(crate) wish: WishArgs,
    /// Do not ask before the first change
    #[arg(long, short)]
    pub(crate) yes: bool,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// The admin credentials; they are used for the one command and stored nowhere.
#[derive(Debug, Args)]
pub(crate) struct SetupProfileArgs {
    /// A profile of ~/.aws with admin rights in the authentication account
    #[arg(long, value_name = "PROFILE")]
    pub(crate) auth_profile: String,
    /// A profile of ~/.aws with admin rights in the workload account
    #[arg(long, value_name = "PROFILE")]
    pub(crate) workload_profile: String,
}

/// What is wanted, of a person or of an application.
#[expect(clippy::struct_excessive_bools, reason = "flags as they are typed, which clap gives as bools")]
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct WishArgs {
    /// What to call the role in config.toml and as an AWS profile; also the setup's name [default: the role's name]
    #[arg(long, value_parser = name)]
    pub(crate) name: Option<Name>,
    /// What to call the identity in config.toml [default: the user's or assuming role's name]
    #[arg(long, value_name = "NAME", value_parser = name)]
    pub(crate) identity: Option<Name>,
    /// Take over what has this setup's tag and no state here names, once it was looked at: the state was lost
    #[arg(long)]
    pub(crate) adopt: bool,
    /// The region that tools get with the role
    #[arg(long)]
    pub(crate) region: Option<String>,

    /// The IAM user in the authentication account [default: rolecall]
    #[arg(long, conflicts_with = "application", help_heading = "The person")]
    pub(crate) user: Option<String>,
    /// The user is there already: it is given the policy and a key, and stays when the setup goes
    #[arg(long, conflicts_with = "application", help_heading = "The person")]
    pub(crate) existing_user: bool,
    /// Make no access key: the vault has one of the user's already, as --identity
    #[arg(long, requires = "existing_user", help_heading = "The person")]
    pub(crate) no_access_key: bool,
    /// The user's path
    #[arg(long, value_name = "PATH", conflicts_with = "application", help_heading = "The person")]
    pub(crate) user_path: Option<String>,
    /// Let the user assume every role that trusts it, not the one only
    #[arg(long, conflicts_with = "application", help_heading = "The person")]
    pub(crate) any_role: bool,
    /// Give the user a virtual MFA device: a QR code for your phone, then two codes of it
    #[arg(long, conflicts_with = "application", help_heading = "The person")]
    pub(crate) mfa_device: bool,
    /// Keep the device's secret in the vault beside the key, so that nobody is asked for codes
    #[arg(long, requires = "mfa_device", help_heading = "The person")]
    pub(crate) keep_totp: bool,
    /// The MFA device that the user has already
    #[arg(long, value_name = "ARN", conflicts_with_all = ["application", "mfa_device"], help_heading = "The person")]
    pub(crate) mfa_serial: Option<String>,

    /// What runs the application, instead of a person
    #[arg(long, value_enum, help_heading = "The application")]
    pub(crate) application: Option<SetupService>,
    /// The application's own role in the authentication account [default: AssumingRole]
    #[arg(long, value_name = "ROLE", requires = "application", help_heading = "The application")]
    pub(crate) assuming_role: Option<String>,
    /// The assuming role's path
    #[arg(long, value_name = "PATH", requires = "application", help_heading = "The application")]
    pub(crate) assuming_role_path: Option<String>,

    /// The role in the workload account [default: AssumedRole]
    #[arg(long, help_heading = "The role")]
    pub(crate) role: Option<String>,
    /// Its path
    #[arg(long, value_name = "PATH", help_heading = "The role")]
    pub(crate) role_path: Option<String>,
    /// A managed policy that it gets, by ARN or as AmazonS3ReadOnlyAccess; may be repeated
    #[arg(long = "policy-arn", value_name = "ARN", help_heading = "The role")]
    pub(crate) policy_arns: Vec<String>,
    /// A file with a policy document that it gets; may be repeated
    #[arg(long = "policy-file", value_name = "FILE", help_heading = "The role")]
    pub(crate) policy_files: Vec<PathBuf>,
    /// Whom it trusts [default: account; role for an application]
    #[arg(long, value_enum, help_heading = "The role")]
    pub(crate) trust: Option<SetupTrust>,
    /// It trusts them with MFA only
    #[arg(long, conflicts_with = "application", help_heading = "The role")]
    pub(crate) require_mfa: bool,
    /// The ExternalId that it wants to hear; `auto` makes one of 128 random bits
    #[arg(long, value_name = "ID|auto", help_heading = "The role")]
    pub(crate) external_id: Option<String>,
    /// The longest session that it gives, 1h to 12h
    #[arg(long, value_name = "DURATION", help_heading = "The role")]
    pub(crate) max_session_duration: Option<String>,

    /// A further managed policy for the user or the assuming role; may be repeated
    #[arg(long = "attach-policy", value_name = "ARN", help_heading = "All that is made")]
    pub(crate) attach_policies: Vec<String>,
    /// The path of all that is made, where it has none of its own
    #[arg(long, value_name = "PATH", help_heading = "All that is made")]
    pub(crate) path: Option<String>,
    /// A tag for all that is made, beside rolecall:setup; may be repeated
    #[arg(long = "tag", value_name = "KEY=VALUE", value_parser = tag, help_heading = "All that is made")]
    pub(crate) tags: Vec<(String, String)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum SetupService {
    /// An instance
    Ec2,
    /// A function
    Lambda,
    /// A task
    Ecs,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum SetupTrust {
    /// The authentication account, whose own policies decide who
    Account,
    /// The one user
    User,
    /// The assuming role
    Role,
}
