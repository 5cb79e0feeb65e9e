//! Amounts of a resource as Kubernetes writes them (`500m`, `64Mi`, `1.5`, `1e3`).

use std::fmt;

/// An amount: the text as written, and its size in thousandths for comparison.
#[derive(Clone, Debug)]
pub struct Quantity {
    text: String,
    millis: u128,
}

/// Suffixes and their size in thousandths of one.
const SUFFIXES: [(&str, u128); 13] = [
    ("Ki", 1000 << 10),
    ("Mi", 1000 << 20),
    ("Gi", 1000 << 30),
    ("Ti", 1000 << 40),
    ("Pi", 1000 << 50),
    ("Ei", 1000 << 60),
    ("m", 1),
    ("k", 1_000_000),
    ("M", 1_000_000_000),
    ("G", 1_000_000_000_000),
    ("T", 1_000_000_000_000_000),
    ("P", 1_000_000_000_000_000_000),
    ("E", 1_000_000_000_000_000_000_000),
];

impl Quantity {
    /// An amount known when this is compiled, in thousandths.
    pub(crate) fn known(text: &str, millis: u128) -> Self {
        Self { text: text.to_owned(), millis }
    }

    /// Reads an amount; none when it is not one, or finer than a thousandth.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (number, unit) =
            SUFFIXES.iter().find_map(|(suffix, unit)| Some((text.strip_suffix(suffix)?, *unit))).unwrap_or((text, 1000));
        let (number, exponent) = match number.split_once(['e', 'E']) {
            Some((number, exponent)) if unit == 1000 => (number, exponent.parse::<u32>().ok()?),
            Some(_) => return None,
            None => (number, 0),
        };
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        if !digits(whole) || !digits(fraction) || whole.len() + fraction.len() == 0 || fraction.len() > 9 {
            return None;
        }
        let value: u128 = format!("{whole}{fraction}").parse().ok()?;
        let scaled = value.checked_mul(unit)?.checked_mul(10_u128.checked_pow(exponent)?)?;
        let divisor = 10_u128.pow(u32::try_from(fraction.len()).ok()?);
        (scaled % divisor == 0).then(|| Self { text: text.to_owned(), millis: scaled / divisor })
    }

    /// Thousandths of one.
    #[must_use]
    pub fn in_millis(&self) -> u128 {
        self.millis
    }
}

impl PartialEq for Quantity {
    fn eq(&self, other: &Self) -> bool {
        self.millis == other.millis
    }
}

impl Eq for Quantity {}

impl fmt::Display for Quantity {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests;
