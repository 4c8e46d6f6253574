//! A diagnosis as lines: a line per link, then what is wrong, each with its fix.

use super::DoctorView;
use crate::line::Line;
use crate::output::{Screen, Style, labelled};
use rolecall_core::domain::diagnosis::{Certainty, Finding, Link, LinkState};
use rolecall_core::domain::error::printable;
use rolecall_ipc::protocol::diagnosis::Diagnosis;

/// The column of a link's text.
const TEXT_AT: usize = 20;

/// Draws the whole.
pub(super) fn lines(shown: &DoctorView, screen: Screen) -> Vec<Line> {
    let mut lines = Vec::new();
    if let [one] = shown.names.as_slice() {
        let chain: Vec<&Link> = shown.general.links.iter().chain(&one.links).collect();
        lines.push(heading(one.name.as_deref().unwrap_or_default()));
        links_of(&chain, screen, &mut lines);
    } else {
        lines.push(heading(shown.general.name.as_deref().unwrap_or("every name")));
        links_of(&shown.general.links.iter().collect::<Vec<_>>(), screen, &mut lines);
        for diagnosis in &shown.names {
            lines.push(Line::default());
            lines.push(heading(diagnosis.name.as_deref().unwrap_or_default()));
            links_of(&diagnosis.links.iter().collect::<Vec<_>>(), screen, &mut lines);
        }
    }
    if shown.left_out > 0 {
        lines.push(Line::default());
        let text = format!("{} more names were not examined: rolecall doctor NAME", shown.left_out);
        lines.push(plain(Style::Dim, &text));
    }
    for diagnosis in std::iter::once(&shown.general).chain(&shown.names) {
        for finding in &diagnosis.findings {
            lines.push(Line::default());
            finding_lines(finding, screen, &mut lines);
        }
    }
    lines.push(Line::default());
    lines.push(summary(shown));
    lines
}

fn heading(text: &str) -> Line {
    plain(Style::Heading, &printable(text, 256))
}

fn plain(style: Style, text: &str) -> Line {
    let mut line = Line::default();
    line.push(style, text);
    line
}

fn sign(state: LinkState, screen: Screen) -> (Style, &'static str) {
    match (state, screen.unicode) {
        (LinkState::Holds, true) => (Style::Good, "✓"),
        (LinkState::Holds, false) => (Style::Good, "+"),
        (LinkState::Broken, true) => (Style::Bad, "✗"),
        (LinkState::Broken, false) => (Style::Bad, "x"),
        (LinkState::Unproven, _) => (Style::Warning, "?"),
    }
}

fn links_of(chain: &[&Link], screen: Screen, lines: &mut Vec<Line>) {
    let mut role: Option<&str> = None;
    for link in chain {
        if link.of.as_deref() != role {
            role = link.of.as_deref();
            if let Some(name) = role {
                lines.push(plain(Style::Dim, &format!("  {}", printable(name, 256))));
            }
        }
        let (style, mark) = sign(link.state, screen);
        let label = format!("{mark} {}", link.kind.label());
        let text = printable(&link.text, 2048);
        let under = if link.state == LinkState::Holds { Style::Plain } else { style };
        // The mark alone has colour; what is long goes on below.
        let mut parts = labelled(screen, 2, (Style::Plain, &label), TEXT_AT, (under, &text));
        if let Some(first) = parts.first_mut() {
            *first = marked(first, (style, mark));
        }
        lines.append(&mut parts);
    }
}

/// Gives the mark at the beginning of a line its colour.
fn marked(line: &Line, (style, mark): (Style, &str)) -> Line {
    let mut out = Line::default();
    let mut is_marked = false;
    for (of, text) in line.pieces() {
        match text.split_once(mark).filter(|_| !is_marked) {
            Some((before, after)) => {
                is_marked = true;
                out.push(of, before);
                out.push(style, mark);
                out.push(of, after);
            }
            None => out.push(of, text),
        }
    }
    out
}

fn finding_lines(finding: &Finding, screen: Screen, lines: &mut Vec<Line>) {
    let style = if finding.certainty == Certainty::Certain { Style::Bad } else { Style::Warning };
    let of = finding.of.as_deref().map(|of| format!("{}: ", printable(of, 256))).unwrap_or_default();
    let what = format!("{of}{}", printable(&finding.what, 2048));
    let label = format!("{}:", finding.certainty.as_str());
    lines.extend(labelled(screen, 0, (style, &label), 10, (Style::Plain, &what)));
    let whose = match &finding.account {
        Some(account) => format!("account {}", printable(account, 64)),
        None => "yours, on this machine".to_owned(),
    };
    lines.extend(labelled(screen, 2, (Style::Dim, "whose:"), 10, (Style::Plain, &whose)));
    if let Some(change) = &finding.change {
        let head = format!("{} {}:", change.edit.as_str(), printable(&change.document, 2048));
        lines.extend(labelled(screen, 2, (Style::Dim, "change:"), 10, (Style::Plain, &head)));
        for text in change.text.lines() {
            // As it is written: it is copied from here.
            lines.push(plain(Style::Plain, &format!("            {}", printable(text, 4096))));
        }
    }
    if let Some(fix) = finding.fix.as_deref().filter(|fix| !fix.is_empty()) {
        let mut line = Line::default();
        line.pad(2);
        line.push(Style::Dim, "do:");
        line.pad(10);
        line.push(Style::Plain, printable(fix, 4096));
        lines.push(line);
    }
}

