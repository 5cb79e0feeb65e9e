//! A moment in UTC with the precision that is stored: microseconds.

use std::fmt;

use time::format_description::BorrowedFormatItem;
use time::format_description::well_known::Rfc3339;
use time::macros::format_description;
use time::{Duration, OffsetDateTime, UtcOffset};

/// Always six digits, so that texts of times sort as the times do.
const FORMAT: &[BorrowedFormatItem<'static>] =
    format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:6]Z");

/// A moment in UTC; anything finer than a microsecond is cut, so that what is shown live equals what is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(OffsetDateTime);

impl Timestamp {
    /// Of a moment, its nanoseconds cut.
    #[must_use]
    pub fn new(moment: OffsetDateTime) -> Self {
        let moment = moment.to_offset(UtcOffset::UTC);
        let cut = i64::from(moment.nanosecond() % 1_000);
        Self(moment.checked_sub(Duration::nanoseconds(cut)).unwrap_or(moment))
    }

    /// Of a moment; nothing when that is not within the years 0 to 9999 of UTC.
    #[must_use]
    pub fn from_moment(moment: OffsetDateTime) -> Option<Self> {
        // An offset can push the year out of what can be written again.
        let utc = moment.checked_to_offset(UtcOffset::UTC)?;
        Some(Self::new(utc)).filter(|timestamp| timestamp.in_range())
    }

    /// Of microseconds since 1970; nothing when that is not within the years 0 to 9999.
    #[must_use]
    pub fn from_unix_micros(micros: i64) -> Option<Self> {
        let moment = OffsetDateTime::from_unix_timestamp_nanos(i128::from(micros) * 1_000).ok()?;
        Some(Self(moment)).filter(|timestamp| timestamp.in_range())
    }

    /// Of an RFC 3339 text.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::from_moment(OffsetDateTime::parse(text.trim(), &Rfc3339).ok()?)
    }

    /// Of a number as programs write it: seconds, milliseconds, microseconds or nanoseconds since 1970, told apart by
    /// size (the ranges do not meet for any moment between 1973 and 5138).
    #[must_use]
    pub fn from_number(number: f64) -> Option<Self> {
        if !number.is_finite() || number < 0.0 {
            return None;
        }
        let micros = match number {
            n if n < 1e11 => n * 1e6,
            n if n < 1e14 => n * 1e3,
            n if n < 1e17 => n,
            n => n / 1e3,
        };
        #[expect(
            clippy::cast_possible_truncation,
            reason = "a float beyond the range of i64 saturates, which is out of range below"
        )]
        Self::from_unix_micros(micros as i64)
    }

    /// Microseconds since 1970.
    #[must_use]
    pub fn unix_micros(self) -> i64 {
        self.0.unix_timestamp() * 1_000_000 + i64::from(self.0.microsecond())
    }

    /// The moment itself.
    #[must_use]
    pub fn moment(self) -> OffsetDateTime {
        self.0
    }

    fn in_range(self) -> bool {
        (0..=9999).contains(&self.0.year())
    }
}

impl Timestamp {
    /// The text of a moment within the years 0 to 9999, which is what [`FORMAT`] makes of it: every message has one.
    pub(crate) fn digits(self) -> Option<[u8; 27]> {
        if !self.in_range() {
            return None;
        }
        let mut text = *b"0000-00-00T00:00:00.000000Z";
        let mut put = |end: usize, length: usize, number: u32| {
            let mut rest = number;
            for place in text[end - length..end].iter_mut().rev() {
                *place = b'0' + (rest % 10) as u8;
                rest /= 10;
            }
        };
        let (year, month, day) = self.0.to_calendar_date();
        put(4, 4, year.unsigned_abs());
        put(7, 2, u32::from(u8::from(month)));
        put(10, 2, u32::from(day));
        put(13, 2, u32::from(self.0.hour()));
        put(16, 2, u32::from(self.0.minute()));
        put(19, 2, u32::from(self.0.second()));
        put(26, 6, self.0.microsecond());
        Some(text)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.digits() {
            Some(digits) => formatter.write_str(std::str::from_utf8(&digits).map_err(|_| fmt::Error)?),
            None => formatter.write_str(&self.0.format(FORMAT).map_err(|_| fmt::Error)?),
        }
    }
}

#[cfg(test)]
mod tests;
