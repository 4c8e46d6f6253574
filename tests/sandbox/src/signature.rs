//! Signature Version 4: what a request presents, and whether the secret signed it.
//!
//! The mathematics is `aws-sigv4`'s, which signs the request again with the secret we know. Rules: AWS Signature Version
//! 4 for API requests, in the IAM User Guide.

use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SessionTokenMode, SignableBody, SignableRequest, SignatureLocation,
    SigningSettings, UriPathNormalizationMode, sign,
};
use aws_sigv4::sign::v4;
use chrono::{DateTime, NaiveDateTime, Utc};

use crate::request::Request;

const ALGORITHM: &str = "AWS4-HMAC-SHA256";

/// The query parameters of a presigned request that the signer adds by itself.
const PRESIGNED: [&str; 7] = [
    "X-Amz-Algorithm",
    "X-Amz-Credential",
    "X-Amz-Date",
    "X-Amz-Expires",
    "X-Amz-SignedHeaders",
    "X-Amz-Signature",
    "X-Amz-Security-Token",
];

/// What a signed request says of its signature.
#[derive(Debug)]
pub(crate) struct Presented {
    pub(crate) access_key_id: String,
    pub(crate) scope: Scope,
    pub(crate) signed_headers: Vec<String>,
    signature: String,
    /// When it says it was signed.
    pub(crate) time: DateTime<Utc>,
    pub(crate) session_token: Option<String>,
    /// For how long a presigned request is good; `None` if the signature is in a header.
    pub(crate) expires: Option<Duration>,
}

/// The credential scope.
#[derive(Debug)]
pub(crate) struct Scope {
    pub(crate) date: String,
    pub(crate) region: String,
    pub(crate) service: String,
    pub(crate) terminator: String,
}

