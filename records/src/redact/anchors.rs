//! Finds the words without which no default pattern matches, in one pass over a text.
//!
//! Most texts hold no secret, so this pass is what redaction costs. It asks of each byte in which anchors it could be the
//! first, second or third byte of a run of three; anchors that all three agree on may stand there, and are compared in
//! full. Anchors share a bit where they are much alike, and when there are more of them than bits: that costs comparisons,
//! never a miss.

/// Bytes that are looked at before anything is compared in full.
const BLOCK: usize = 32;

/// Longest rest of a name that begins with an anchor.
const NAME_LIMIT: usize = 24;

/// A word that a pattern needs.
#[derive(Debug, Clone, Copy)]
pub(super) struct Anchor {
    text: &'static str,
    /// Where its rarest three bytes are.
    rare: usize,
    any_case: bool,
    /// Whether it begins a word.
    begins_word: bool,
    /// Whether more of a name may follow.
    goes_on: bool,
}

impl Anchor {
    /// A word as it is written, which begins a word.
    pub(super) const fn token(text: &'static str) -> Self {
        Self { text, rare: 0, any_case: false, begins_word: true, goes_on: false }
    }

    /// A word as it is written, anywhere.
    pub(super) const fn anywhere(text: &'static str) -> Self {
        Self { text, rare: 0, any_case: false, begins_word: false, goes_on: false }
    }

    /// A word in any case; its rarest three bytes begin at `rare`.
    pub(super) const fn any_case(text: &'static str, rare: usize) -> Self {
        Self { text, rare, any_case: true, begins_word: false, goes_on: false }
    }

    /// The same word as the beginning of a name.
    pub(super) const fn going_on(self) -> Self {
        Self { goes_on: true, ..self }
    }

    fn rare_bytes(&self) -> [u8; 3] {
        let bytes = self.text.as_bytes();
        [bytes[self.rare], bytes[self.rare + 1], bytes[self.rare + 2]]
    }

    /// Whether it differs from all of these in the same one of its rare bytes: then together they let nothing else pass.
    fn is_kin(&self, others: &[(Self, usize, Plausible)]) -> bool {
        let own = self.rare_bytes();
        let same = |place: usize, other: &Self| other.rare_bytes()[place] == own[place];
        let alike = |differs: usize, other: &Self| (0..3).all(|place| place == differs || same(place, other));
        let same_case = others.iter().all(|(other, ..)| other.any_case == self.any_case);
        same_case && (0..3).any(|differs| others.iter().all(|(other, ..)| alike(differs, other)))
    }

    /// Whether it stands here, where `at` is the place of its rarest bytes; gives the place after it.
    fn end_at(&self, text: &[u8], at: usize) -> Option<usize> {
        let start = at.checked_sub(self.rare)?;
        let end = start + self.text.len();
        let found = text.get(start..end)?;
        let same = if self.any_case { found.eq_ignore_ascii_case(self.text.as_bytes()) } else { found == self.text.as_bytes() };
        let is_word = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
        let begins = !self.begins_word || start == 0 || !text.get(start - 1).is_some_and(is_word);
        let is_name = |byte: &&u8| byte.is_ascii_alphabetic() || matches!(byte, b'_' | b'-');
        let more = if self.goes_on { text.get(end..)?.iter().take(NAME_LIMIT).take_while(is_name).count() } else { 0 };
        (same && begins).then_some(end + more)
    }
}

#[cfg(test)]
impl Anchor {
    /// Whether it stands in a text, found the slow way.
    pub(super) fn is_in(&self, text: &str, plausible: Plausible) -> bool {
        let text = text.as_bytes();
        (0..text.len()).any(|at| self.end_at(text, at).is_some_and(|end| plausible(text, end)))
    }
}

/// Whether a pattern may match around an anchor that ends here.
pub(super) type Plausible = fn(&[u8], usize) -> bool;

/// The anchors of all patterns.
#[derive(Debug)]
pub(super) struct Anchors {
    /// By byte: in which anchors it may stand first, second and third.
    may_be: Box<[[u64; 3]; 256]>,
    /// By bit: the anchors that share it, each with the number of its pattern.
    of_bit: Vec<Vec<(Anchor, usize, Plausible)>>,
}

