//! `status --watch`: the same lines, drawn anew each second until a key leaves.
//!
//! Looking is done by a thread of its own, so that keys work while the agent does not answer, and it is no use of
//! anything: it starts no agent, keeps none from its idle lock, and rests longer where looking takes long. The terminal is
//! given back however this ends.

use super::keys::{self, KeyPress};
use super::signals::{self, Signals};
use super::{StatusInput, render};
use crate::line::Line;
use crate::output::{Failure, Screen, Style, is_dumb, span};
use ratatui::DefaultTerminal;
use ratatui::buffer::Buffer;
use ratatui::style::{Color, Modifier, Style as Look};
use rolecall_core::domain::error::{Kind, UserError, printable};
use rolecall_platform::paths::Paths;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::Signal;
use rustix::time::{ClockId, clock_gettime};
use std::fs::File;
use std::io::{self, IsTerminal, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{Receiver, SyncSender, channel, sync_channel};
use std::thread;
use std::time::Duration;

/// How often it is looked.
const EACH: Duration = Duration::from_secs(1);

/// Of the time, looking takes no more than one part in this many: ten thousand roles cost the agent something.
const REST: u32 = 10;

/// An agent that has not answered for so long is said not to.
const SILENCE: Duration = Duration::from_secs(3);

/// The rest of a key's bytes comes at once; what comes later is another key.
const KEY_REST: Duration = Duration::from_millis(50);

/// The foot's words, where there is room for them.
const KEYS: &str = "q leaves, ↑ ↓ PgUp PgDn scroll";
const KEYS_ASCII: &str = "q leaves, arrows and PgUp PgDn scroll";

/// Shows the state until a key leaves.
pub(super) fn run(paths: &Paths) -> Result<(), Failure> {
    if !io::stdout().is_terminal() || is_dumb() {
        return Err(UserError::new(
            Kind::Usage,
            "`status --watch` draws on a terminal, and standard output is none that it could",
        )
        .hint("for a script `rolecall status --json`, once for each look; to read it `rolecall status`")
        .into());
    }
    let keyboard = keyboard().map_err(|e| no_terminal(&e))?;
    let (wake, waker) = UnixStream::pair().map_err(|e| no_terminal(&e))?;
    waker.set_nonblocking(true).map_err(|e| no_terminal(&e))?;
    let mut signals = Signals::new(wake, &waker)?;
    let (look, seen) = looker(paths.clone(), waker);
    let mut view = View::default();
    let mut terminal = Drawn::begin().map_err(|e| no_terminal(&e))?;
    let left = watch(&mut terminal, &keyboard, &mut signals, &look, &seen, &mut view);
    drop(terminal);
    match left {
        Ok(Some(signal)) => signals::obey(signal),
        // A terminal that is gone has nobody in front of it.
        Ok(None) => {}
        Err(e) if e.raw_os_error() == Some(rustix::io::Errno::IO.raw_os_error()) => {}
        Err(e) => return Err(no_terminal(&e).into()),
    }
    Ok(())
}

fn no_terminal(error: &io::Error) -> UserError {
    UserError::new(Kind::Failed, format!("cannot draw on the terminal: {error}")).hint("run `rolecall status` instead")
}

/// Opens where keys are typed: stdin may be something else.
fn keyboard() -> io::Result<File> {
    if io::stdin().is_terminal() {
        return Ok(io::stdin().as_fd().try_clone_to_owned()?.into());
    }
    File::open("/dev/tty")
}

/// Starts the thread that looks whenever it is asked to, and wakes whoever waits.
fn looker(paths: Paths, mut waker: UnixStream) -> (SyncSender<()>, Receiver<Result<StatusInput, UserError>>) {
    let (look, asked) = sync_channel(1);
    let (tell, seen) = channel();
    thread::spawn(move || {
        for () in asked {
            if tell.send(StatusInput::look(&paths)).is_err() {
                return;
            }
            // A pipe that is full wakes as well.
            let _ = waker.write(&[0]);
        }
    });
    (look, seen)
}

/// Goes on until a key leaves, or a signal, which is given.
fn watch(
    terminal: &mut Drawn,
    keyboard: &File,
    signals: &mut Signals,
    look: &SyncSender<()>,
    seen: &Receiver<Result<StatusInput, UserError>>,
    view: &mut View,
) -> io::Result<Option<Signal>> {
    let mut asked: Option<Duration> = None;
    let mut next = uptime();
    loop {
        if let Some(signal) = signals.ending() {
            return Ok(Some(signal));
        }
        if signals.is_suspended() {
            terminal.leave()?;
            signals::obey(Signal::TSTP);
            signals.is_resumed();
            terminal.enter()?;
        } else if signals.is_resumed() {
            // After a SIGSTOP, which nobody could take note of: the shell has set the terminal up for itself.
            terminal.enter()?;
        }
        let now = uptime();
        while let Ok(found) = seen.try_recv() {
            let took = now.saturating_sub(asked.take().unwrap_or(now));
            next = now + EACH.saturating_sub(took).max(took * REST);
            view.take(found);
        }
        if asked.is_none() && now >= next && look.try_send(()).is_ok() {
            asked = Some(now);
        }
        view.silent = asked.map(|asked| now.saturating_sub(asked)).filter(|since| *since >= SILENCE);
        terminal.draw(view)?;
        let until = if asked.is_some() { EACH } else { next.saturating_sub(now) };
        match wait(keyboard, signals, until)? {
            Came::Nothing => {}
            Came::End => return Ok(None),
            Came::Keys(keys) => {
                for key in keys {
                    match key {
                        KeyPress::Leave => return Ok(None),
                        // Who was started together with this is suspended as well, as the terminal would have done.
                        KeyPress::Suspend => drop(rustix::process::kill_current_process_group(Signal::TSTP)),
                        key => view.scroll(key),
                    }
                }
            }
        }
    }
}

enum Came {
    Nothing,
    Keys(Vec<KeyPress>),
    /// The terminal was closed.
    End,
}

/// Waits for keys, for a signal, for what the looking thread found, or for the time to pass.
fn wait(keyboard: &File, signals: &mut Signals, time: Duration) -> io::Result<Came> {
    let (is_typed, is_over) = {
        let mut fds = [PollFd::new(keyboard, PollFlags::IN), PollFd::from_borrowed_fd(signals.wake(), PollFlags::IN)];
        match poll(&mut fds, Timespec::try_from(time).ok().as_ref()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(e) => return Err(e.into()),
        }
        let found = fds[0].revents();
        (found.contains(PollFlags::IN), found.intersects(PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL))
    };
    signals.awake();
    if is_over {
        return Ok(Came::End);
    }
    if !is_typed {
        return Ok(Came::Nothing);
    }
    let mut typed = Vec::new();
    loop {
        let mut bytes = [0; 256];
        match rustix::io::read(keyboard, &mut bytes) {
            Ok(0) | Err(rustix::io::Errno::IO) => return Ok(Came::End),
            Ok(read) => typed.extend_from_slice(&bytes[..read]),
            Err(rustix::io::Errno::INTR | rustix::io::Errno::AGAIN) => {}
            Err(e) => return Err(e.into()),
        }
        let mut more = [PollFd::new(keyboard, PollFlags::IN)];
        let rest = Timespec::try_from(KEY_REST).ok();
        if !keys::is_begun(&typed) || !poll(&mut more, rest.as_ref()).is_ok_and(|ready| ready > 0) {
            return Ok(Came::Keys(keys::keys(&typed)));
        }
    }
}

/// The pace of drawing needs a clock that nobody sets.
fn uptime() -> Duration {
    Duration::try_from(clock_gettime(ClockId::Monotonic)).unwrap_or_default()
}

/// The terminal while it is drawn on; given back when it is dropped, or by a panic.
struct Drawn {
    terminal: Option<DefaultTerminal>,
}

impl Drawn {
    fn begin() -> io::Result<Self> {
        // It also has a panic give the terminal back before its words are shown.
        let terminal = ratatui::try_init().inspect_err(|_| drop(ratatui::try_restore()))?;
        Ok(Self { terminal: Some(terminal) })
    }

    fn draw(&mut self, view: &mut View) -> io::Result<()> {
        let Some(terminal) = &mut self.terminal else { return Ok(()) };
        terminal.draw(|frame| view.draw(frame.buffer_mut())).map(drop)
    }

    /// Gives the terminal back for a while.
    fn leave(&mut self) -> io::Result<()> {
        if let Some(terminal) = &mut self.terminal {
            terminal.show_cursor()?;
        }
        ratatui::try_restore()
    }

    fn enter(&mut self) -> io::Result<()> {
        use ratatui::crossterm::terminal::{EnterAlternateScreen, disable_raw_mode, enable_raw_mode};
        // What counts as "before" is what the shell has set meanwhile.
        disable_raw_mode()?;
        enable_raw_mode()?;
        ratatui::crossterm::execute!(io::stdout(), EnterAlternateScreen)?;
        self.terminal.as_mut().map_or(Ok(()), DefaultTerminal::clear)
    }
}

impl Drop for Drawn {
    fn drop(&mut self) {
        if self.leave().is_err() {
            // On a terminal that is gone the library's own way out would complain to it, and panic.
            std::mem::forget(self.terminal.take());
        }
    }
}

/// What is shown: the lines of the last look, and from which one on.
#[derive(Default)]
struct View {
    seen: Option<Result<StatusInput, UserError>>,
    /// How long the agent has not answered.
    silent: Option<Duration>,
    /// The lines, and for which width they were made.
    lines: Option<(u16, Vec<Line>)>,
    top: usize,
    /// How many lines there were room for.
    page: usize,
}

impl View {
    fn take(&mut self, found: Result<StatusInput, UserError>) {
        self.seen = Some(found);
        self.lines = None;
    }

    fn scroll(&mut self, key: KeyPress) {
        let page = self.page.saturating_sub(1).max(1);
        self.top = match key {
            KeyPress::Up => self.top.saturating_sub(1),
            KeyPress::Down => self.top.saturating_add(1),
            KeyPress::PageUp => self.top.saturating_sub(page),
            KeyPress::PageDown => self.top.saturating_add(page),
            KeyPress::Top => 0,
            KeyPress::Bottom => usize::MAX,
            KeyPress::Leave | KeyPress::Suspend => self.top,
        };
    }

    fn screen(width: u16) -> Screen {
        Screen { width: Some(usize::from(width)), ..Screen::stdout() }
    }

    fn draw(&mut self, buffer: &mut Buffer) {
        let area = buffer.area;
        let screen = Self::screen(area.width);
        self.draw_on(buffer, screen);
    }

    fn draw_on(&mut self, buffer: &mut Buffer, screen: Screen) {
        let area = buffer.area;
        if self.lines.as_ref().is_none_or(|(width, _)| *width != area.width) {
            self.lines = Some((area.width, self.picture(screen)));
        }
        let lines = self.lines.as_ref().map_or(&[][..], |(_, lines)| lines);
        self.page = usize::from(area.height.saturating_sub(1));
        self.top = self.top.min(lines.len().saturating_sub(self.page));
        for (line, y) in lines.iter().skip(self.top).take(self.page).zip(0..) {
            write(buffer, y, line, screen);
        }
        if let Some(y) = area.height.checked_sub(1) {
            write(buffer, y, &self.foot(lines.len(), screen), screen);
        }
    }

    fn picture(&self, screen: Screen) -> Vec<Line> {
        match &self.seen {
            Some(Ok(seen)) => render::lines(seen, screen),
            Some(Err(report)) => {
                crate::output::remark_lines(screen, (Style::Bad, "error:"), &report.message, report.hint.as_deref())
            }
            None => Vec::new(),
        }
    }

    /// Says what the keys do and which lines are shown; before that, that what is shown is old.
    fn foot(&self, count: usize, screen: Screen) -> Line {
        let mut foot = Line::default();
        if let Some(silent) = self.silent {
            let text = format!("the agent has not answered for {}  ", span(silent.as_secs()));
            foot.push(Style::Warning, printable(&text, 128));
        }
        if count > self.page {
            let last = (self.top + self.page).min(count);
            foot.push(Style::Dim, format!("lines {} to {last} of {count}, ", self.top + 1));
        }
        foot.push(Style::Dim, if screen.unicode { KEYS } else { KEYS_ASCII });
        foot
    }
}

fn write(buffer: &mut Buffer, y: u16, line: &Line, screen: Screen) {
    let (mut x, end) = (buffer.area.x, buffer.area.right());
    for (style, text) in line.pieces() {
        let room = usize::from(end.saturating_sub(x));
        x = buffer.set_stringn(x, buffer.area.y + y, text, room, look(style, screen)).0;
    }
}

fn look(style: Style, screen: Screen) -> Look {
    let plain = Look::default();
    match style {
        _ if !screen.colour => plain,
        Style::Bad => plain.fg(Color::Red),
        Style::Dim => plain.add_modifier(Modifier::DIM),
        Style::Good => plain.fg(Color::Green),
        Style::Heading => plain.add_modifier(Modifier::BOLD),
        Style::Plain => plain,
        Style::Warning => plain.fg(Color::Yellow),
    }
}

#[cfg(test)]
#[path = "watch_tests.rs"]
mod tests;
