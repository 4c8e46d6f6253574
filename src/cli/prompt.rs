//! `prompt`: the role of this shell and what is left of its session, for `PS1` and the like.
//!
//! Reads the environment and asks the agent one thing with a short deadline; it starts nothing, and what goes wrong is a
//! word in the prompt and no failure: a prompt has no place for errors.

use super::args::PromptArgs;
use super::environment::var;
use super::exec::role_of_this_shell;
use super::output::{self, Failure, span};
use chrono::DateTime;
use rolecall_core::domain::names::Name;
use rolecall_ipc::client::{QuickReply, ask_briefly};
use rolecall_ipc::protocol::message::{Answer, Request};
use rolecall_platform::paths::Paths;
use rustix::time::{ClockId, clock_gettime};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// How long each step may take: what is later than this is felt at the prompt.
const DEADLINE: Duration = Duration::from_millis(40);

/// How long a person who asks may wait.
const PATIENCE: Duration = Duration::from_secs(1);

/// Prints it.
pub(super) fn run(args: &PromptArgs) -> Result<(), Failure> {
    show(args.format.as_deref(), args.long)
}

/// Prints what a prompt shows; nothing outside of a role.
pub(super) fn show(format: Option<&str>, long: bool) -> Result<(), Failure> {
    let Some(role) = role_of_this_shell() else {
        return if long {
            output::print("in no role; `role NAME` or `rolecall shell NAME` enters one\n")
        } else {
            Ok(())
        };
    };
    let mut state = PromptState::of(&role);
    if long && !is_served(&role, &state) {
        state = PromptState::NoEndpoint;
    }
    match format {
        _ if long => output::print(&format!("in {}\n", state.sentence(&role))),
        Some(format) => output::print_data(&format.replace("{}", &state.words(&role))),
        None => output::print(&format!("{}\n", state.words(&role))),
    }
}

/// How it stands with a shell's credentials.
#[derive(Clone, Debug, PartialEq, Eq)]
enum PromptState {
    /// The session has so many seconds left.
    Left(u64),
    /// There is no session; the next that asks brings one, if nobody is needed for it.
    NoSession,
    /// There is no session, and none before this is opened by `rolecall unlock`.
    Locked(String),
    /// Plain variables, which are over.
    Over,
    /// The configuration has no such name any more.
    Gone,
    /// A variable that leads tools elsewhere.
    Overridden(&'static str),
    /// No agent listens.
    NoAgent,
    /// Nothing listens where this shell's tools ask, though there is an agent.
    NoEndpoint,
    /// The agent was not quick enough.
    Unknown,
}

impl PromptState {
    fn of(role: &Name) -> Self {
        if let Some(end) = var("AWS_CREDENTIAL_EXPIRATION").filter(|_| var("AWS_ACCESS_KEY_ID").is_some()) {
            let Ok(end) = DateTime::parse_from_rfc3339(&end) else { return Self::Unknown };
            let left = end.timestamp().saturating_sub(clock_gettime(ClockId::Realtime).tv_sec);
            return u64::try_from(left).ok().filter(|left| *left > 0).map_or(Self::Over, Self::Left);
        }
        if var("AWS_ACCESS_KEY_ID").is_some() {
            return Self::Overridden("AWS_ACCESS_KEY_ID");
        }
        for profile in ["AWS_PROFILE", "AWS_DEFAULT_PROFILE"] {
            if var(profile).is_some_and(|profile| profile != role.as_str()) {
                return Self::Overridden(profile);
            }
        }
        let Ok(paths) = Paths::from_env() else { return Self::Unknown };
        match ask_briefly(&paths, Request::Glance { name: role.to_string() }, DEADLINE) {
            QuickReply::NoAgent => Self::NoAgent,
            QuickReply::Answer(Answer::Glance { known: false, .. }) => Self::Gone,
            QuickReply::Answer(Answer::Glance { .. }) if !endpoint_listens() => Self::NoEndpoint,
            QuickReply::Answer(Answer::Glance { left_seconds: Some(left), .. }) => Self::Left(left),
            QuickReply::Answer(Answer::Glance { unlock: Some(what), .. }) => Self::Locked(what),
            QuickReply::Answer(Answer::Glance { .. }) => Self::NoSession,
            QuickReply::Answer(_) | QuickReply::Nothing => Self::Unknown,
        }
    }

