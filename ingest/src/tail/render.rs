//! Messages as lines of a terminal. Pure.
//!
//! A line is the time, who speaks, and what: under the first line of a longer text its other lines stand indented. A tool
//! call with its result is one line, whatever its length. What another machine sent passes [`visible`] before anything else
//! is done with it.

use std::borrow::Cow;

use jiff::tz::TimeZone;
use message::{Kind, Tool};
use serde_json::Value;

use super::pairing::Line;
use super::said::Said;
use crate::api::event::{start, text_of};
use crate::pages::{figures, tool};
use crate::terminal::colour::Style;
use crate::terminal::{visible, wrap, zone};

/// Columns of the time and the blank after it.
const TIME: usize = 9;
/// Names take at least so many columns, so that lines begin below each other from the first on.
const LEAST_LABEL: usize = 8;
/// A longer name moves its own lines alone.
const MOST_LABEL: usize = 28;
/// Below this an indented text is not worth reading: it begins at the left.
const LEAST_TEXT: usize = 24;
/// Columns of what a failed tool said, where nothing limits a line.
const FAILURE: usize = 200;

/// How lines look.
#[derive(Debug, Clone)]
pub struct Look {
    /// Whether colours are used.
    pub colours: bool,
    /// Zone of the times.
    pub zone: TimeZone,
}

/// Renders lines one after the other.
#[derive(Debug)]
pub struct Renderer {
    look: Look,
    name_runs: bool,
    day: String,
    label: usize,
}

/// What stands before a text.
struct Head<'a> {
    said: &'a Said,
    indent: usize,
    text: String,
}

impl Renderer {
    /// Of this look.
    #[must_use]
    pub fn new(look: Look) -> Self {
        Self { look, name_runs: false, day: String::new(), label: LEAST_LABEL }
    }

    /// Whether each line says of which run it is.
    pub fn name_runs(&mut self, name_runs: bool) {
        self.name_runs = name_runs;
    }

    /// A line, or several where the text has some or does not fit into so many columns. Each ends with a line feed.
    pub fn render(&mut self, line: &Line, width: Option<usize>) -> String {
        match line {
            Line::Message(said) => {
                let head = self.head(said);
                self.message(head, width)
            }
            Line::Open(call) => {
                let head = self.head(call);
                self.tool(head, Some(call), None, "▸", width)
            }
            Line::Done { call, result, again } => {
                let head = self.head(result);
                let own_call = result.kind == Kind::TOOL_CALL;
                let sign = if *again || (call.is_none() && !own_call) { "◂" } else { "▸" };
                self.tool(head, call.as_deref().or(own_call.then_some(result)), Some(result), sign, width)
            }
        }
    }

