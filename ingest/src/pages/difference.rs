//! Differences between two versions of a text: told from other output, counted, and coloured line by line.

use std::borrow::Cow;
use std::fmt;

use maud::{Markup, html};
use serde_json::{Map, Value};

use super::markdown;

/// How many lines of a text are looked at to tell whether it is a difference.
const FIRST_LINES: usize = 12;
/// What the patches of agents begin with.
const PATCH: &str = "*** Begin Patch";
/// What else stands above the lines of a file.
const HEADS: [&str; 9] =
    ["--- ", "+++ ", "index ", "new file ", "deleted file ", "old mode ", "new mode ", "similarity ", "rename "];

/// What a line of a difference is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sort {
    Added,
    Removed,
    /// Says where.
    Place,
    Same,
}

/// How many lines were changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Change {
    /// Lines that only the new text has.
    pub added: usize,
    /// Lines that only the old one has.
    pub removed: usize,
}

impl fmt::Display for Change {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "+{} −{}", self.added, self.removed)
    }
}

/// Whether a text is a difference: as `diff -u` and `git` write it, or a patch of an agent.
#[must_use]
pub fn is_one(text: &str) -> bool {
    let tells = |line: &str| line.starts_with("@@ ") || line.starts_with("diff --git ") || line == PATCH;
    text.lines().take(FIRST_LINES).any(tells)
}

/// How many lines a difference changes; nothing for other texts.
#[must_use]
pub fn change(text: &str) -> Option<Change> {
    if !is_one(text) {
        return None;
    }
    let mut change = Change::default();
    for (sort, _) in sorted(text) {
        match sort {
            Sort::Added => change.added += 1,
            Sort::Removed => change.removed += 1,
            Sort::Place | Sort::Same => {}
        }
    }
    (change != Change::default()).then_some(change)
}

/// The lines of a difference, each as what it is.
#[must_use]
pub fn render(text: &str) -> Markup {
    html! {
        @for (sort, line) in sorted(text) {
            @match sort {
                Sort::Added => ins { (markdown::plain(line)) },
                Sort::Removed => del { (markdown::plain(line)) },
                Sort::Place => span.place { (markdown::plain(line)) },
                Sort::Same => (markdown::plain(line)),
            }
        }
    }
}

/// The difference that arguments of a tool ask for: a patch among them, or texts to be put in place of others. What else they
/// say stands above it.
#[must_use]
pub fn of_arguments(arguments: &Value) -> Option<String> {
    match arguments {
        Value::String(text) => is_one(text).then(|| text.clone()),
        Value::Object(object) => patch_of(object).or_else(|| edits_of(object)),
        _ => None,
    }
}

fn patch_of(object: &Map<String, Value>) -> Option<String> {
    let (name, patch) = object.iter().find_map(|(name, value)| Some((name, text_of(value).filter(|text| is_one(text))?)))?;
    Some(others(object, &[name]) + &patch)
}

/// A text, or words as a command has them.
fn text_of(value: &Value) -> Option<Cow<'_, str>> {
    match value {
        Value::String(text) => Some(Cow::Borrowed(text)),
        Value::Array(words) => {
            words.iter().map(Value::as_str).collect::<Option<Vec<_>>>().map(|words| Cow::Owned(words.join("\n")))
        }
        _ => None,
    }
}

fn edits_of(object: &Map<String, Value>) -> Option<String> {
    let one = |object: &Map<String, Value>| {
        let text = |name: &str| object.get(name).and_then(Value::as_str);
        Some(others(object, &["old_string", "new_string"]) + &between(text("old_string")?, text("new_string")?))
    };
    if let Some(Value::Array(edits)) = object.get("edits") {
        let edits: String = edits.iter().map(|edit| edit.as_object().and_then(one)).collect::<Option<_>>()?;
        return Some(others(object, &["edits"]) + &edits);
    }
    one(object)
}

/// The other arguments, as lines that say where.
fn others(object: &Map<String, Value>, but: &[&str]) -> String {
    let mut lines = String::new();
    for (name, value) in object.iter().filter(|(name, _)| !but.contains(&name.as_str())) {
        let value = value.as_str().map_or_else(|| value.to_string(), |text| text.replace('\n', " "));
        lines.extend(["@@ ", name, ": ", &value, "\n"]);
    }
    // An edit that says nothing else is a difference all the same.
    if lines.is_empty() { "@@ \n".to_owned() } else { lines }
}

/// The lines of two texts, what they share at both ends as context.
fn between(old: &str, new: &str) -> String {
    let (old, new): (Vec<&str>, Vec<&str>) = (old.lines().collect(), new.lines().collect());
    let start = old.iter().zip(&new).take_while(|(old, new)| old == new).count();
    let most = old.len().min(new.len()) - start;
    let end = old.iter().rev().zip(new.iter().rev()).take(most).take_while(|(old, new)| old == new).count();
    let mut lines = String::new();
    let mut write = |mark: char, text: &[&str]| {
        for line in text {
            lines.push(mark);
            lines += line;
            lines.push('\n');
        }
    };
    write(' ', &old[..start]);
    write('-', &old[start..old.len() - end]);
    write('+', &new[start..new.len() - end]);
    write(' ', &old[old.len() - end..]);
    lines
}

fn sorted(text: &str) -> impl Iterator<Item = (Sort, &str)> {
    let mut hunk = Hunk::default();
    text.split_inclusive('\n').map(move |line| (hunk.sort(line), line))
}

/// How many lines of the old and of the new text are still to come: a removed line may look like the head of a file.
#[derive(Default)]
struct Hunk {
    old: usize,
    new: usize,
}

impl Hunk {
    const WITHOUT_END: Self = Self { old: usize::MAX, new: usize::MAX };

    fn sort(&mut self, line: &str) -> Sort {
        if line.starts_with("@@") {
            *self = Self::of(line).unwrap_or(Self::WITHOUT_END);
            return Sort::Place;
        }
        if line.starts_with("*** ") {
            // A file that a patch adds has no hunks.
            *self = Self::WITHOUT_END;
            return Sort::Place;
        }
        if line.starts_with("diff --git ") {
            *self = Self::default();
            return Sort::Place;
        }
        if self.old == 0 && self.new == 0 {
            return if HEADS.iter().any(|head| line.starts_with(head)) { Sort::Place } else { Sort::Same };
        }
        let (sort, old, new) = match line.as_bytes().first() {
            Some(b'+') => (Sort::Added, 0, 1),
            Some(b'-') => (Sort::Removed, 1, 0),
            Some(b'\\') => (Sort::Place, 0, 0),
            _ => (Sort::Same, 1, 1),
        };
        self.old = self.old.saturating_sub(old);
        self.new = self.new.saturating_sub(new);
        sort
    }

    /// From the head of a hunk: `@@ -41,7 +41,10 @@`; a count that is not there is 1.
    fn of(line: &str) -> Option<Self> {
        let mut words = line.split(' ').skip(1);
        let mut count = |mark: char| {
            let range = words.next()?.strip_prefix(mark)?;
            range.split_once(',').map_or(Some(1), |(_, count)| count.parse().ok())
        };
        Some(Self { old: count('-')?, new: count('+')? })
    }
}

#[cfg(test)]
mod tests;
