//! A number in decimal without memory of its own: every message has several.

/// The digits of a number.
pub(crate) struct Decimal {
    digits: [u8; 20],
    begin: usize,
}

impl Decimal {
    pub(crate) fn of(number: u64) -> Self {
        let mut digits = [0; 20];
        let (mut begin, mut rest) = (digits.len(), number);
        loop {
            begin -= 1;
            digits[begin] = b'0' + (rest % 10) as u8;
            rest /= 10;
            if rest == 0 {
                return Self { digits, begin };
            }
        }
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.digits[self.begin..]
    }
}

#[cfg(test)]
mod tests;
