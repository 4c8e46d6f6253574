//! The instance metadata service, version 2: a token, the name of the instance's role, its credentials.
//!
//! Version 1, which answers without a token, is never asked: a proxy or a request forged through a web server would be
//! answered by it as well (EC2 User Guide, "Use the Instance Metadata Service to access instance metadata").

use super::http::{HttpReply, HttpService};
use super::{CredentialSource, Sources};
use async_trait::async_trait;
use rolecall_core::domain::catalogue::AwsSettings;
use rolecall_core::domain::error::{Kind, UserError};
use rolecall_core::domain::secret::SessionToken;
use rolecall_core::domain::source::Ec2;
use rolecall_ports::{Clock, Retryability, SourceCredentials, TokenError};
use std::sync::Arc;

const TOKEN: &str = "/latest/api/token";
const ROLES: &str = "/latest/meta-data/iam/security-credentials/";

/// A token is used for the two requests that follow, and forgotten.
const TOKEN_SECONDS: &str = "60";
/// EC2's tokens have 56 characters.
const TOKEN_MAX: usize = 1024;
/// The longest name of a role (CreateRole).
const ROLE_MAX: usize = 64;

const UNREACHABLE: &str = "is this an EC2 instance? In a container on one, allow the answer one more hop: `aws ec2 \
                           modify-instance-metadata-options --http-put-response-hop-limit 2`";

#[async_trait]
impl CredentialSource for Ec2 {
    /// Requests the credentials of the role of the instance, again after a temporary error.
    async fn request(&self, sources: &Sources, _: &Arc<AwsSettings>) -> Result<SourceCredentials, TokenError> {
        let (endpoint, clock) = (self.endpoint.as_str(), sources.clock.as_ref());
        let host = endpoint.strip_prefix("http://").unwrap_or(endpoint);
        let service = HttpService::new(format!("the instance metadata service at {host}"), UNREACHABLE, false, None)?;
        match once(&service, endpoint, clock).await {
            Err(error) if error.outlook != Retryability::Permanent => once(&service, endpoint, clock).await,
            result => result,
        }
    }
}

async fn once(service: &HttpService, endpoint: &str, clock: &dyn Clock) -> Result<SourceCredentials, TokenError> {
    let token = token(service, endpoint, clock).await?;
    let reply = get(service, endpoint, ROLES, &token, clock).await?;
    if reply.status() == 404 {
        let cause = format!("{} knows no role: the instance has no instance profile", service.name);
        return Err(TokenError::permanent(
            UserError::new(Kind::Refused, cause).hint("attach one: `aws ec2 associate-iam-instance-profile`"),
        ));
    }
    let reply = good(service, reply, "the name of the instance's role")?;
    // The list has one line: an instance has one role.
    let text = std::str::from_utf8(reply.body()).unwrap_or_default();
    let role = text.lines().next().unwrap_or_default().trim();
    let letters = |c: char| c.is_ascii_alphanumeric() || "_+=,.@-".contains(c);
    if role.is_empty() || role.len() > ROLE_MAX || !role.chars().all(letters) {
        return Err(service.stranger("its answer is not the name of a role"));
    }
    let reply = get(service, endpoint, &format!("{ROLES}{role}"), &token, clock).await?;
    let reply = good(service, reply, "the credentials of the instance's role")?;
    // The answer itself names nobody.
    Ok(SourceCredentials { user: Some(role.to_owned()), ..service.credentials(&reply)? })
}

async fn token(service: &HttpService, endpoint: &str, clock: &dyn Clock) -> Result<SessionToken, TokenError> {
    let headers = [("x-aws-ec2-metadata-token-ttl-seconds", TOKEN_SECONDS)];
    let reply = service.send(clock, "PUT", &format!("{endpoint}{TOKEN}"), &headers).await?;
    let hint = match reply.status() {
        403 => {
            "it is switched off for this instance: `aws ec2 modify-instance-metadata-options --http-endpoint enabled`"
        }
        _ => "rolecall speaks version 2 only, with tokens; look at `ec2_metadata_service_endpoint`",
    };
    if reply.status() != 200 {
        return Err(service.status(&reply, "a token", hint));
    }
    let token = std::str::from_utf8(reply.body()).unwrap_or_default().trim();
    if token.is_empty() || token.len() > TOKEN_MAX || !token.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(service.stranger("its answer is not a token"));
    }
    Ok(SessionToken::new(token.to_owned()))
}

async fn get(
    service: &HttpService,
    endpoint: &str,
    path: &str,
    token: &SessionToken,
    clock: &dyn Clock,
) -> Result<HttpReply, TokenError> {
    service.send(clock, "GET", &format!("{endpoint}{path}"), &[("x-aws-ec2-metadata-token", token.expose())]).await
}

/// Takes an answer that is one. A token that is over (401) is worth another try with a new one.
fn good(service: &HttpService, reply: HttpReply, what: &str) -> Result<HttpReply, TokenError> {
    match reply.status() {
        200 => Ok(reply),
        401 => {
            let error = service.status(&reply, what, "it took its own token for none; run it again in a moment");
            Err(TokenError { outlook: Retryability::Transient, ..error })
        }
        _ => Err(service.status(&reply, what, "look at the instance's profile: `aws ec2 describe-instances`")),
    }
}
