//! The web console: where it is in each partition, which page a service has, and what may be asked of its sign-in.
//!
//! Text in, text out: nothing is asked of anybody here, and no secret passes through but by [`login_url`].
//!
//! Sources: General Reference, "AWS Sign-In endpoints" (regional hosts; us-east-1 has the plain one); AWS GovCloud (US) User
//! Guide, "Service endpoints" (the same with us-gov-west-1, and the FIPS host); AWS China User Guide, "Beijing Region
//! endpoints"; AWS European Sovereign Cloud, "Endpoints"; the endpoint rules of the SDKs' signin client for all of these.

mod pages;

use super::arn::Partition;
use super::error::{Kind, UserError, printable};
use super::plan::{Plan, Step};
use super::secret::SigninUrl;
use pages::PAGES;
use std::fmt::Write;
use std::time::Duration;

/// The shortest and the longest session of the console that one may ask for (IAM User Guide, "Enable custom identity broker
/// access to the AWS console": SessionDuration, 900 to 43200).
pub const SESSION_RANGE: (Duration, Duration) = (Duration::from_mins(15), Duration::from_hours(12));

/// How long a sign-in token can be used (the same page).
pub const TOKEN_LIFE: Duration = Duration::from_mins(15);

/// Longer than any address of the console that a person copies.
const DESTINATION_MAX: usize = 2048;

/// The hosts of a partition.
pub(super) struct Hosts {
    pub(super) signin: &'static str,
    /// The sign-in host whose cryptography is validated, where there is one.
    signin_fips: Option<&'static str>,
    console: &'static str,
    /// The region whose sign-in has the plain name; every other has its own in front.
    pub(super) plain: Option<&'static str>,
}

/// Gives the hosts of a partition; `None` where AWS tells only those who are in it.
const fn hosts(partition: Partition) -> Option<Hosts> {
    Some(match partition {
        Partition::Aws => Hosts {
            signin: "signin.aws.amazon.com",
            signin_fips: None,
            console: "console.aws.amazon.com",
            plain: Some("us-east-1"),
        },
        Partition::Cn => Hosts {
            signin: "signin.amazonaws.cn",
            signin_fips: None,
            console: "console.amazonaws.cn",
            plain: Some("cn-north-1"),
        },
        Partition::UsGov => Hosts {
            signin: "signin.amazonaws-us-gov.com",
            signin_fips: Some("signin-fips.amazonaws-us-gov.com"),
            console: "console.amazonaws-us-gov.com",
            plain: Some("us-gov-west-1"),
        },
        Partition::Eusc => Hosts {
            signin: "signin.amazonaws-eusc.eu",
            signin_fips: None,
            console: "console.amazonaws-eusc.eu",
            plain: None,
        },
        Partition::Iso | Partition::IsoB | Partition::IsoE | Partition::IsoF => return None,
    })
}

pub(super) fn hosts_or_why(partition: Partition) -> Result<Hosts, UserError> {
    hosts(partition).ok_or_else(|| {
        let why = format!("AWS does not publish where the console of partition {} is", partition.id());
        UserError::new(Kind::Config, why).hint("sign in as your administrators there say; `rolecall get` works as ever")
    })
}

/// Gives the address of a region's sign-in, without a slash at its end.
pub fn signin_address(region: &str, fips: bool) -> Result<String, UserError> {
    let partition = Partition::of_region(region);
    let hosts = hosts_or_why(partition)?;
    let host = if fips {
        hosts.signin_fips.ok_or_else(|| {
            let why = format!("the console's sign-in has no FIPS host in partition {}", partition.id());
            UserError::new(Kind::Config, why)
                .hint("set `use_fips_endpoint = false` under `[aws]`, or stay on the command line")
        })?
    } else {
        hosts.signin
    };
    Ok(if hosts.plain == Some(region) { format!("https://{host}") } else { format!("https://{region}.{host}") })
}

