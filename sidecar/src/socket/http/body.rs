//! The body of a `POST /messages` into records. Pure.
//!
//! JSON is one object, or an array of them; NDJSON is an object a line; text is one message, its line breaks kept. Where
//! the content type says neither (curl's default does not), the body itself tells: one JSON value, else lines that all are
//! objects, else text.

use std::borrow::Cow;

use serde::de::IgnoredAny;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::socket::RECORD_LIMIT;

/// One record's bytes. A text is wrapped in an object, so that its line breaks stay.
pub type Record<'a> = Cow<'a, [u8]>;

/// Why a body was not taken; nothing of it was.
#[derive(Debug, PartialEq, Eq)]
pub enum BodyError {
    /// A record cannot be read.
    Record {
        /// Its line in the body, from 1.
        line: usize,
        /// What is wrong with it.
        reason: String,
    },
    /// There are more than are taken at once.
    TooMany,
    /// A record is longer than the limit.
    TooLong {
        /// Its line in the body, from 1.
        line: usize,
        /// Its bytes.
        length: usize,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Json,
    Lines,
    Text,
    Unknown,
}

/// The records of a body.
pub fn records<'a>(content_type: &str, body: &'a [u8], limit: usize) -> Result<Vec<Record<'a>>, BodyError> {
    let records = match form_of(content_type) {
        Form::Json => json(body, limit)?,
        Form::Lines => lines(body, limit)?,
        Form::Unknown if !looks_like_json(body) => text(body),
        Form::Unknown if serde_json::from_slice::<IgnoredAny>(body).is_ok() => json(body, limit)?,
        Form::Unknown if every_line_is_an_object(body) => lines(body, limit)?,
        Form::Text | Form::Unknown => text(body),
    };
    if records.is_empty() {
        return Err(BodyError::Record { line: 1, reason: "the body is empty".to_owned() });
    }
    Ok(records)
}

fn form_of(content_type: &str) -> Form {
    let media_type = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    match media_type.as_str() {
        "application/json" => Form::Json,
        "application/x-ndjson" | "application/ndjson" | "application/jsonl" | "application/x-jsonlines" => Form::Lines,
        text if text.starts_with("text/") => Form::Text,
        json if json.ends_with("+json") => Form::Json,
        _ => Form::Unknown,
    }
}

fn json(body: &[u8], limit: usize) -> Result<Vec<Record<'_>>, BodyError> {
    let trimmed = body.trim_ascii();
    if trimmed.first() == Some(&b'[') {
        let values: Vec<&RawValue> = serde_json::from_slice(trimmed).map_err(|error| unreadable(&error, 1))?;
        if values.len() > limit {
            return Err(BodyError::TooMany);
        }
        return values.into_iter().map(|value| object(value.get().as_bytes(), line_of(body, value.get()))).collect();
    }
    Ok(vec![object(trimmed, 1)?])
}

fn lines(body: &[u8], limit: usize) -> Result<Vec<Record<'_>>, BodyError> {
    let lines = body.split(|byte| *byte == b'\n').enumerate();
    if lines.clone().filter(|(_, line)| !line.trim_ascii().is_empty()).nth(limit).is_some() {
        return Err(BodyError::TooMany);
    }
    lines.filter(|(_, line)| !line.trim_ascii().is_empty()).map(|(index, line)| object(line.trim_ascii(), index + 1)).collect()
}

fn text(body: &[u8]) -> Vec<Record<'_>> {
    let content = String::from_utf8_lossy(body);
    let content = content.trim_end_matches(['\r', '\n']);
    if content.trim().is_empty() {
        return Vec::new();
    }
    if !content.contains('\n') && !content.trim_start().starts_with('{') && body.len() <= RECORD_LIMIT {
        return vec![Cow::Borrowed(body.trim_ascii_end())];
    }
    let wrap = |piece: &str| {
        let object = Map::from_iter([("content".to_owned(), Value::from(piece))]);
        Cow::Owned(Value::Object(object).to_string().into_bytes())
    };
    pieces(content).into_iter().map(wrap).collect()
}

/// A text too long for one record goes into several: escaped it may grow six times.
fn pieces(content: &str) -> Vec<&str> {
    let mut rest = content;
    let mut pieces = Vec::new();
    while !rest.is_empty() {
        let mut end = rest.len().min(RECORD_LIMIT / 6 - 64);
        while !rest.is_char_boundary(end) {
            end -= 1;
        }
        let (piece, after) = rest.split_at(end);
        pieces.push(piece);
        rest = after;
    }
    pieces
}

fn object(bytes: &[u8], line: usize) -> Result<Record<'_>, BodyError> {
    if bytes.len() > RECORD_LIMIT {
        return Err(BodyError::TooLong { line, length: bytes.len() });
    }
    let is_object = bytes.first() == Some(&b'{');
    match serde_json::from_slice::<IgnoredAny>(bytes) {
        // A record is one line of bytes wherever it is read again.
        Ok(_) if is_object => Ok(Cow::Borrowed(bytes)),
        Ok(_) => Err(BodyError::Record { line, reason: "a record is a JSON object".to_owned() }),
        Err(error) => Err(unreadable(&error, line)),
    }
}

fn unreadable(error: &serde_json::Error, first_line: usize) -> BodyError {
    let line = first_line + error.line().saturating_sub(1);
    BodyError::Record { line, reason: error.to_string() }
}

fn line_of(body: &[u8], value: &str) -> usize {
    let offset = (value.as_ptr() as usize).saturating_sub(body.as_ptr() as usize).min(body.len());
    body[..offset].split(|byte| *byte == b'\n').count()
}

fn looks_like_json(body: &[u8]) -> bool {
    let trimmed = body.trim_ascii();
    looks_like_object(trimmed) || trimmed.strip_prefix(b"[").is_some_and(|inside| looks_like_object(inside.trim_ascii_start()))
}

/// A brace alone pretends nothing: `{name} is here` is text.
fn looks_like_object(trimmed: &[u8]) -> bool {
    trimmed.strip_prefix(b"{").is_some_and(|inside| matches!(inside.trim_ascii_start().first(), Some(b'"' | b'}')))
}

fn every_line_is_an_object(body: &[u8]) -> bool {
    body.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii).all(|line| line.is_empty() || looks_like_object(line))
}

#[cfg(test)]
mod tests;