fn summary(shown: &DoctorView) -> Line {
    let all = || std::iter::once(&shown.general).chain(&shown.names);
    let calls: Vec<_> = all().flat_map(|d: &Diagnosis| &d.calls).collect();
    let refused = calls.iter().filter(|call| call.result != "ok").count();
    let calls = match (calls.len(), refused) {
        (0, _) => "no call to AWS".to_owned(),
        (1, 0) => "1 call to AWS".to_owned(),
        (n, 0) => format!("{n} calls to AWS"),
        (1, _) => "1 call to AWS, which failed".to_owned(),
        (n, refused) => format!("{n} calls to AWS, {refused} of them refused or failed, which CloudTrail may show"),
    };
    let causes = all().map(|d| d.findings.len()).sum::<usize>();
    let certain = all().flat_map(|d| &d.findings).any(|finding| finding.certainty != Certainty::Possible);
    let (style, text) = match (shown.holds, causes, certain) {
        (true, ..) => (Style::Good, "every link holds".to_owned()),
        (false, 0, _) => (Style::Bad, "not every link is proven".to_owned()),
        (false, 1, true) => (Style::Bad, "1 thing to mend".to_owned()),
        (false, n, true) => (Style::Bad, format!("{n} things to mend")),
        (false, n, false) => {
            (Style::Bad, format!("one of {n} possible causes: AWS says the same of each, and none could be ruled out"))
        }
    };
    let mut line = Line::default();
    line.push(style, text);
    line.push(Style::Dim, format!(" ({calls})"));
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::line::paint;
    use rolecall_core::domain::diagnosis::{Cause, Edit, LinkKind};

    fn shown() -> DoctorView {
        let finding = Finding::new(
            Cause::MissingIdentityPermission,
            LinkKind::Permission,
            Certainty::Certain,
            "no policy allows it\u{1b}[2J",
        )
        .of("prod")
        .in_account("111111111111")
        .change("a policy of U", Edit::Add, "{\n  \"Effect\": \"Allow\"\n}")
        .fix("aws iam put-user-policy");
        let links = vec![
            Link::new(LinkKind::Key, LinkState::Holds, "AWS takes it"),
            Link::new(LinkKind::Permission, LinkState::Broken, "no policy allows it").of("prod"),
            Link::new(LinkKind::Trust, LinkState::Unproven, "not reached").of("prod"),
        ];
        let general =
            Diagnosis { links: vec![Link::new(LinkKind::Config, LinkState::Holds, "fine")], ..Diagnosis::default() };
        let one = Diagnosis { name: Some("prod".into()), links, findings: vec![finding], ..Diagnosis::default() };
        DoctorView { holds: false, exit_code: 5, general, names: vec![one], left_out: 0 }
    }

    #[test]
    fn a_line_per_link_then_what_is_wrong_and_what_to_do() {
        let text = paint(&lines(&shown(), Screen::default()), Screen::default());
        assert_eq!(
            text,
            "prod\n  + config          fine\n  + key             AWS takes it\n  prod\n  x permission      no policy allows it\n  \
             ? trust policy    not reached\n\ncertain:  prod: no policy allows it\\u{1b}[2J\n  whose:  account 111111111111\n  \
             change: add to a policy of U:\n            {\n              \"Effect\": \"Allow\"\n            }\n  \
             do:     aws iam put-user-policy\n\n1 thing to mend (no call to AWS)\n"
        );
    }

    #[test]
    fn colour_is_on_the_mark_and_long_text_is_broken_below() {
        let screen = Screen { colour: true, unicode: true, width: Some(40) };
        let text = paint(&lines(&shown(), screen), screen);
        assert!(text.contains("\u{1b}[32m✓\u{1b}[0m config"), "{text}");
        let narrow = Screen { width: Some(30), ..Screen::default() };
        let drawn = lines(&shown(), narrow);
        let links = drawn.iter().take(7);
        assert!(links.clone().all(|line| line.width() <= 30), "{:?}", links.map(Line::width).collect::<Vec<_>>());
    }
}
