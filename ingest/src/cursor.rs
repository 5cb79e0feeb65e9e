//! The position of a message: `<epoch>.<stream sequence>`, the same on every replica and after every redelivery.

use std::fmt;
use std::str::FromStr;

/// A position in the history of the stream. Every list is in this order; nothing is ever ordered or resumed by a clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Cursor {
    /// Which life of the stream.
    pub epoch: i64,
    /// Sequence within the stream.
    pub sequence: i64,
}

/// The text is no cursor.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("`{0}` is no cursor; a cursor is <epoch>.<sequence>, as in 1.4711")]
pub struct CursorError(String);

impl fmt::Display for Cursor {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}.{}", self.epoch, self.sequence)
    }
}

impl FromStr for Cursor {
    type Err = CursorError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let number = |digits: &str| digits.parse().ok().filter(|number| *number >= 0 && !digits.starts_with('+'));
        let parts = text.split_once('.').and_then(|(epoch, sequence)| Some((number(epoch)?, number(sequence)?)));
        let (epoch, sequence) = parts.ok_or_else(|| CursorError(text.to_owned()))?;
        Ok(Self { epoch, sequence })
    }
}

#[cfg(test)]
mod tests;
