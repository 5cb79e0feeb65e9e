//! Numbers, spans and moments as people read them.

use message::Timestamp;
use time::macros::format_description;

/// A count with its thousands apart.
#[must_use]
pub fn count(number: i64) -> String {
    let digits = number.unsigned_abs().to_string();
    let mut text = String::from(if number < 0 { "-" } else { "" });
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A large count in three figures or so.
#[must_use]
pub fn short(number: i64) -> String {
    let tenth = |unit: i64| format!("{}.{}", number / unit, number % unit * 10 / unit);
    match number {
        ..10_000 => count(number),
        10_000..1_000_000 => format!("{} k", number / 1_000),
        1_000_000..10_000_000 => format!("{} M", tenth(1_000_000)),
        _ => format!("{} M", count(number / 1_000_000)),
    }
}

/// A span in its two largest units.
#[must_use]
pub fn span(seconds: i64) -> String {
    let seconds = seconds.max(0);
    match seconds {
        0..60 => format!("{seconds} s"),
        60..600 => format!("{} m {:02} s", seconds / 60, seconds % 60),
        600..3_600 => format!("{} m", seconds / 60),
        3_600..86_400 => format!("{} h {:02} m", seconds / 3_600, seconds % 3_600 / 60),
        _ => format!("{} d {:02} h", seconds / 86_400, seconds % 86_400 / 3_600),
    }
}

/// How long a call took.
#[must_use]
pub fn duration(milliseconds: f64) -> String {
    match milliseconds / 1_000.0 {
        seconds if seconds < 1.0 => format!("{seconds:.2} s"),
        seconds if seconds < 60.0 => format!("{seconds:.1} s"),
        #[expect(clippy::cast_possible_truncation, reason = "a float beyond the range saturates, and still reads as very long")]
        seconds => span(seconds as i64),
    }
}

/// A size.
#[must_use]
pub fn bytes(size: usize) -> String {
    match size {
        0..1_024 => format!("{size} B"),
        1_024..1_048_576 => format!("{} KiB", size / 1_024),
        _ => format!("{}.{} MiB", size / 1_048_576, size % 1_048_576 * 10 / 1_048_576),
    }
}

/// The time of the day with milliseconds.
#[must_use]
pub fn clock(timestamp: Timestamp) -> String {
    let format = format_description!("[hour]:[minute]:[second].[subsecond digits:3]");
    timestamp.moment().format(format).unwrap_or_default()
}

/// The day, for programs.
#[must_use]
pub fn day(timestamp: Timestamp) -> String {
    timestamp.moment().format(format_description!("[year]-[month]-[day]")).unwrap_or_default()
}

/// The day, for people.
#[must_use]
pub fn long_day(timestamp: Timestamp) -> String {
    let format = format_description!("[weekday] [day padding:none] [month repr:long] [year]");
    timestamp.moment().format(format).unwrap_or_default()
}

/// How long ago, within the day; else the day.
#[must_use]
pub fn ago(then: Timestamp, now: Timestamp) -> String {
    match (now.unix_micros() - then.unix_micros()) / 1_000_000 {
        ..2 => "now".to_owned(),
        seconds @ 2..60 => format!("{seconds} s ago"),
        seconds @ 60..3_600 => format!("{} m ago", seconds / 60),
        seconds @ 3_600..86_400 => format!("{} h ago", seconds / 3_600),
        _ => then.moment().format(format_description!("[day padding:none] [month repr:short]")).unwrap_or_default(),
    }
}

/// A text of one line in which a long middle gives way.
#[must_use]
pub fn middle_cut(text: &str, most: usize) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    let line = words.join(" ");
    let length = line.chars().count();
    if length <= most {
        return line;
    }
    let tail = most / 3;
    let head: String = line.chars().take(most - tail - 1).collect();
    let end: String = line.chars().skip(length - tail).collect();
    format!("{head}…{end}")
}

#[cfg(test)]
mod tests;