/// Gives the address of the console's start page in a region, or of a service's.
pub fn page(region: &str, service: Option<&str>) -> Result<String, UserError> {
    check_region(region)?;
    let partition = Partition::of_region(region);
    let hosts = hosts_or_why(partition)?;
    let own;
    let path = match service.map(str::to_ascii_lowercase) {
        None => "console/home",
        Some(service) => {
            let is_word = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
            if !(1..=64).contains(&service.len()) || !service.bytes().all(is_word) {
                let shown = printable(&service, 64);
                return Err(UserError::new(Kind::Usage, format!("`{shown}` is not the name of a service"))
                    .hint("name it as the AWS CLI does, as s3 or cloudformation"));
            }
            if let Ok(at) = PAGES.binary_search_by(|(name, _)| (*name).cmp(&service)) {
                PAGES[at].1
            } else {
                own = format!("{service}/home");
                &own
            }
        }
    };
    let (region, path) = match path.strip_prefix('*') {
        Some(path) => (partition.default_region(), path),
        None => (region, path),
    };
    let (path, fragment) = path.split_once('#').map_or((path, String::new()), |(path, at)| (path, format!("#{at}")));
    Ok(format!("https://{region}.{}/{path}?region={region}{fragment}", hosts.console))
}

fn check_region(region: &str) -> Result<(), UserError> {
    let label = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    if (1..=63).contains(&region.len()) && region.bytes().all(label) && region.contains('-') {
        return Ok(());
    }
    Err(UserError::new(Kind::Usage, format!("`{}` is not a region", printable(region, 64)))
        .hint("a region looks like eu-central-1"))
}

/// Checks a page to land on: https, on the console's own hosts in the role's partition, spelled in one way only.
///
/// Threat: an open redirect. Whoever can make a person run the command would get a sign-in that ends on a page of theirs,
/// looking like AWS's.
pub fn check_destination(partition: Partition, text: &str) -> Result<(), UserError> {
    let console = hosts_or_why(partition)?.console;
    let refuse = |why: String| {
        Err(UserError::new(Kind::Usage, format!("the console does not lead to {}: {why}", printable(text, 200)))
            .hint(format!("give an address as `https://{console}/s3/home`, or `--service s3`")))
    };
    if text.len() > DESTINATION_MAX {
        return refuse(format!("it has more than {DESTINATION_MAX} characters"));
    }
    // Where browsers and we could read different hosts: backslashes, white space, user names, ports, other letters.
    if !text.bytes().all(|b| b.is_ascii_graphic() && !b"\\\"'<>`{}|^".contains(&b)) {
        return refuse("it has characters that do not belong into an address".to_owned());
    }
    let Some(rest) = text.strip_prefix("https://") else { return refuse("it is not https".to_owned()) };
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let is_plain = host.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-.".contains(&b));
    let is_own =
        host == console || host.strip_suffix(console).is_some_and(|front| front.ends_with('.') && front.len() > 1);
    if is_plain && is_own { Ok(()) } else { refuse(format!("it is not on {console}")) }
}

/// How a name's sessions came to be, as far as the console's sign-in cares.
///
/// IAM User Guide, "Enable custom identity broker access to the AWS console": the sign-in takes sessions of roles and of
/// GetFederationToken. Those that AssumeRole gave to a long-term key, and those of a web identity, may be given a duration of
/// their own; with role chaining it is refused ("Invalid credentials parameter"; AWS Knowledge Center, "invalid credentials
/// parameter"). That a role assumed with a GetSessionToken session counts as chained is said of the role's own duration
/// ("Otherwise, the call to the federation endpoint fails"); so nothing is asked for there either.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reached {
    /// A long-term key assumed the role, or an identity provider's token did.
    Directly,
    /// The session of an MFA code assumed the role.
    ByMfaSession,
    /// Another role, or what a source gave, assumed the role.
    ByChain,
    /// The session is a source's own; of what kind only the source knows.
    BySource,
}

