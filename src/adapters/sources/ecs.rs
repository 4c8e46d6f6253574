//! The container endpoint of ECS and EKS: one address, an authorization where there is one, credentials.

use super::http::HttpService;
use super::startup_env::Container;
use super::{CredentialSource, Sources, token_file};
use crate::aws::tls_roots;
use async_trait::async_trait;
use rolecall_core::domain::catalogue::AwsSettings;
use rolecall_core::domain::error::{Kind, UserError, printable};
use rolecall_core::domain::secret::WebToken;
use rolecall_core::domain::source::{ContainerUri, Ecs};
use rolecall_core::domain::urls::{check_container_path, check_container_uri};
use rolecall_ports::{Clock, Retryability, SourceCredentials, TokenError};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Where a relative path is (SDKs and Tools Reference Guide, "Container credential provider").
const ECS: &str = "http://169.254.170.2";

const HINT: &str = "does the task have a task role, or the pod a Pod Identity association? Look at \
                    AWS_CONTAINER_CREDENTIALS_FULL_URI and its companions";

/// What to ask, and with which authorization.
pub(super) struct ContainerEndpoint {
    url: String,
    authorization: Option<Authorization>,
}

enum Authorization {
    File(PathBuf),
    Token(WebToken),
}

impl ContainerEndpoint {
    /// Puts together what the configuration says and, where it says nothing, the agent's environment.
    pub(super) fn of(
        uri: Option<&ContainerUri>,
        token_file: Option<&Path>,
        ambient: &Container,
    ) -> Result<Self, TokenError> {
        let said = uri.cloned().or_else(|| {
            let relative = ambient.relative_uri.clone().map(ContainerUri::Relative);
            relative.or_else(|| ambient.full_uri.clone().map(ContainerUri::Full))
        });
        let wrong = |name: &str, why: &str| {
            TokenError::permanent(UserError::new(Kind::Config, format!("{name} in the agent's environment: {why}")).hint(
                "correct it where the agent is started, or set `container_credentials_full_uri` in the configuration",
            ))
        };
        let url = match said {
            Some(ContainerUri::Relative(path)) => {
                check_container_path(&path).map_err(|why| wrong("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", why))?;
                format!("{ECS}{path}")
            }
            Some(ContainerUri::Full(url)) => {
                check_container_uri(&url).map_err(|why| wrong("AWS_CONTAINER_CREDENTIALS_FULL_URI", why))?;
                url
            }
            None => {
                let cause =
                    "neither the configuration nor the agent's own environment says where the container endpoint is";
                return Err(TokenError::permanent(UserError::new(Kind::Config, cause).hint(
                    "set `container_credentials_full_uri`, or start the agent where the container's variables are set: \
                     `rolecall agent run`",
                )));
            }
        };
        let file = token_file.map(Path::to_path_buf).or_else(|| ambient.token_file.clone().map(PathBuf::from));
        // A file goes before a token, as in every SDK but Java's.
        let authorization = match file {
            Some(file) if !file.is_absolute() => {
                return Err(wrong("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "the path does not start with /"));
            }
            Some(file) => Some(Authorization::File(file)),
            None => ambient.token.clone().map(Authorization::Token),
        };
        Ok(Self { url, authorization })
    }

    /// Names it without path and query, which may hold a secret.
    fn host(&self) -> String {
        let rest = self.url.split_once("://").map_or(self.url.as_str(), |(_, rest)| rest);
        printable(rest.split(['/', '?']).next().unwrap_or_default(), 200)
    }
}

#[async_trait]
impl CredentialSource for Ecs {
    /// Requests the credentials of the task or pod, again after a temporary error.
    async fn request(&self, sources: &Sources, aws: &Arc<AwsSettings>) -> Result<SourceCredentials, TokenError> {
        let place =
            ContainerEndpoint::of(self.uri.as_ref(), self.token_file.as_deref(), &sources.ambient.ambient.container)?;
        let name = format!("the container endpoint at {}", place.host());
        let (tls, aws) = (place.url.starts_with("https://"), Arc::clone(aws));
        let certificates = aws.ca_bundle.clone();
        let job = move || Ok(HttpService::new(name, HINT, tls, aws.ca_bundle.as_deref()));
        let service = tls_roots::reading(certificates.as_deref(), job).await.map_err(TokenError::permanent)??;
        let clock = sources.clock.as_ref();
        match once(&place, &service, clock).await {
            Err(error) if error.outlook != Retryability::Permanent => once(&place, &service, clock).await,
            result => result,
        }
    }
}

async fn once(
    place: &ContainerEndpoint,
    service: &HttpService,
    clock: &dyn Clock,
) -> Result<SourceCredentials, TokenError> {
    // Read for each request: EKS renews the file.
    let token = match &place.authorization {
        Some(Authorization::File(file)) => Some(token_file::authorization(file).await?),
        Some(Authorization::Token(token)) => Some(token.clone()),
        None => None,
    };
    let mut headers = vec![("accept", "application/json")];
    if let Some(token) = &token {
        if !token.expose().bytes().all(|b| b.is_ascii_graphic() || b == b' ') {
            let cause = "AWS_CONTAINER_AUTHORIZATION_TOKEN in the agent's environment cannot be sent: it has control characters";
            return Err(TokenError::permanent(
                UserError::new(Kind::Config, cause).hint("correct it where the agent is started"),
            ));
        }
        headers.push(("authorization", token.expose()));
    }
    let reply = service.send(clock, "GET", &place.url, &headers).await?;
    match reply.status() {
        200 => {}
        400 | 401 | 403 => {
            return Err(service.status(
                &reply,
                "the authorization",
                "look at AWS_CONTAINER_AUTHORIZATION_TOKEN or its file",
            ));
        }
        _ => return Err(service.status(&reply, "the request", HINT)),
    }
    service.credentials(&reply)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn container(relative: Option<&str>, full: Option<&str>) -> Container {
        Container {
            relative_uri: relative.map(str::to_owned),
            full_uri: full.map(str::to_owned),
            ..Container::default()
        }
    }

    fn url(uri: Option<&ContainerUri>, ambient: &Container) -> Result<String, String> {
        ContainerEndpoint::of(uri, None, ambient).map(|place| place.url).map_err(|error| error.report.message)
    }

    #[test]
    fn the_configuration_goes_before_the_environment_and_the_relative_path_before_the_whole_address() {
        let both = container(Some("/v2/credentials/7f3a"), Some("http://169.254.170.23/v1/credentials"));
        assert_eq!(url(None, &both).as_deref(), Ok("http://169.254.170.2/v2/credentials/7f3a"));
        let full = container(None, Some("http://169.254.170.23/v1/credentials"));
        assert_eq!(url(None, &full).as_deref(), Ok("http://169.254.170.23/v1/credentials"));
        let own = ContainerUri::Full("https://example.com/x".into());
        assert_eq!(url(Some(&own), &both).as_deref(), Ok("https://example.com/x"));
    }

    #[test]
    fn an_environment_that_leads_elsewhere_is_refused_with_the_variable_named() {
        for (ambient, variable) in [
            (container(Some("//example.com/x"), None), "RELATIVE_URI"),
            (container(Some("v2"), None), "RELATIVE_URI"),
            (container(None, Some("http://example.com/x")), "FULL_URI"),
            (container(None, Some("http://169.254.169.254/x")), "FULL_URI"),
            (container(None, None), "own environment"),
        ] {
            let said = url(None, &ambient).expect_err(variable);
            assert!(said.contains(variable), "{said}");
        }
    }

    #[test]
    fn a_token_file_goes_before_a_token_and_its_path_is_whole() {
        let ambient = Container {
            token: Some(WebToken::new("canary-token".into())),
            token_file: Some("/var/run/token".into()),
            ..container(None, Some("http://localhost/x"))
        };
        let place = ContainerEndpoint::of(None, None, &ambient).expect("a place");
        assert!(matches!(place.authorization, Some(Authorization::File(_))));
        let relative = Container { token_file: Some("token".into()), ..ambient };
        assert!(ContainerEndpoint::of(None, None, &relative).is_err_and(|e| e.report.message.contains("TOKEN_FILE")));
    }
}
