//! The rows: a table for people, JSON for programs.

use std::io::Write as _;
use std::path::Path;

use serde_json::{Value, json};

/// What a row must hold.
#[derive(Debug, Clone, Copy)]
pub enum Bar {
    /// At least so much of the bare publisher's figure.
    Ratio(f64),
    /// At least this much.
    AtLeast(f64),
    /// At most this much.
    AtMost(f64),
    /// Below this.
    Below(f64),
    /// It is shown and judged by nobody.
    None,
}

/// One figure, with all that was measured.
#[derive(Debug)]
pub struct Row {
    name: String,
    unit: &'static str,
    bar: Bar,
    values: Vec<f64>,
    bare: Vec<f64>,
}

impl Row {
    /// A row without figures.
    pub fn new(name: &str, unit: &'static str, bar: Bar) -> Self {
        Self { name: name.to_owned(), unit, bar, values: Vec::new(), bare: Vec::new() }
    }

    /// What the sidecar did in one round.
    pub fn value(&mut self, value: f64) {
        self.values.push(value);
    }

    /// What the bare publisher did in the same round.
    pub fn bare(&mut self, value: f64) {
        self.bare.push(value);
    }

    /// The median of the ratios, each taken within one round: what disturbs a round disturbs both.
    fn ratio(&self) -> f64 {
        let ratios: Vec<f64> = self.values.iter().zip(&self.bare).map(|(value, bare)| value / bare).collect();
        median(&ratios)
    }

    fn holds(&self) -> Option<bool> {
        match self.bar {
            Bar::Ratio(bar) => Some(self.ratio() >= bar),
            Bar::AtLeast(bar) => Some(median(&self.values) >= bar),
            Bar::AtMost(bar) => Some(median(&self.values) <= bar),
            Bar::Below(bar) => Some(median(&self.values) < bar),
            Bar::None => None,
        }
    }

    fn to_json(&self) -> Value {
        json!({
            "row": self.name,
            "value": rounded(median(&self.values)),
            "unit": self.unit,
            "bare": rounded(median(&self.bare)),
            "ratio": rounded(self.ratio()),
            "bar": self.bar_text(),
            "holds": self.holds(),
            "spread": [rounded(lowest(&self.values)), rounded(highest(&self.values))],
            "bare_spread": [rounded(lowest(&self.bare)), rounded(highest(&self.bare))],
            "rounds": self.values.len(),
        })
    }

    fn bar_text(&self) -> Option<String> {
        match self.bar {
            Bar::Ratio(bar) => Some(format!(">= {bar} x bare")),
            Bar::AtLeast(bar) => Some(format!(">= {bar} {}", self.unit)),
            Bar::AtMost(bar) => Some(format!("<= {bar} {}", self.unit)),
            Bar::Below(bar) => Some(format!("< {bar} {}", self.unit)),
            Bar::None => None,
        }
    }
}

/// Prints the table; `measured` is what stands beside the bare figure.
pub fn show(rows: &[Row], measured: &str) -> std::io::Result<()> {
    let mut output = std::io::stdout().lock();
    let width = rows.iter().map(|row| row.name.len()).max().unwrap_or(0);
    writeln!(
        output,
        "{:width$}  {:>10} {:>21}  {:>10} {:>21}  {:>6}  {:16} unit",
        "row", measured, "spread", "bare", "spread", "ratio", "bar"
    )?;
    for row in rows {
        let spread = |values: &[f64]| format!("{}..{}", figure(lowest(values)), figure(highest(values)));
        let holds = match row.holds() {
            Some(true) => "  holds",
            Some(false) => "  FAILS",
            None => "",
        };
        writeln!(
            output,
            "{:width$}  {:>10} {:>21}  {:>10} {:>21}  {:>6.2}  {:16} {}{holds}",
            row.name,
            figure(median(&row.values)),
            spread(&row.values),
            figure(median(&row.bare)),
            spread(&row.bare),
            row.ratio(),
            row.bar_text().unwrap_or_default(),
            row.unit,
        )?;
    }
    Ok(())
}

/// Writes the rows as a list.
pub fn write_json(rows: &[Row], path: &Path) -> anyhow::Result<()> {
    let rows: Vec<Value> = rows.iter().map(Row::to_json).collect();
    Ok(std::fs::write(path, serde_json::to_string_pretty(&rows)? + "\n")?)
}

/// The middle of the values, or the mean of the two in the middle.
pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    match (sorted.len(), sorted.len() / 2) {
        (0, _) => f64::NAN,
        (length, middle) if length % 2 == 1 => sorted[middle],
        (_, middle) => f64::midpoint(sorted[middle - 1], sorted[middle]),
    }
}

/// The value that so many hundredths of all values do not exceed.
pub fn percentile(values: &[f64], hundredths: usize) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let index = (sorted.len() * hundredths).div_ceil(100).saturating_sub(1);
    sorted.get(index).copied().unwrap_or(f64::NAN)
}

fn lowest(values: &[f64]) -> f64 {
    values.iter().copied().fold(f64::NAN, f64::min)
}

fn highest(values: &[f64]) -> f64 {
    values.iter().copied().fold(f64::NAN, f64::max)
}

fn figure(value: f64) -> String {
    if value >= 1_000.0 { format!("{value:.0}") } else { format!("{value:.2}") }
}

fn rounded(value: f64) -> Value {
    if value.is_finite() { json!((value * 1_000.0).round() / 1_000.0) } else { Value::Null }
}

#[cfg(test)]
mod tests;
