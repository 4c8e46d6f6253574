//! The container endpoint of ECS and EKS.
//!
//! Rules: SDKs and Tools Reference Guide, "Container credential provider"; ECS Developer Guide, "Amazon ECS task IAM
//! role"; EKS User Guide, "Understand how EKS Pod Identity works".

use http::Method;
use serde_json::json;

use crate::answer::Answer;
use crate::exchange::Exchange;
use crate::request::Request;

/// Names what a request asks for; `None` if it is not for this service.
pub(crate) fn action(request: &Request) -> Option<&'static str> {
    let is_ours = request.path == "/v1/credentials" || request.path.starts_with("/v2/credentials/");
    is_ours.then_some("ContainerCredentials")
}

pub(crate) fn answer(exchange: &mut Exchange<'_>) -> Answer {
    let request = exchange.request;
    let task = exchange.state.world.task.clone();
    let Some(task) = task.filter(|task| task.path == request.path && request.method == Method::GET) else {
        return failure(400, "InvalidIdInRequest", "CredentialsV2Request: Credentials not found");
    };
    if task.authorization.is_some() && task.authorization.as_deref() != request.header("authorization") {
        return failure(401, "AccessDenied", "the Authorization header is not the one of this container");
    }
    let (service, name) = if task.authorization.is_some() {
        ("pods.eks.amazonaws.com", "eks-pod")
    } else {
        ("ecs-tasks.amazonaws.com", "task")
    };
    let now = exchange.now;
    let issued = exchange.state.session_of_place(service, &task.role_arn, name, task.session_seconds, now, false);
    let Some(session) = issued else {
        return failure(400, "AccessDenied", "the role does not trust the service");
    };
    let mut body = json!({
        "AccessKeyId": session.access_key_id,
        "SecretAccessKey": session.secret_access_key,
        "Token": session.session_token,
        "Expiration": session.expiration_text(),
    });
    // ECS names the role, EKS the account.
    if task.authorization.is_none() {
        body["RoleArn"] = task.role_arn.into();
    } else {
        body["AccountId"] = task.role_arn.split(':').nth(4).unwrap_or_default().into();
    }
    Answer::new(200, "application/json", body.to_string())
}

fn failure(status: u16, code: &str, message: &str) -> Answer {
    Answer::new(status, "application/json", json!({"code": code, "message": message}).to_string()).failed(code)
}
