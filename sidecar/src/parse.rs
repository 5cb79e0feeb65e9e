//! `agent-comms parse`: what a log becomes, so that people can try their rules and patterns. It reads the log as the sidecar
//! would and publishes nothing.

pub(crate) mod pretty;

use std::fs::File;
use std::io::{self, BufWriter, IsTerminal as _, Read, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use anyhow::Context as _;
use message::{Message, Timestamp, wire};
use records::{Counts, Cutter, Line, Origin, Recorder, RecorderState, SourceIdentity};

use crate::args::{Color, LogFormat, Output, ParseArgs, ParsingArgs};
use pretty::Pretty;

/// Bytes that are read at once.
const CHUNK: usize = 64 * 1024;

/// Shows the messages of a log on standard output, and a summary on standard error.
///
/// # Errors
/// When the log cannot be read, or its messages cannot be written.
pub fn parse(args: &ParseArgs) -> anyhow::Result<()> {
    let is_input = args.log == Path::new("-");
    let log: Box<dyn Read> = if is_input {
        Box::new(io::stdin().lock())
    } else {
        let file = File::open(&args.log).with_context(|| format!("cannot read the log `{}`", args.log.display()))?;
        Box::new(file)
    };
    let (is_json, color) = (args.output == Output::Json, args.color);
    let stdout = io::stdout().lock();
    let pretty = Pretty { color: has_color(color, stdout.is_terminal()), run: false };
    let mut output = BufWriter::new(stdout);
    let show = |messages: Vec<Message>| -> io::Result<()> {
        for message in messages {
            if is_json {
                output.write_all(&wire::to_json(&message))?;
                output.write_all(b"\n")?;
            } else {
                pretty.message(&mut output, &message)?;
            }
        }
        // What came through a pipe is shown when it came.
        if is_input { output.flush() } else { Ok(()) }
    };
    let counts = match read(log, recorder(args)?, show) {
        // Whoever reads has seen enough.
        Err(error) if is_broken_pipe(&error) => return Ok(()),
        counts => counts.with_context(|| format!("cannot show the log `{}`", args.log.display()))?,
    };
    match output.flush() {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(()),
        flushed => flushed.context("cannot write to standard output")?,
    }
    if !is_json {
        // Nobody is left to tell when standard error is closed.
        drop(writeln!(io::stderr(), "{}", summary(&counts)));
    }
    Ok(())
}

fn recorder(args: &ParseArgs) -> anyhow::Result<Recorder> {
    let (format, rules) = match &args.format {
        None => (None, args.parsing.rules.clone()),
        Some(LogFormat::Named(format)) => (Some(*format), args.parsing.rules.clone()),
        Some(LogFormat::Rules(rules)) => (None, Some((**rules).clone())),
    };
    let parsing = ParsingArgs { rules, redact: args.parsing.redact.clone() };
    let path = args.log.display();
    let label = args.container.as_ref().map_or_else(|| path.to_string(), |container| format!("{container}:{path}"));
    let source = SourceIdentity { label, generation: 1, container: args.container.clone() };
    let (pod, redactor) = (Arc::new(args.identity.pod_identity()), Arc::new(parsing.redactor()?));
    Ok(Recorder::new(pod, source, redactor, RecorderState::default()).with_rules(Arc::new(parsing.rules(format))))
}

/// Reads to the end, showing messages as they are made.
fn read(mut log: impl Read, mut recorder: Recorder, mut show: impl FnMut(Vec<Message>) -> io::Result<()>) -> io::Result<Counts> {
    let mut cutter = Cutter::new(0);
    let mut chunk = vec![0; CHUNK];
    let record = |recorder: &mut Recorder, line: &Line<'_>, read_at| recorder.record(line, read_at, Origin::File);
    loop {
        let length = match log.read(&mut chunk) {
            Ok(0) => break,
            Ok(length) => length,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        cutter.push(&chunk[..length]);
        let read_at = now();
        while let Some(line) = cutter.next_line() {
            show(record(&mut recorder, &line, read_at))?;
        }
    }
    while let Some(line) = cutter.finish() {
        show(record(&mut recorder, &line, now()))?;
    }
    show(recorder.finish(cutter.position(), now()))?;
    Ok(recorder.counts().clone())
}

pub(crate) fn is_broken_pipe(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::BrokenPipe
}

pub(crate) fn has_color(color: Color, is_terminal: bool) -> bool {
    match color {
        Color::Always => true,
        Color::Never => false,
        Color::Auto => is_terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()),
    }
}

/// What was read, in one line.
fn summary(counts: &Counts) -> String {
    let of = |number: u64, one: &str, more: &str| format!("{number} {}", if number == 1 { one } else { more });
    let mut parts = vec![format!("{} of {}", of(counts.messages, "message", "messages"), of(counts.lines, "line", "lines"))];
    let mut told = |number: u64, one: &str, more: &str| {
        if number > 0 {
            parts.push(of(number, one, more));
        }
    };
    told(counts.parse_errors, "parse error", "parse errors");
    told(counts.invalid_utf8, "line that is no UTF-8", "lines that are no UTF-8");
    told(counts.cut, "line cut", "lines cut");
    told(counts.split, "message split", "messages split");
    if !counts.redactions.is_empty() {
        let names: Vec<String> = counts.redactions.iter().map(|(name, number)| format!("{name} {number}")).collect();
        parts.push(format!("secrets replaced: {}", names.join(", ")));
    }
    parts.join("; ")
}

fn now() -> Timestamp {
    Timestamp::new(SystemTime::now().into())
}

#[cfg(test)]
mod tests;
