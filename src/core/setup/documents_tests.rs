use super::*;
use crate::domain::arn::{AccountId, Partition};
use crate::setup::call::Call;
use crate::setup::request::{SetupFlags, SetupRequest};
use serde_json::{Value, json};

fn setup(typed: SetupFlags, partition: Partition) -> Setup {
    let account = |text| AccountId::new(text).expect("valid");
    let wish = SetupRequest::new(typed).expect("valid");
    wish.for_accounts(partition, account("111111111111"), account("222222222222"), Some("generated")).expect("valid")
}

fn trust_of(typed: SetupFlags) -> Value {
    serde_json::from_str(&trust(&setup(typed, Partition::Aws))).expect("JSON")
}

#[test]
fn the_tutorials_documents_are_these() {
    let setup = setup(SetupFlags { user: Some("richard".to_owned()), ..SetupFlags::default() }, Partition::Aws);
    assert_eq!(
        trust(&setup),
        r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111111111111:root"},"Action":"sts:AssumeRole"}]}"#
    );
    assert_eq!(
        may_assume(&setup.role_arn()),
        r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sts:AssumeRole","Resource":"arn:aws:iam::222222222222:role/AssumedRole"}]}"#
    );
    assert_eq!(
        service_trust(Service::Ec2, &setup.auth),
        r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}]}"#
    );
}

#[test]
fn a_task_s_role_is_for_tasks_of_its_own_account() {
    let account = AccountId::new("111111111111").expect("valid");
    assert_eq!(
        service_trust(Service::Ecs, &account),
        r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"ecs-tasks.amazonaws.com"},"Action":"sts:AssumeRole","Condition":{"StringEquals":{"aws:SourceAccount":"111111111111"}}}]}"#
    );
    assert!(!service_trust(Service::Lambda, &account).contains("Condition"));
}

#[test]
fn every_combination_of_trust_and_conditions_says_what_was_asked() {
    for trust in [None, Some(Trust::Account), Some(Trust::User), Some(Trust::Role)] {
        for application in [None, Some(Service::Ec2), Some(Service::Ecs), Some(Service::Lambda)] {
            for require_mfa in [false, true] {
                for external_id in [None, Some("7f3a"), Some("auto")] {
                    let typed = SetupFlags {
                        trust,
                        application,
                        require_mfa,
                        external_id: external_id.map(str::to_owned),
                        ..SetupFlags::default()
                    };
                    let fits =
                        !matches!((trust, application), (Some(Trust::User), Some(_)) | (Some(Trust::Role), None));
                    assert_eq!(SetupRequest::new(typed.clone()).is_ok(), fits, "{trust:?} {application:?}");
                    if !fits {
                        continue;
                    }
                    let principal = match (trust, application) {
                        (Some(Trust::Account), _) | (None, None) => "arn:aws:iam::111111111111:root",
                        (_, Some(_)) => "arn:aws:iam::111111111111:role/AssumingRole",
                        (_, None) => "arn:aws:iam::111111111111:user/rolecall",
                    };
                    let mut statement =
                        json!({"Effect": "Allow", "Principal": {"AWS": principal}, "Action": "sts:AssumeRole"});
                    if require_mfa {
                        statement["Condition"]["Bool"] = json!({"aws:MultiFactorAuthPresent": "true"});
                    }
                    if let Some(id) = external_id {
                        let id = if id == "auto" { "generated" } else { id };
                        statement["Condition"]["StringEquals"] = json!({"sts:ExternalId": id});
                    }
                    assert_eq!(trust_of(typed), json!({"Version": "2012-10-17", "Statement": [statement]}));
                }
            }
        }
    }
}

#[test]
fn the_policy_names_the_one_role_unless_every_one_is_asked_for() {
    for (any_role, resource) in [(false, "arn:aws-cn:iam::222222222222:role/team/AssumedRole"), (true, "*")] {
        let typed = SetupFlags { any_role, role_path: Some("/team/".to_owned()), ..SetupFlags::default() };
        let steps = setup(typed, Partition::Cn).steps();
        let Call::CreatePolicy { document, .. } = &steps[0].call else { panic!("{:?}", steps[0]) };
        let document: Value = serde_json::from_str(document).expect("JSON");
        assert_eq!(document["Statement"][0]["Resource"], resource);
    }
}

#[test]
fn laying_a_document_out_and_back_changes_nothing() {
    let written =
        "{ \"Version\" : \"2012-10-17\",\r\n\t\"a b\": [1, 2.50 , {}, []], \"c\\\"}\": \"{ \\\\\" , \"d\": [ [ ] ] }";
    let short = compact(written);
    assert_eq!(short, r#"{"Version":"2012-10-17","a b":[1,2.50,{},[]],"c\"}":"{ \\","d":[[]]}"#);
    assert_eq!(compact(&pretty(written)), short);
    assert_eq!(pretty(r#"{"a":{},"b":[1,"x"]}"#), "{\n  \"a\": {},\n  \"b\": [\n    1,\n    \"x\"\n  ]\n}");
}
