//! `doctor`: each kind of broken chain is named, with the real binaries, where IAM may be read and where nothing may.
//!
//! Where nothing may be read AWS says the same of several causes, and a test then wants the right one among those that are
//! told as possible, and none told as certain. Out of reach: refusals by organizations' policies and permissions
//! boundaries, which the sandbox does not have; those are in the tables of `domain/diagnosis`.

mod broken;
mod bundle;
mod local;
mod whole;

use crate::harness::home::{Home, text};
use rolecall_sandbox::tutorials::{AUTH_ACCOUNT, ROLE_ARN, USER_ARN, WORKLOAD_ACCOUNT};
use rolecall_sandbox::{AccessKey, User};
use serde_json::{Value, json};

/// One role, with room for what a test adds to it.
pub(crate) const ONE: &str = r#"
[aws]
endpoint_url = "ENDPOINT"

[identities.auth]
type = "iam-user"
region = "eu-west-1"

[roles.prod]
source = "auth"
role_arn = "arn:aws:iam::222222222222:role/AssumedRole"
"#;

/// Where a diagnosis is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sight {
    /// The identity may read IAM in its account, and another identity in the role's.
    Full,
    /// Nobody may read anything.
    None,
}

/// What was printed as JSON, and the exit code.
pub(crate) struct Found {
    pub(crate) code: i32,
    pub(crate) json: Value,
}

impl Found {
    pub(crate) fn findings(&self) -> Vec<Value> {
        let all = std::iter::once(&self.json["general"]).chain(self.json["names"].as_array().unwrap());
        all.flat_map(|part| part["findings"].as_array().unwrap().clone()).collect()
    }

    pub(crate) fn causes(&self) -> Vec<(String, String)> {
        let word = |finding: &Value, key: &str| finding[key].as_str().unwrap().to_owned();
        self.findings().iter().map(|f| (word(f, "cause"), word(f, "certainty"))).collect()
    }

    pub(crate) fn calls(&self) -> Vec<Value> {
        let names = self.json["names"].as_array().unwrap();
        names.iter().flat_map(|part| part["calls"].as_array().unwrap().clone()).collect()
    }

    /// Fails unless this is the one cause, without a doubt.
    #[track_caller]
    pub(crate) fn is_certainly(&self, cause: &str) -> Value {
        assert_eq!(self.causes(), [(cause.to_owned(), "certain".to_owned())], "{:#}", self.json);
        assert!(self.code != 0 && self.json["holds"] == false, "{:#}", self.json);
        self.findings().remove(0)
    }

    /// Fails unless this is among the possible ones, and none of them is told as certain.
    #[track_caller]
    pub(crate) fn is_possibly(&self, cause: &str) -> Value {
        assert!(self.causes().iter().all(|(_, certainty)| certainty == "possible"), "{:#}", self.json);
        assert!(self.code != 0 && self.json["holds"] == false, "{:#}", self.json);
        let found = self.findings().into_iter().find(|finding| finding["cause"] == cause);
        found.unwrap_or_else(|| panic!("{cause} is not named: {:#}", self.json))
    }
}

/// Makes a home whose key is stored; with sight, somebody may read IAM on each side.
pub(super) fn home(config: &str, sight: Sight) -> Home {
    if sight == Sight::None {
        return Home::ready(config);
    }
    let with_readers = format!(
        "{config}\n[identities.zz-auth-reader]\ntype = \"iam-user\"\nregion = \"eu-west-1\"\n[identities.zz-role-reader]\ntype = \"iam-user\"\nregion = \"eu-west-1\"\n"
    );
    let home = Home::ready(&with_readers);
    let may_look = json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": ["iam:Get*", "iam:List*", "iam:Simulate*"], "Resource": "*"}]});
    home.aws.world(|world| {
        world.user(USER_ARN).permissions.inline.insert("Look".to_owned(), may_look.clone().into());
        for account in [AUTH_ACCOUNT, WORKLOAD_ACCOUNT] {
            let reader = User::new("reader").with_key(AccessKey::generate()).with_policy("Look", may_look.clone());
            let reader = User { account: account.to_owned(), ..reader };
            world.account(account).users.insert("reader".to_owned(), reader);
        }
    });
    for (name, account) in [("zz-auth-reader", AUTH_ACCOUNT), ("zz-role-reader", WORKLOAD_ACCOUNT)] {
        let key = home.aws.access_key(&format!("arn:aws:iam::{account}:user/reader"));
        home.canaries.add(&key.secret);
        let input = json!({"AccessKeyId": key.id, "SecretAccessKey": key.secret}).to_string();
        let added = home.run_with_input(["identity", "add", name, "--region", "eu-west-1", "--replace"], &input);
        assert!(added.status.success(), "{}", text(&added.stderr));
    }
    home.aws.clear_calls();
    home
}

/// Runs `doctor --json`; no session may be left of it, in memory or elsewhere.
#[track_caller]
pub(crate) fn doctor(home: &Home, name: &str) -> Found {
    let output = home.run(["doctor", name, "--json"]);
    let json = serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e}: {}", text(&output.stderr)));
    assert_eq!(text(&output.stderr), "", "what is found is on stdout");
    let found = Found { code: output.status.code().unwrap(), json };
    assert_eq!(found.json["exit_code"], found.code);
    assert!(found.calls().len() <= 40, "its calls have a limit");
    found
}

/// Replaces the trust policy of the tutorials' role.
pub(super) fn trust(home: &Home, principal: &str, condition: &Value) {
    let mut statement = json!({"Effect": "Allow", "Principal": {"AWS": principal}, "Action": "sts:AssumeRole"});
    if !condition.is_null() {
        statement["Condition"] = condition.clone();
    }
    let document = json!({"Version": "2012-10-17", "Statement": [statement]});
    home.aws.world(|world| world.role(ROLE_ARN).trust = document.into());
}

pub(super) fn root() -> String {
    format!("arn:aws:iam::{AUTH_ACCOUNT}:root")
}
