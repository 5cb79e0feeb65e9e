//! What went wrong with a request, as a problem document (RFC 9457). It also carries `ok: false` and `error`, which older
//! readers of this API look for.

use bytes::Bytes;
use hyper::StatusCode;
use serde_json::{Map, Value, json};

use crate::access::Unavailable;
use crate::read::ReadError;

/// A request that cannot be answered as asked.
#[derive(Debug, Clone, PartialEq)]
pub struct Problem {
    /// The status of the answer.
    pub status: StatusCode,
    /// What is wrong and the way out, in words.
    pub detail: String,
    /// Further members of the document.
    pub members: Map<String, Value>,
}

impl Problem {
    /// Of a status and an explanation.
    #[must_use]
    pub fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self { status, detail: detail.into(), members: Map::new() }
    }

    /// The request has no meaning.
    #[must_use]
    pub fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, detail)
    }

    /// Nothing of this name.
    #[must_use]
    pub fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, detail)
    }

    /// It cannot be answered at the moment; asked again in a second, it may be.
    #[must_use]
    pub fn unavailable(what: impl std::fmt::Display) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, format!("{what}; try again"))
    }

    /// Adds a member.
    #[must_use]
    pub fn with(mut self, member: &str, value: impl Into<Value>) -> Self {
        self.members.insert(member.to_owned(), value.into());
        self
    }

    /// The document.
    #[must_use]
    pub fn body(&self) -> Bytes {
        let mut document = json!({
            "type": "about:blank",
            "title": self.status.canonical_reason().unwrap_or("Problem"),
            "status": self.status.as_u16(),
            "detail": self.detail,
            "ok": false,
            "error": self.detail,
        });
        if let Value::Object(document) = &mut document {
            document.extend(self.members.clone());
        }
        Bytes::from(document.to_string())
    }
}

impl From<Unavailable> for Problem {
    fn from(error: Unavailable) -> Self {
        Self::unavailable(error)
    }
}

impl From<ReadError> for Problem {
    fn from(error: ReadError) -> Self {
        if matches!(error, ReadError::TooLong(_)) {
            return Self::unavailable(
                "the search took too long: narrow it by run, time (since=), namespace, kind, agent or role",
            );
        }
        if let ReadError::Expression(error) = &error {
            let why = error.as_db_error().map_or("it is none", |error| error.message());
            return Self::bad_request(format!("`regex`: {why}"));
        }
        // Told here with its whole chain; the reader of the answer can do nothing about it but try again.
        tracing::warn!(error = format!("{:#}", anyhow::Error::from(error)), "history cannot be read");
        Self::unavailable("history cannot be read at the moment")
    }
}

#[cfg(test)]
mod tests;
