//! A bucket's listing as the AWS CLI asks for it: one GET, signed with the credentials that are given, over a plain stream.

use aws_credential_types::Credentials as Identity;
use aws_sigv4::http_request::{PayloadChecksumKind, SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use rolecall_sandbox::tutorials::REGION;
use std::error::Error;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, SystemTime};

/// The sandbox is on this machine.
const PATIENCE: Duration = Duration::from_mins(2);

/// What signs the request.
pub(crate) struct Credentials<'a> {
    pub(crate) access_key_id: &'a str,
    pub(crate) secret: &'a str,
    pub(crate) token: Option<&'a str>,
}

/// Lists a bucket: name and size of each object. An error holds AWS's own code.
pub(crate) fn list(url: &str, bucket: &str, keys: &Credentials<'_>) -> Result<Vec<(String, String)>, String> {
    let answer = ask(url, &format!("/{bucket}?list-type=2"), keys).map_err(|e| format!("S3 did not answer: {e}"))?;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    if !head.starts_with("HTTP/1.1 200 ") {
        return Err(format!("S3 refused: {}", element(body, "Code").unwrap_or(head)));
    }
    let objects = body.split("<Contents>").skip(1);
    Ok(objects.filter_map(|o| Some((element(o, "Key")?.to_owned(), element(o, "Size")?.to_owned()))).collect())
}

fn element<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(&format!("<{name}>"))?;
    Some(rest.split_once(&format!("</{name}>"))?.0)
}

fn ask(url: &str, target: &str, keys: &Credentials<'_>) -> Result<String, Box<dyn Error>> {
    let host = url.trim_start_matches("http://");
    let token = keys.token.map(str::to_owned);
    let identity = Identity::new(keys.access_key_id, keys.secret, token, None, "demo").into();
    let mut settings = SigningSettings::default();
    settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
    let parameters = v4::SigningParams::builder()
        .identity(&identity)
        .region(REGION)
        .name("s3")
        .time(SystemTime::now())
        .settings(settings)
        .build()?
        .into();
    let signable = SignableRequest::new("GET", target, [("host", host)].into_iter(), SignableBody::Bytes(b""))?;
    let (instructions, _) = sign(signable, &parameters)?.into_parts();
    let mut request = format!("GET {target} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n");
    for (name, value) in instructions.headers() {
        request.extend([name, ": ", value, "\r\n"]);
    }
    request.push_str("\r\n");
    let mut stream = TcpStream::connect(host)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}
