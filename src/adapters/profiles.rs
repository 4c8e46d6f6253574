//! A profile of the AWS files as the SDK for Rust resolves it: keys, chains of roles, programs, SSO, web identity, `aws login`.
//!
//! Only a one-shot comes here: the agent reads none of AWS's files. The rules are the SDK's own, the environment's
//! endpoints included; proxy and certificates are those of the configuration. Nothing is kept.

use super::aws::connector;
use super::aws::endpoint::Endpoint;
use super::aws::tls_roots;
use aws_config::Region;
use aws_config::meta::region::ProvideRegion;
use aws_config::profile::ProfileSet;
use aws_config::profile::credentials::ProfileFileCredentialsProvider;
use aws_config::profile::region::ProfileFileRegionProvider;
use aws_config::provider_config::ProviderConfig;
use aws_credential_types::provider::ProvideCredentials;
use aws_smithy_types::error::display::DisplayErrorContext;
use aws_types::os_shim_internal::{Env, Fs};
use chrono::{DateTime, Utc};
use rolecall_core::domain::arn::Partition;
use rolecall_core::domain::catalogue::AwsSettings;
use rolecall_core::domain::credential::{AccessKey, Session, Signer};
use rolecall_core::domain::error::{Kind, UserError, printable};
use rolecall_core::domain::secret::{SecretKey, SessionToken};
use rolecall_core::domain::urls::check_endpoint;
use std::ffi::OsString;
use std::sync::Arc;
use std::time::Duration;
use tracing::instrument::WithSubscriber;
use tracing::subscriber::NoSubscriber;

/// A program may ask a person for a code first.
const WHOLE: Duration = Duration::from_mins(2);

/// A session without an end is taken for one of an hour; it is used for this command only.
const UNSAID: Duration = Duration::from_hours(1);

/// Gives what a profile's calls are signed by, and its region; `password` is the proxy's.
pub(super) async fn resolve(
    aws: &Arc<AwsSettings>,
    profile: &str,
    password: Option<SecretKey>,
) -> Result<(Signer, String), UserError> {
    let shown = printable(profile, 128);
    let files = usual_files();
    let sections = aws_config::profile::load(&Fs::real(), &Env::real(), &files, None)
        .with_subscriber(NoSubscriber::default())
        .await
        .map_err(|e| {
            let why = printable(&DisplayErrorContext(&e).to_string(), 300);
            UserError::new(Kind::Config, format!("the AWS files cannot be read: {why}"))
                .hint("correct the line that is named")
        })?;
    if sections.get_profile(profile).is_none() {
        return Err(unknown(&shown, &sections));
    }
    check_endpoints(&sections, profile, environment())?;
    if let Some(asking) = asks_for_a_code(&sections, profile) {
        let of =
            if asking == profile { String::new() } else { format!(", by way of profile {}", printable(&asking, 128)) };
        return Err(UserError::new(
            Kind::Config,
            format!("profile {shown} wants an MFA code{of} (mfa_serial), and the SDK for Rust asks nobody for one"),
        )
        .hint(format!(
            "make a profile of it that a program serves: `credential_process = aws configure export-credentials --profile {shown}`, \
             or the profile of a rolecall role"
        )));
    }
    let settings = Arc::clone(aws);
    let client = tls_roots::reading(aws.ca_bundle.as_deref(), move || {
        // Any of AWS's hosts may be asked on the way: STS, SSO, the console's sign-in.
        let anywhere = Endpoint::sts(&AwsSettings { sts_endpoint: None, ..(*settings).clone() }, "us-east-1")?;
        connector::client(&settings, &anywhere, password.as_ref())
    });
    let client = client.await?;
    let config = ProviderConfig::without_region().with_http_client(client);
    let region = ProfileFileRegionProvider::builder().configure(&config).profile_name(profile).build();
    let region = region.region().with_subscriber(NoSubscriber::default()).await;
    let region = region.map_or_else(|| Partition::Aws.default_region().to_owned(), |region| region.to_string());
    let config = config.with_region(Some(Region::new(region.clone())));
    let provider = ProfileFileCredentialsProvider::builder().configure(&config).profile_name(profile).build();
    // At its finer levels the SDK logs what a program printed.
    let given = tokio::time::timeout(WHOLE, provider.provide_credentials()).with_subscriber(NoSubscriber::default());
    let given = given.await.map_err(|_| {
        UserError::new(Kind::Unreachable, format!("profile {shown} gave no credentials within two minutes"))
            .hint(format!("try it: `aws sts get-caller-identity --profile {shown}`"))
    })?;
    let given = given.map_err(|e| {
        let why = printable(&DisplayErrorContext(&e).to_string(), 300);
        UserError::new(Kind::Config, format!("profile {shown} gives no credentials: {why}")).hint(format!(
            "try it: `aws sts get-caller-identity --profile {shown}`; for SSO `aws sso login --profile {shown}`"
        ))
    })?;
    let (id, secret) = (given.access_key_id().to_owned(), SecretKey::new(given.secret_access_key().to_owned()));
    let signer = match given.session_token() {
        None => Signer::Key(AccessKey { id, secret }),
        Some(token) => Signer::Session(Session {
            access_key_id: id,
            secret,
            token: SessionToken::new(token.to_owned()),
            expiration: given.expiry().map_or_else(|| DateTime::<Utc>::MAX_UTC - UNSAID, DateTime::<Utc>::from),
            account: None,
        }),
    };
    Ok((signer, region))
}