    /// The day where it is another one, the time, and who speaks.
    fn head<'a>(&mut self, said: &'a Said) -> Head<'a> {
        let mut text = String::new();
        let moment = zone::day_and_time(&said.timestamp, &self.look.zone);
        let (day, time) = moment.or_else(|| zone::day_and_time(&said.created_at, &self.look.zone)).unwrap_or_default();
        if day != self.day && !day.is_empty() {
            Style::Dim.push(&mut text, &format!("-- {day}"), self.look.colours);
            text.push('\n');
            self.day = day;
        }
        Style::Dim.push(&mut text, &format!("{time:8}"), self.look.colours);
        text.push(' ');
        let agent = visible::line(&said.agent_id);
        let run = if self.name_runs { format!("{}/", visible::line(&said.workflow_name)) } else { String::new() };
        let columns = wrap::width(&agent) + wrap::width(&run);
        self.label = self.label.max(columns.min(MOST_LABEL));
        Style::Dim.push(&mut text, &run, self.look.colours);
        Style::of_agent(&said.agent_id).push(&mut text, &agent, self.look.colours);
        wrap::pad(&mut text, "", self.label.saturating_sub(columns) + 1);
        Head { said, indent: TIME + self.label.max(columns) + 1, text }
    }

    fn message(&self, head: Head<'_>, width: Option<usize>) -> String {
        let said = head.said;
        let (tag, tag_style, style) = look_of(&said.kind);
        let content = match &said.content {
            Some(content) => Cow::Borrowed(content.as_str()),
            None if said.attrs.is_empty() => Cow::Borrowed(""),
            None => Cow::Owned(Value::Object(said.attrs.clone()).to_string()),
        };
        let mut out = head.text;
        let (indent, columns) = match width {
            Some(width) if width < head.indent + LEAST_TEXT => (2, Some(width.saturating_sub(2).max(2))),
            Some(width) => (head.indent, Some(width - head.indent)),
            None => (head.indent, None),
        };
        if indent < head.indent {
            out.truncate(out.trim_end_matches(' ').len());
            out.push('\n');
            wrap::pad(&mut out, "", indent);
        }
        let mut first = true;
        for line in visible::lines(&content) {
            let line = if first { Cow::Owned(format!("{tag}{line}")) } else { line };
            let pieces = columns.map_or_else(|| vec![&*line], |columns| wrap::wrap(&line, columns));
            for piece in pieces {
                let rest = if first { piece.strip_prefix(tag.as_str()).unwrap_or(piece) } else { piece };
                if !first {
                    wrap::pad(&mut out, "", if piece.is_empty() { 0 } else { indent });
                }
                tag_style.push(&mut out, &piece[..piece.len() - rest.len()], self.look.colours);
                style.push(&mut out, rest, self.look.colours);
                out.truncate(out.trim_end_matches(' ').len());
                out.push('\n');
                first = false;
            }
        }
        if said.truncated == Some(true) {
            let whole = said.content_bytes.and_then(|size| usize::try_from(size).ok()).map(figures::bytes).unwrap_or_default();
            let cursor = visible::line(&said.cursor);
            wrap::pad(&mut out, "", indent);
            let told = format!("[the start of {whole}; the whole is at /api/agents/messages/{cursor}/content]");
            Style::Dim.push(&mut out, &told, self.look.colours);
            out.push('\n');
        }
        out
    }

    /// One line: the tool, what it was called with, how long it took, how it ended, and why where it failed.
    fn tool(&self, head: Head<'_>, call: Option<&Said>, result: Option<&Said>, sign: &str, width: Option<usize>) -> String {
        let result_tool = result.map(Said::tool);
        let call_tool = call.map(Said::tool);
        let empty = Tool::default();
        let told = call_tool.as_ref().or(result_tool.as_ref()).unwrap_or(&empty);
        let name = told.name().or(result_tool.as_ref().and_then(Tool::name)).unwrap_or("tool");
        let name = visible::line(name);
        let summary = tool::summary_of(call.and_then(|call| call.content.as_deref()), told);
        let summary = visible::line(&summary).into_owned();
        let (outcome, failed) = result.map_or(("…".to_owned(), false), outcome);
        let mut failure = if failed { result.map(why).unwrap_or_default() } else { String::new() };

        let room = width.map(|width| width.saturating_sub(head.indent).max(LEAST_TEXT));
        let fixed = wrap::width(sign) + wrap::width(&name) + wrap::width(&outcome) + 3;
        let room = room.map_or(usize::MAX, |room| room.saturating_sub(fixed));
        // What it was about comes before why it failed, but leaves it a half.
        let of_summary = if failure.is_empty() { room } else { room.saturating_sub(wrap::width(&failure) + 2).max(room / 2) };
        let summary = wrap::cut(&summary, of_summary);
        let left = room.saturating_sub(wrap::width(&summary) + 2);
        failure = if left < 4 { String::new() } else { wrap::cut(&failure, left.min(FAILURE)) };

        let mut out = head.text;
        let colours = self.look.colours;
        Style::Dim.push(&mut out, sign, colours);
        out.push(' ');
        Style::Bold.push(&mut out, &name, colours);
        if !summary.is_empty() {
            out.push(' ');
            out.push_str(&summary);
        }
        out.push(' ');
        let style = match result {
            None => Style::Dim,
            Some(_) if failed => Style::Bad,
            Some(_) => Style::Good,
        };
        style.push(&mut out, &outcome, colours);
        if !failure.is_empty() {
            style.push(&mut out, &format!(": {failure}"), colours);
        }
        out.push('\n');
        out
    }
}

/// How a kind is named and how it and its text look. What people read most is not named.
fn look_of(kind: &str) -> (String, Style, Style) {
    let tag = format!("[{}] ", visible::line(kind));
    match kind {
        Kind::MESSAGE => (String::new(), Style::Plain, Style::Plain),
        Kind::LOG => (String::new(), Style::Dim, Style::Dim),
        Kind::ERROR => (tag, Style::Bad, Style::Bad),
        Kind::GAP => (tag, Style::Warning, Style::Dim),
        Kind::REASONING | Kind::SOURCE_END | Kind::STEP_END => (tag, Style::Dim, Style::Dim),
        _ => (tag, Style::Note, Style::Plain),
    }
}

/// How long a tool took and how it ended, and whether it failed.
fn outcome(result: &Said) -> (String, bool) {
    let told = result.tool();
    let code = tool::exit_code(Some(&told), &result.attrs);
    let status = told.status().map(visible::line);
    let failed = code.is_some_and(|code| code != 0) || status.as_deref().is_some_and(tool::is_failure);
    let ended = match (code, status) {
        (Some(code), _) => format!("exit {code}"),
        (None, Some(status)) => wrap::cut(&status, LEAST_TEXT),
        (None, None) => "done".to_owned(),
    };
    let taken = told.duration_ms().map(figures::duration).map(|taken| format!("{taken}, ")).unwrap_or_default();
    (format!("({taken}{ended})"), failed)
}

/// The first line of what a tool answered that says anything.
fn why(result: &Said) -> String {
    let told = result.tool();
    let answer = told.output().map(text_of).or_else(|| result.content.clone()).unwrap_or_default();
    let answer = start(&answer, 8 * FAILURE);
    let line = answer.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
    visible::line(line).into_owned()
}

#[cfg(test)]
mod tests;
