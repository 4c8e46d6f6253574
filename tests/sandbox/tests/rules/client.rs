//! A small client: signs with `aws-sigv4`, speaks HTTP/1.1 over a plain stream.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SignatureLocation, SigningSettings,
    UriPathNormalizationMode, sign,
};
use aws_sigv4::sign::v4;
use chrono::{DateTime, Utc};
use rolecall_sandbox::{AccessKey, Clock, Sandbox, SessionCredentials};

#[derive(Clone)]
pub(crate) struct Client {
    address: String,
    clock: Clock,
    pub(crate) key: String,
    pub(crate) secret: String,
    pub(crate) token: Option<String>,
    pub(crate) region: String,
    /// The service in the scope, where it is not the one that is spoken to.
    pub(crate) scope: Option<String>,
    /// How far this client's clock is off, in seconds.
    pub(crate) skew: i64,
}

#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Client {
    pub(crate) fn new(aws: &Sandbox) -> Self {
        Self {
            address: aws.url().trim_start_matches("http://").to_owned(),
            clock: aws.clock(),
            key: String::new(),
            secret: String::new(),
            token: None,
            region: "eu-west-1".to_owned(),
            scope: None,
            skew: 0,
        }
    }

    pub(crate) fn signed_by(&self, key: &AccessKey) -> Self {
        Self { key: key.id.clone(), secret: key.secret.clone(), token: None, ..self.clone() }
    }

    pub(crate) fn with_session(&self, session: &SessionCredentials) -> Self {
        Self {
            key: session.access_key_id.clone(),
            secret: session.secret_access_key.clone(),
            token: Some(session.session_token.clone()),
            ..self.clone()
        }
    }

    /// Returns a client with the credentials of a reply, which must be a success.
    pub(crate) fn with(&self, reply: &Reply) -> Self {
        assert_eq!(reply.status, 200, "{}", reply.body);
        Self {
            key: reply.field("AccessKeyId").to_owned(),
            secret: reply.field("SecretAccessKey").to_owned(),
            token: Some(reply.field("SessionToken").to_owned()),
            ..self.clone()
        }
    }

    pub(crate) fn sts(&self, action: &str, parameters: &[(&str, &str)]) -> Reply {
        let body = form_urlencoded::Serializer::new(String::new())
            .append_pair("Action", action)
            .append_pair("Version", "2011-06-15")
            .extend_pairs(parameters)
            .finish();
        self.send("POST", "sts", "/", &body)
    }

    pub(crate) fn assume(&self, role_arn: &str, parameters: &[(&str, &str)]) -> Reply {
        let mut all = vec![("RoleArn", role_arn)];
        if parameters.iter().all(|(name, _)| *name != "RoleSessionName") {
            all.push(("RoleSessionName", "session"));
        }
        all.extend(parameters);
        self.sts("AssumeRole", &all)
    }

    pub(crate) fn s3(&self, target: &str) -> Reply {
        self.send("GET", "s3", target, "")
    }

    pub(crate) fn send(&self, method: &str, service: &str, target: &str, body: &str) -> Reply {
        self.exchange(&self.signed(method, service, target, body)).expect("the sandbox answers")
    }

    /// Sends bytes and reads to the end of the connection.
    pub(crate) fn exchange(&self, request: &str) -> std::io::Result<Reply> {
        let mut stream = TcpStream::connect(&self.address)?;
        stream.write_all(request.as_bytes())?;
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes)?;
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let (head, body) = text.split_once("\r\n\r\n").ok_or(std::io::ErrorKind::UnexpectedEof)?;
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status line has a status");
        Ok(Reply { status, head: head.to_lowercase(), body: body.to_owned() })
    }

    /// Returns the target of a presigned request.
    pub(crate) fn presigned(&self, service: &str, target: &str, seconds: u64) -> String {
        let identity = Credentials::new(&self.key, &self.secret, self.token.clone(), None, "test").into();
        let mut settings = SigningSettings::default();
        settings.signature_location = SignatureLocation::QueryParams;
        settings.expires_in = Some(Duration::from_secs(seconds));
        let mut body = SignableBody::Bytes(b"");
        if service == "s3" {
            settings.percent_encoding_mode = PercentEncodingMode::Single;
            settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
            body = SignableBody::UnsignedPayload;
        }
        let parameters = v4::SigningParams::builder()
            .identity(&identity)
            .region(&self.region)
            .name(service)
            .time(SystemTime::from(self.clock.now()))
            .settings(settings)
            .build()
            .expect("every signing parameter is set")
            .into();
        let headers = [("host", self.address.as_str())];
        let signable =
            SignableRequest::new("GET", target, headers.into_iter(), body).expect("the request can be signed");
        let (instructions, _) = sign(signable, &parameters).expect("the request can be signed").into_parts();
        let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(instructions.params()).finish();
        format!("{target}{}{query}", if target.contains('?') { '&' } else { '?' })
    }

    /// Sends a request without a signature in its headers.
    pub(crate) fn get(&self, target: &str) -> Reply {
        let request = format!("GET {target} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n\r\n", self.address);
        self.exchange(&request).expect("the sandbox answers")
    }

    pub(crate) fn signed(&self, method: &str, service: &str, target: &str, body: &str) -> String {
        let now = self.clock.now() + chrono::TimeDelta::seconds(self.skew);
        let identity = Credentials::new(&self.key, &self.secret, self.token.clone(), None, "test").into();
        let mut settings = SigningSettings::default();
        if service == "s3" {
            settings.percent_encoding_mode = PercentEncodingMode::Single;
            settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
            settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
        }
        let parameters = v4::SigningParams::builder()
            .identity(&identity)
            .region(&self.region)
            .name(self.scope.as_deref().unwrap_or(service))
            .time(SystemTime::from(now))
            .settings(settings)
            .build()
            .expect("every signing parameter is set")
            .into();
        let headers = [("host", self.address.as_str()), ("content-type", "application/x-www-form-urlencoded")];
        let signable = SignableRequest::new(method, target, headers.into_iter(), SignableBody::Bytes(body.as_bytes()));
        let signed =
            sign(signable.expect("the request can be signed"), &parameters).expect("the request can be signed");
        let mut request =
            format!("{method} {target} HTTP/1.1\r\nconnection: close\r\ncontent-length: {}\r\n", body.len());
        let (instructions, _) = signed.into_parts();
        for (name, value) in headers.into_iter().chain(instructions.headers()) {
            request.extend([name, ": ", value, "\r\n"]);
        }
        request + "\r\n" + body
    }
}

