//! Identities and roles as a tree, each with what is left of its session and who used it last.
//!
//! Nothing is measured but text. Where the screen is narrow it gives up, in this order, the long bar, the account, the
//! role's ARN, words around the number, the caller's name and the bar: the name and the number stay.

use crate::line::{Line, cut, width, wrap};
use crate::output::{Screen, Style, remark_lines, span};
use chrono::{DateTime, Utc};
use rolecall_core::domain::error::{UserError, printable};
use rolecall_ipc::protocol::status::{IdentityStatus, KeyAge, RoleStatus, SessionStatus};
use std::collections::{BTreeMap, HashMap, HashSet};

/// The cells of a bar, where there is room and where there is little.
const BAR: usize = 10;
const SHORT_BAR: usize = 5;

/// The narrowest that a name, and a caller with the time, are made.
const NAME_MIN: usize = 10;
const USAGE_MIN: usize = 8;

/// Fewer letters of a caller's name are left out.
const CALLER_MIN: usize = 4;

/// What stands between two columns.
const GAP: usize = 2;

/// Text from outside is cut to this before it is measured.
const TEXT_MAX: usize = 512;

/// Draws the tree; `now` is the agent's time, and nothing where none runs. What is `told` above is not told again.
pub(super) fn lines(
    identities: &[IdentityStatus],
    roles: &[RoleStatus],
    now: Option<DateTime<Utc>>,
    told: &[UserError],
    screen: Screen,
) -> Vec<Line> {
    if identities.is_empty() && roles.is_empty() {
        let text = "no identities or roles yet; start with `rolecall identity add NAME`";
        let as_line = |part| {
            let mut line = Line::default();
            line.push(Style::Plain, part);
            line
        };
        return wrap(text, screen.width.unwrap_or(usize::MAX)).into_iter().map(as_line).collect();
    }
    let rows = Walk::new(roles, now, screen.unicode).rows(identities, roles);
    let columns = Columns::fit(&rows, screen.width);
    let mut lines = Vec::with_capacity(rows.len());
    for row in &rows {
        lines.push(row.line(&columns, screen));
        let is_told = |error: &&UserError| told.iter().any(|report| report.message.ends_with(&error.message));
        if let Some(error) = row.error.filter(|error| !is_told(error)) {
            lines.extend(remark_lines(screen, (Style::Bad, "     !"), &error.message, error.hint.as_deref()));
        }
    }
    lines
}

/// Gives account and role name, which is what tells one role from another.
pub(crate) fn short_arn(arn: &str) -> String {
    let (account, name) = account_and_name(arn);
    if account.is_empty() { name.to_owned() } else { format!("{account} {name}") }
}

fn account_and_name(arn: &str) -> (&str, &str) {
    match arn.splitn(6, ':').collect::<Vec<_>>()[..] {
        [_, _, _, _, account, resource] => (account, resource.rsplit('/').next().unwrap_or(resource)),
        _ => ("", arn),
    }
}

/// Gives a program's name without its directory.
pub(crate) fn base_name(path: &str) -> &str {
    path.rsplit('/').next().filter(|name| !name.is_empty()).unwrap_or(path)
}

/// How much of a session is left: the bar, and the number that says it.
#[derive(Default)]
struct TimeLeft {
    /// In seconds: left, and its whole life.
    bar: Option<(u64, u64)>,
    style: Style,
    /// Whole, and as short as it can be said.
    text: [String; 2],
}

impl TimeLeft {
    fn new(style: Style, text: &str, short: &str) -> Self {
        Self { bar: None, style, text: [text.to_owned(), short.to_owned()] }
    }

    fn of(session: &SessionStatus) -> Self {
        let style = match session.freshness.as_str() {
            "expired" => return Self::new(Style::Dim, "expired", "expired"),
            "low" => Style::Warning,
            _ => Style::Good,
        };
        let left = span(session.left_seconds);
        let text = [format!("{left} left"), left];
        Self { bar: Some((session.left_seconds, session.life_seconds)), style, text }
    }
}

/// One line of the tree before it has a width.
struct Row<'a> {
    /// The branches before the name.
    branch: String,
    name: (Style, String),
    /// What it is: whole, and the part that tells most.
    what: [String; 2],
    state: TimeLeft,
    /// Who, and what comes behind it.
    usage: (Style, String, String),
    error: Option<&'a UserError>,
}

