//! Single values of a profile, checked as rolecall's configuration would check them.

use super::super::profile::Profile;
use super::super::renewal;
use super::Resolver;
use rolecall_core::domain::arn::MfaSerial;
use rolecall_core::domain::credential::AccessKey;
use rolecall_core::domain::names::check_region;
use rolecall_core::domain::secret::SecretKey;
use std::collections::BTreeMap;
use std::time::Duration;

/// What AWS gives for AssumeRole, in seconds.
const DURATION: std::ops::RangeInclusive<u64> = 900..=43_200;

impl<'s, 'a> Resolver<'_, 's, 'a> {
    pub(super) fn region(&self, profile: &Profile<'s, 'a>) -> Option<String> {
        self.inherited(profile, "region").filter(|region| check_region(region).is_ok()).map(str::to_owned)
    }

    pub(super) fn serial(&self, profile: &Profile<'s, 'a>) -> Result<Option<String>, String> {
        let Some(serial) = self.inherited(profile, "mfa_serial") else { return Ok(None) };
        MfaSerial::new(serial).map_err(|why| format!("mfa_serial: {why}"))?;
        Ok(Some(serial.to_owned()))
    }

    pub(super) fn word(
        &self,
        profile: &Profile<'s, 'a>,
        key: &str,
        check: fn(&str) -> Result<(), &'static str>,
    ) -> Result<Option<String>, String> {
        let Some(word) = self.inherited(profile, key) else { return Ok(None) };
        check(word).map_err(|why| format!("{key}: {why}"))?;
        Ok(Some(word.to_owned()))
    }

    pub(super) fn duration(&self, profile: &Profile<'s, 'a>) -> Result<Option<Duration>, String> {
        let Some(text) = self.inherited(profile, "duration_seconds") else { return Ok(None) };
        let seconds = text.parse().ok().filter(|seconds| DURATION.contains(seconds));
        seconds
            .map(|seconds| Some(Duration::from_secs(seconds)))
            .ok_or_else(|| "duration_seconds: AWS wants 900 to 43200".to_owned())
    }

    pub(super) fn tags(&self, profile: &Profile<'s, 'a>) -> Result<BTreeMap<String, String>, String> {
        let text = self.inherited(profile, "session_tags").unwrap_or_default();
        let pairs = text.split(',').map(str::trim).filter(|pair| !pair.is_empty());
        let pair = |pair: &str| {
            let (key, value) = pair.split_once('=').ok_or("session_tags looks like key1=value1,key2=value2")?;
            Ok((key.trim().to_owned(), value.trim().to_owned()))
        };
        pairs.map(pair).collect()
    }

    pub(super) fn transitive_tag_keys(&self, profile: &Profile<'s, 'a>) -> Vec<String> {
        let keys = self.inherited(profile, "transitive_session_tags").unwrap_or_default().split(',');
        keys.map(|key| key.trim().to_owned()).filter(|key| !key.is_empty()).collect()
    }

    /// Tells what a person may miss afterwards.
    pub(super) fn remark(&mut self, profile: &Profile<'s, 'a>) {
        let mut note = |text: &str| self.plan.notes.push((profile.name.to_owned(), text.to_owned()));
        if profile.has("mfa_process") {
            note(
                "mfa_process goes; write it as a list into the identity's section: `mfa_process = [\"/program\", \"argument\"]`",
            );
        }
        if profile.has("endpoint_url") || profile.has("services") {
            note(
                "its endpoint stays for tools; rolecall asks AWS's own STS unless `[aws]` in config.toml says otherwise",
            );
        }
        if profile.has("ca_bundle") {
            note("its ca_bundle stays for tools; for rolecall set `ca_bundle` under [aws] in config.toml");
        }
    }
}

/// Reads the key of a profile, in either file; `None` where there is none.
pub(super) fn key_of(profile: &Profile<'_, '_>) -> Result<Option<AccessKey>, String> {
    let (id, secret) = (profile.value("aws_access_key_id"), profile.value("aws_secret_access_key"));
    if profile.has("aws_session_token")
        || profile.has("aws_security_token")
        || id.is_some_and(|id| id.starts_with("ASIA"))
    {
        let by = renewal::writer_of_session(profile).map(|tool| format!(", which {tool} writes")).unwrap_or_default();
        return Err(format!("it holds a temporary session (ASIA…){by}, and no long-term key that could be taken over"));
    }
    match (id, secret) {
        (Some(id), Some(secret)) => {
            let key = AccessKey { id: id.to_owned(), secret: SecretKey::new(secret.to_owned()) };
            key.check().map_err(str::to_owned)?;
            Ok(Some(key))
        }
        (None, None) => Ok(None),
        (Some(_), None) => Err("it has aws_access_key_id without aws_secret_access_key".to_owned()),
        (None, Some(_)) => Err("it has aws_secret_access_key without aws_access_key_id".to_owned()),
    }
}

/// Refuses a secret that the vault would not keep as it stands: an undo could not put it back, and the journal would have it
/// in plain text.
pub(super) fn check_secrets(profile: &Profile<'_, '_>, has_another_source: bool) -> Result<(), String> {
    let keys = |name: &'static str| profile.places.iter().filter_map(move |place| place.section.key(name));
    if keys("aws_secret_access_key").all(|key| key.written.is_empty()) {
        return Ok(());
    }
    let none = || "its aws_secret_access_key is that of no key".to_owned();
    let key = key_of(profile)?.ok_or_else(none)?;
    if has_another_source {
        return Err("it has a key of its own beside other credentials: tools differ on which counts".to_owned());
    }
    for (name, kept) in [("aws_access_key_id", key.id.as_str()), ("aws_secret_access_key", key.secret.expose())] {
        for line in keys(name).filter(|line| !line.written.is_empty()) {
            if line.value() != line.written {
                return Err(format!("a comment stands behind its {name}, and may be a secret: take it away"));
            }
            if line.value() != kept.as_bytes() {
                return Err(format!("both files have an {name} for it, and not the same: one of them would be lost"));
            }
        }
    }
    Ok(())
}