impl Reply {
    /// Returns the text of an element, or nothing.
    pub(crate) fn field(&self, name: &str) -> &str {
        let inner =
            self.body.split_once(&format!("<{name}>")).and_then(|(_, rest)| rest.split_once(&format!("</{name}>")));
        inner.map_or("", |(text, _)| text)
    }

    /// Returns how often an element is there.
    pub(crate) fn count(&self, name: &str) -> usize {
        self.body.matches(&format!("<{name}>")).count()
    }

    /// Returns the end of the credentials.
    pub(crate) fn expiration(&self) -> DateTime<Utc> {
        self.field("Expiration").parse().expect("the reply has an expiration")
    }

    #[track_caller]
    pub(crate) fn succeeds(&self) -> &Self {
        assert_eq!(self.status, 200, "{}", self.body);
        self
    }

    /// Asserts a refusal; the message must contain a text.
    #[track_caller]
    pub(crate) fn fails(&self, status: u16, code: &str, message: &str) -> &Self {
        assert_eq!((self.status, self.field("Code")), (status, code), "{}", self.body);
        let said = self.field("Message").replace("&apos;", "'").replace("&quot;", "\"");
        assert!(said.contains(message), "{said:?} should contain {message:?}");
        self
    }

    #[track_caller]
    pub(crate) fn is_denied(&self) -> &Self {
        self.fails(403, "AccessDenied", "")
    }
}
