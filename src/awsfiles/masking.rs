//! Lines of a file as a person may see them: a value is shown only if its key is known to hold nothing secret.
//!
//! The list names what is shown and not what is hidden. A misspelt key, a key of another tool, a comment, a line that
//! continues a value and the arguments of a program can all hold a secret. Serves the AWS files and config.toml.

use super::managed_block;
use rolecall_core::domain::error::printable;

/// The longest line shown.
const LINE_SHOWN: usize = 400;

/// The longest name of a key that is shown although it is on no list; a secret access key has 40 characters.
const NAME_SHOWN: usize = 36;

/// What stands instead of a value.
pub(super) const MASK: &str = "********";

/// Keys whose values are not secret, in lower case: of the AWS files (AWS SDKs and Tools Reference Guide, "Settings
/// reference"), of tools that read them, and of config.toml.
const HARMLESS: [&str; 69] = [
    "account_id_endpoint_mode",
    "api_versions",
    "auth_scheme_preference",
    "aws_access_key_id",
    "aws_account_id",
    "aws_mfa_device",
    "ca_bundle",
    "cli_auto_prompt",
    "cli_binary_format",
    "cli_follow_urlparam",
    "cli_help_output",
    "cli_history",
    "cli_pager",
    "cli_timestamp_format",
    "color",
    "credential_source",
    "defaults_mode",
    "disable_request_compression",
    "duration",
    "duration_seconds",
    "ec2_metadata_service_endpoint",
    "ec2_metadata_service_endpoint_mode",
    "ec2_metadata_v1_disabled",
    "endpoint_discovery_enabled",
    "endpoint_url",
    "ignore_configured_endpoint_urls",
    "include",
    "include_profile",
    "login_session",
    "max_attempts",
    "metadata_service_num_attempts",
    "metadata_service_timeout",
    "mfa",
    "mfa_serial",
    "output",
    "parameter_validation",
    "parent_profile",
    "region",
    "request_checksum_calculation",
    "request_min_compression_size_bytes",
    "response_checksum_validation",
    "retry_mode",
    "role_arn",
    "role_session_name",
    "s3_disable_express_session_auth",
    "s3_disable_multiregion_access_points",
    "s3_us_east_1_regional_endpoint",
    "s3_use_arn_region",
    "sdk_ua_app_id",
    "services",
    "session_duration",
    "sigv4a_signing_region_set",
    "source",
    "source_profile",
    "sso_account_id",
    "sso_region",
    "sso_registration_scopes",
    "sso_role_name",
    "sso_session",
    "sso_start_url",
    "sts_regional_endpoints",
    "tcp_keepalive",
    "token_file",
    "type",
    "use_dualstack_endpoint",
    "use_fips_endpoint",
    "vault",
    "version",
    "web_identity_token_file",
];

/// Keys whose value is a program with arguments: the program is shown, its arguments are not.
const PROGRAMS: [&str; 4] = ["credential_process", "mfa_process", "program", "web_identity_token_process"];

/// Makes lines fit to be shown: no value that may be secret, no hidden character, no endless line.
pub(super) fn masked(lines: &[&[u8]]) -> Vec<String> {
    let mut masker = Masker::default();
    lines.iter().map(|line| masker.line(line)).collect()
}

/// Follows the lines as the AWS CLI reads them.
#[derive(Default)]
struct Masker {
    /// How far the key above is indented, if there is one that a line can continue.
    key_indent: Option<usize>,
}

impl Masker {
    fn line(&mut self, line: &[u8]) -> String {
        let text = String::from_utf8_lossy(line);
        let text = text.trim_end_matches(['\n', '\r']);
        let content = text.trim_start_matches([' ', '\t']);
        let indent = text.len() - content.len();
        if content.trim().is_empty() {
            return String::new();
        }
        if let Some(sign) = content.chars().next().filter(|sign| matches!(sign, '#' | ';')) {
            return if managed_block::is_own_comment(text) { visible(text) } else { format!("{sign} {MASK}") };
        }
        if self.key_indent.is_some_and(|of_key| indent > of_key) {
            return format!("  {MASK}");
        }
        self.key_indent = None;
        if content.starts_with('[') {
            return header(content);
        }
        let Some(at) = content.find(['=', ':']) else { return MASK.to_owned() };
        self.key_indent = Some(indent);
        let (name, value) = (content[..at].trim(), content[at + 1..].trim());
        format!("{} = {}", name_shown(name), value_shown(name, value)).trim_end().to_owned()
    }
}

fn header(content: &str) -> String {
    let end = content.rfind(']').map_or(content.len(), |at| at + 1);
    let (header, rest) = content.split_at(end);
    let comment = header.find(['#', ';']).map_or(header, |at| &header[..at]);
    let is_cut = comment.len() < header.len() || !rest.trim().is_empty();
    if is_cut { format!("{} {MASK}", visible(comment.trim_end())) } else { visible(header) }
}

/// Shows the name of a key, unless it may be a value that stands where a key belongs.
fn name_shown(name: &str) -> String {
    let is_word = name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.'));
    if is_listed(name) || (is_word && name.len() <= NAME_SHOWN) { visible(name) } else { MASK.to_owned() }
}

