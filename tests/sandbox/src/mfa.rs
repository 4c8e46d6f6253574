//! One-time codes: real ones, by the sandbox's clock, each accepted once.
//!
//! Rules: RFC 6238 (30 s, SHA-1, six digits, one step of tolerance; section 5.2: a code is accepted once) and IAM User
//! Guide, "Assign a virtual MFA device". AWS answers a code used twice as it answers a wrong one.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use totp_rs::{Builder, Secret, Totp};

use crate::error::ApiError;
use crate::world::MfaDevice;

/// The seconds that a code is shown.
const STEP: u64 = 30;

/// The codes that have been accepted: the device's secret and the time step. Not its serial: a device that is made anew under
/// the same name shows other codes.
#[derive(Debug, Default)]
pub(crate) struct SpentCodes {
    spent: BTreeSet<(String, u64)>,
}

impl MfaDevice {
    /// Returns the code the device shows at an instant.
    pub fn code_at(&self, instant: DateTime<Utc>) -> String {
        totp(&self.secret).generate(seconds(instant)).to_string()
    }
}

impl SpentCodes {
    /// Accepts two codes in a row, the later of them within the usual tolerance; both are used up.
    pub(crate) fn accept_pair(&mut self, device: &MfaDevice, codes: [&str; 2], now: DateTime<Utc>) -> bool {
        let device_codes = totp(&device.secret);
        let Some(later) = device_codes.check(codes[1], seconds(now)) else { return false };
        let earlier = later - 1;
        if device_codes.generate(earlier * STEP).to_string() != codes[0] {
            return false;
        }
        self.spent.insert((device.secret.clone(), earlier)) && self.spent.insert((device.secret.clone(), later))
    }

    /// Forgets which codes of a device were accepted.
    pub(crate) fn forget(&mut self, device: &MfaDevice) {
        self.spent.retain(|(secret, _)| *secret != device.secret);
    }

    /// Accepts a code of one of a user's devices, once, or answers as AWS does.
    pub(crate) fn accept(
        &mut self,
        devices: &[MfaDevice],
        serial: Option<&str>,
        code: Option<&str>,
        now: DateTime<Utc>,
    ) -> Result<bool, ApiError> {
        let (serial, code) = match (serial, code) {
            (None, None) => return Ok(false),
            (Some(serial), Some(code)) => (serial, code),
            _ => {
                return Err(denied(
                    "MultiFactorAuthentication failed, must provide both MFA serial number and one time pass code. ",
                ));
            }
        };
        let device = devices.iter().find(|device| device.serial == serial).ok_or_else(|| {
            denied("MultiFactorAuthentication failed, unable to validate MFA code.  Please verify your MFA serial number is valid and associated with this user.")
        })?;
        let wrong = || denied("MultiFactorAuthentication failed with invalid MFA one time pass code. ");
        let step = totp(&device.secret).check(code, seconds(now)).ok_or_else(wrong)?;
        if self.spent.insert((device.secret.clone(), step)) { Ok(true) } else { Err(wrong()) }
    }
}

fn totp(secret: &str) -> Totp {
    let secret = Secret::try_from_base32(secret).expect("a device's secret is base32");
    Builder::new().with_secret(secret).build_noncompliant()
}

fn seconds(instant: DateTime<Utc>) -> u64 {
    u64::try_from(instant.timestamp()).expect("the sandbox lives after 1970")
}

fn denied(message: &str) -> ApiError {
    ApiError::new(403, "AccessDenied", message)
}
