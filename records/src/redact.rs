//! Secrets replaced by `[redacted:NAME]` before anything leaves the process.
//!
//! A maintained set of patterns ([`patterns`]) and the user's own run over every text of a message: content, tool and
//! attributes with all that is nested in them, keys too. Time is linear in the text: the `regex` crate never backtracks,
//! and a user's pattern has a size limit. A text is searched once for the words that no secret of the default set can do
//! without ([`anchors`]); only the patterns of those that stand in it are tried, and only these are ever compiled.

mod anchors;
mod patterns;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::OnceLock;

use regex::{Captures, Regex, RegexBuilder};
use serde_json::{Map, Value};

use crate::draft::Draft;
use anchors::Anchors;
use patterns::{DEFAULTS, SECRET_KEYS};

/// Name of the pattern of private keys, which are also known line by line.
pub(crate) const PRIVATE_KEY: &str = "private-key";

/// How many replacements were made, by pattern name.
pub type Redactions = BTreeMap<String, u64>;

/// Largest compiled size of a user's pattern.
const USER_PATTERN_SIZE: usize = 1 << 20;

/// Largest memory that searching with one pattern may keep.
const CACHE_SIZE: usize = 128 * 1024;

/// Whether a match is a secret after all.
type Accept = fn(&Captures<'_>) -> bool;

/// A user's pattern means what it says.
const ALWAYS: Accept = |_| true;

/// A user's pattern that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("pattern `{name}` cannot be used: write it as in the documentation of the regex crate, below 1 MiB compiled")]
pub struct PatternError {
    /// Name of the pattern.
    pub name: String,
    #[source]
    source: regex::Error,
}

/// Replaces secrets. Made once, shared by all sources.
#[derive(Debug)]
pub struct Redactor {
    /// Words without which no default pattern matches.
    anchors: Anchors,
    defaults: Vec<OnceLock<Option<Pattern>>>,
    user: Vec<Pattern>,
}

#[derive(Debug)]
struct Pattern {
    name: String,
    regex: Regex,
    accept: Accept,
}

impl Default for Redactor {
    fn default() -> Self {
        Self::with(Vec::new())
    }
}

impl Redactor {
    /// The default patterns and the user's, which are pairs of name and regular expression. A match is replaced whole, or
    /// its group `secret` where it has one.
    pub fn new(user: &[(String, String)]) -> Result<Self, PatternError> {
        let compile = |(name, regex): &(String, String)| Pattern::new(name, regex, ALWAYS);
        Ok(Self::with(user.iter().map(compile).collect::<Result<_, _>>()?))
    }

    fn with(user: Vec<Pattern>) -> Self {
        let anchors = Anchors::new(DEFAULTS.iter().map(|default| (default.anchors, default.plausible)));
        Self { anchors, defaults: DEFAULTS.iter().map(|_| OnceLock::new()).collect(), user }
    }

    /// Checks a user's pattern: name and regular expression.
    pub fn check((name, regex): &(String, String)) -> Result<(), PatternError> {
        Pattern::new(name, regex, ALWAYS).map(drop)
    }

    /// The text without its secrets; nothing where it has none.
    #[must_use]
    pub fn text(&self, text: &str, redactions: &mut Redactions) -> Option<String> {
        let mut replaced = None;
        let mut plausible = self.anchors.find(text.as_bytes());
        while plausible != 0 {
            self.replace_default(plausible.trailing_zeros() as usize, text, &mut replaced, redactions);
            plausible &= plausible - 1;
        }
        for pattern in &self.user {
            pattern.replace(text, &mut replaced, redactions);
        }
        replaced
    }

    fn replace_default(&self, number: usize, text: &str, replaced: &mut Option<String>, redactions: &mut Redactions) {
        let default = &DEFAULTS[number];
        let pattern = self.defaults[number].get_or_init(|| Pattern::new(default.name, default.regex, default.accept).ok());
        match pattern {
            Some(pattern) => pattern.replace(text, replaced, redactions),
            // The default patterns are tested; if one could not be made all the same, no text where it might match is shown.
            None => *replaced = Some(mark(default.name)),
        }
    }

    /// Every text of a draft.
    pub(crate) fn draft(&self, draft: &mut Draft, redactions: &mut Redactions) {
        if draft.private_key_lines > 0 {
            *redactions.entry(PRIVATE_KEY.to_owned()).or_default() += u64::from(draft.private_key_lines);
        }
        let texts = [&mut draft.content, &mut draft.agent_id, &mut draft.stage, &mut draft.channel];
        for text in texts.into_iter().flatten() {
            self.string(text, redactions);
        }
        if let Some(tool) = &mut draft.tool {
            self.object(&mut tool.0, redactions);
        }
        self.object(&mut draft.attrs, redactions);
    }

    fn string(&self, text: &mut String, redactions: &mut Redactions) {
        if let Some(replaced) = self.text(text, redactions) {
            *text = replaced;
        }
    }

    fn value(&self, value: &mut Value, redactions: &mut Redactions) {
        match value {
            Value::String(text) => self.string(text, redactions),
            Value::Array(values) => values.iter_mut().for_each(|value| self.value(value, redactions)),
            Value::Object(object) => self.object(object, redactions),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    fn object(&self, object: &mut Map<String, Value>, redactions: &mut Redactions) {
        for (key, value) in object.iter_mut() {
            match value {
                Value::String(text) if is_secret_key(key) && text.len() >= 4 && !text.starts_with("[redacted:") => {
                    *text = mark("assignment");
                    count("assignment", redactions);
                }
                value => self.value(value, redactions),
            }
        }
        let mut ignored = Redactions::new();
        if object.keys().any(|key| self.text(key, &mut ignored).is_some()) {
            self.keys(object, redactions);
        }
    }

    /// Replaces secrets in keys; two that become one word are told apart by a number.
    fn keys(&self, object: &mut Map<String, Value>, redactions: &mut Redactions) {
        for (key, value) in std::mem::take(object) {
            let base = self.text(&key, redactions).unwrap_or(key);
            let mut key = base.clone();
            let mut number = 1;
            while object.contains_key(&key) {
                number += 1;
                key = format!("{base}#{number}");
            }
            object.insert(key, value);
        }
    }
}

impl Pattern {
    fn new(name: &str, regex: &str, accept: Accept) -> Result<Self, PatternError> {
        let built = RegexBuilder::new(regex).size_limit(USER_PATTERN_SIZE).dfa_size_limit(CACHE_SIZE).build();
        let regex = built.map_err(|source| PatternError { name: name.to_owned(), source })?;
        Ok(Self { name: name.to_owned(), regex, accept })
    }

    fn replace(&self, text: &str, replaced: &mut Option<String>, redactions: &mut Redactions) {
        let current = replaced.as_deref().unwrap_or(text);
        let with = |captures: &Captures<'_>| self.replacement(captures, redactions);
        if let Cow::Owned(next) = self.regex.replace_all(current, with) {
            *replaced = Some(next);
        }
    }

    fn replacement(&self, captures: &Captures<'_>, redactions: &mut Redactions) -> String {
        let whole = &captures[0];
        let start = captures.get(0).map_or(0, |whole| whole.start());
        let Some(secret) = captures.name("secret").map(|secret| secret.start() - start..secret.end() - start) else {
            count(&self.name, redactions);
            return mark(&self.name);
        };
        if whole[secret.clone()].contains("[redacted:") || !(self.accept)(captures) {
            return whole.to_owned();
        }
        count(&self.name, redactions);
        format!("{}{}{}", &whole[..secret.start], mark(&self.name), &whole[secret.end..])
    }
}

/// What stands in the place of a secret.
pub(crate) fn mark(name: &str) -> String {
    format!("[redacted:{name}]")
}

fn count(name: &str, redactions: &mut Redactions) {
    if let Some(count) = redactions.get_mut(name) {
        *count += 1;
    } else {
        redactions.insert(name.to_owned(), 1);
    }
}

/// Whether the value under this key is a secret by its name alone.
fn is_secret_key(key: &str) -> bool {
    SECRET_KEYS.iter().any(|secret| key.eq_ignore_ascii_case(secret))
}

#[cfg(test)]
mod tests;
