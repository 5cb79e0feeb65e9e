//! Durations as Kubernetes resources of Go programs write them: `168h`, `1h30m`, `500ms`.

use std::time::Duration;

/// Reads one; nothing when it is none.
pub(super) fn parse(text: &str) -> Option<Duration> {
    if text == "0" {
        return Some(Duration::ZERO);
    }
    let mut rest = text;
    let mut total = Duration::ZERO;
    while !rest.is_empty() {
        let digits = rest.find(|character: char| !character.is_ascii_digit())?;
        let number: u64 = rest.get(..digits)?.parse().ok()?;
        rest = rest.get(digits..)?;
        let end = rest.find(|character: char| character.is_ascii_digit()).unwrap_or(rest.len());
        let part = match rest.get(..end)? {
            "ns" => Duration::from_nanos(number),
            "us" | "µs" => Duration::from_micros(number),
            "ms" => Duration::from_millis(number),
            "s" => Duration::from_secs(number),
            "m" => Duration::from_secs(number.checked_mul(60)?),
            "h" => Duration::from_secs(number.checked_mul(3_600)?),
            _ => return None,
        };
        total = total.checked_add(part)?;
        rest = rest.get(end..)?;
    }
    (!text.is_empty()).then_some(total)
}
