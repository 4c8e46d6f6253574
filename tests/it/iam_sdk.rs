//! The SDK that rolecall uses reads what the sandbox's IAM answers, operation by operation, and its refusals by their type.
//!
//! It authenticator nothing of rolecall itself. That others read the same answers is in `tests/clients/iam.rs`.

use aws_sdk_iam::Client;
use aws_sdk_iam::config::{BehaviorVersion, Config, Credentials, Region};
use aws_sdk_iam::error::ProvideErrorMetadata;
use aws_sdk_iam::types::{ContextEntry, ContextKeyTypeEnum, PolicyEvaluationDecisionType, Tag};
use rolecall_sandbox::tutorials::{AUTH_ACCOUNT, AUTH_ADMIN_ARN, ROLE_ARN, USER_ARN};
use rolecall_sandbox::{Clock, MfaDevice, Sandbox, World};
use serde_json::json;

fn client(aws: &Sandbox) -> Client {
    let key = aws.access_key(AUTH_ADMIN_ARN);
    let http = aws_smithy_http_client::Builder::new().build_http();
    let config = Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .endpoint_url(aws.url())
        .region(Region::from_static("us-east-1"))
        .credentials_provider(Credentials::new(key.id, key.secret, None, None, "test"))
        .http_client(http);
    Client::from_conf(config.build())
}

fn tag() -> Tag {
    Tag::builder().key("made-by").value("rolecall").build().unwrap()
}

