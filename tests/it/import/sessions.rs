//! Sessions that other tools write into the credentials file: never taken for keys.

use super::{credentials, done, home, put, read};
use crate::harness::home::text;
use rolecall_sandbox::tutorials::USER_ARN;

const SESSIONS: &str = "\
[saml]
aws_access_key_id        = ASIAIOSFODNN7EXAMPLE
aws_secret_access_key    = wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY
aws_session_token        = IQoJb3JpZ2luX2VjEXAMPLE
aws_security_token       = IQoJb3JpZ2luX2VjEXAMPLE
x_principal_arn          = arn:aws:sts::222222222222:assumed-role/Developer/richard
x_security_token_expires = 2030-01-02T00:47:31+02:00

[okta]
aws_access_key_id = ASIAIOSFODNN7EXAMPLE
aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY
aws_session_token = IQoJb3JpZ2luX2VjEXAMPLE
x_security_token_expires = 2030-01-02T00:47:31Z

[autoawsume-prod]
aws_access_key_id = ASIAIOSFODNN7EXAMPLE
aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY
aws_session_token = IQoJb3JpZ2luX2VjEXAMPLE
autoawsume = true

[without-token]
aws_access_key_id = ASIAIOSFODNN7EXAMPLE
aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY
";

#[test]
fn sessions_of_other_tools_stay_and_the_tool_is_named() {
    let home = home();
    let key = home.aws.access_key(USER_ARN);
    put(&home, "credentials", &format!("{}{SESSIONS}", credentials(&key.id, &key.secret)));
    let said = done(&home, &["--yes"]);
    // Output is broken to the width of the screen.
    let said = said.split_whitespace().collect::<Vec<_>>().join(" ");
    for (profile, by) in [
        ("saml", ", which a tool like saml2aws writes"),
        ("okta", ", which a tool like okta-aws-cli writes"),
        ("autoawsume-prod", ", which awsume writes"),
        ("without-token", ""),
    ] {
        let at = said.find(&format!("left: {profile} (")).unwrap_or_else(|| panic!("{profile}: {said}"));
        let reason = format!("it holds a temporary session (ASIA…){by}, and no long-term key that could be taken over");
        assert!(said[at..].contains(&reason), "{profile}: {said}");
    }
    assert!(read(&home, "credentials").ends_with(SESSIONS), "{}", read(&home, "credentials"));
    let listed = text(&home.run(["identity", "list", "--json"]).stdout);
    assert!(listed.contains(&key.id) && !listed.contains("ASIA"), "{listed}");
}
