//! Checked ARNs and the partitions they live in.

use std::fmt;

/// A partition: a separate AWS with its own accounts, regions and host names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Partition {
    /// The commercial regions.
    Aws,
    /// China.
    Cn,
    /// The European Sovereign Cloud.
    Eusc,
    /// US isolated regions.
    Iso,
    /// US isolated regions, second.
    IsoB,
    /// European isolated regions.
    IsoE,
    /// US isolated regions, third.
    IsoF,
    /// GovCloud (US).
    UsGov,
}

impl Partition {
    const ALL: [Self; 8] =
        [Self::Aws, Self::Cn, Self::Eusc, Self::Iso, Self::IsoB, Self::IsoE, Self::IsoF, Self::UsGov];

    /// Gives the partition's id, the second word of its ARNs.
    pub const fn id(self) -> &'static str {
        match self {
            Self::Aws => "aws",
            Self::Cn => "aws-cn",
            Self::Eusc => "aws-eusc",
            Self::Iso => "aws-iso",
            Self::IsoB => "aws-iso-b",
            Self::IsoE => "aws-iso-e",
            Self::IsoF => "aws-iso-f",
            Self::UsGov => "aws-us-gov",
        }
    }

    /// Gives the region whose STS is asked where nobody named one.
    pub const fn default_region(self) -> &'static str {
        match self {
            Self::Aws => "us-east-1",
            Self::Cn => "cn-north-1",
            Self::Eusc => "eusc-de-east-1",
            Self::Iso => "us-iso-east-1",
            Self::IsoB => "us-isob-east-1",
            Self::IsoE => "eu-isoe-west-1",
            Self::IsoF => "us-isof-south-1",
            Self::UsGov => "us-gov-west-1",
        }
    }

    /// Tells the partition of a region by its prefix.
    pub fn of_region(region: &str) -> Self {
        match region {
            r if r.starts_with("cn-") => Self::Cn,
            r if r.starts_with("eusc-") => Self::Eusc,
            r if r.starts_with("us-gov-") => Self::UsGov,
            r if r.starts_with("us-iso-") => Self::Iso,
            r if r.starts_with("us-isob-") => Self::IsoB,
            r if r.starts_with("eu-isoe-") => Self::IsoE,
            r if r.starts_with("us-isof-") || r.starts_with("eu-isof-") => Self::IsoF,
            _ => Self::Aws,
        }
    }

    /// Tells the partition of any ARN.
    pub fn of_arn(arn: &str) -> Option<Self> {
        split(arn).ok().map(|fields| fields.partition)
    }

    /// Finds a partition by its id.
    pub fn of_id(id: &str) -> Option<Self> {
        Self::parse(id)
    }

    fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|p| p.id() == text)
    }
}

/// A twelve-digit account number.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AccountId(Box<str>);

impl AccountId {
    /// Checks an account number.
    pub fn new(text: &str) -> Result<Self, &'static str> {
        if text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit()) {
            Ok(Self(text.into()))
        } else {
            Err("an account number has 12 digits")
        }
    }

    /// Gives the digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for AccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The six fields of an ARN, unchecked beyond their number.
struct Fields<'a> {
    partition: Partition,
    service: &'a str,
    region: &'a str,
    account: &'a str,
    resource: &'a str,
}

fn split(text: &str) -> Result<Fields<'_>, &'static str> {
    let mut parts = text.splitn(6, ':');
    let mut next = || parts.next().ok_or("an ARN looks like arn:aws:iam::222222222222:role/Name");
    if next()? != "arn" {
        return Err("an ARN starts with arn:");
    }
    let partition = Partition::parse(next()?)
        .ok_or("the partition is one of aws, aws-cn, aws-us-gov, aws-eusc, aws-iso, aws-iso-b, aws-iso-e, aws-iso-f")?;
    Ok(Fields { partition, service: next()?, region: next()?, account: next()?, resource: next()? })
}

/// The ARN of an IAM role.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RoleArn {
    text: Box<str>,
    partition: Partition,
    account: AccountId,
    name_at: usize,
}