fn value_shown(name: &str, value: &str) -> String {
    let (value, comment) = match comment_at(value) {
        Some(at) => (value[..at].trim_end(), format!(" # {MASK}")),
        None => (value, String::new()),
    };
    let lower = name.to_ascii_lowercase();
    let shown = match () {
        () if value.is_empty() => String::new(),
        () if PROGRAMS.contains(&lower.as_str()) => program_shown(value),
        // An address can hold a password or a token.
        () if is_listed(&lower) && !(value.contains("://") && value.contains(['@', '?', '#'])) => visible(value),
        () => MASK.to_owned(),
    };
    shown + &comment
}

fn is_listed(name: &str) -> bool {
    HARMLESS.binary_search(&name.to_ascii_lowercase().as_str()).is_ok()
}

/// Finds a comment after a value, as the SDK specification knows it.
fn comment_at(value: &str) -> Option<usize> {
    if value.starts_with(['#', ';']) {
        return Some(0);
    }
    value.as_bytes().windows(2).position(|pair| matches!(pair[0], b' ' | b'\t') && matches!(pair[1], b'#' | b';'))
}

/// Shows a program; its arguments only if they are `get NAME` and the program is rolecall.
fn program_shown(value: &str) -> String {
    // An array of config.toml.
    let (open, value) = value.strip_prefix('[').map_or(("", value), |rest| ("[", rest.trim_start()));
    let end = match value.chars().next() {
        Some(quote @ ('"' | '\'')) => value[1..].find(quote).map(|at| at + 2),
        _ => Some(value.find([' ', '\t', ',', ']']).unwrap_or(value.len())),
    };
    let Some((program, rest)) = end.map(|end| value.split_at(end)) else { return MASK.to_owned() };
    // `NAME=VALUE program` for a shell, or an option: no program.
    if program.contains(['=', '@', '?']) || program.starts_with('-') {
        return MASK.to_owned();
    }
    let file_name = program.trim_matches(['"', '\'']).rsplit('/').next().unwrap_or_default();
    let is_ours = file_name == "rolecall"
        && rest.strip_prefix(" get ").is_some_and(|name| rolecall_core::domain::names::Name::new(name).is_ok());
    let rest = if is_ours || rest.trim_matches([' ', '\t', ']']).is_empty() { rest } else { " ********" };
    visible(&format!("{open}{program}{rest}"))
}

fn visible(text: &str) -> String {
    printable(text, LINE_SHOWN)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(line: &str) -> String {
        masked(&[line.as_bytes()]).remove(0)
    }

    #[test]
    fn the_list_is_sorted_and_holds_no_secret() {
        assert!(HARMLESS.is_sorted());
        assert!(
            !HARMLESS.iter().any(|key| ["secret", "token", "password", "external"].iter().any(|w| key.contains(w))
                && !key.ends_with("_file"))
        );
    }

    #[test]
    fn only_values_of_listed_keys_are_shown() {
        for (line, want) in [
            ("region = eu-west-1\r\n", "region = eu-west-1"),
            ("Region=eu-west-1", "Region = eu-west-1"),
            (
                "role_arn = arn:aws:iam::111111111111:role/x # hush",
                "role_arn = arn:aws:iam::111111111111:role/x # ********",
            ),
            ("aws_secret_acces_key = hush", "aws_secret_acces_key = ********"),
            ("password: hush", "password = ********"),
            ("external_id = hush", "external_id = ********"),
            ("region = # hush", "region =  # ********"),
            ("hush/hush+hush = x", "******** = ********"),
            ("hush", "********"),
            ("# hush", "# ********"),
            ("; hush", "; ********"),
            ("# >>> rolecall >>>", "# >>> rolecall >>>"),
            ("[profile prod]", "[profile prod]"),
            ("[profile prod] # hush", "[profile prod] ********"),
            ("endpoint_url = https://u:hush@x.test/", "endpoint_url = ********"),
            ("s3 =", "s3 ="),
            ("x1x2x3x4x5x6x7x8x9x0x1x2x3x4x5x6x7x8x9x0 =", "******** ="),
        ] {
            assert_eq!(shown(line), want, "{line}");
        }
    }

    #[test]
    fn of_a_program_only_its_path_is_shown() {
        for (line, want) in [
            ("credential_process = /opt/tool --token hush", "credential_process = /opt/tool ********"),
            ("credential_process = /usr/bin/rolecall get prod", "credential_process = /usr/bin/rolecall get prod"),
            ("credential_process = \"/a b/rolecall\" get prod", "credential_process = \"/a b/rolecall\" get prod"),
            ("credential_process = /usr/bin/rolecall get prod hush", "credential_process = /usr/bin/rolecall ********"),
            ("credential_process = /x/other get prod", "credential_process = /x/other ********"),
            ("credential_process = TOKEN=hush /opt/tool", "credential_process = ********"),
            ("credential_process = \"hush", "credential_process = ********"),
            ("mfa_process = [\"ykman\", \"hush\"]", "mfa_process = [\"ykman\" ********"),
            ("credential_process = /opt/tool", "credential_process = /opt/tool"),
        ] {
            assert_eq!(shown(line), want, "{line}");
        }
    }

    #[test]
    fn lines_that_continue_a_value_are_masked() {
        let lines: [&[u8]; 6] =
            [b"region =\n", b"  hush\n", b"\n", b"\thush = 1\n", b"output = json\n", b"  region = hush\n"];
        assert_eq!(masked(&lines), ["region =", "  ********", "", "  ********", "output = json", "  ********"]);
    }
}
