//! What a parser must remember between two lines, bounded, and written to the checkpoint with the offset it belongs to.

use std::sync::Arc;

use message::{Kind, Timestamp};
use serde::{Deserialize, Serialize};

use super::group::Groups;
use crate::draft::Draft;

/// Most calls that wait for their result; beyond it the oldest is forgotten, and its result stands alone.
const OPEN_LIMIT: usize = 256;

/// Longest id of a log that is remembered whole.
const ID_LIMIT: usize = 256;

/// Longest answer that is joined from pieces; a longer one becomes several messages.
const JOINED_LIMIT: usize = 64 * 1024;

/// Longest private key, in lines.
const PRIVATE_KEY_LINES: u16 = 256;

/// What the parser of one source knows after a line. Cheap to copy where nothing is open.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ParserState {
    /// The agent program whose events were recognised last: some of its events are told from others' only by that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) program: Option<Program>,
    /// Calls without a result so far, in the order of their lines.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    open: Vec<OpenCall>,
    /// An answer that comes in pieces.
    #[serde(skip_serializing_if = "Option::is_none")]
    joined: Option<Joined>,
    /// How many more lines a private key that began in a line of text may have; 0 outside one.
    #[serde(skip_serializing_if = "is_zero")]
    private_key_lines: u16,
    /// Lines of text that are one message, while more of them may come.
    #[serde(skip_serializing_if = "Groups::is_empty")]
    pub(super) groups: Groups,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_zero(number: &u16) -> bool {
    *number == 0
}

/// An agent program whose event log is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Program {
    Codex,
    Claude,
    Gemini,
    Runner,
}

impl Program {
    /// The agent that speaks, where nobody names another. A runner's log does not say whose it is.
    pub(super) fn agent(self) -> Option<&'static str> {
        match self {
            Self::Codex => Some("codex"),
            Self::Claude => Some("claude"),
            Self::Gemini => Some("gemini"),
            Self::Runner => None,
        }
    }
}

/// A call without a result so far.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct OpenCall {
    /// The log's id of it.
    id: String,
    /// Where its line begins.
    offset: u64,
    /// When it began, in microseconds since 1970.
    at: i64,
    /// Name of the tool.
    name: String,
}

/// A call that has its result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ClosedCall {
    /// The same as the call's: unique in the source, though logs use their ids again.
    pub(super) call_id: String,
    /// Name of the tool, where the call was seen.
    pub(super) name: Option<String>,
    /// How long it took, where the call was seen and both were not read in one go.
    pub(super) duration_ms: Option<i64>,
}

/// Pieces of an answer so far.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Joined {
    reasoning: bool,
    text: String,
    /// Of the first piece, in microseconds since 1970.
    at: i64,
    program: Program,
}

impl ParserState {
    /// A program starts: what an earlier one left open will never close.
    pub(super) fn start(&mut self, program: Program) {
        self.program = Some(program);
        self.open.clear();
    }

    /// Notes a call and gives its id.
    pub(super) fn open_call(&mut self, id: &str, name: &str, offset: u64, at: Timestamp) -> String {
        let key = short(id);
        self.open.retain(|call| call.id != key);
        if self.open.len() >= OPEN_LIMIT {
            self.open.remove(0);
        }
        let call_id = format!("{key}@{offset}");
        self.open.push(OpenCall { id: key, offset, at: at.unix_micros(), name: short(name) });
        call_id
    }

    /// The call that this result belongs to.
    pub(super) fn close_call(&mut self, id: &str, offset: u64, at: Timestamp) -> ClosedCall {
        let key = short(id);
        let Some(index) = self.open.iter().position(|call| call.id == key) else {
            return ClosedCall { call_id: format!("{key}@{offset}"), name: None, duration_ms: None };
        };
        let call = self.open.remove(index);
        // Read in one go, as after a restart, the times of reading tell nothing.
        let duration = Some(at.unix_micros() - call.at).filter(|micros| *micros > 0);
        ClosedCall {
            call_id: format!("{key}@{}", call.offset),
            name: Some(call.name),
            duration_ms: duration.map(|micros| micros / 1_000),
        }
    }

    /// The id of an open call, for what is said about it meanwhile.
    pub(super) fn call_id(&self, id: &str) -> Option<String> {
        let key = short(id);
        self.open.iter().find(|call| call.id == key).map(|call| format!("{key}@{}", call.offset))
    }

    /// Whether this line of text is the inside of a private key. Other lines may stand between a key's, where writers share
    /// a source.
    pub(super) fn is_private_key(state: &mut Arc<Self>, line: &str) -> bool {
        let begins = line.contains("-----BEGIN") && line.contains("PRIVATE KEY");
        if state.private_key_lines == 0 && !begins {
            return false;
        }
        let state = Arc::make_mut(state);
        let is_inside = state.private_key_lines > 0 && is_key_material(line);
        let is_end = line.contains("-----END");
        state.private_key_lines = match begins {
            true if !is_end => PRIVATE_KEY_LINES,
            false if !is_end => state.private_key_lines.saturating_sub(1),
            _ => 0,
        };
        is_inside
    }

    /// Since when text is held that may be the whole of a message.
    pub(crate) fn held_since(&self) -> Option<Timestamp> {
        self.groups.held_since()
    }

    /// Adds a piece of an answer. Gives the answer before it, where this piece belongs to another or there is no room.
    pub(super) fn join(&mut self, program: Program, kind: &'static str, piece: &str, at: Timestamp) -> Option<Draft> {
        let reasoning = kind == Kind::REASONING;
        let finished = match &self.joined {
            Some(joined) if joined.reasoning == reasoning && joined.text.len() + piece.len() <= JOINED_LIMIT => None,
            _ => self.flush(),
        };
        let empty = || Joined { reasoning, text: String::new(), at: at.unix_micros(), program };
        self.joined.get_or_insert_with(empty).text.push_str(piece);
        finished
    }

    /// The answer that was joined so far.
    pub(super) fn flush(&mut self) -> Option<Draft> {
        let joined = self.joined.take().filter(|joined| !joined.text.trim().is_empty())?;
        let kind = if joined.reasoning { Kind::REASONING } else { Kind::MESSAGE };
        let draft = Draft::new(kind, joined.text).at(Timestamp::from_unix_micros(joined.at));
        Some(Draft { program_agent: joined.program.agent(), ..draft })
    }
}

fn short(text: &str) -> String {
    text.chars().take(ID_LIMIT).collect()
}

/// A line of base64, alone or behind a prefix such as a line number.
fn is_key_material(line: &str) -> bool {
    let is_base64 = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=');
    let word = line.split_whitespace().next_back().unwrap_or_default();
    (word.len() >= 16 || word.ends_with('=')) && word.bytes().all(is_base64)
}
