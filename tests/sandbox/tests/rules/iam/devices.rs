//! Virtual MFA devices. Pages: CreateVirtualMFADevice, EnableMFADevice and their counterparts; IAM User Guide, "Assign a
//! virtual MFA device in the AWS Management Console".

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rolecall_sandbox::tutorials::USER_ARN;
use rolecall_sandbox::{MfaDevice, Sandbox};

use super::administrated;
use crate::client::Client;

const SERIAL: (&str, &str) = ("SerialNumber", "arn:aws:iam::111111111111:mfa/phone");
const RICHARD: (&str, &str) = ("UserName", "richard");

/// Makes the device and returns what shows its codes.
fn make(admin: &Client) -> MfaDevice {
    let made = admin.iam("CreateVirtualMFADevice", &[("VirtualMFADeviceName", "phone")]);
    assert_eq!(made.succeeds().field("SerialNumber"), SERIAL.1);
    let picture = STANDARD.decode(made.field("QRCodePNG")).expect("base64");
    assert!(picture.starts_with(b"\x89PNG"));
    let seed = STANDARD.decode(made.field("Base32StringSeed")).expect("base64");
    let secret = String::from_utf8(seed).expect("base32 is text");
    assert_eq!(secret.len(), 64);
    MfaDevice { secret, ..MfaDevice::generate("111111111111", "phone") }
}

/// Returns the codes that the device shows so many seconds from now.
fn codes(aws: &Sandbox, device: &MfaDevice, at: [i64; 2]) -> [String; 2] {
    at.map(|seconds| device.code_at(aws.clock().now() + chrono::TimeDelta::seconds(seconds)))
}

fn enable(client: &Client, [one, two]: [String; 2]) -> crate::client::Reply {
    let codes = [("AuthenticationCode1", one.as_str()), ("AuthenticationCode2", two.as_str())];
    client.iam("EnableMFADevice", &[&[RICHARD, SERIAL], &codes[..]].concat())
}

#[test]
fn a_device_is_made_enabled_by_two_codes_in_a_row_used_and_deleted() {
    let (aws, admin) = administrated();
    let device = make(&admin);
    let again = admin.iam("CreateVirtualMFADevice", &[("VirtualMFADeviceName", "phone")]);
    again.fails(409, "EntityAlreadyExists", "MFADevice entity at the same path and name already exists.");
    let invalid = "Authentication code for device is not valid.";
    for wrong in [[0, -30], [0, 0], [-30, 30], [-600, -570]] {
        enable(&admin, codes(&aws, &device, wrong)).fails(403, "InvalidAuthenticationCode", invalid);
    }
    enable(&admin, ["12345".to_owned(), "x23456".to_owned()]).fails(400, "ValidationError", "authenticationCode1");
    assert_eq!(admin.iam("ListVirtualMFADevices", &[("AssignmentStatus", "Unassigned")]).count("SerialNumber"), 1);
    enable(&admin, codes(&aws, &device, [-30, 0])).succeeds();
    enable(&admin, codes(&aws, &device, [0, 30])).fails(409, "EntityAlreadyExists", "already in use");
    let listed = admin.iam("ListMFADevices", &[RICHARD]);
    assert_eq!((listed.field("SerialNumber"), listed.field("EnableDate")), (SERIAL.1, "2026-11-22T08:00:00Z"));
    let assigned = admin.iam("ListVirtualMFADevices", &[("AssignmentStatus", "Assigned")]);
    assert_eq!((assigned.count("SerialNumber"), assigned.field("Arn")), (1, USER_ARN));

    let richard = admin.signed_by(&aws.access_key(USER_ARN));
    let session = |code: &str| richard.sts("GetSessionToken", &[SERIAL, ("TokenCode", code)]);
    session(&device.code_at(aws.clock().now())).is_denied();
    aws.clock().advance(Duration::from_secs(30));
    session(&device.code_at(aws.clock().now())).succeeds();

    admin.iam("DeleteVirtualMFADevice", &[SERIAL]).fails(409, "DeleteConflict", "Must deactivate first");
    admin.iam("DeactivateMFADevice", &[RICHARD, SERIAL]).succeeds();
    admin.iam("DeactivateMFADevice", &[RICHARD, SERIAL]).fails(404, "NoSuchEntity", SERIAL.1);
    admin.iam("DeleteVirtualMFADevice", &[SERIAL]).succeeds();
    admin.iam("DeleteVirtualMFADevice", &[SERIAL]).fails(404, "NoSuchEntity", SERIAL.1);
    enable(&admin, codes(&aws, &device, [-30, 0])).fails(404, "NoSuchEntity", SERIAL.1);
}

/// The later code may be the next one: a client that has the secret need not wait for it.
#[test]
fn the_codes_of_now_and_of_next_are_taken_too() {
    let (aws, admin) = administrated();
    let device = make(&admin);
    enable(&admin, codes(&aws, &device, [0, 30])).succeeds();
}

#[test]
fn a_user_with_a_device_stays_and_tags_are_shown() {
    let (aws, admin) = administrated();
    let device = make(&admin);
    enable(&admin, codes(&aws, &device, [-30, 0])).succeeds();
    let tag = [SERIAL, ("Tags.member.1.Key", "a"), ("Tags.member.1.Value", "b")];
    admin.iam("TagMFADevice", &tag).succeeds();
    assert_eq!(admin.iam("ListMFADeviceTags", &[SERIAL]).field("Value"), "b");
    let key = aws.access_key(USER_ARN).id;
    admin.iam("DeleteAccessKey", &[RICHARD, ("AccessKeyId", &key)]).succeeds();
    admin.iam("DeleteUserPolicy", &[RICHARD, ("PolicyName", "AllowAssumeRole")]).succeeds();
    admin.iam("DeleteUser", &[RICHARD]).fails(409, "DeleteConflict", "must delete MFA device first");
}
