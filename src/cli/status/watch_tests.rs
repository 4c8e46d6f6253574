//! The live screen as text, without a terminal.

use super::*;
use crate::config_file::Problems;
use crate::status::StatusSource;
use crate::status::render::tests::example;
use ratatui::layout::Rect;

const SCREEN: Screen = Screen { colour: false, unicode: true, width: None };

fn view() -> View {
    let mut view = View::default();
    view.take(Ok(StatusInput { problems: Problems::default(), state: StatusSource::Agent(Box::new(example())) }));
    view
}

fn drawn(view: &mut View, width: u16, height: u16) -> Vec<String> {
    let mut buffer = Buffer::empty(Rect::new(0, 0, width, height));
    view.draw_on(&mut buffer, Screen { width: Some(usize::from(width)), ..SCREEN });
    let row = |y| (0..width).map(|x| buffer[(x, y)].symbol().to_owned()).collect::<String>().trim_end().to_owned();
    (0..height).map(row).collect()
}

#[test]
fn it_shows_the_same_lines_as_the_plain_status() {
    let mut view = view();
    let rows = drawn(&mut view, 100, 20);
    let Some(Ok(seen)) = &view.seen else { panic!("it was seen") };
    let screen = Screen { width: Some(100), ..SCREEN };
    let plain = crate::line::paint(&render::lines(seen, screen), screen);
    for (row, line) in rows.iter().zip(plain.lines()) {
        assert_eq!(row, line);
    }
    assert_eq!(rows[19], "q leaves, ↑ ↓ PgUp PgDn scroll");
}

#[test]
fn scrolling_ends_where_the_lines_end() {
    let mut view = view();
    let first = drawn(&mut view, 100, 6);
    assert_eq!(first[5], "lines 1 to 5 of 12, q leaves, ↑ ↓ PgUp PgDn scroll");
    view.scroll(KeyPress::Down);
    assert_eq!(drawn(&mut view, 100, 6)[0], first[1]);
    view.scroll(KeyPress::PageDown);
    drawn(&mut view, 100, 6);
    assert_eq!(view.top, 5);
    for key in [KeyPress::Bottom, KeyPress::PageDown, KeyPress::Down] {
        view.scroll(key);
        assert!(drawn(&mut view, 100, 6)[4].starts_with("served"), "{key:?}");
    }
    view.scroll(KeyPress::PageUp);
    drawn(&mut view, 100, 6);
    assert_eq!(view.top, 3);
    view.scroll(KeyPress::Up);
    view.scroll(KeyPress::Top);
    assert_eq!(drawn(&mut view, 100, 6), first);
    view.scroll(KeyPress::Bottom);
    drawn(&mut view, 100, 6);
    assert!(drawn(&mut view, 100, 30)[0].starts_with("auth"), "a window that grew shows it from the start");
}

#[test]
fn no_size_of_the_window_is_too_small() {
    for (width, height) in [(1, 1), (0, 0), (1, 50), (200, 1), (3, 2), (39, 7)] {
        drawn(&mut view(), width, height);
    }
}

#[test]
fn an_agent_that_does_not_answer_is_said_in_the_foot() {
    let mut view = view();
    view.silent = Some(Duration::from_secs(7));
    let rows = drawn(&mut view, 100, 20);
    assert!(rows[0].starts_with("auth"), "what was known stays");
    assert!(rows[19].starts_with("the agent has not answered for 7s  q leaves"), "{}", rows[19]);
    view.take(Err(UserError::new(Kind::Agent, "no agent\u{1b}").hint("`rolecall agent restart`")));
    let rows = drawn(&mut view, 100, 20);
    assert_eq!(rows[..2], ["error: no agent\\u{1b}", "  hint: `rolecall agent restart`"]);
}

#[test]
fn styles_are_colours_only_where_there_is_colour() {
    let colour = Screen { colour: true, ..SCREEN };
    for style in [Style::Bad, Style::Dim, Style::Good, Style::Heading, Style::Plain, Style::Warning] {
        assert_eq!(look(style, SCREEN), Look::default());
        assert_eq!(look(style, colour) == Look::default(), style == Style::Plain);
    }
}
