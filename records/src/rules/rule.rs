//! One rule: what stands where in a line of text.

use message::{Kind, Role, Timestamp};
use regex::Regex;
use time::format_description::{self, OwnedFormatItem};
use time::{OffsetDateTime, PrimitiveDateTime};

use crate::draft::Draft;

/// A pattern with named groups, and fields that are always the same. A group goes before the field of its name; groups of
/// other names become attributes.
#[derive(Debug, Clone)]
pub(crate) struct Rule {
    pattern: Regex,
    pub(super) kind: Option<Kind>,
    pub(super) role: Option<Role>,
    pub(super) agent_id: Option<String>,
    pub(super) stage: Option<String>,
    pub(super) channel: Option<String>,
    pub(super) timestamp_format: Option<OwnedFormatItem>,
}

impl Rule {
    pub(super) fn new(pattern: Regex) -> Self {
        Self { pattern, kind: None, role: None, agent_id: None, stage: None, channel: None, timestamp_format: None }
    }

    /// Whether the pattern has a group of this name.
    pub(super) fn names(&self, group: &str) -> bool {
        self.pattern.capture_names().flatten().any(|name| name == group)
    }

    pub(super) fn says_nothing(&self) -> bool {
        let fields = [&self.agent_id, &self.stage, &self.channel];
        let sets = self.kind.is_some() || self.role.is_some() || fields.iter().any(|field| field.is_some());
        !sets && self.pattern.capture_names().flatten().next().is_none()
    }

    /// Reads the first line of a draft's content, if it matches; the further lines stay as they are, so that nothing of a
    /// stack trace is lost.
    pub(crate) fn read(&self, draft: &mut Draft) -> bool {
        let Some(content) = draft.content.take() else { return false };
        let (first, further) = content.split_once('\n').map_or((content.as_str(), None), |(first, rest)| (first, Some(rest)));
        let Some(captures) = self.pattern.captures(first) else {
            draft.content = Some(content);
            return false;
        };
        self.fixed(draft);
        let mut said = None;
        for name in self.pattern.capture_names().flatten() {
            match captures.name(name).map(|group| group.as_str()) {
                Some(text) if name == "content" => said = Some(text),
                Some(text) if !text.is_empty() => self.group(draft, name, text),
                _ => {}
            }
        }
        draft.content = Some(match (said, further) {
            // What has no text cannot be a message.
            (Some(said), None) if !said.trim().is_empty() => said.to_owned(),
            (Some(said), Some(further)) => format!("{said}\n{further}"),
            _ => content,
        });
        true
    }

    fn fixed(&self, draft: &mut Draft) {
        if let Some(kind) = &self.kind {
            draft.kind = kind.clone();
        }
        draft.role = self.role;
        (draft.agent_id, draft.stage, draft.channel) = (self.agent_id.clone(), self.stage.clone(), self.channel.clone());
    }

    fn group(&self, draft: &mut Draft, name: &str, text: &str) {
        match name {
            "kind" => draft.kind = Kind::new(text).map_or_else(|| draft.kind.clone(), Kind::of_step),
            "role" => match Role::new(text) {
                Some(role) => draft.role = Some(role),
                None => unread(draft, name, text, "is none of system, user, assistant, tool"),
            },
            "agent_id" => draft.agent_id = Some(text.to_owned()),
            "stage" => draft.stage = Some(text.to_owned()),
            "channel" => draft.channel = Some(text.to_owned()),
            "timestamp" => match self.time(text) {
                Some(timestamp) => draft.timestamp = Some(timestamp),
                None => unread(draft, name, text, "is no time that can be read"),
            },
            _ => _ = draft.attrs.insert(name.to_owned(), text.into()),
        }
    }

    fn time(&self, text: &str) -> Option<Timestamp> {
        let text = text.trim();
        let Some(format) = &self.timestamp_format else { return usual_time(text) };
        let moment = OffsetDateTime::parse(text, format).ok();
        let moment = moment.or_else(|| PrimitiveDateTime::parse(text, format).ok().map(PrimitiveDateTime::assume_utc))?;
        Timestamp::from_moment(moment)
    }
}

/// A value that has not its field's type is kept as an attribute, and told.
fn unread(draft: &mut Draft, name: &str, text: &str, reason: &str) {
    draft.attrs.insert(name.to_owned(), text.into());
    draft.attrs.insert("parse_error".to_owned(), format!("`{name}` {reason}").into());
}

/// A format of a time as `strftime` has it.
pub(super) fn time_format(text: &str) -> Result<OwnedFormatItem, String> {
    format_description::parse_strftime_owned(text).map_err(|error| error.to_string())
}

/// A time as programs usually write it: RFC 3339, the same with a space or a comma or without a zone (then UTC), or a number
/// of seconds, milliseconds, microseconds or nanoseconds since 1970.
fn usual_time(text: &str) -> Option<Timestamp> {
    if let Some(timestamp) = Timestamp::parse(text) {
        return Some(timestamp);
    }
    if let Ok(number) = text.parse::<f64>() {
        return Timestamp::from_number(number);
    }
    let (date, clock) = text.split_once(['T', ' '])?;
    let (clock, zone) = match clock.find(['Z', '+', '-', ' ']) {
        Some(index) => (&clock[..index], clock[index..].trim()),
        None => (clock, ""),
    };
    let zone = match zone {
        "" | "UTC" | "GMT" => "Z".to_owned(),
        zone if zone.len() == 5 && zone.is_ascii() => format!("{}:{}", &zone[..3], &zone[3..]),
        zone => zone.to_owned(),
    };
    Timestamp::parse(&format!("{}T{}{zone}", date.replace('/', "-"), clock.replace(',', ".")))
}
