//! The list of all that an account has, by which a test sees that it was left as it was.

use rolecall_sandbox::tutorials::{AUTH_ACCOUNT, USER_ARN};

use super::{administrated, policy_arn};
use crate::{allow, trust};

#[test]
fn whatever_is_made_or_changed_shows_and_what_is_undone_does_not() {
    let (aws, admin) = administrated();
    let inventory = || aws.world(|world| world.inventory(AUTH_ACCOUNT));
    let before = inventory();
    let key = aws.access_key(USER_ARN).id;
    assert!(before.contains_key(USER_ARN) && before.contains_key(&key), "{before:#?}");
    let document = allow("s3:*").to_string();
    let trusting = trust(USER_ARN).to_string();
    let arn = policy_arn("p");
    let serial = ("SerialNumber", "arn:aws:iam::111111111111:mfa/d");
    let (role, profile, anna) = (("RoleName", "r"), ("InstanceProfileName", "i"), ("UserName", "anna"));
    let richard = ("UserName", "richard");
    let tag = [richard, ("Tags.member.1.Key", "a"), ("Tags.member.1.Value", "b")];
    let changes: [(&str, &[(&str, &str)], &str, &[(&str, &str)]); 9] = [
        ("CreateUser", &[anna], "DeleteUser", &[anna]),
        ("CreatePolicy", &[("PolicyName", "p"), ("PolicyDocument", &document)], "DeletePolicy", &[("PolicyArn", &arn)]),
        ("CreateRole", &[role, ("AssumeRolePolicyDocument", &trusting)], "DeleteRole", &[role]),
        ("CreateInstanceProfile", &[profile], "DeleteInstanceProfile", &[profile]),
        ("CreateVirtualMFADevice", &[("VirtualMFADeviceName", "d")], "DeleteVirtualMFADevice", &[serial]),
        ("TagUser", &tag, "UntagUser", &[richard, ("TagKeys.member.1", "a")]),
        (
            "PutUserPolicy",
            &[richard, ("PolicyName", "p"), ("PolicyDocument", &document)],
            "DeleteUserPolicy",
            &[richard, ("PolicyName", "p")],
        ),
        (
            "UpdateAccessKey",
            &[richard, ("AccessKeyId", &key), ("Status", "Inactive")],
            "UpdateAccessKey",
            &[richard, ("AccessKeyId", &key), ("Status", "Active")],
        ),
        (
            "AttachUserPolicy",
            &[richard, ("PolicyArn", "arn:aws:iam::aws:policy/ReadOnlyAccess")],
            "DetachUserPolicy",
            &[richard, ("PolicyArn", "arn:aws:iam::aws:policy/ReadOnlyAccess")],
        ),
    ];
    for (action, parameters, undo, of) in changes {
        admin.iam(action, parameters).succeeds();
        assert_ne!(inventory(), before, "{action} shows");
        admin.iam(undo, of).succeeds();
        assert_eq!(inventory(), before, "{undo} leaves nothing behind");
    }
    admin.iam("CreateUser", &[anna]).succeeds();
    let with_anna = inventory();
    admin.iam("DeleteUser", &[anna]).succeeds();
    admin.iam("CreateUser", &[anna]).succeeds();
    assert_ne!(inventory(), with_anna, "a namesake is not the same");
    admin.iam("CreateAccessKey", &[richard]).succeeds();
    let (removed, added): (Vec<_>, Vec<_>) = (
        before.keys().filter(|name| !inventory().contains_key(*name)).collect(),
        inventory().into_keys().filter(|name| !before.contains_key(name)).collect(),
    );
    assert_eq!((removed.len(), added.len()), (0, 2), "{added:?}");
}
