//! Messages that could not be read or stored, kept with their bytes.

use bytes::Bytes;
use time::OffsetDateTime;

/// A message that could not be read or stored.
#[derive(Debug, Clone, PartialEq)]
pub struct DeadLetter {
    /// Life of the stream.
    pub epoch: i64,
    /// Sequence in the stream.
    pub sequence: i64,
    /// When the stream stored it.
    pub stored_at: OffsetDateTime,
    /// Subject it was published to.
    pub subject: String,
    /// Its headers, a JSON object of lists of texts.
    pub headers: Option<String>,
    /// Its body.
    pub payload: Bytes,
    /// A word for what is wrong.
    pub class: &'static str,
    /// What is wrong, with every cause.
    pub error: String,
}