impl RoleArn {
    /// Checks a role ARN: `arn:PARTITION:iam::ACCOUNT:role/[PATH/]NAME`, 20 to 2048 characters.
    pub fn new(text: &str) -> Result<Self, &'static str> {
        if text.len() > 2048 {
            return Err("a role ARN has at most 2048 characters");
        }
        let fields = split(text)?;
        if fields.service != "iam" || !fields.region.is_empty() {
            return Err("a role ARN looks like arn:aws:iam::222222222222:role/Name");
        }
        let account = AccountId::new(fields.account)?;
        let path = fields.resource.strip_prefix("role/").ok_or("the ARN is not one of a role: …:role/Name")?;
        let name = path.rsplit('/').next().unwrap_or(path);
        if !(1..=64).contains(&name.len())
            || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b"_+=,.@-".contains(&b))
        {
            return Err("a role's name has 1 to 64 letters, digits and _ + = , . @ -");
        }
        if !path.bytes().all(|b| b.is_ascii_graphic()) {
            return Err("a role's path has no spaces or control characters");
        }
        Ok(Self { text: text.into(), partition: fields.partition, account, name_at: text.len() - name.len() })
    }

    /// Returns the command that prints the trust policy. Only credentials of the account of the role can run it.
    pub fn trust_policy_command(&self) -> String {
        format!("`aws iam get-role --role-name {}` with credentials of account {}", self.name(), self.account())
    }

    /// Gives the whole ARN.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Gives the role's name, without its path.
    pub fn name(&self) -> &str {
        &self.text[self.name_at..]
    }

    /// Gives the role's account.
    pub fn account(&self) -> &AccountId {
        &self.account
    }

    /// Gives the role's partition.
    pub fn partition(&self) -> Partition {
        self.partition
    }

    /// Tells whether an assumed-role ARN is a session of this role.
    ///
    /// `arn:P:sts::ACCOUNT:assumed-role/NAME/SESSION`: the role's path is not in it (sts AssumedRoleUser).
    pub fn is_assumed_by(&self, session_arn: &str) -> bool {
        let Ok(fields) = split(session_arn) else { return false };
        let Some(rest) = fields.resource.strip_prefix("assumed-role/") else { return false };
        fields.partition == self.partition
            && fields.service == "sts"
            && fields.account == self.account.as_str()
            && rest.split('/').next() == Some(self.name())
    }
}

impl fmt::Display for RoleArn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// An IAM user, by its ARN.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct IamUser {
    text: Box<str>,
    partition: Partition,
    name_at: usize,
}

impl IamUser {
    /// Checks a user's ARN: `arn:PARTITION:iam::ACCOUNT:user/[PATH/]NAME`.
    pub fn new(text: &str) -> Result<Self, &'static str> {
        let fields = split(text)?;
        let path = fields.resource.strip_prefix("user/").ok_or("the ARN is not one of an IAM user: …:user/name")?;
        let name = path.rsplit('/').next().unwrap_or(path);
        let letters = |b: u8| b.is_ascii_alphanumeric() || b"_+=,.@-".contains(&b);
        if fields.service != "iam" || !(1..=64).contains(&name.len()) || !name.bytes().all(letters) {
            return Err("an IAM user's ARN looks like arn:aws:iam::111111111111:user/name");
        }
        AccountId::new(fields.account)?;
        if text.len() > 2048 || !path.bytes().all(|b| b.is_ascii_graphic()) {
            return Err("a user's path has no spaces or control characters");
        }
        Ok(Self { text: text.into(), partition: fields.partition, name_at: text.len() - name.len() })
    }

    /// Gives the whole ARN.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Gives the user's name, without its path.
    pub fn name(&self) -> &str {
        &self.text[self.name_at..]
    }

    /// Gives the user's partition.
    pub fn partition(&self) -> Partition {
        self.partition
    }
}

/// The serial number of an MFA device: an ARN for a virtual one, a printed serial for a hardware one.
#[derive(Clone, Debug, PartialEq, Eq, Hash, serde::Serialize)]
pub struct MfaSerial(Box<str>);

