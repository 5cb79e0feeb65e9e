//! One thing that was looked at, and how all of them are told.

use std::io::{self, Write};

use serde::Serialize;

use super::code::Code;

/// How a thing is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// As it should be.
    Ok,
    /// It works, and somebody should look.
    Warn,
    /// Pods stay without a sidecar or are refused, or their messages go nowhere.
    Fail,
    /// It may not be read.
    Unknown,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Stable code of what was looked at.
    pub code: &'static str,
    /// How it is.
    pub level: Level,
    /// The object, such as a namespace, where there may be several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub object: Option<String>,
    /// What was found.
    pub words: String,
    /// What to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub advice: Option<String>,
}

impl Finding {
    /// It is as it should be.
    pub fn ok(code: Code, words: impl Into<String>) -> Self {
        Self { code: code.text(), level: Level::Ok, object: None, words: words.into(), advice: None }
    }

    /// Somebody should look.
    pub fn warn(code: Code, words: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { level: Level::Warn, advice: Some(advice.into()), ..Self::ok(code, words) }
    }

    /// It is wrong.
    pub fn fail(code: Code, words: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { level: Level::Fail, advice: Some(advice.into()), ..Self::ok(code, words) }
    }

    /// It may not be read.
    pub fn unknown(code: Code, words: impl Into<String>) -> Self {
        Self { level: Level::Unknown, ..Self::ok(code, words) }
    }

    /// The same, of an object.
    #[must_use]
    pub fn of(self, object: &str) -> Self {
        Self { object: Some(object.to_owned()), ..self }
    }
}

/// 3 when something is wrong, else 0.
#[must_use]
pub fn exit_code(findings: &[Finding]) -> u8 {
    if findings.iter().any(|finding| finding.level == Level::Fail) { 3 } else { 0 }
}

/// Writes the findings for people, without an end of line after the last one.
pub fn tell(out: &mut impl Write, findings: &[Finding], has_colours: bool) -> io::Result<()> {
    let count = |level| findings.iter().filter(|finding| finding.level == level).count();
    for Finding { code, level, object, words, advice } in findings {
        let (sign, colour) = match level {
            Level::Ok => ("✓", "\x1b[32m"),
            Level::Warn => ("!", "\x1b[33m"),
            Level::Fail => ("✗", "\x1b[31m"),
            Level::Unknown => ("?", "\x1b[2m"),
        };
        let (colour, end) = if has_colours { (colour, "\x1b[0m") } else { ("", "") };
        let object = object.as_ref().map(|object| format!(" {object}")).unwrap_or_default();
        writeln!(out, "{colour}{sign} {code}{object}{end}  {words}")?;
        if let Some(advice) = advice {
            writeln!(out, "    {advice}")?;
        }
    }
    let (fail, warn, unknown) = (count(Level::Fail), count(Level::Warn), count(Level::Unknown));
    write!(out, "{fail} wrong, {warn} to look at, {unknown} unknown, {} right", count(Level::Ok))
}
