//! IAM's rules for what a setup names, so that a wrong word is refused before the first call.
//!
//! Sources: IAM API Reference, the parameters of CreateUser, CreateRole, CreatePolicy, CreateInstanceProfile and `Tag`; IAM
//! User Guide, "IAM and AWS STS quotas".

use crate::domain::arn::{AccountId, Partition, check_policy_arn};

/// The longest name of a user or a role.
pub const NAME_MAX: usize = 64;

/// The longest name of a policy.
pub const POLICY_NAME_MAX: usize = 128;

/// The longest path.
const PATH_MAX: usize = 512;

/// How many tags a thing may have.
pub const TAGS_MAX: usize = 50;

/// How many managed policies AWS lets a user or a role have after the quota was raised; 10 where it was not.
pub const ATTACHED_MAX: usize = 20;

/// Checks the name of a user, role, policy or device.
pub fn check_name(text: &str, max: usize) -> Result<(), String> {
    if text.is_empty() || text.len() > max {
        return Err(format!("IAM wants 1 to {max} characters"));
    }
    if !text.bytes().all(is_name_letter) {
        return Err("IAM allows letters, digits and _ + = , . @ - in a name".to_owned());
    }
    Ok(())
}

/// Tells whether IAM allows a letter in a name.
pub(super) fn is_name_letter(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b"_+=,.@-".contains(&b)
}

/// Checks a path.
///
/// IAM allows every printable ASCII character. Here only those of names and `/` are: `*`, `?` and `$` would be wildcards and
/// variables in the policy that names the role's ARN, and so allow more than the one role.
pub fn check_path(text: &str) -> Result<(), &'static str> {
    if !text.starts_with('/') || !text.ends_with('/') {
        return Err("a path begins and ends with /, as /team/web/");
    }
    if text.len() > PATH_MAX {
        return Err("a path has at most 512 characters");
    }
    if text.contains("//") || !text.bytes().all(|b| b == b'/' || is_name_letter(b)) {
        return Err("a path is made of letters, digits and _ + = , . @ -, with single / between them");
    }
    Ok(())
}

/// Checks a tag's key and value.
pub fn check_tag(key: &str, value: &str) -> Result<(), &'static str> {
    let lower = key.to_lowercase();
    if lower.starts_with("aws:") {
        return Err("AWS keeps tags that start with aws: to itself");
    }
    if lower.starts_with("rolecall:") {
        return Err("rolecall keeps tags that start with rolecall: to itself");
    }
    if !(1..=128).contains(&key.chars().count()) {
        return Err("a tag's key has 1 to 128 characters");
    }
    if value.chars().count() > 256 {
        return Err("a tag's value has at most 256 characters");
    }
    // `[\p{L}\p{Z}\p{N}_.:/=+\-@]`: white space that is no control character is exactly `\p{Z}`.
    let allowed = |c: char| c.is_alphanumeric() || (c.is_whitespace() && !c.is_control()) || "_.:/=+-@".contains(c);
    if !key.chars().chain(value.chars()).all(allowed) {
        return Err("AWS allows letters, digits, spaces and _ . : / = + - @ in tags");
    }
    Ok(())
}

/// Checks a managed policy as it is named: by its ARN, or, where it is AWS's own, by its path and name alone.
pub fn check_policy(text: &str) -> Result<(), &'static str> {
    const FORM: &str = "a managed policy is named by its ARN or as AmazonS3ReadOnlyAccess";
    if text.starts_with("arn:") {
        check_policy_arn(text)?;
        let resource = text.splitn(6, ':').nth(5).and_then(|r| r.strip_prefix("policy/")).unwrap_or_default();
        return check_policy_path(resource).then_some(()).ok_or(FORM);
    }
    check_policy_path(text).then_some(()).ok_or(FORM)
}

fn check_policy_path(text: &str) -> bool {
    let name = text.rsplit('/').next().unwrap_or_default();
    check_name(name, POLICY_NAME_MAX).is_ok()
        && text.len() <= PATH_MAX
        && text.split('/').all(|part| !part.is_empty() && part.bytes().all(is_name_letter))
}

/// Gives a managed policy's ARN, as an account can attach it.
pub fn policy_arn(text: &str, partition: Partition, account: &AccountId) -> Result<String, String> {
    if !text.starts_with("arn:") {
        return Ok(format!("arn:{}:iam::aws:policy/{text}", partition.id()));
    }
    let mut words = text.splitn(6, ':').skip(1);
    let (theirs, owner) = (words.next().unwrap_or_default(), words.nth(2).unwrap_or_default());
    if theirs != partition.id() {
        return Err(format!("the policy is of partition {theirs}, the accounts are of {}", partition.id()));
    }
    if owner != "aws" && owner != account.as_str() {
        return Err(format!("a policy of account {owner} cannot be attached in account {account}"));
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_iam_would_refuse_are_refused() {
        for good in ["richard", "a", "Team_a+b=c,d.e@f-g", &"x".repeat(64)] {
            assert!(check_name(good, NAME_MAX).is_ok(), "{good}");
        }
        let long = "x".repeat(65);
        for bad in ["", "a b", "a/b", "a:b", "é", "a\nb", "a;rm -rf ~", "$(id)", "a'b", "*", "${aws:username}", &long]
        {
            assert!(check_name(bad, NAME_MAX).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_path_cannot_widen_the_policy_that_names_it() {
        for good in ["/", "/team/", "/a/b.c/d@e/"] {
            assert!(check_path(good).is_ok(), "{good}");
        }
        for bad in
            ["", "team", "/team", "team/", "//", "/a//b/", "/*/", "/t?am/", "/${aws:username}/", "/a b/", "/a\"b/"]
        {
            assert!(check_path(bad).is_err(), "{bad:?}");
        }
        assert!(check_path(&format!("/{}/", "x".repeat(511))).is_err());
    }

    #[test]
    fn tags_that_are_aws_s_or_ours_are_refused() {
        assert!(check_tag("cost centre", "é 1/2").is_ok() && check_tag("k", "").is_ok());
        for (key, value) in
            [("aws:x", "y"), ("AWS:x", "y"), ("Rolecall:setup", "y"), ("", "y"), ("k", "a*b"), ("a\nb", "")]
        {
            assert!(check_tag(key, value).is_err(), "{key:?}={value:?}");
        }
        assert!(check_tag("k", &"x".repeat(257)).is_err() && check_tag(&"x".repeat(129), "").is_err());
    }

    #[test]
    fn a_managed_policy_has_an_arn_that_the_account_can_attach() {
        let account = AccountId::new("222222222222").expect("valid");
        let arn = |text| policy_arn(text, Partition::UsGov, &account);
        assert_eq!(
            arn("job-function/ViewOnlyAccess").as_deref(),
            Ok("arn:aws-us-gov:iam::aws:policy/job-function/ViewOnlyAccess")
        );
        assert!(arn("arn:aws-us-gov:iam::222222222222:policy/x").is_ok());
        assert!(arn("arn:aws:iam::aws:policy/x").is_err_and(|why| why.contains("partition")));
        assert!(arn("arn:aws-us-gov:iam::111111111111:policy/x").is_err_and(|why| why.contains("111111111111")));
        for bad in
            ["", "a b", "/x", "x/", "arn:aws:iam::aws:role/x", "arn:aws:iam::aws:policy/", "arn:aws:iam::aws:policy/a*"]
        {
            assert!(check_policy(bad).is_err(), "{bad:?}");
        }
    }
}
