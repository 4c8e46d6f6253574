use super::*;
use proptest::prelude::*;

fn entries(names: &[&str]) -> Vec<Entry> {
    let entry = |name: &&str| Entry::new(Name::new(name).expect("name"), Path::new("/usr/bin/rolecall"), None);
    names.iter().map(|name| entry(name).expect("entry")).collect()
}

fn block(names: &[&str]) -> String {
    render(&entries(names))
}

fn sync(text: &[u8], block: &str) -> Result<Vec<u8>, UserError> {
    replace(Path::new("/home/jo/.aws/config"), text, block)
}

#[test]
fn a_block_says_who_writes_it_and_how_to_change_it() {
    assert_eq!(
        block(&["prod", "default"]),
        "# >>> rolecall >>>\n\
         # Written by `rolecall profiles sync`; changes made by hand between these markers are lost.\n\
         # To change it: `rolecall role add` or `rolecall role remove`, or edit config.toml, then `rolecall profiles sync`.\n\
         \n\
         [profile prod]\ncredential_process = /usr/bin/rolecall get prod\n\
         \n\
         [default]\ncredential_process = /usr/bin/rolecall get default\n\
         # <<< rolecall <<<\n"
    );
    assert_eq!(render(&[]), "");
}

#[test]
fn a_block_goes_to_the_end_and_leaves_again_without_a_trace() {
    let big = (0..300).fold(String::new(), |all, n| all + &format!("[profile p{n}]\nregion = eu-west-1\n\n"));
    let files: &[&[u8]] = &[
        b"",
        b"\n",
        b"[default]\nregion = eu-west-1\n",
        b"[default]\nregion = eu-west-1",
        b"[default]\r\nregion = eu-west-1\r\n",
        b"[default]\r\nregion = eu-west-1",
        b"[default]\nregion = x\r\n[profile b]\nregion = y",
        b"\xef\xbb\xbf[default]\nregion = x",
        b"\xef\xbb\xbf",
        b"[default]\nregion = x\n\n\n   \n",
        b"[default]\r",
        b"[default]\ns3 =\n\taddressing_style = path\n  # c\n\n",
        b"# caf\xe9 \xff\x00\n[profile a\nnonsense\n",
        b"# only a comment",
        big.as_bytes(),
    ];
    for file in files {
        let mut text = sync(file, &block(&["prod"])).expect("written");
        let bare = if text.starts_with(BOM) { &text[3..] } else { &text[..] };
        assert!(text.starts_with(file) || bare.starts_with(BEGIN.as_bytes()), "{file:?}");
        for names in [&["prod"][..], &["prod", "data"], &["data"]] {
            text = sync(&text, &block(names)).expect("again");
            assert_eq!(sync(&text, &block(names)).expect("no-op"), text, "{file:?}");
        }
        assert_eq!(sync(&text, "").expect("removed"), *file, "{:?}", String::from_utf8_lossy(file));
    }
}

#[test]
fn a_block_speaks_in_the_line_ends_of_the_file() {
    let crlf = sync(b"[default]\r\nregion = x", &block(&["prod"])).expect("written");
    assert_eq!(split_lines(&crlf).filter(|line| !line.ends_with(b"\r\n")).count(), 0);
    let lf = sync(b"[default]\nregion = x\n# a\r\n", &block(&["prod"])).expect("written");
    assert_eq!(split_lines(&lf).filter(|line| line.ends_with(b"\r\n")).count(), 1);
}

#[test]
fn lines_around_the_block_keep_their_bytes() {
    let first = sync(b"[default]\nregion = x", &block(&["prod"])).expect("written");
    let edited = [b"; mine\r\n".as_slice(), &first, b"\n[profile later]\r\nregion = \xff"].concat();
    let second = sync(&edited, &block(&["prod", "data"])).expect("again");
    assert!(second.starts_with(b"; mine\r\n[default]\nregion = x\n# >>>"));
    assert!(second.ends_with(b"# <<< rolecall <<<\n\n[profile later]\r\nregion = \xff"));
    let gone = sync(&second, "").expect("removed");
    assert_eq!(gone, b"; mine\r\n[default]\nregion = x\n\n[profile later]\r\nregion = \xff");
}

#[test]
fn damaged_markers_are_refused_with_their_line() {
    let table = [
        (format!("[default]\n{BEGIN}\nx = 1\n"), 2, "has no `# <<<"),
        (format!("[default]\n\n{END}\n"), 3, "has no `# >>>"),
        (format!("{END}\n{BEGIN}\n"), 1, "has no `# >>>"),
        (format!("{BEGIN}\n{BEGIN}\n{END}\n{END}\n"), 2, "again, after line 1"),
        (format!("{BEGIN}\n{END}\n[default]\n{BEGIN}\n{END}\n"), 4, "a second block"),
        (format!("{BEGIN}\n{END}\n  {END}\r\n"), 3, "has no `# >>>"),
    ];
    for (text, line, what) in table {
        for block in [block(&["prod"]), String::new()] {
            let report = sync(text.as_bytes(), &block).expect_err(&text);
            assert!(report.message.starts_with(&format!("/home/jo/.aws/config:{line}: ")), "{}", report.message);
            assert!(report.message.contains(what), "{}", report.message);
            assert!(report.hint.expect("hint").contains("`rolecall profiles sync`"));
        }
    }
}

#[test]
fn a_section_that_is_already_there_is_refused_because_botocore_refuses_the_whole_file() {
    let text = b"[default]\nregion = x\n\n[profile prod]\nrole_arn = y\n";
    let report = sync(text, &block(&["data", "prod"])).expect_err("twice");
    assert!(report.message.starts_with("/home/jo/.aws/config:4: [profile prod]"), "{}", report.message);
    let names: Vec<Name> = ["data", "prod", "default"].map(|name| Name::new(name).expect("name")).into();
    let taken: Vec<_> = taken(Path::new("c"), text, &names).expect("read").into_iter().map(|t| t.line).collect();
    assert_eq!(taken, [4, 1]);
    assert!(sync(text, &block(&["data"])).is_ok());
}

#[test]
fn our_own_sections_are_not_taken() {
    let text = sync(b"", &block(&["prod"])).expect("written");
    assert!(taken(Path::new("c"), &text, &[Name::new("prod").expect("name")]).expect("read").is_empty());
}

proptest! {
    #[test]
    fn any_bytes_come_back_after_sync_and_removal(file in proptest::collection::vec(any::<u8>(), 0..200)) {
        let first = sync(&file, &block(&["prod"])).expect("written");
        let second = sync(&first, &block(&["prod", "data"])).expect("again");
        prop_assert_eq!(sync(&second, "").expect("removed"), file);
    }

    #[test]
    fn any_lines_come_back_after_sync_and_removal(
        lines in proptest::collection::vec("(\\[(default|profile a)\\]|[ \t]?[a-z]{0,3} ?=? ?[a-z]{0,3}|#.{0,4})(\n|\r\n|\r|)", 0..20),
    ) {
        let file = lines.concat().into_bytes();
        let first = sync(&file, &block(&["prod"])).expect("written");
        prop_assert_eq!(sync(&first, &block(&["prod"])).expect("no-op"), first.clone());
        prop_assert_eq!(sync(&first, "").expect("removed"), file);
    }
}
