//! Dead letters as lines of a table, and one as a page. Pure.

use serde_json::Value;

use super::view;
use crate::read::dead_letters::{DeadLetterSummary, WholeDeadLetter};
use crate::runs::table::Look;
use crate::terminal::colour::Style;
use crate::terminal::{visible, wrap, zone};

/// Titles of a list.
pub(super) const LETTERS: [&str; 7] = ["CURSOR", "STORED", "CLASS", "BYTES", "TRIES", "SUBJECT", "WHAT IS WRONG"];
/// Titles of what became of those that were read anew.
pub(super) const RETRIED: [&str; 3] = ["CURSOR", "RESULT", "WHY"];
/// Columns of the last cell at least.
const LEAST_LAST: usize = 24;

/// Renders lines one after the other. A column is as wide as the widest that it has held; the last takes what is left
/// of a terminal; elsewhere it is whole.
#[derive(Debug)]
pub(super) struct Table {
    titles: &'static [&'static str],
    widths: Vec<usize>,
    titled: bool,
    look: Look,
}

impl Table {
    pub(super) fn new(titles: &'static [&'static str], look: Look) -> Self {
        Self { titles, widths: titles.iter().map(|title| wrap::width(title)).collect(), titled: false, look }
    }

    /// A line for each row, below the titles at first. Cells must hold no control characters.
    pub(super) fn render(&mut self, rows: &[Vec<String>], width: Option<usize>) -> String {
        for row in rows {
            for (column, cell) in self.widths.iter_mut().zip(row) {
                *column = wrap::width(cell).max(*column);
            }
        }
        let mut out = String::new();
        if !rows.is_empty() && !self.titled {
            self.titled = true;
            let titles: Vec<String> = self.titles.iter().map(ToString::to_string).collect();
            self.line(&mut out, &titles, width, Style::Bold);
        }
        for row in rows {
            self.line(&mut out, row, width, Style::Plain);
        }
        out
    }

    fn line(&self, out: &mut String, cells: &[String], width: Option<usize>, style: Style) {
        let Some((last, cells)) = cells.split_last() else { return };
        let mut text = String::new();
        for (cell, columns) in cells.iter().zip(&self.widths) {
            wrap::pad(&mut text, cell, columns + 2);
        }
        let left = width.map_or(usize::MAX, |width| width.saturating_sub(wrap::width(&text)).max(LEAST_LAST));
        text.push_str(&wrap::cut(last, left));
        style.push(out, text.trim_end_matches(' '), self.look.colours);
        out.push('\n');
    }
}

/// The cells of a list's line.
pub(super) fn letter(letter: &DeadLetterSummary, look: &Look) -> Vec<String> {
    let resolved = if letter.resolved_at.is_some() { "stored by a retry; was: " } else { "" };
    vec![
        letter.cursor.to_string(),
        moment(&letter.created_at.to_string(), look),
        visible::line(&letter.class).into_owned(),
        letter.payload_bytes.to_string(),
        letter.attempts.to_string(),
        visible::line(&letter.subject).into_owned(),
        format!("{resolved}{}", visible::line(&view::error(letter))),
    ]
}

/// One dead letter for people: each line of its body as [`visible::line`] shows it.
pub(super) fn whole(letter: &WholeDeadLetter, look: &Look) -> String {
    let summary = &letter.summary;
    let mut out = String::new();
    let mut line = |name: &str, text: &str| {
        let mut label = String::new();
        wrap::pad(&mut label, name, 10);
        Style::Bold.push(&mut out, &label, look.colours);
        out.push_str(&visible::line(text));
        out.push('\n');
    };
    line("cursor", &summary.cursor.to_string());
    line("stored", &moment(&summary.created_at.to_string(), look));
    line("subject", &summary.subject);
    line("class", &format!("{}: {}", summary.class, view::meaning(&summary.class)));
    line("error", &view::error(summary));
    let tried = summary.retried_at.map(|at| format!(", last at {}", moment(&at.to_string(), look))).unwrap_or_default();
    line("retries", &format!("{}{tried}", summary.attempts));
    if let Some(at) = summary.resolved_at {
        line("resolved", &format!("a message since {}", moment(&at.to_string(), look)));
    }
    for (name, values) in letter.headers.as_ref().and_then(Value::as_object).into_iter().flatten() {
        for value in values.as_array().into_iter().flatten() {
            line("header", &format!("{name}: {}", value.as_str().unwrap_or_default()));
        }
    }
    line("body", &format!("{} bytes", letter.payload.len()));
    for text in visible::lines(&String::from_utf8_lossy(&letter.payload)) {
        out.push_str("  ");
        out.push_str(&text);
        out.push('\n');
    }
    out
}

fn moment(text: &str, look: &Look) -> String {
    let found = zone::day_and_time(text, &look.zone);
    found.map_or_else(|| text.to_owned(), |(day, time)| format!("{} {time}", day.get(..10).unwrap_or_default()))
}
