//! What a sidecar asks. Pure.

use serde::Deserialize;

use crate::cursor::Cursor;

/// How many messages are told where the request names no number.
const DEFAULT: usize = 50;
/// How many a request may ask for.
const MOST: usize = 1_000;

/// A request: `{"last":50}` for the newest messages, `{"after":"1.4711","last":500}` for the oldest behind a position.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Request {
    /// Behind this position, ascending; none: the newest.
    pub after: Option<Cursor>,
    /// How many, at most.
    pub last: usize,
}

#[derive(Deserialize)]
struct Form {
    after: Option<String>,
    last: Option<u64>,
}

impl Request {
    /// Reads a request; members that are not known mean nothing, and a number beyond the most is the most.
    ///
    /// # Errors
    /// A sentence that says what is wrong with it.
    pub fn read(payload: &[u8]) -> Result<Self, String> {
        let form: Form = serde_json::from_slice(payload).map_err(|error| format!("the request cannot be read: {error}"))?;
        let after = form.after.map(|text| text.parse::<Cursor>()).transpose().map_err(|error| error.to_string())?;
        let last = form.last.map_or(DEFAULT, |last| usize::try_from(last).unwrap_or(MOST));
        Ok(Self { after, last: last.min(MOST) })
    }
}

#[cfg(test)]
mod tests;