impl Row<'_> {
    fn usage_width(&self) -> usize {
        let (_, who, when) = &self.usage;
        width(who) + width(when) + usize::from(!who.is_empty() && !when.is_empty())
    }

    fn line(&self, columns: &Columns, screen: Screen) -> Line {
        let mut line = Line::default();
        let unicode = screen.unicode;
        let branch = cut(&self.branch, columns.name.saturating_sub(1), unicode);
        let room = columns.name - width(&branch);
        line.push(Style::Dim, branch);
        line.push(self.name.0, cut(&self.name.1, room, unicode));
        let mut at = columns.name;
        if columns.what > 0 {
            line.pad(at + GAP);
            line.push(Style::Dim, cut(&self.what[usize::from(columns.short)], columns.what, unicode));
            at += GAP + columns.what;
        }
        if columns.bar > 0 {
            line.pad(at + GAP);
            if let Some((left, life)) = self.state.bar {
                let (full, empty) = bar(left, life, columns.bar, unicode);
                line.push(self.state.style, full);
                line.push(Style::Dim, empty);
            }
            at += GAP + columns.bar;
        }
        line.pad(at + GAP);
        line.push(self.state.style, cut(&self.state.text[usize::from(columns.short_state)], columns.state, unicode));
        at += GAP + columns.state;
        if columns.usage > 0 {
            line.pad(at + GAP);
            let (style, who, when) = &self.usage;
            let room = columns.usage.saturating_sub(if when.is_empty() { 0 } else { width(when) + 1 });
            // Of a caller's name a few letters say nothing, the time does.
            let who = if room < width(who).min(CALLER_MIN) { "".into() } else { cut(who, room, unicode) };
            let gap = if who.is_empty() || when.is_empty() { "" } else { " " };
            line.push(*style, cut(&format!("{who}{gap}{when}"), columns.usage, unicode));
        }
        line
    }
}

/// Draws a bar: what is left and what is gone. Something left is never drawn as nothing, something gone not as all.
fn bar(left: u64, life: u64, cells: usize, unicode: bool) -> (String, String) {
    let (full, empty) = if unicode { ("━", "─") } else { ("#", ".") };
    let wide = cells as u64;
    let filled = match (left, life) {
        (0, _) => 0,
        (left, life) if left >= life => wide,
        (left, life) => {
            u64::try_from(u128::from(left) * u128::from(wide) / u128::from(life)).unwrap_or(wide).clamp(1, wide - 1)
        }
    };
    let filled = usize::try_from(filled).unwrap_or(cells);
    (full.repeat(filled), empty.repeat(cells - filled))
}

/// Gives up a little of the columns, which are too wide by so much.
type Step<'a> = &'a dyn Fn(&mut Columns, usize);

/// The width of each column; zero for one that is not shown.
struct Columns {
    name: usize,
    what: usize,
    /// Whether `what` is the short one.
    short: bool,
    bar: usize,
    state: usize,
    short_state: bool,
    usage: usize,
}