impl MfaSerial {
    /// Checks a serial: 9 to 256 characters of `[\w+=/:,.@-]*`; what starts like an ARN must be one of a device.
    pub fn new(text: &str) -> Result<Self, &'static str> {
        if !(9..=256).contains(&text.len()) {
            return Err("an MFA serial has 9 to 256 characters");
        }
        if !text.bytes().all(|b| b.is_ascii_alphanumeric() || b"_+=/:,.@-".contains(&b)) {
            return Err("an MFA serial is made of letters, digits and _ + = / : , . @ -");
        }
        if text.starts_with("arn:") {
            let fields = split(text)?;
            match fields.resource.split('/').next().filter(|_| fields.service == "iam") {
                Some("u2f") => {
                    return Err(
                        "a security key or passkey shows no code, and STS takes nothing else; name a virtual MFA device",
                    );
                }
                Some("sms-mfa") => return Err("AWS sends no codes by SMS any more; name a virtual MFA device"),
                _ => {}
            }
            if fields.service != "iam" || !fields.resource.starts_with("mfa/") {
                return Err("an MFA device's ARN looks like arn:aws:iam::111111111111:mfa/name");
            }
            AccountId::new(fields.account)?;
        }
        Ok(Self(text.into()))
    }

    /// Gives the serial as AWS wants it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Checks the ARN of a managed policy, as a session policy names it.
pub fn check_policy_arn(text: &str) -> Result<(), &'static str> {
    let fields = split(text)?;
    let owner = fields.account == "aws" || AccountId::new(fields.account).is_ok();
    if fields.service == "iam" && owner && fields.resource.starts_with("policy/") && text.len() <= 2048 {
        Ok(())
    } else {
        Err("a policy ARN looks like arn:aws:iam::aws:policy/ReadOnlyAccess")
    }
}

/// Takes the account out of any ARN that carries one.
pub fn account_of(arn: &str) -> Option<AccountId> {
    AccountId::new(split(arn).ok()?.account).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_arn_gives_its_parts_and_its_path_stays_out_of_the_name() {
        let arn = RoleArn::new("arn:aws-us-gov:iam::222222222222:role/team/a/Admin").expect("valid");
        assert_eq!((arn.name(), arn.account().as_str()), ("Admin", "222222222222"));
        assert_eq!(arn.partition(), Partition::UsGov);
    }

    #[test]
    fn what_is_not_a_role_arn_is_refused() {
        for bad in [
            "",
            "arn",
            "arn:aws:iam::222222222222:user/x",
            "arn:aws:iam::2222:role/x",
            "arn:aws:iam:us-east-1:222222222222:role/x",
            "arn:aws:s3::222222222222:role/x",
            "arn:amazon:iam::222222222222:role/x",
            "arn:aws:iam::222222222222:role/",
            "arn:aws:iam::222222222222:role/a b",
            "arn:aws:iam::222222222222:role/a\nb/c",
        ] {
            assert!(RoleArn::new(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_session_is_recognised_by_account_partition_and_role_name() {
        let role = RoleArn::new("arn:aws:iam::222222222222:role/team/AssumedRole").expect("valid");
        assert!(role.is_assumed_by("arn:aws:sts::222222222222:assumed-role/AssumedRole/me"));
        for other in [
            "arn:aws:sts::222222222222:assumed-role/Other/me",
            "arn:aws:sts::333333333333:assumed-role/AssumedRole/me",
            "arn:aws-cn:sts::222222222222:assumed-role/AssumedRole/me",
            "arn:aws:sts::222222222222:assumed-role/AssumedRole2/me",
            "arn:aws:iam::222222222222:role/AssumedRole",
            "",
        ] {
            assert!(!role.is_assumed_by(other), "{other}");
        }
    }

    #[test]
    fn both_kinds_of_mfa_serial_are_known() {
        assert!(MfaSerial::new("arn:aws:iam::111111111111:mfa/richard").is_ok());
        assert!(MfaSerial::new("GAHT12345678").is_ok());
        assert!(MfaSerial::new("arn:aws:iam::111111111111:user/richard").is_err());
        assert!(MfaSerial::new("short").is_err());
    }
}