#[tokio::test]
async fn whatever_a_setup_calls_is_read_by_the_sdk() {
    let aws = Sandbox::start(World::tutorials().with_admins(), Clock::system());
    let before = aws.world(|world| world.inventory(AUTH_ACCOUNT));
    let iam = client(&aws);
    let document = json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": ROLE_ARN}]})
    .to_string();
    let trust = json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": USER_ARN}}]})
    .to_string();

    let made = iam.create_policy().policy_name("p").policy_document(&document).description("d").tags(tag());
    let policy = made.send().await.unwrap().policy.unwrap();
    let arn = policy.arn.unwrap();
    let version = iam.get_policy_version().policy_arn(&arn).version_id("v1").send().await.unwrap();
    let shown = version.policy_version.unwrap().document.unwrap();
    assert!(shown.starts_with("%7B"), "the SDK leaves it encoded: {shown}");
    let user = iam.create_user().user_name("u").path("/a/").tags(tag()).send().await.unwrap().user.unwrap();
    assert_eq!(user.arn(), "arn:aws:iam::111111111111:user/a/u");
    iam.attach_user_policy().user_name("u").policy_arn(&arn).send().await.unwrap();
    let attached = iam.list_attached_user_policies().user_name("u").send().await.unwrap();
    assert_eq!(attached.attached_policies()[0].policy_arn(), Some(arn.as_str()));
    let refused = iam.delete_user().user_name("u").send().await.unwrap_err().into_service_error();
    assert!(refused.is_delete_conflict_exception(), "{refused:?}");
    assert_eq!(iam.get_policy().policy_arn(&arn).send().await.unwrap().policy.unwrap().attachment_count(), Some(1));
    let key = iam.create_access_key().user_name("u").send().await.unwrap().access_key.unwrap();

    let device = iam.create_virtual_mfa_device().virtual_mfa_device_name("m").send().await.unwrap();
    let device = device.virtual_mfa_device.unwrap();
    let secret = String::from_utf8(device.base32_string_seed.unwrap().into_inner()).unwrap();
    assert!(device.qr_code_png.unwrap().into_inner().starts_with(b"\x89PNG"));
    let serial = device.serial_number;
    let authenticator = MfaDevice { secret, ..MfaDevice::generate(AUTH_ACCOUNT, "m") };
    let enable = |[one, two]: [i64; 2]| {
        let now = aws.clock().now();
        let code = |seconds| authenticator.code_at(now + chrono::TimeDelta::seconds(seconds));
        let asked = iam.enable_mfa_device().user_name("u").serial_number(&serial);
        asked.authentication_code1(code(one)).authentication_code2(code(two)).send()
    };
    let refused = enable([0, 0]).await.unwrap_err().into_service_error();
    assert!(refused.is_invalid_authentication_code_exception(), "{refused:?}");
    enable([-30, 0]).await.unwrap();
    let listed = iam.list_mfa_devices().user_name("u").send().await.unwrap();
    assert_eq!(listed.mfa_devices()[0].serial_number(), serial);

    let role = iam.create_role().role_name("r").assume_role_policy_document(&trust).max_session_duration(7200);
    let role = role.tags(tag()).send().await.unwrap().role.unwrap();
    assert_eq!((role.max_session_duration(), role.tags().len()), (Some(7200), 1));
    let nobody = trust.replace("richard", "nobody");
    let refused = iam.update_assume_role_policy().role_name("r").policy_document(nobody).send().await.unwrap_err();
    let refused = refused.into_service_error();
    assert!(refused.is_malformed_policy_document_exception(), "{refused:?}");
    iam.put_role_policy().role_name("r").policy_name("i").policy_document(&document).send().await.unwrap();
    iam.create_instance_profile().instance_profile_name("r").send().await.unwrap();
    iam.add_role_to_instance_profile().instance_profile_name("r").role_name("r").send().await.unwrap();
    let profile = iam.get_instance_profile().instance_profile_name("r").send().await.unwrap();
    assert_eq!(profile.instance_profile.unwrap().roles()[0].role_name(), "r");

    let code = ContextEntry::builder()
        .context_key_name("aws:MultiFactorAuthPresent")
        .context_key_type(ContextKeyTypeEnum::Boolean)
        .context_key_values("true");
    let asked = iam.simulate_principal_policy().policy_source_arn(USER_ARN).action_names("sts:AssumeRole");
    let told = asked.resource_arns(ROLE_ARN).context_entries(code.build()).send().await.unwrap();
    let result = &told.evaluation_results()[0];
    assert_eq!(result.eval_decision(), &PolicyEvaluationDecisionType::Allowed);
    let statement = &result.matched_statements()[0];
    assert_eq!(statement.source_policy_id(), Some("user_richard_AllowAssumeRole"));
    assert_eq!(statement.start_position().unwrap().line(), 1);

    iam.remove_role_from_instance_profile().instance_profile_name("r").role_name("r").send().await.unwrap();
    iam.delete_instance_profile().instance_profile_name("r").send().await.unwrap();
    iam.delete_role_policy().role_name("r").policy_name("i").send().await.unwrap();
    iam.delete_role().role_name("r").send().await.unwrap();
    iam.deactivate_mfa_device().user_name("u").serial_number(&serial).send().await.unwrap();
    iam.delete_virtual_mfa_device().serial_number(&serial).send().await.unwrap();
    iam.delete_access_key().user_name("u").access_key_id(key.access_key_id).send().await.unwrap();
    iam.detach_user_policy().user_name("u").policy_arn(&arn).send().await.unwrap();
    iam.delete_user().user_name("u").send().await.unwrap();
    iam.delete_policy().policy_arn(&arn).send().await.unwrap();
    assert_eq!(aws.world(|world| world.inventory(AUTH_ACCOUNT)), before);

    let gone = iam.get_role().role_name("r").send().await.unwrap_err().into_service_error();
    assert!(gone.is_no_such_entity_exception(), "{gone:?}");
    aws.world(|world| world.user(AUTH_ADMIN_ARN).permissions.attached.clear());
    let denied = iam.get_user().user_name("u").send().await.unwrap_err().into_service_error();
    assert_eq!(denied.code(), Some("AccessDenied"));
    assert!(denied.message().unwrap().contains("iam:GetUser on resource: user u"), "{denied:?}");
}
