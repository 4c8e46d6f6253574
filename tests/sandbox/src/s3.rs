//! S3 in path style: enough to see what a session may read and write.
//!
//! There are no bucket policies: an account's buckets are its own, and the identity-based policies decide. Rules: Amazon
//! S3 API Reference, "Error responses"; Service Authorization Reference, "Actions, resources, and condition keys for
//! Amazon S3".

mod listing;
mod object;

use http::Method;
use percent_encoding::percent_decode_str;

use crate::answer::Answer;
use crate::authenticate::Stranger;
use crate::authority::Authority;
use crate::caller::Caller;
use crate::error::ApiError;
use crate::exchange::Exchange;
use crate::mint;
use crate::policy::Question;
use crate::request::Request;
use crate::signature::compact;
use crate::world::Bucket;
use crate::xml::Xml;

const NAMESPACE: &str = "http://s3.amazonaws.com/doc/2006-03-01/";

/// Names the operation a request asks for, by method and path.
pub(crate) fn action(request: &Request) -> String {
    let (bucket, key) = address(request);
    let query = request.query_parameters();
    let has = |name: &str| query.iter().any(|(key, _)| key == name);
    let name = match (request.method.as_str(), bucket.is_empty(), key.is_empty()) {
        ("GET", true, _) => "ListBuckets",
        ("GET", false, true) if has("location") => "GetBucketLocation",
        ("GET", false, true) if has("list-type") => "ListObjectsV2",
        ("GET", false, true) => "ListObjects",
        ("HEAD", false, true) => "HeadBucket",
        ("GET", false, false) => "GetObject",
        ("HEAD", false, false) => "HeadObject",
        ("PUT", false, false) => "PutObject",
        ("DELETE", false, false) => "DeleteObject",
        _ => "Unknown",
    };
    name.to_owned()
}

/// Answers an S3 request.
pub(crate) fn answer(exchange: &mut Exchange<'_>) -> Answer {
    let (bucket, key) = address(exchange.request);
    let result = exchange.authenticate().map_err(stranger).and_then(|caller| operate(exchange, &caller, &bucket, &key));
    match result {
        Ok(answer) => identified(answer, exchange.request_id),
        Err(failure) => error(&failure, exchange.request, exchange.request_id),
    }
}

/// Writes a refusal; the answer to a HEAD has no body to write it in.
pub(crate) fn error(error: &ApiError, request: &Request, request_id: &str) -> Answer {
    let mut xml = Xml::new("Error", None);
    xml.leaf("Code", &error.code).leaf("Message", &error.message);
    for (name, value) in &error.details {
        xml.leaf(name, value);
    }
    xml.leaf("RequestId", request_id).leaf("HostId", mint::s3_host_id());
    let body = if request.method == Method::HEAD { String::new() } else { xml.finish("Error") };
    identified(Answer::new(error.status, "application/xml", body).failed(&error.code), request_id)
}

fn identified(answer: Answer, request_id: &str) -> Answer {
    let answer = answer.with_header("server", "AmazonS3");
    answer.with_header("x-amz-request-id", request_id).with_header("x-amz-id-2", mint::s3_host_id())
}

fn operate(exchange: &mut Exchange<'_>, caller: &Caller, bucket: &str, key: &str) -> Result<Answer, ApiError> {
    let (bucket_arn, object_arn) = (format!("arn:aws:s3:::{bucket}"), format!("arn:aws:s3:::{bucket}/{key}"));
    let action = exchange.operation.action.clone();
    let (permission, resource) = match action.as_str() {
        "ListBuckets" => ("s3:ListAllMyBuckets", "arn:aws:s3:::*".to_owned()),
        "ListObjects" | "ListObjectsV2" | "HeadBucket" => ("s3:ListBucket", bucket_arn),
        "GetBucketLocation" => ("s3:GetBucketLocation", bucket_arn),
        "GetObject" | "HeadObject" => ("s3:GetObject", object_arn),
        "PutObject" => ("s3:PutObject", object_arn),
        "DeleteObject" => ("s3:DeleteObject", object_arn),
        _ => {
            return Err(ApiError::new(
                501,
                "NotImplemented",
                "A header you provided implies functionality that is not implemented",
            ));
        }
    };
    let exists = bucket.is_empty() || exchange.state.world.buckets.contains_key(bucket);
    if !exists {
        return Err(
            ApiError::new(404, "NoSuchBucket", "The specified bucket does not exist").with("BucketName", bucket)
        );
    }
    authorize(exchange, caller, permission, &resource, bucket)?;
    let found = exchange.state.world.buckets.get_mut(bucket);
    match (action.as_str(), found) {
        ("ListBuckets", _) => Ok(listing::buckets(&exchange.state.world, caller)),
        ("ListObjects" | "ListObjectsV2", Some(found)) => listing::objects(found, bucket, exchange.operation),
        ("HeadBucket", Some(found)) => {
            Ok(Answer::new(200, "application/xml", "").with_header("x-amz-bucket-region", &found.region))
        }
        ("GetBucketLocation", Some(found)) => Ok(location(found)),
        ("GetObject" | "HeadObject", Some(found)) => object::get(found, key, exchange.request),
        ("PutObject", Some(found)) => object::put(found, key, exchange.request),
        ("DeleteObject", Some(found)) => Ok(object::delete(found, key)),
        _ => Err(ApiError::new(400, "InvalidRequest", "The request names no bucket")),
    }
}