impl Columns {
    fn fit(rows: &[Row<'_>], limit: Option<usize>) -> Self {
        let widest = |measure: &dyn Fn(&Row<'_>) -> usize| rows.iter().map(measure).max().unwrap_or_default();
        let mut columns = Self {
            name: widest(&|row| width(&row.branch) + width(&row.name.1)),
            what: widest(&|row| width(&row.what[0])),
            short: false,
            bar: if rows.iter().any(|row| row.state.bar.is_some()) { BAR } else { 0 },
            state: widest(&|row| width(&row.state.text[0])),
            short_state: false,
            usage: widest(&|row| row.usage_width()),
        };
        let Some(limit) = limit else { return columns };
        let short = widest(&|row| width(&row.what[1]));
        let short_state = widest(&|row| width(&row.state.text[1]));
        // Each step gives up a little more, until all fits.
        let steps: [Step<'_>; 10] = [
            &|columns, _| columns.bar = columns.bar.min(SHORT_BAR),
            &|columns, _| (columns.what, columns.short) = (short, true),
            // One name of exceeding length does not cost the others all that is said of them.
            &|columns, over| columns.name = columns.name.saturating_sub(over).max(columns.name.min(limit * 2 / 5)),
            &|columns, over| columns.what = columns.what.saturating_sub(over).max(NAME_MIN.min(columns.what)),
            &|columns, _| columns.what = 0,
            &|columns, _| (columns.state, columns.short_state) = (short_state, true),
            &|columns, over| columns.usage = columns.usage.saturating_sub(over).max(USAGE_MIN.min(columns.usage)),
            &|columns, over| columns.name = columns.name.saturating_sub(over).max(NAME_MIN.min(columns.name)),
            &|columns, _| columns.usage = 0,
            &|columns, _| columns.bar = 0,
        ];
        for step in steps {
            match columns.total().checked_sub(limit) {
                None | Some(0) => return columns,
                Some(over) => step(&mut columns, over),
            }
        }
        let over = columns.total().saturating_sub(limit);
        let from_name = over.min(columns.name.saturating_sub(1));
        columns.name -= from_name;
        columns.state = columns.state.saturating_sub(over - from_name);
        columns
    }

    fn total(&self) -> usize {
        let others = [self.what, self.bar, self.state, self.usage];
        self.name + others.iter().filter(|width| **width > 0).map(|width| width + GAP).sum::<usize>()
    }
}

/// What the walk over the tree carries along.
struct Walk<'a> {
    by_source: BTreeMap<&'a str, Vec<&'a RoleStatus>>,
    /// The roles in use, and those on the way to one.
    used: HashSet<&'a str>,
    now: Option<DateTime<Utc>>,
    marks: [&'static str; 3],
    rows: Vec<Row<'a>>,
}

impl<'a> Walk<'a> {
    fn new(roles: &'a [RoleStatus], now: Option<DateTime<Utc>>, unicode: bool) -> Self {
        let sources: HashMap<&str, &str> = roles.iter().map(|r| (r.name.as_str(), r.source.as_str())).collect();
        let mut used = HashSet::new();
        for role in roles.iter().filter(|role| role.session.is_some() || role.error.is_some()) {
            let mut at = Some(role.name.as_str());
            while let Some(name) = at.filter(|name| used.insert(*name)) {
                at = sources.get(name).copied();
            }
        }
        let mut by_source: BTreeMap<&str, Vec<&RoleStatus>> = BTreeMap::new();
        for role in roles {
            by_source.entry(&role.source).or_default().push(role);
        }
        for children in by_source.values_mut() {
            // What is in use first; the sort is stable, so that each part stays in the order of names.
            children.sort_by_key(|role| !used.contains(role.name.as_str()));
        }
        let marks = if unicode { ["├─ ", "└─ ", "│  "] } else { ["|- ", "`- ", "|  "] };
        Self { by_source, used, now, marks, rows: Vec::with_capacity(roles.len()) }
    }

    /// Roles whose source is gone hang under no identity and come last.
    fn rows(mut self, identities: &'a [IdentityStatus], roles: &'a [RoleStatus]) -> Vec<Row<'a>> {
        for identity in identities {
            self.identity(identity);
            self.children(&identity.name, "");
        }
        let orphans: Vec<&RoleStatus> =
            roles.iter().filter(|role| self.by_source.contains_key(role.source.as_str())).collect();
        for role in orphans {
            self.role(role, String::new());
        }
        self.rows
    }

    fn identity(&mut self, identity: &'a IdentityStatus) {
        let mfa = if identity.mfa_serial.is_some() { ", MFA" } else { "" };
        // Silence where there is nothing to say: only an identity with MFA has a session worth waiting for.
        let state = match &identity.session {
            Some(session) => TimeLeft::of(session),
            None if identity.error.is_some() => TimeLeft::new(Style::Bad, "failed", "failed"),
            None if !mfa.is_empty() && self.now.is_some() => TimeLeft::new(Style::Dim, "no MFA session", "none"),
            None => TimeLeft::default(),
        };
        let kind = printable(&identity.kind, TEXT_MAX);
        self.rows.push(Row {
            branch: String::new(),
            name: (Style::Heading, printable(&identity.name, TEXT_MAX)),
            what: [format!("{kind}{mfa}"), kind],
            state,
            usage: identity.key.as_ref().map(key_age).unwrap_or_default(),
            error: identity.error.as_ref(),
        });
    }

    /// Draws what a source reaches. Each list is taken out as it is drawn, so that even a loop would end.
    fn children(&mut self, source: &str, indent: &str) {
        let Some(children) = self.by_source.remove(source) else { return };
        for (at, role) in children.iter().enumerate() {
            let is_last = at + 1 == children.len();
            self.role(role, format!("{indent}{}", self.marks[usize::from(is_last)]));
            let below = if is_last { "   " } else { self.marks[2] };
            self.children(&role.name, &format!("{indent}{below}"));
        }
    }

    fn role(&mut self, role: &'a RoleStatus, branch: String) {
        let state = match (&role.session, self.now) {
            (Some(session), _) => TimeLeft::of(session),
            (None, Some(_)) if role.error.is_some() => TimeLeft::new(Style::Bad, "failed", "failed"),
            (None, Some(_)) => TimeLeft::new(Style::Dim, "no session", "none"),
            (None, None) => TimeLeft::default(),
        };
        let (_, name) = account_and_name(&role.role_arn);
        let style =
            if self.used.contains(role.name.as_str()) || self.now.is_none() { Style::Plain } else { Style::Dim };
        self.rows.push(Row {
            branch,
            name: (style, printable(&role.name, TEXT_MAX)),
            what: [printable(&short_arn(&role.role_arn), TEXT_MAX), printable(name, TEXT_MAX)],
            state,
            usage: self.usage(role),
            error: role.error.as_ref(),
        });
    }

    fn usage(&self, role: &RoleStatus) -> (Style, String, String) {
        let (Some(now), Some(used)) = (self.now, role.last_used) else { return <_>::default() };
        let ago = span((now - used).num_seconds().max(0).unsigned_abs());
        let caller = role.last_caller.as_deref().map(|caller| printable(base_name(caller), TEXT_MAX));
        (Style::Dim, caller.unwrap_or_default(), format!("{ago} ago"))
    }
}

fn key_age(key: &KeyAge) -> (Style, String, String) {
    if key.missing {
        return (Style::Warning, "no key".to_owned(), String::new());
    }
    let Some(age) = key.age_seconds.map(|age| format!("{} old", span(age))) else {
        return (Style::Dim, "key of unknown age".to_owned(), String::new());
    };
    (if key.overdue { Style::Warning } else { Style::Dim }, "key".to_owned(), age)
}
