//! Patterns of names: `*` stands for any characters, also none.

/// What stands for any characters.
pub(super) const STAR: char = '*';

/// Tells whether a name fits a pattern.
pub(super) fn fits(pattern: &str, name: &str) -> bool {
    let Some((start, rest)) = pattern.split_once(STAR) else { return pattern == name };
    let Some(mut left) = name.strip_prefix(start) else { return false };
    let mut parts: Vec<&str> = rest.split(STAR).collect();
    let end = parts.pop().unwrap_or_default();
    // The first place that fits leaves the most for what follows.
    for part in parts {
        let Some(at) = left.find(part) else { return false };
        left = &left[at + part.len()..];
    }
    left.ends_with(end)
}

#[cfg(test)]
mod tests {
    use super::fits;

    #[test]
    fn a_star_stands_for_any_characters() {
        for (pattern, name) in [
            ("*", ""),
            ("*", "dev"),
            ("*.toml", "a.toml"),
            ("team-*-prod", "team-a-b-prod"),
            ("a*b*c", "abbc"),
            ("a*a", "aa"),
            ("dev", "dev"),
        ] {
            assert!(fits(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in
            [("*.toml", "a.toml~"), ("a*a", "a"), ("dev", "devs"), ("a*b*c", "acb"), ("team-*", "team")]
        {
            assert!(!fits(pattern, name), "{pattern} {name}");
        }
        assert!(!fits(&"*a".repeat(60), &"b".repeat(128)), "and ends soon");
    }
}