fn authorize(
    exchange: &Exchange<'_>,
    caller: &Caller,
    action: &str,
    resource: &str,
    bucket: &str,
) -> Result<(), ApiError> {
    let world = exchange.known();
    let authority = Authority::of(caller, world);
    let mut context = authority.context(caller, exchange.now);
    context.put("aws:RequestedRegion", exchange.region());
    context.put("aws:SourceIp", "127.0.0.1");
    for (parameter, key) in [("prefix", "s3:prefix"), ("delimiter", "s3:delimiter"), ("max-keys", "s3:max-keys")] {
        if let Some(value) = exchange.operation.parameter(parameter) {
            context.put(key, value);
        }
    }
    let barrier = authority.barrier(&Question { action, resource, context: &context });
    let foreign = world.buckets.get(bucket).is_some_and(|bucket| bucket.account != caller.account);
    let said = |reason: String| {
        format!("User: {} is not authorized to perform: {action} on resource: \"{resource}\"{reason}", caller.arn())
    };
    match barrier {
        None if !foreign => Ok(()),
        // Of another account's bucket nothing is said, as no policy of ours could have allowed it.
        None => Err(ApiError::new(403, "AccessDenied", "Access Denied")),
        Some(barrier) if foreign && !barrier.is_explicit() => Err(ApiError::new(403, "AccessDenied", "Access Denied")),
        Some(barrier) => Err(ApiError::new(403, "AccessDenied", said(barrier.reason(action)))),
    }
}

fn location(bucket: &Bucket) -> Answer {
    // "Buckets in Region us-east-1 have a LocationConstraint of null."
    let region = if bucket.region == "us-east-1" { "" } else { &bucket.region };
    let body = format!("<LocationConstraint xmlns=\"{NAMESPACE}\">{region}</LocationConstraint>");
    Answer::new(200, "application/xml", body)
}

/// Splits the path into bucket and key, both decoded.
fn address(request: &Request) -> (String, String) {
    let path = request.path.strip_prefix('/').unwrap_or(&request.path);
    let (bucket, key) = path.split_once('/').unwrap_or((path, ""));
    let decode = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
    (decode(bucket), decode(key))
}

/// Words a failed authentication ("Error responses": list of error codes).
fn stranger(stranger: Stranger) -> ApiError {
    match stranger {
        Stranger::Unsigned => ApiError::new(403, "AccessDenied", "Access Denied"),
        Stranger::Incomplete(missing) | Stranger::WrongScope(missing) => ApiError::new(
            400,
            "AuthorizationHeaderMalformed",
            format!("The authorization header is malformed; {missing}"),
        ),
        Stranger::WrongService { expected, given } => {
            let message = format!(
                "The authorization header is malformed; incorrect service \"{given}\". This endpoint belongs to \"{expected}\"."
            );
            ApiError::new(400, "AuthorizationHeaderMalformed", message)
        }
        Stranger::UnknownKey | Stranger::WrongToken => ApiError::new(
            403,
            "InvalidAccessKeyId",
            "The AWS Access Key Id you provided does not exist in our records.",
        ),
        Stranger::Expired => ApiError::new(400, "ExpiredToken", "The provided token has expired."),
        Stranger::PresignedExpired => ApiError::new(403, "AccessDenied", "Request has expired"),
        Stranger::WrongTime { signed, now, tolerance } => ApiError::new(
            403,
            "RequestTimeTooSkewed",
            "The difference between the request time and the current time is too large.",
        )
        .with("RequestTime", compact(signed))
        .with("ServerTime", now.to_rfc3339_opts(chrono::SecondsFormat::Secs, true))
        .with("MaxAllowedSkewMilliseconds", tolerance.num_milliseconds().to_string()),
        Stranger::WrongSignature => ApiError::new(
            403,
            "SignatureDoesNotMatch",
            "The request signature we calculated does not match the signature you provided. Check your key and signing method.",
        ),
    }
}
