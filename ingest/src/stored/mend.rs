//! Makes every field one that its column and the keys of its tables take, so that `PostgreSQL` refuses nothing that viewers
//! were shown.

use std::borrow::Cow;
use std::fmt::Write as _;

use message::{Kind, Message};
use sha2::{Digest as _, Sha256};

/// The longest name, in bytes. The names that Kubernetes gives have at most 253; five of them and what lies between make the
/// longest key (of a container of a step), and an entry of an index has at most 2,704 bytes.
const LONGEST_NAME: usize = 512;
/// The longest kind, in bytes: as in subjects.
const LONGEST_KIND: usize = message::escape::KIND_LIMIT;
/// What replaces the end of a name that is too long: `~` and 16 hex digits, as in subjects.
const DIGEST: usize = 17;

/// Mends a message: no NUL in texts, no name longer than keys may be, no number beyond its column.
pub(super) fn message(message: &mut Message) {
    let run = &mut message.run;
    for text in [&mut run.namespace, &mut run.name, &mut run.uid, &mut message.agent_id] {
        name(text);
    }
    let optional = [
        &mut message.run_id,
        &mut message.step_id,
        &mut message.pod,
        &mut message.container,
        &mut message.stage,
        &mut message.channel,
        &mut message.runtime,
    ];
    for text in optional.into_iter().flatten() {
        name(text);
    }
    if let Some(source) = &mut message.source {
        name(&mut source.pod_uid);
        name(&mut source.label);
    }
    if let Some(content) = &mut message.content
        && content.contains('\0')
    {
        *content = text(content).into_owned();
    }
    kind(&mut message.kind);
    message.attempt = message.attempt.filter(|attempt| i32::try_from(*attempt).is_ok());
    message.seq = message.seq.filter(|seq| i64::try_from(*seq).is_ok());
}

/// A text that a column takes.
pub(super) fn text(text: &str) -> Cow<'_, str> {
    if text.contains('\0') { Cow::Owned(text.replace('\0', "\u{fffd}")) } else { Cow::Borrowed(text) }
}

fn name(name: &mut String) {
    if name.contains('\0') {
        *name = text(name).into_owned();
    }
    if name.len() > LONGEST_NAME {
        *name = cut(name, LONGEST_NAME);
    }
}

fn kind(kind: &mut Kind) {
    let word = kind.as_str();
    if word.len() <= LONGEST_KIND && !word.contains('\0') {
        return;
    }
    let mended = text(word);
    let mended = if mended.len() > LONGEST_KIND { cut(&mended, LONGEST_KIND) } else { mended.into_owned() };
    // Neither step empties a word, so it stays a kind.
    if let Some(mended) = Kind::new(&mended) {
        *kind = mended;
    }
}

/// The start of a text, and a digest of the whole, so that two long names stay two.
fn cut(text: &str, most: usize) -> String {
    let mut end = most - DIGEST;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let mut cut = text[..end].to_owned();
    cut.push('~');
    for byte in &Sha256::digest(text.as_bytes())[..8] {
        let written = write!(cut, "{byte:02x}");
        debug_assert!(written.is_ok(), "writing to a string cannot fail");
    }
    cut
}