impl Presented {
    /// Reads the signature of a request, if it has one; the error says what is missing.
    pub(crate) fn read(request: &Request) -> Result<Option<Self>, String> {
        let query = request.query_parameters();
        let from_query =
            |name: &str| query.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str());
        if let Some(header) = request.header("authorization") {
            let fields = header.strip_prefix(ALGORITHM).ok_or_else(|| {
                format!("Unsupported AWS 'algorithm': '{}'.", header.split(' ').next().unwrap_or_default())
            })?;
            let field =
                |name: &str| fields.split(',').find_map(|field| field.trim().strip_prefix(name)?.strip_prefix('='));
            let time = request.header("x-amz-date").or_else(|| request.header("date"));
            return Self::assemble(
                field("Credential"),
                field("SignedHeaders"),
                field("Signature"),
                time,
                request.header("x-amz-security-token"),
                None,
            )
            .map(Some);
        }
        if from_query("X-Amz-Algorithm").is_none() {
            return Ok(None);
        }
        let seconds = from_query("X-Amz-Expires").and_then(|text| text.parse().ok()).unwrap_or(0);
        let token = from_query("X-Amz-Security-Token").or_else(|| request.header("x-amz-security-token"));
        Self::assemble(
            from_query("X-Amz-Credential"),
            from_query("X-Amz-SignedHeaders"),
            from_query("X-Amz-Signature"),
            from_query("X-Amz-Date"),
            token,
            Some(Duration::from_secs(seconds)),
        )
        .map(Some)
    }

    fn assemble(
        credential: Option<&str>,
        signed_headers: Option<&str>,
        signature: Option<&str>,
        time: Option<&str>,
        token: Option<&str>,
        expires: Option<Duration>,
    ) -> Result<Self, String> {
        let missing = |name: &str| format!("Authorization header requires '{name}' parameter.");
        let credential = credential.ok_or_else(|| missing("Credential"))?;
        let mut parts = credential.split('/').map(str::to_owned);
        let mut part = || {
            parts.next().ok_or_else(|| format!("Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term, got '{credential}'"))
        };
        let time = time
            .and_then(parse_time)
            .ok_or("Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header.")?;
        Ok(Self {
            access_key_id: part()?,
            scope: Scope { date: part()?, region: part()?, service: part()?, terminator: part()? },
            signed_headers: signed_headers
                .ok_or_else(|| missing("SignedHeaders"))?
                .split(';')
                .map(str::to_lowercase)
                .collect(),
            signature: signature.ok_or_else(|| missing("Signature"))?.to_owned(),
            time,
            session_token: token.map(str::to_owned),
            expires,
        })
    }

    /// Returns the time as the signature writes it.
    pub(crate) fn time_text(&self) -> String {
        compact(self.time)
    }

    /// Says whether the request was signed with a secret.
    pub(crate) fn is_by(&self, secret: &str, request: &Request) -> bool {
        // "The CanonicalHeaders list must include the HTTP host header."
        self.signed_headers.iter().any(|name| name == "host")
            && self.recompute(secret, request).is_some_and(|ours| ours == self.signature)
    }

    fn recompute(&self, secret: &str, request: &Request) -> Option<String> {
        let of_s3 = self.scope.service == "s3";
        let token = self
            .session_token
            .clone()
            .filter(|_| self.expires.is_some() && request.query.contains("X-Amz-Security-Token"));
        let identity = Credentials::new(&self.access_key_id, secret, token, None, "sandbox").into();
        let settings = self.settings(of_s3);
        let parameters = v4::SigningParams::builder()
            .identity(&identity)
            .region(&self.scope.region)
            .name(&self.scope.service)
            .time(SystemTime::from(self.time))
            .settings(settings)
            .build()
            .ok()?
            .into();
        let headers: Vec<(&str, &str)> = request
            .headers
            .iter()
            .filter(|(name, _)| self.signed_headers.iter().any(|signed| signed == name.as_str()))
            .map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)))
            .collect::<Option<_>>()?;
        let target = if self.expires.is_some() { without_signature(request) } else { request.target() };
        let signable =
            SignableRequest::new(request.method.as_str(), target, headers.into_iter(), self.body(of_s3, request))
                .ok()?;
        Some(sign(signable, &parameters).ok()?.into_parts().1)
    }

    fn settings(&self, of_s3: bool) -> SigningSettings {
        let mut settings = SigningSettings::default();
        settings.payload_checksum_kind = PayloadChecksumKind::NoHeader;
        settings.session_token_mode = SessionTokenMode::Include;
        settings.expires_in = self.expires;
        if self.expires.is_some() {
            settings.signature_location = SignatureLocation::QueryParams;
        }
        // S3 takes the path as it is; every other service encodes it twice and resolves its dots.
        if of_s3 {
            settings.percent_encoding_mode = PercentEncodingMode::Single;
            settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
        }
        // The signer would add a date header of its own; it counts only if the client signed one.
        let dated = self.signed_headers.iter().any(|name| name == "x-amz-date");
        settings.excluded_headers = Some(if dated { Vec::new() } else { vec!["x-amz-date".into()] });
        settings
    }

    fn body<'a>(&self, of_s3: bool, request: &'a Request) -> SignableBody<'a> {
        match request.header("x-amz-content-sha256") {
            // The client's word is taken only where there is nothing to hash: unsigned and streamed payloads.
            Some(word) if of_s3 && !is_digest(word) => SignableBody::Precomputed(word.to_owned()),
            None if of_s3 && self.expires.is_some() => SignableBody::UnsignedPayload,
            _ => SignableBody::Bytes(&request.body),
        }
    }
}

fn is_digest(word: &str) -> bool {
    word.len() == 64 && word.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn without_signature(request: &Request) -> String {
    let kept: Vec<&str> = request
        .query
        .split('&')
        .filter(|pair| {
            !PRESIGNED.iter().any(|name| pair.split('=').next().is_some_and(|key| key.eq_ignore_ascii_case(name)))
        })
        .collect();
    if kept.is_empty() { request.path.clone() } else { format!("{}?{}", request.path, kept.join("&")) }
}

fn parse_time(text: &str) -> Option<DateTime<Utc>> {
    NaiveDateTime::parse_from_str(text, "%Y%m%dT%H%M%SZ")
        .map(|time| time.and_utc())
        .or_else(|_| DateTime::parse_from_rfc2822(text).map(|time| time.to_utc()))
        .ok()
}

/// Writes a time as signatures do.
pub(crate) fn compact(time: DateTime<Utc>) -> String {
    time.format("%Y%m%dT%H%M%SZ").to_string()
}
