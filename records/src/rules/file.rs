//! Rules as they are written down, apart from what they become.

use std::ops::Range;
use std::time::Duration;

use regex::{Regex, RegexBuilder};
use serde::Deserialize;
use toml::Spanned;

use super::rule::{self, Rule};
use super::{Format, Grouping, RULES_LIMIT, Rules, RulesError, WAIT};

/// Largest compiled size of a pattern.
const PATTERN_SIZE: usize = 1 << 20;

/// Largest compiled size of all patterns together, shared evenly: whoever checks rules for others, as the injector does while a
/// pod is waiting to be made, must be done in a moment.
const ALL_PATTERNS_SIZE: usize = 8 << 20;

/// Most patterns, wherever they stand.
const PATTERN_LIMIT: usize = 128;

/// Largest memory that searching with a pattern may keep.
const CACHE_SIZE: usize = 256 * 1024;

/// Most rules: each is tried at each line.
const RULE_LIMIT: usize = 64;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    format: Option<Spanned<String>>,
    lines: Option<Lines>,
    #[serde(default)]
    rule: Vec<Spanned<FileRule>>,
    #[serde(default)]
    redact: Vec<Redact>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Lines {
    start: Option<Spanned<OneOrMore>>,
    #[serde(rename = "continue")]
    further: Option<Spanned<OneOrMore>>,
    wait_ms: Option<Spanned<u64>>,
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "a pattern or a list of patterns")]
enum OneOrMore {
    One(String),
    More(Vec<String>),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileRule {
    pattern: Spanned<String>,
    kind: Option<Spanned<String>>,
    role: Option<Spanned<String>>,
    agent_id: Option<String>,
    stage: Option<String>,
    channel: Option<String>,
    timestamp_format: Option<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Redact {
    name: Spanned<String>,
    pattern: Spanned<String>,
}

/// Reads and checks a text.
pub(super) fn read(text: &str) -> Result<Rules, RulesError> {
    let mut reader = Reader { text, pattern_size: PATTERN_SIZE };
    if text.len() > RULES_LIMIT {
        return Err(reader.error(0..0, format!("the rules have {} bytes; at most {RULES_LIMIT} are read", text.len())));
    }
    let file: File = toml::from_str(text)
        .map_err(|error| reader.error(error.span().unwrap_or_default(), error.message().trim_end().replace('\n', ", ")))?;
    if let Some(rule) = file.rule.get(RULE_LIMIT) {
        return Err(reader.error(rule.span(), format!("there are {} rules; at most {RULE_LIMIT} are used", file.rule.len())));
    }
    let patterns = file.patterns();
    if patterns > PATTERN_LIMIT {
        return Err(reader.error(0..0, format!("there are {patterns} patterns; at most {PATTERN_LIMIT} are used")));
    }
    reader.pattern_size = PATTERN_SIZE.min(ALL_PATTERNS_SIZE / patterns.max(1));
    let format = file.format.as_ref().map_or(Ok(Format::Auto), |format| reader.word(format))?;
    Ok(Rules {
        format,
        grouping: file.lines.as_ref().map(|lines| reader.grouping(lines)).transpose()?,
        readers: file.rule.iter().map(|rule| reader.rule(rule)).collect::<Result<_, _>>()?,
        redact: file.redact.iter().map(|redact| reader.redact(redact)).collect::<Result<_, _>>()?,
    })
}

impl File {
    fn patterns(&self) -> usize {
        let count =
            |patterns: &Option<Spanned<OneOrMore>>| patterns.as_ref().map_or(0, |patterns| patterns.get_ref().list().len());
        let of_lines = self.lines.as_ref().map_or(0, |lines| count(&lines.start) + count(&lines.further));
        of_lines + self.rule.len() + self.redact.len()
    }
}

impl OneOrMore {
    fn list(&self) -> &[String] {
        match self {
            Self::One(pattern) => std::slice::from_ref(pattern),
            Self::More(patterns) => patterns,
        }
    }
}

struct Reader<'a> {
    text: &'a str,
    pattern_size: usize,
}

impl Reader<'_> {
    fn error(&self, span: Range<usize>, reason: String) -> RulesError {
        let before = &self.text.as_bytes()[..span.start.min(self.text.len())];
        RulesError { line: 1 + memchr::memchr_iter(b'\n', before).count(), reason }
    }

