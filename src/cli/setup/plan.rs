//! `setup plan`: every call and every document, before anything happens.

use crate::cli::args::SetupPlanArgs;
use crate::cli::output::{self, Failure};
use crate::domain::arn::{AccountId, Partition};
use crate::domain::report::{Kind, Report, printable};
use crate::paths::Paths;
use crate::setup::Setup;

/// Does what was typed.
pub(super) fn run(_paths: &Paths, args: &SetupPlanArgs) -> Result<(), Failure> {
    let wish = super::wish(&args.wish)?;
    let account = |text: Option<&String>, flag: &str| {
        let text = text.map(String::as_str).unwrap_or_default();
        AccountId::new(text).map_err(|why| {
            Report::new(Kind::Usage, format!("{flag} {}: {why}", printable(text, 64))).hint("give the account's number")
        })
    };
    let auth = account(args.auth_account.as_ref(), "--auth-account")?;
    let workload = account(args.workload_account.as_ref(), "--workload-account")?;
    let setup: Setup = wish.for_accounts(Partition::Aws, auth, workload, Some("generated"))?;
    output::print_json(&setup.steps())
}
