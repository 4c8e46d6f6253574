//! One profile that rolecall writes: its header, the `credential_process` command that every SDK can run, its region.
//!
//! Holds only what was checked, so that rendering cannot fail or smuggle a line in. Nothing else goes into the
//! profile: `role_arn`, `sso_*` or keys beside `credential_process` win over it in most tools.

use super::shown;
use rolecall_core::domain::error::{Kind, UserError};
use rolecall_core::domain::names::{Name, check_region};
use std::path::Path;

/// A profile of the managed block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    name: Name,
    command: String,
    region: Option<String>,
}

impl Entry {
    /// Makes the profile `name`, served by the `rolecall` at `program`.
    pub fn new(name: Name, program: &Path, region: Option<&str>) -> Result<Self, UserError> {
        if let Some(region) = region
            && let Err(why) = check_region(region)
        {
            return Err(UserError::new(Kind::Config, format!("{name}: {why}"))
                .hint(format!("correct `region` of {name} in config.toml")));
        }
        let command = format!("{} get {name}", quoted(program)?);
        Ok(Self { name, command, region: region.map(str::to_owned) })
    }

    /// Gives the profile's name.
    pub fn name(&self) -> &Name {
        &self.name
    }

    /// Gives what stands after `credential_process =`.
    pub fn command(&self) -> &str {
        &self.command
    }

    /// Gives the section header without its brackets.
    ///
    /// `[profile default]` is legal too, but replaces `[default]` in some tools and joins it in others.
    pub fn header(&self) -> String {
        match self.name.as_str() {
            "default" => "default".to_owned(),
            name => format!("profile {name}"),
        }
    }

    /// Gives the section, each line ended by a line feed.
    pub fn section(&self) -> String {
        let region = self.region.as_ref().map(|region| format!("region = {region}\n")).unwrap_or_default();
        format!("[{}]\ncredential_process = {}\n{region}", self.header(), self.command)
    }
}

/// Writes a program's path so that it is one word for those who split the line themselves (botocore, with shlex) and for
/// those who give it to `sh -c` (Go, JavaScript, Java, Rust, .NET, C++).
///
/// AWS's own guide allows double quotes and nothing else. Inside them a shell still changes `"`, `$`, `` ` `` and `\`,
/// and shlex and the shell undo a backslash differently; `%` is changed by programs that read the file with
/// Python's interpolating parser. So these are refused, not escaped.
fn quoted(program: &Path) -> Result<String, UserError> {
    let refuse = |why: String| {
        UserError::new(Kind::Failed, format!("{}: {why}", shown(program)))
            .hint("install rolecall under a plain path, or link it there: `ln -s \"$(command -v rolecall)\" ~/.local/bin/rolecall`")
    };
    let Some(text) = program.to_str() else { return Err(refuse("the path of rolecall is not UTF-8".into())) };
    if !program.is_absolute() {
        return Err(refuse("the path of rolecall is not absolute, and SDKs search from their own directory".into()));
    }
    if let Some(bad) = text.chars().find(|c| c.is_control() || matches!(c, '"' | '$' | '`' | '\\' | '%')) {
        let bad = bad.escape_debug();
        return Err(refuse(format!("no quoting of `{bad}` in the path of rolecall works in every SDK")));
    }
    // SDKs that follow the specification cut the value at a comment, quotes or not.
    if text.contains(" #") || text.contains(" ;") {
        return Err(refuse("` #` or ` ;` in the path of rolecall starts a comment in several SDKs".into()));
    }

    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '.' | '-' | '_' | '+' | '@' | ',' | ':' | '=');
    if text.chars().all(plain) { Ok(text.to_owned()) } else { Ok(format!("\"{text}\"")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(name: &str, program: &str, region: Option<&str>) -> Result<Entry, UserError> {
        Entry::new(Name::new(name).expect("valid"), Path::new(program), region)
    }

    #[test]
    fn a_section_holds_the_command_and_the_region_and_nothing_else() {
        let prod = entry("prod", "/usr/bin/rolecall", Some("eu-west-1")).expect("entry");
        assert_eq!(
            prod.section(),
            "[profile prod]\ncredential_process = /usr/bin/rolecall get prod\nregion = eu-west-1\n"
        );
        let default = entry("default", "/usr/bin/rolecall", None).expect("entry");
        assert_eq!(default.section(), "[default]\ncredential_process = /usr/bin/rolecall get default\n");
    }

    #[test]
    fn a_path_is_quoted_when_a_shell_would_change_it() {
        let table = [
            ("/usr/bin/rolecall", "/usr/bin/rolecall"),
            ("/opt/a+b@1.2,3/role_call-x", "/opt/a+b@1.2,3/role_call-x"),
            ("/home/jo smith/bin/rolecall", "\"/home/jo smith/bin/rolecall\""),
            ("/opt/it's/rolecall", "\"/opt/it's/rolecall\""),
            ("/opt/(a)&b;c|d/rolecall", "\"/opt/(a)&b;c|d/rolecall\""),
            ("/opt/a#b/rolecall", "\"/opt/a#b/rolecall\""),
            ("/opt/büro/rolecall", "\"/opt/büro/rolecall\""),
        ];
        for (path, written) in table {
            assert_eq!(entry("x", path, None).expect(path).command(), format!("{written} get x"));
        }
    }

    #[test]
    fn a_path_that_no_quoting_saves_is_refused_with_a_way_out() {
        for path in
            ["/a\"b/rolecall", "/a$b/r", "/a`b/r", "/a\\b/r", "/a\nb/r", "/a\tb/r", "/100%/r", "/a #b/r", "bin/r"]
        {
            let report = entry("x", path, None).expect_err(path);
            assert!(!report.message.contains('\n'), "{path:?}");
            assert!(report.hint.expect("hint").contains("ln -s"), "{path:?}");
        }
    }

    #[test]
    fn a_region_cannot_bring_a_line_of_its_own() {
        assert!(entry("x", "/r", Some("eu-west-1\nrole_arn = x")).is_err());
    }
}