/// Tells how a plan's session comes to be; refuses an IAM user's own, which cannot sign in.
pub fn reached(plan: &Plan) -> Result<Reached, UserError> {
    match plan.key().step() {
        Step::AssumeRole(_) if plan.keys.len() == 1 => Ok(Reached::Directly),
        Step::AssumeRole(_) => match plan.keys[plan.keys.len() - 2].step() {
            Step::SessionToken(_) => Ok(Reached::ByMfaSession),
            Step::AssumeRole(_) | Step::Source(_) => Ok(Reached::ByChain),
        },
        Step::SessionToken(_) => Err(user_session(plan)),
        Step::Source(_) if plan.identity.web_identity().is_some() => Ok(Reached::Directly),
        Step::Source(_) => Ok(Reached::BySource),
    }
}

fn user_session(plan: &Plan) -> UserError {
    let name = &plan.name;
    UserError::new(
        Kind::Config,
        format!("`{name}` is an IAM user, and AWS signs the console in with a role's session only, not with a user's"),
    )
    .hint("run `rolecall console ROLE`; `rolecall role list` shows the roles")
}

/// Decides how long the console's session shall last: what was asked for, else the role's own duration; `None` where AWS
/// takes no word on it, and the console lasts as long as the session that signs it in.
pub fn session_duration(
    reached: Reached,
    asked: Option<Duration>,
    own: Option<Duration>,
) -> Result<Option<Duration>, UserError> {
    let Some(asked) = asked else {
        // Within the range: a role's duration has the same bounds.
        return Ok(own.filter(|_| reached == Reached::Directly));
    };
    let (least, most) = SESSION_RANGE;
    if asked < least || asked > most {
        let why = format!("a session of the console lasts 15m to 12h, not {}", spelled(asked));
        return Err(UserError::new(Kind::Usage, why).hint("give `--duration` as 15m, 1h or 12h"));
    }
    let (why, hint) = match reached {
        Reached::Directly => return Ok(Some(asked)),
        Reached::ByMfaSession => (
            "AWS sets the duration for a role that was assumed with an MFA session: up to 1h, until that session ends",
            "leave `--duration` out, or give the role `mfa = \"direct\"`, which takes a code of its own",
        ),
        Reached::ByChain => (
            "AWS sets the duration for a role that was assumed with another session: up to 1h (role chaining)",
            "leave `--duration` out; run it again when the console's session is over",
        ),
        Reached::BySource => (
            "AWS sets the duration for a session that comes from elsewhere: until its own end",
            "leave `--duration` out; run it again when the console's session is over",
        ),
    };
    Err(UserError::new(Kind::Usage, why).hint(hint))
}

/// Writes a duration as one types it.
fn spelled(duration: Duration) -> String {
    match duration.as_secs() {
        s if s > 0 && s % 3600 == 0 => format!("{}h", s / 3600),
        s if s > 0 && s % 60 == 0 => format!("{}m", s / 60),
        s => format!("{s}s"),
    }
}

/// Makes the address that signs in whoever opens it.
///
/// Issuer is where the console sends people when the session is over; there is no such page, so it has our name, as in
/// CloudTrail.
pub fn login_url(signin: &str, destination: &str, token: &str) -> SigninUrl {
    const HEAD: &str = "/federation?Action=login&Issuer=rolecall&Destination=";
    const TOKEN: &str = "&SigninToken=";
    // Growing would leave a copy of the token behind.
    let mut url =
        String::with_capacity(signin.len() + HEAD.len() + TOKEN.len() + 3 * (destination.len() + token.len()));
    url.push_str(signin.trim_end_matches('/'));
    url.push_str(HEAD);
    encode(&mut url, destination);
    url.push_str(TOKEN);
    encode(&mut url, token);
    SigninUrl::new(url)
}

/// Writes a value of a query or form so that it is that value and nothing else (RFC 3986, unreserved characters). The text
/// grows by three bytes for one at most.
pub fn encode(out: &mut String, value: &str) {
    for b in value.bytes() {
        if b.is_ascii_alphanumeric() || b"-_.~".contains(&b) {
            out.push(char::from(b));
        } else {
            // Writing to a String does not fail.
            let _ = write!(out, "%{b:02X}");
        }
    }
}

#[cfg(test)]
#[path = "console_tests.rs"]
mod tests;
