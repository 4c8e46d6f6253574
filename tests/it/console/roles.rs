//! `roles`: the listing, and the configuration of AWS Extend Switch Roles.

use crate::harness::home::{Home, text};
use serde_json::Value;

const CONFIG: &str = r##"
[identities.auth]
type = "iam-user"
mfa_serial = "arn:aws:iam::111111111111:mfa/richard"
region = "eu-west-1"

[identities.plain]
type = "iam-user"

[identities.idle]
type = "iam-user"
mfa_serial = "arn:aws:iam::444444444444:mfa/other"

[roles.prod]
source = "auth"
role_arn = "arn:aws:iam::222222222222:role/team/AssumedRole"
display_name = "Production"
color = "red"

[roles.data]
source = "prod"
role_arn = "arn:aws:iam::333333333333:role/DataReader"

[roles.dev]
source = "plain"
role_arn = "arn:aws:iam::222222222222:role/Dev"
display_name = "D; [v]"
color = "#00FF7F"
region = "us-east-2"

[roles.odd]
source = "idle"
role_arn = "arn:aws:iam::222222222222:role/a=b"

[roles.twin]
source = "plain"
role_arn = "arn:aws:iam::222222222222:role/Twin"
display_name = "Production"
"##;

#[test]
fn the_extension_gets_every_role_that_it_can_switch_to_and_is_told_why_not_the_others() {
    let home = Home::bare(CONFIG);
    let output = home.run(["roles", "--aesr"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert_eq!(
        text(&output.stdout),
        "; AWS Extend Switch Roles, from rolecall: paste it into the extension's Configure page\n\
         \n[auth]\naws_account_id = 111111111111\n\
         \n; left out: `data` is assumed by role `prod`, and the console switches roles with the user that signed in, \
         never with a role it has switched to\n\
         \n[profile dev]\nrole_arn = arn:aws:iam::222222222222:role/Dev\ncolor = 00ff7f\nregion = us-east-2\n\
         \n; left out: the extension cannot read the ARN of `odd`: it cuts it at = ; and #\n\
         \n[profile Production]\nrole_arn = arn:aws:iam::222222222222:role/team/AssumedRole\ncolor = f2b0a9\n\
         region = eu-west-1\nsource_profile = auth\n\
         \n[profile twin]\nrole_arn = arn:aws:iam::222222222222:role/Twin\n"
    );
    assert!(output.stderr.is_empty());
}

#[test]
fn the_listing_is_that_of_the_roles() {
    let home = Home::bare(CONFIG);
    let roles: Value = serde_json::from_slice(&home.run(["roles", "--json"]).stdout).unwrap();
    let names: Vec<&str> = roles.as_array().unwrap().iter().filter_map(|role| role["name"].as_str()).collect();
    assert_eq!(names, ["data", "dev", "odd", "prod", "twin"]);
    assert_eq!(roles[3]["display_name"], "Production");
    let table = text(&home.run(["roles"]).stdout);
    assert!(table.starts_with("NAME") && table.contains("AssumedRole"), "{table}");
    for flags in [&[][..], &["--json"], &["--aesr"]] {
        let by = |words: &[&str]| home.run(words.iter().chain(flags)).stdout;
        assert_eq!(by(&["role", "list"]), by(&["roles"]), "{flags:?}");
    }
    assert_eq!(home.run(["roles", "--json", "--aesr"]).status.code(), Some(2));
}
