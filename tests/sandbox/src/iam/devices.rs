//! Virtual MFA devices: made with their secret, given to a user by two codes, taken away, deleted.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::access::Resource;
use super::refusals::{already_exists, delete_conflict, no_such_entity, within_quota};
use super::subject::{Kind, Subject};
use super::{Outcome, names, page, tags, time};
use crate::caller::Caller;
use crate::error::ApiError;
use crate::exchange::Exchange;
use crate::world::{MfaDevice, User};
use crate::xml::Xml;

/// A picture of one pixel: what reads codes off a screen is no part of this world.
const PICTURE: &[u8] = include_bytes!("devices/pixel.png");

pub(super) fn create(exchange: &mut Exchange<'_>, caller: &Caller) -> Outcome {
    let operation = exchange.operation;
    let name = names::name(operation, "VirtualMFADeviceName", 226)?;
    let path = names::path(operation)?;
    let device = MfaDevice {
        enabled: exchange.now,
        tags: tags::read(exchange)?,
        ..MfaDevice::generate(&caller.account, &format!("{}{name}", path.trim_start_matches('/')))
    };
    let resource = Resource::by_arn(device.serial.clone());
    tags::allow_making(exchange, caller, resource, "TagMFADevice", &device.tags)?;
    let account = exchange.state.world.account(&caller.account);
    if account.device(&device.serial).is_some() {
        return Err(already_exists("MFADevice entity at the same path and name already exists."));
    }
    account.unassigned_devices.push(device.clone());
    Ok(Box::new(move |xml| {
        xml.open("VirtualMFADevice").leaf("SerialNumber", &device.serial);
        // "The Base32StringSeed is base64-encoded."
        xml.leaf("Base32StringSeed", STANDARD.encode(&device.secret)).leaf("QRCodePNG", STANDARD.encode(PICTURE));
        tags::write(xml, &device.tags);
        xml.close();
    }))
}

/// EnableMFADevice: two codes in a row show that the device is in the user's hands.
pub(super) fn enable(exchange: &mut Exchange<'_>, caller: &Caller) -> Outcome {
    let operation = exchange.operation;
    names::name(operation, "UserName", names::OTHER)?;
    let serial = names::serial(operation)?;
    let codes = [names::code(operation, "AuthenticationCode1")?, names::code(operation, "AuthenticationCode2")?];
    let subject = Subject::asked(exchange, caller, Kind::User, |resource| resource)?;
    let (now, quota) = (exchange.now, exchange.state.world.quotas.mfa_devices_per_user);
    let user = subject.user_mut(exchange)?;
    if user.mfa_devices.iter().any(|device| device.serial == serial) {
        return Err(already_exists(format!("The MFA device {serial} is already in use.")));
    }
    within_quota("MFADevicesPerUser", user.mfa_devices.len(), quota)?;
    let account = exchange.state.world.account(&subject.account);
    let Some(at) = account.unassigned_devices.iter().position(|device| device.serial == serial) else {
        if account.device(serial).is_some() {
            return Err(already_exists(format!("The MFA device {serial} is already in use.")));
        }
        return Err(no_device(serial));
    };
    let device = account.unassigned_devices[at].clone();
    if !exchange.state.spent_codes.accept_pair(&device, codes, now) {
        let message = "Authentication code for device is not valid.";
        return Err(ApiError::new(403, "InvalidAuthenticationCode", message));
    }
    if exchange.state.world.enabling_codes_stay_valid {
        exchange.state.spent_codes.forget(&device);
    }
    exchange.state.world.account(&subject.account).unassigned_devices.remove(at);
    subject.user_mut(exchange)?.mfa_devices.push(MfaDevice { enabled: now, ..device });
    Ok(Box::new(|_| {}))
}