    fn word<T: std::str::FromStr<Err = String>>(&self, word: &Spanned<String>) -> Result<T, RulesError> {
        word.get_ref().parse().map_err(|reason| self.error(word.span(), reason))
    }

    fn pattern(&self, pattern: &str, span: Range<usize>) -> Result<Regex, RulesError> {
        let built = RegexBuilder::new(pattern).size_limit(self.pattern_size).dfa_size_limit(CACHE_SIZE).build();
        built.map_err(|error| {
            let reason = error.to_string();
            let last = reason.lines().last().unwrap_or_default().trim_start_matches("error: ");
            self.error(span, format!("the pattern `{pattern}` cannot be used: {last}"))
        })
    }

    fn patterns(&self, patterns: Option<&Spanned<OneOrMore>>) -> Result<Vec<Regex>, RulesError> {
        let Some(patterns) = patterns else { return Ok(Vec::new()) };
        patterns.get_ref().list().iter().map(|pattern| self.pattern(pattern, patterns.span())).collect()
    }

    fn grouping(&self, lines: &Lines) -> Result<Grouping, RulesError> {
        let (start, further) = (self.patterns(lines.start.as_ref())?, self.patterns(lines.further.as_ref())?);
        if start.is_empty() && further.is_empty() {
            let at = self.text.find("[lines]").unwrap_or_default();
            return Err(self.error(at..at, "`lines` needs `start`, `continue` or both".to_owned()));
        }
        let wait = match &lines.wait_ms {
            None => WAIT,
            Some(wait) if (10..=60_000).contains(wait.get_ref()) => Duration::from_millis(*wait.get_ref()),
            Some(wait) => {
                return Err(self.error(wait.span(), format!("`wait_ms` is {}; use 10 to 60000", wait.get_ref())));
            }
        };
        Ok(Grouping::new(start, further, wait))
    }

    fn rule(&self, rule: &Spanned<FileRule>) -> Result<Rule, RulesError> {
        let FileRule { pattern, kind, role, agent_id, stage, channel, timestamp_format } = rule.get_ref();
        let mut read = Rule::new(self.pattern(pattern.get_ref(), pattern.span())?);
        if let Some(kind) = kind {
            let known = message::Kind::new(kind.get_ref()).filter(|kind| !kind.is_control());
            let wrong = || self.error(kind.span(), format!("`{}` is no kind that a step may say", kind.get_ref()));
            read.kind = Some(known.ok_or_else(wrong)?);
        }
        if let Some(role) = role {
            let wrong =
                || self.error(role.span(), format!("`{}` is no role; use system, user, assistant or tool", role.get_ref()));
            read.role = Some(message::Role::new(role.get_ref()).ok_or_else(wrong)?);
        }
        if let Some(format) = timestamp_format {
            let wrong = |reason| self.error(format.span(), format!("`{}` is no format of a time: {reason}", format.get_ref()));
            read.timestamp_format = Some(rule::time_format(format.get_ref()).map_err(wrong)?);
            if !read.names("timestamp") {
                return Err(self.error(format.span(), "`timestamp_format` needs a group `timestamp` in the pattern".to_owned()));
            }
        }
        let given = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        (read.agent_id, read.stage, read.channel) = (given(agent_id), given(stage), given(channel));
        if read.says_nothing() {
            let reason = "the rule neither names a group, such as `(?P<content>.*)`, nor sets a field, such as `kind`";
            return Err(self.error(rule.span(), reason.to_owned()));
        }
        Ok(read)
    }

    fn redact(&self, redact: &Redact) -> Result<(String, String), RulesError> {
        let (name, pattern) = (redact.name.get_ref(), redact.pattern.get_ref());
        if name.is_empty() || name.len() > 64 || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
        {
            let reason = format!("`{name}` is no name; use up to 64 letters, digits, `-`, `_` and `.`");
            return Err(self.error(redact.name.span(), reason));
        }
        self.pattern(pattern, redact.pattern.span())?;
        Ok((name.clone(), pattern.clone()))
    }
}