    /// A few words beside the role.
    fn words(&self, role: &Name) -> String {
        match self {
            Self::Left(seconds) => format!("{role} {}", span(*seconds)),
            Self::NoSession | Self::Over => format!("{role} expired"),
            Self::Locked(_) => format!("{role} (locked)"),
            Self::Gone => format!("{role} (removed)"),
            Self::Overridden(variable) => format!("{role} ({variable} wins)"),
            Self::NoAgent => format!("{role} (no agent)"),
            Self::NoEndpoint => format!("{role} (no endpoint)"),
            Self::Unknown => role.to_string(),
        }
    }

    /// The same, with what helps.
    fn sentence(&self, role: &Name) -> String {
        let words = self.words(role);
        let again = format!("run `role {role}` again, or `rolecall shell {role}`");
        match self {
            Self::Left(seconds) => format!("{role}, {} left", span(*seconds)),
            Self::NoSession => format!("{words}: the next command gets a new session, or says what it wants"),
            Self::Locked(what) => format!("{words}: run `rolecall unlock {what}`"),
            Self::Over => format!("{words}: its variables are not renewed; {again}"),
            Self::Gone => format!("{words}: the configuration has no {role} any more; `role -` or `exit` goes back"),
            Self::Overridden(variable) => format!("{words}: tools take what it leads to; run `unset {variable}`"),
            Self::NoAgent => format!("{words}: run `rolecall agent start`"),
            Self::NoEndpoint => format!("{words}: what this shell was given is not served any more; {again}"),
            Self::Unknown => format!("{role}; the agent does not answer: run `rolecall status`"),
        }
    }
}

/// Tells whether something listens where this environment sends tools; one that sends them nowhere is no worse.
///
/// Nothing is sent: whatever has taken the port would be shown the token.
fn endpoint_listens() -> bool {
    endpoint().is_none_or(|address| TcpStream::connect_timeout(&address, DEADLINE).is_ok())
}

/// Tells whether the agent still serves what this environment names. A port that somebody else has taken by now listens
/// too; a prompt need not know, a person who asks does.
fn is_served(role: &Name, state: &PromptState) -> bool {
    let Some(port) = endpoint().map(|address| address.port()) else { return true };
    let (PromptState::Left(_) | PromptState::NoSession | PromptState::Locked(_), Ok(paths)) =
        (state, Paths::from_env())
    else {
        return true;
    };
    let QuickReply::Answer(Answer::Status(status)) = ask_briefly(&paths, Request::Status, PATIENCE) else {
        return true;
    };
    let endpoint = &status.endpoint;
    endpoint.grants.iter().any(|grant| grant.name == role.as_str() && grant.port.or(endpoint.port) == Some(port))
}

/// Gives where this environment sends tools, if that is on this machine.
fn endpoint() -> Option<SocketAddr> {
    let url = var("AWS_CONTAINER_CREDENTIALS_FULL_URI").or_else(|| var("AWS_EC2_METADATA_SERVICE_ENDPOINT"))?;
    address(&url)
}

/// Gives where a URL of ours leads; nothing for any other.
fn address(url: &str) -> Option<SocketAddr> {
    let rest = url.strip_prefix("http://")?;
    let address: SocketAddr = rest.split('/').next()?.parse().ok()?;
    address.ip().is_loopback().then_some(address)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prompt_is_a_few_words_and_a_sentence_says_what_helps() {
        let role = Name::new("prod").expect("valid");
        for (state, words, in_sentence) in [
            (PromptState::Left(2520), "prod 42m", "42m left"),
            (PromptState::NoSession, "prod expired", "the next command"),
            (PromptState::Locked("--vault".to_owned()), "prod (locked)", "`rolecall unlock --vault`"),
            (PromptState::Over, "prod expired", "`role prod`"),
            (PromptState::Gone, "prod (removed)", "`role -`"),
            (PromptState::Overridden("AWS_PROFILE"), "prod (AWS_PROFILE wins)", "`unset AWS_PROFILE`"),
            (PromptState::NoAgent, "prod (no agent)", "`rolecall agent start`"),
            (PromptState::NoEndpoint, "prod (no endpoint)", "`role prod`"),
            (PromptState::Unknown, "prod", "`rolecall status`"),
        ] {
            assert_eq!(state.words(&role), words);
            assert!(state.sentence(&role).contains(in_sentence), "{}", state.sentence(&role));
        }
    }

    #[test]
    fn only_an_endpoint_of_this_machine_is_looked_at() {
        assert_eq!(address("http://127.0.0.1:4711/role/a/b").map(|address| address.port()), Some(4711));
        for url in ["http://169.254.170.2/v2", "https://127.0.0.1:1/", "http://10.0.0.1:80/", "127.0.0.1:80", ""] {
            assert_eq!(address(url), None, "{url}");
        }
    }
}
