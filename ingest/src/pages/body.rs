//! A text of a message by itself, as its row would show it: what the script of a page puts in the place of a start, and what it
//! copies.

use maud::Markup;
use message::Kind;

use super::{row, tool};
use crate::api::markdown;
use crate::http::answer::{self, Answer};
use crate::stored::StoredMessage;

/// The part of a message of this name, up to a length or all of it; nothing where it is none.
#[must_use]
pub fn render(stored: &StoredMessage, part: &str, whole: bool) -> Option<Answer> {
    let most = if whole { usize::MAX } else { row::OPENED_BYTES };
    let is_tool = matches!(stored.message.kind.as_str(), Kind::TOOL_CALL | Kind::TOOL_RESULT);
    let html = |markup: Markup| answer::html(markup.into_string());
    match part {
        "content" if !is_tool => Some(html(row::content(stored, most, row::Place::Run))),
        "content" | "arguments" | "output" => Some(html(tool::part(stored, part, most))),
        "markdown" => Some(answer::whole("text/markdown; charset=utf-8", markdown::of(stored))),
        _ => None,
    }
}
