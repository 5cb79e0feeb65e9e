//! Runs as lines of a table. Pure.

use jiff::tz::TimeZone;
use serde_json::Value;

use crate::terminal::colour::Style;
use crate::terminal::{visible, wrap, zone};

/// How lines look.
#[derive(Debug, Clone)]
pub struct Look {
    /// Whether colours are used.
    pub colours: bool,
    /// Zone of the times.
    pub zone: TimeZone,
}

const TITLES: [&str; 8] = ["STATE", "LAST", "STEPS", "MESSAGES", "NAMESPACE", "WORKFLOW", "RUN", "SAID"];
/// Columns of what was said last, where nothing limits a line, and where something does at least.
const SAID: usize = 80;
const LEAST_SAID: usize = 16;

/// Renders runs one after the other. A column is as wide as the widest that it has held.
#[derive(Debug)]
pub struct Table {
    look: Look,
    widths: Option<[usize; 8]>,
}

impl Table {
    /// Of this look.
    #[must_use]
    pub fn new(look: Look) -> Self {
        Self { look, widths: None }
    }

    /// A line for each run, below the titles at first.
    pub fn render(&mut self, runs: &[Value], width: Option<usize>) -> String {
        let rows: Vec<[String; 8]> = runs.iter().map(|run| self.cells(run)).collect();
        if rows.is_empty() {
            return String::new();
        }
        let mut out = String::new();
        let titled = self.widths.is_some();
        let mut widths = self.widths.unwrap_or_else(|| TITLES.map(wrap::width));
        for row in &rows {
            for (column, cell) in widths.iter_mut().zip(row) {
                *column = wrap::width(cell).max(*column);
            }
        }
        self.widths = Some(widths);
        if !titled {
            self.line(&mut out, &TITLES.map(ToOwned::to_owned), &widths, width, Style::Bold);
        }
        for row in &rows {
            self.line(&mut out, row, &widths, width, of_state(&row[0]));
        }
        out
    }

    fn line(&self, out: &mut String, cells: &[String; 8], widths: &[usize; 8], width: Option<usize>, style: Style) {
        let before: usize = widths[..7].iter().map(|width| width + 2).sum();
        let said = width.map_or(SAID, |width| width.saturating_sub(before).max(LEAST_SAID));
        let colours = self.look.colours;
        style.push(out, &cells[0], colours);
        wrap::pad(out, "", widths[0] - wrap::width(&cells[0]) + 2);
        for (cell, columns) in cells.iter().zip(widths).take(7).skip(1) {
            wrap::pad(out, cell, columns + 2);
        }
        out.push_str(&wrap::cut(&cells[7], said));
        out.truncate(out.trim_end_matches(' ').len());
        out.push('\n');
    }

    fn cells(&self, run: &Value) -> [String; 8] {
        let text = |field: &str| visible::line(run[field].as_str().unwrap_or_default()).into_owned();
        let last = zone::day_and_time(&text("last_at"), &self.look.zone);
        let last = last.map(|(day, time)| format!("{} {time}", day.get(..10).unwrap_or_default())).unwrap_or_default();
        let steps = run["steps"].as_array().map(Vec::as_slice).unwrap_or_default();
        let ended = steps.iter().filter(|step| step["ended"] == true).count();
        let uid = text("workflow_uid");
        let own = if message::identity::names_nothing(&uid) { text("workflow_name") } else { uid };
        let id = Some(text("run_id")).filter(|id| !id.is_empty()).unwrap_or(own);
        let said = match (text("preview_agent"), text("preview")) {
            (agent, said) if agent.is_empty() || said.is_empty() => said,
            (agent, said) => format!("{agent}: {said}"),
        };
        [
            text("state"),
            last,
            format!("{ended}/{}", steps.len()),
            visible::line(&run["messages"].to_string()).into_owned(),
            text("workflow_namespace"),
            text("workflow_name"),
            id,
            said,
        ]
    }
}

fn of_state(state: &str) -> Style {
    match state {
        "failed" => Style::Bad,
        "succeeded" => Style::Good,
        "running" => Style::Note,
        "stalled" => Style::Warning,
        _ => Style::Plain,
    }
}

#[cfg(test)]
mod tests;
