//! All that exists in the IAM of an account, to be compared before and after.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{KeyStatus, Permissions, World};

impl World {
    /// Lists the IAM of an account, each thing by its ARN (a key by its id), with all that people can set.
    ///
    /// What only the course of things changes is not in it: when a key was last used. A thing that was deleted and made
    /// again has another id.
    pub fn inventory(&self, account: &str) -> BTreeMap<String, Value> {
        let mut all = BTreeMap::new();
        for (arn, policy) in self.managed_policies.iter().filter(|(arn, _)| arn.split(':').nth(4) == Some(account)) {
            let versions = policy.versions.iter();
            let documents: Vec<_> = versions.map(|version| json!([version.number, version.document.text()])).collect();
            all.insert(
                arn.clone(),
                json!({"id": policy.id, "description": policy.description, "versions": documents,
                    "default": policy.default_version, "tags": policy.tags}),
            );
        }
        let Some(account) = self.accounts.get(account) else { return all };
        for user in account.users.values() {
            let devices: Vec<_> = user.mfa_devices.iter().map(|device| &device.serial).collect();
            let permissions = permissions(&user.permissions);
            all.insert(
                user.arn(),
                json!({"id": user.id, "permissions": permissions, "devices": devices, "tags": user.tags}),
            );
            for key in &user.access_keys {
                all.insert(key.id.clone(), json!({"of": user.arn(), "active": key.status == KeyStatus::Active}));
            }
        }
        for role in account.roles.values() {
            all.insert(
                role.arn(),
                json!({"id": role.id, "description": role.description, "trust": role.trust.text(),
                    "permissions": permissions(&role.permissions), "max_session_seconds": role.max_session_seconds,
                    "tags": role.tags}),
            );
        }
        for profile in account.instance_profiles.values() {
            all.insert(profile.arn(), json!({"id": profile.id, "role": profile.role, "tags": profile.tags}));
        }
        let of_users = account.users.values().flat_map(|user| &user.mfa_devices);
        for device in of_users.chain(&account.unassigned_devices) {
            all.insert(device.serial.clone(), json!({"tags": device.tags}));
        }
        all
    }
}

fn permissions(permissions: &Permissions) -> Value {
    let inline: BTreeMap<&String, &str> =
        permissions.inline.iter().map(|(name, policy)| (name, policy.text())).collect();
    json!({"inline": inline, "attached": permissions.attached})
}
