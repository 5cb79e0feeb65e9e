//! One line for each stage of a command, with its time; colour only on a terminal.

use std::io::{IsTerminal as _, Write as _, stderr};
use std::time::Instant;

/// Runs one stage and tells how long it took. The line appears when the stage begins, so that a long one is seen waiting.
pub fn run<T>(name: &str, work: impl FnOnce() -> anyhow::Result<T>) -> anyhow::Result<T> {
    tell("34", "▸", &format!("{name} …"));
    let started = Instant::now();
    let result = work()?;
    tell("32", "✓", &format!("{name}  {:.1} s", started.elapsed().as_secs_f64()));
    Ok(result)
}

/// Tells why a command failed.
pub fn fail(message: &str) {
    tell("31", "✗", message);
}

fn tell(colour: &str, sign: &str, text: &str) {
    let mut output = stderr().lock();
    let written = if stderr().is_terminal() {
        writeln!(output, "\x1b[{colour}m{sign}\x1b[0m {text}")
    } else {
        writeln!(output, "{sign} {text}")
    };
    // Progress that nobody reads is no reason to stop.
    drop(written);
}

/// Tells something that happened within a stage.
pub fn note(text: &str) {
    tell("90", "·", text);
}

/// The stages of one command with what they counted and how long they took.
#[derive(Default)]
pub struct Stages {
    rows: Vec<Row>,
}

struct Row {
    name: String,
    count: Option<usize>,
    seconds: f64,
}

impl Stages {
    /// Runs one stage and keeps its time; `count` tells what of the result is worth a figure.
    pub async fn run<T>(
        &mut self,
        name: &str,
        count: impl FnOnce(&T) -> Option<usize>,
        work: impl Future<Output = anyhow::Result<T>>,
    ) -> anyhow::Result<T> {
        tell("34", "▸", &format!("{name} …"));
        let started = Instant::now();
        let result = work.await?;
        let (count, seconds) = (count(&result), started.elapsed().as_secs_f64());
        let figure = count.map(|count| format!("  {count}")).unwrap_or_default();
        tell("32", "✓", &format!("{name}{figure}  {seconds:.1} s"));
        self.rows.push(Row { name: name.to_owned(), count, seconds });
        Ok(result)
    }

    /// The table of all stages.
    pub fn table(&self) -> String {
        let width = self.rows.iter().map(|row| row.name.chars().count()).max().unwrap_or_default().max("stage".len());
        let mut lines = vec![format!("{:width$}  {:>7}  {:>8}", "stage", "count", "time")];
        for row in &self.rows {
            let count = row.count.map(|count| count.to_string()).unwrap_or_default();
            lines.push(format!("{:width$}  {count:>7}  {:>6.1} s", row.name, row.seconds));
        }
        lines.join("\n")
    }
}