impl Anchors {
    /// Of the anchors of each pattern; there are at most 64 patterns.
    pub(super) fn new<'a>(patterns: impl Iterator<Item = (&'a [Anchor], Plausible)>) -> Self {
        let mut may_be = Box::new([[0; 3]; 256]);
        let mut of_bit: Vec<Vec<(Anchor, usize, Plausible)>> = Vec::new();
        for (number, (anchors, plausible)) in patterns.enumerate() {
            for anchor in anchors {
                let kin = of_bit.iter().position(|others| anchor.is_kin(others));
                let bit = kin.unwrap_or(of_bit.len()) % 64;
                if bit == of_bit.len() {
                    of_bit.push(Vec::new());
                }
                for (place, byte) in anchor.rare_bytes().into_iter().enumerate() {
                    let cases = [byte, if anchor.any_case { byte.to_ascii_uppercase() } else { byte }];
                    for case in cases {
                        may_be[usize::from(case)][place] |= 1 << bit;
                    }
                }
                of_bit[bit].push((*anchor, number, plausible));
            }
        }
        Self { may_be, of_bit }
    }

    /// The patterns that may match in a text, a bit each.
    pub(super) fn find(&self, text: &[u8]) -> u64 {
        let mut patterns = 0;
        let mut start = 0;
        while let Some(block) = text.get(start..start + BLOCK + 2).and_then(|block| <&[u8; BLOCK + 2]>::try_from(block).ok()) {
            let mut any = 0;
            for index in 0..BLOCK {
                any |= self.at([block[index], block[index + 1], block[index + 2]]);
            }
            if any != 0 {
                patterns |= self.compare(text, start, start + BLOCK, patterns);
            }
            start += BLOCK;
        }
        let rest = text[start..].windows(3).fold(0, |any, bytes| any | self.at([bytes[0], bytes[1], bytes[2]]));
        if rest == 0 { patterns } else { self.compare(text, start, text.len() - 2, patterns) }
    }

    #[inline]
    fn at(&self, [first, second, third]: [u8; 3]) -> u64 {
        self.may_be[usize::from(first)][0] & self.may_be[usize::from(second)][1] & self.may_be[usize::from(third)][2]
    }

    fn compare(&self, text: &[u8], start: usize, end: usize, known: u64) -> u64 {
        let mut patterns = known;
        for at in start..end {
            let Some(&[first, second, third]) = text.get(at..at + 3).and_then(|bytes| <&[u8; 3]>::try_from(bytes).ok()) else {
                break;
            };
            let mut bits = self.at([first, second, third]);
            while bits != 0 {
                for (anchor, number, plausible) in &self.of_bit[bits.trailing_zeros() as usize] {
                    if patterns & 1 << number == 0 && anchor.end_at(text, at).is_some_and(|end| plausible(text, end)) {
                        patterns |= 1 << number;
                    }
                }
                bits &= bits - 1;
            }
        }
        patterns
    }
}

/// What follows an anchor is not looked at.
pub(super) const ANY: Plausible = |_, _| true;

/// Something is assigned: after a quote stands `=` or `:`.
pub(super) const ASSIGNED: Plausible = |text, end| {
    let rest = &text[end..];
    let rest = rest.strip_prefix(b"\\").unwrap_or(rest);
    let rest = rest.strip_prefix(b"\"").or_else(|| rest.strip_prefix(b"'")).unwrap_or(rest);
    let spaces = rest.iter().take(3).take_while(|byte| byte.is_ascii_whitespace() || **byte == 0x0b).count();
    matches!(rest.get(spaces), Some(b'=' | b':'))
};

/// A space follows.
pub(super) const SPACE: Plausible = |text, end| text.get(end).is_some_and(|byte| byte.is_ascii_whitespace() || *byte == 0x0b);

/// What follows ends in `@` and has a colon before it, as an authority with a password does.
pub(super) const HAS_USER: Plausible = |text, end| {
    let is_end = |byte: &u8| matches!(byte, b'/' | b'@') || byte.is_ascii_whitespace();
    let rest = &text[end..];
    let length = rest.iter().position(is_end).unwrap_or(rest.len());
    rest.get(length) == Some(&b'@') && rest[..length].contains(&b':')
};

#[cfg(test)]
mod tests;
