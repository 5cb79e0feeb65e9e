//! Sizes as Kubernetes writes them.

use std::str::FromStr;

/// A number of bytes: digits, and `Ki`, `Mi`, `Gi` or `Ti` for powers of 1,024, or `k`, `M`, `G` or `T` for powers of 1,000.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size(pub u64);

/// The text is no size.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("it is no size; write it as 50Gi, 500M or in bytes")]
pub struct SizeError;

impl FromStr for Size {
    type Err = SizeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let end = text.find(|character: char| !character.is_ascii_digit()).unwrap_or(text.len());
        let (digits, unit) = text.split_at(end);
        let (base, power): (u64, u32) = match unit {
            "" => (1, 0),
            "Ki" => (1_024, 1),
            "Mi" => (1_024, 2),
            "Gi" => (1_024, 3),
            "Ti" => (1_024, 4),
            "k" => (1_000, 1),
            "M" => (1_000, 2),
            "G" => (1_000, 3),
            "T" => (1_000, 4),
            _ => return Err(SizeError),
        };
        let number: u64 = digits.parse().map_err(|_| SizeError)?;
        number.checked_mul(base.pow(power)).map(Self).ok_or(SizeError)
    }
}

#[cfg(test)]
mod tests;