/// Gives the places of the AWS files as the environment names them.
#[expect(deprecated, reason = "the type's new home is a crate that is not meant to be used directly")]
fn usual_files() -> aws_config::profile::profile_file::ProfileFiles {
    aws_config::profile::profile_file::ProfileFiles::default()
}

fn unknown(shown: &str, sections: &ProfileSet) -> UserError {
    let mut names: Vec<&str> = sections.profiles().collect();
    names.sort_unstable();
    let there = match names.as_slice() {
        [] => "there are no profiles".to_owned(),
        names => format!("there are {}", printable(&names.join(", "), 300)),
    };
    UserError::new(Kind::Config, format!("the AWS files have no profile {shown}"))
        .hint(format!("{there}: `aws configure list-profiles`; `aws configure --profile {shown}` makes one"))
}

/// Gives the environment that the SDK itself resolves a profile by.
#[expect(
    clippy::disallowed_methods,
    reason = "a one-shot has its caller's environment, and the SDK reads the same one"
)]
fn environment() -> impl Iterator<Item = (OsString, OsString)> {
    std::env::vars_os()
}

/// Refuses what would send a signed call in the clear over a network, before anybody is asked: the SDK itself takes any address.
fn check_endpoints(
    sections: &ProfileSet,
    profile: &str,
    environment: impl Iterator<Item = (OsString, OsString)>,
) -> Result<(), UserError> {
    let refuse = |whence: &str, why: &str| {
        UserError::new(Kind::Config, format!("{}: {why}", printable(whence, 200)))
            .hint("the credentials of an administrator would be used there: take it away, or make it https")
    };
    let variables = environment.filter_map(|(name, value)| {
        let name = name.into_string().ok()?;
        let is_one = name == "AWS_ENDPOINT_URL" || name.starts_with("AWS_ENDPOINT_URL_");
        (is_one && !value.is_empty()).then(|| (name, value.to_string_lossy().into_owned()))
    });
    for (name, value) in variables {
        check_endpoint(&value).map_err(|why| refuse(&name, why))?;
    }
    for at in chain(sections, profile) {
        let Some(section) = sections.get_profile(at) else { continue };
        if let Some(url) = section.get("endpoint_url") {
            check_endpoint(url).map_err(|why| refuse(&format!("endpoint_url of profile {at}"), why))?;
        }
    }
    Ok(())
}

/// Lists the profiles along a chain of roles, the first one first.
fn chain<'a>(sections: &'a ProfileSet, profile: &'a str) -> Vec<&'a str> {
    let mut all = vec![profile];
    while let Some(next) = sections.get_profile(all[all.len() - 1]).and_then(|section| section.get("source_profile")) {
        if all.contains(&next) {
            break;
        }
        all.push(next);
    }
    all
}

/// Finds the profile along a chain that a role is assumed in with a code.
fn asks_for_a_code(sections: &ProfileSet, profile: &str) -> Option<String> {
    let asks = |at: &&str| {
        sections
            .get_profile(at)
            .is_some_and(|section| section.get("role_arn").is_some() && section.get("mfa_serial").is_some())
    };
    chain(sections, profile).into_iter().find(asks).map(str::to_owned)
}