pub(super) fn deactivate(exchange: &mut Exchange<'_>, caller: &Caller) -> Outcome {
    let serial = names::serial(exchange.operation)?;
    let subject = Subject::asked(exchange, caller, Kind::User, |resource| resource)?;
    let devices = &mut subject.user_mut(exchange)?.mfa_devices;
    let at = devices.iter().position(|device| device.serial == serial).ok_or_else(|| no_device(serial))?;
    let device = devices.remove(at);
    exchange.state.world.account(&subject.account).unassigned_devices.push(device);
    Ok(Box::new(|_| {}))
}

/// DeleteVirtualMFADevice: "You must deactivate a user's virtual MFA device before you can delete it."
pub(super) fn delete(exchange: &mut Exchange<'_>, caller: &Caller) -> Outcome {
    let subject = Subject::asked(exchange, caller, Kind::Device, |resource| resource)?;
    let account = exchange.state.world.account(&subject.account);
    let before = account.unassigned_devices.len();
    account.unassigned_devices.retain(|device| device.serial != subject.name);
    if account.unassigned_devices.len() < before {
        return Ok(Box::new(|_| {}));
    }
    if account.device(&subject.name).is_some() {
        return Err(delete_conflict("MFA VirtualDevice in use. Must deactivate first."));
    }
    Err(subject.missing())
}

/// Lists a user's devices; in the sandbox every device is a virtual one.
pub(super) fn list_of_user(exchange: &mut Exchange<'_>, caller: &Caller) -> Outcome {
    let subject = Subject::asked(exchange, caller, Kind::User, |resource| resource)?;
    let user = subject.user(exchange.listed())?;
    let page = page::of(exchange, user.mfa_devices)?;
    Ok(Box::new(move |xml| {
        page.write(xml);
        xml.open("MFADevices");
        for device in &page.items {
            xml.open("member").leaf("UserName", &user.name).leaf("SerialNumber", &device.serial);
            xml.leaf("EnableDate", time(device.enabled)).close();
        }
        xml.close();
    }))
}

pub(super) fn list_virtual(exchange: &mut Exchange<'_>, caller: &Caller) -> Outcome {
    Resource::by_arn(format!("arn:aws:iam::{}:mfa/", caller.account)).allow(exchange, caller)?;
    let status = exchange.operation.parameter("AssignmentStatus").unwrap_or("Any");
    if !["Any", "Assigned", "Unassigned"].contains(&status) {
        let message = format!(
            "1 validation error detected: Value '{status}' at 'assignmentStatus' failed to satisfy constraint: Member must satisfy enum value set: [Assigned, Unassigned, Any]"
        );
        return Err(ApiError::new(400, "ValidationError", message));
    }
    let mut found: Vec<(MfaDevice, Option<User>)> = Vec::new();
    if let Some(account) = exchange.listed().accounts.get(&caller.account) {
        for user in account.users.values() {
            found.extend(user.mfa_devices.iter().map(|device| (device.clone(), Some(user.clone()))));
        }
        found.extend(account.unassigned_devices.iter().map(|device| (device.clone(), None)));
    }
    found.retain(|(_, user)| status == "Any" || (status == "Assigned") == user.is_some());
    let page = page::of(exchange, found)?;
    Ok(Box::new(move |xml| {
        page.write(xml);
        xml.open("VirtualMFADevices");
        for (device, user) in &page.items {
            xml.open("member").leaf("SerialNumber", &device.serial);
            if let Some(user) = user {
                xml.leaf("EnableDate", time(device.enabled));
                write_user(xml, user);
            }
            xml.close();
        }
        xml.close();
    }))
}

fn write_user(xml: &mut Xml, user: &User) {
    xml.open("User").leaf("Path", &user.path).leaf("UserName", &user.name).leaf("UserId", &user.id);
    xml.leaf("Arn", user.arn()).leaf("CreateDate", time(user.created)).close();
}

fn no_device(serial: &str) -> ApiError {
    no_such_entity(format!("MFA Device with serial number {serial} does not exist."))
}
