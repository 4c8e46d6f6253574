//! `imds`: a role as an instance metadata service, for as long as the command runs.
//!
//! The agent serves; this process is the owner that it looks at, and says how to use it. It ends as anything in the
//! foreground does, by a signal.

use super::args::ImdsArgs;
use super::output::{self, Failure, complain_text};
use rolecall_core::domain::error::printable;
use rolecall_ipc::client;
use rolecall_ipc::protocol::message::{EndpointForm, EndpointOwner};
use rolecall_platform::paths::Paths;
use std::thread;
use std::time::Duration;

/// How often it is looked whether the agent is still there: soon enough for whoever wonders why nothing works.
const LOOK_AGAIN: Duration = Duration::from_secs(2);

/// Serves until it is interrupted.
pub(super) fn run(paths: &Paths, args: &ImdsArgs) -> Result<(), Failure> {
    let (url, _, region) = client::endpoint(paths, &args.name, EndpointForm::Imds, EndpointOwner::Caller, args.port)?;
    complain_text(&warning(&args.name));
    output::print(&text(&args.name, url.trim_end_matches('/'), region.as_deref()))?;
    let mut was_there = true;
    loop {
        thread::sleep(LOOK_AGAIN);
        // One that a person has stopped is not started again behind their back.
        let is_there = matches!(client::connect_running(paths), Ok(Some(_)));
        if was_there && !is_there {
            complain_text(
                "rolecall: the agent has ended, and nothing is served\nhint: run `rolecall agent start`; then this goes on\n",
            );
        }
        was_there = is_there;
    }
}

/// Says what this protocol lacks.
pub(super) fn warning(name: &str) -> String {
    let name = printable(name, 128);
    format!(
        "rolecall: {name}: a metadata service knows no secret: every program of yours that finds its port is served\n\
         hint: `rolecall exec {name} -- CMD` has a token; use this only for tools that know nothing else\n"
    )
}

fn text(name: &str, url: &str, region: Option<&str>) -> String {
    let region = region.map(|region| format!("export AWS_REGION={region} AWS_DEFAULT_REGION={region}\n"));
    format!(
        "# {name} is served at {url} until this command ends. For the tools in another shell:\n\
         unset AWS_PROFILE AWS_DEFAULT_PROFILE AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY AWS_SESSION_TOKEN\n\
         unset AWS_CONTAINER_CREDENTIALS_FULL_URI AWS_CONTAINER_CREDENTIALS_RELATIVE_URI AWS_WEB_IDENTITY_TOKEN_FILE\n\
         unset AWS_EC2_METADATA_DISABLED\n\
         export AWS_EC2_METADATA_SERVICE_ENDPOINT={url} AWS_METADATA_ENDPOINT={url} AWS_EC2_METADATA_V1_DISABLED=true\n{}",
        region.unwrap_or_default()
    )
}
