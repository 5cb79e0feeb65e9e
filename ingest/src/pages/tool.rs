//! A tool call and what the tool answered: one line that opens.

use maud::{Markup, html};
use message::{Kind, Message, Tool};
use serde_json::{Map, Value};

use super::{difference, figures, markdown, row};
use crate::api::event;
use crate::stored::StoredMessage;

/// More of arguments or output than this is fetched when the line is opened.
const SHOWN_BYTES: usize = 1_024;

/// The longest text of arguments in the line.
const ARGUMENTS_CHARS: usize = 160;

/// Arguments that say by themselves what a call is about, most telling first.
const TELLING: [&str; 12] =
    ["command", "cmd", "file_path", "path", "pattern", "query", "url", "uri", "prompt", "description", "task", "text"];

/// What pairs a result with its call: both are of one run, and a call id is unique in its pod at most.
#[must_use]
pub fn pair_key(message: &Message) -> Option<String> {
    let call_id = message.tool.as_ref()?.call_id()?;
    let is_tool = matches!(message.kind.as_str(), Kind::TOOL_CALL | Kind::TOOL_RESULT);
    is_tool.then(|| format!("{}|{}|{call_id}", message.run.uid, message.pod.as_deref().unwrap_or_default()))
}

/// The line of a call with its results, or of a result whose call is not on the page.
#[must_use]
pub fn render(stored: &StoredMessage, results: &[&StoredMessage]) -> Markup {
    let message = &stored.message;
    let empty = Tool::default();
    let tool = message.tool.as_ref().unwrap_or(&empty);
    let is_call = message.kind.as_str() == Kind::TOOL_CALL;
    html! {
        details.tool {
            summary {
                b.name { (tool.name().unwrap_or("tool")) }
                code.arguments { (summary_of(message.content.as_deref(), tool)) }
                (change(tool.arguments().and_then(difference::of_arguments).as_deref()))
                span.outcome {
                    @if is_call {
                        @match results.last() {
                            Some(result) => (outcome(&result.message)),
                            None => (outcome(message)),
                        }
                    } @else {
                        (outcome(message))
                    }
                }
            }
            @if is_call {
                (part(stored, "arguments", SHOWN_BYTES))
                @if message.content.is_some() { (part(stored, "content", SHOWN_BYTES)) }
            }
            div.results {
                @if is_call {
                    @for result in results { span id=(row::anchor(result)) {} (output(result)) }
                    // Some programs tell call and result in one message.
                    (part(stored, "output", SHOWN_BYTES))
                } @else {
                    (output(stored))
                }
            }
        }
    }
}

fn output(stored: &StoredMessage) -> Markup {
    let told = stored.message.tool.as_ref().and_then(Tool::output).is_some();
    part(stored, if told { "output" } else { "content" }, SHOWN_BYTES)
}

/// A text of a tool's message under its title, up to a length; nothing where the message has no such text.
#[must_use]
pub fn part(stored: &StoredMessage, name: &str, most: usize) -> Markup {
    let message = &stored.message;
    let tool = message.tool.as_ref();
    let text = match name {
        "arguments" => tool
            .and_then(Tool::arguments)
            .map(|arguments| difference::of_arguments(arguments).unwrap_or_else(|| event::text_of(arguments))),
        "output" => tool.and_then(Tool::output).map(event::text_of),
        _ => message.content.clone(),
    };
    let title = match (name, message.kind.as_str()) {
        ("content", Kind::TOOL_CALL) => "said",
        ("content", _) => "output",
        (name, _) => name,
    };
    html! { @if let Some(text) = text { (block(title, name, stored, &text, most)) } }
}

/// How much a difference changes.
fn change(text: Option<&str>) -> Markup {
    html! { @if let Some(change) = text.and_then(difference::change) { span.change { (change) } } }
}

/// How much it changed, how long it took and how it ended.
fn outcome(message: &Message) -> Markup {
    let tool = message.tool.as_ref();
    let duration = tool.and_then(Tool::duration_ms).map(figures::duration);
    let code = exit_code(tool, &message.attrs);
    let status = tool.and_then(Tool::status);
    let failed = code.is_some_and(|code| code != 0) || status.is_some_and(is_failure);
    html! {
        (change(tool.and_then(Tool::output).and_then(Value::as_str)))
        @if let Some(duration) = duration { span { (duration) } }
        @match (code, status) {
            (Some(code), _) => span.failed[failed] { "exit " (code) },
            (None, Some(status)) => span.failed[failed] { (status) },
            (None, None) if message.kind.as_str() == Kind::TOOL_RESULT => span { "done" },
            (None, None) => span.open { "…" },
        }
    }
}

/// The exit code of a result, wherever its program tells it.
#[must_use]
pub fn exit_code(tool: Option<&Tool>, attrs: &Map<String, Value>) -> Option<i64> {
    let of_tool = tool.and_then(|tool| tool.0.get("exit_code"));
    of_tool.or_else(|| attrs.get("exit_code")).and_then(Value::as_i64)
}

/// Whether a tool's word for how it ended means that it failed.
#[must_use]
pub fn is_failure(status: &str) -> bool {
    matches!(
        status.to_ascii_lowercase().as_str(),
        "failed" | "failure" | "error" | "declined" | "denied" | "timeout" | "cancelled"
    )
}

/// What a call is about, in one line of at most 160 characters: its most telling argument, else all of them, else what was
/// said with it.
#[must_use]
pub fn summary_of(content: Option<&str>, tool: &Tool) -> String {
    let text = match tool.arguments() {
        Some(Value::Object(object)) => match TELLING.into_iter().find_map(|key| object.get(key)) {
            Some(value) => one_line(value),
            None if object.is_empty() => String::new(),
            None => Value::Object(object.clone()).to_string(),
        },
        Some(value) => one_line(value),
        None => content.unwrap_or_default().to_owned(),
    };
    // The words of megabytes are not worth splitting for one line.
    figures::middle_cut(event::start(&text, 8 * ARGUMENTS_CHARS), ARGUMENTS_CHARS)
}

fn one_line(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) if items.iter().all(Value::is_string) => {
            items.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" ")
        }
        other => other.to_string(),
    }
}

/// A titled block of text, lines of a difference in their colours.
fn block(title: &str, name: &str, stored: &StoredMessage, text: &str, most: usize) -> Markup {
    let shown = event::start(text, most);
    html! {
        div.part {
            p.title { (title) }
            pre {
                @if difference::is_one(shown) {
                    (difference::render(shown))
                } @else {
                    (markdown::plain(shown))
                }
            }
            @if shown.len() < text.len() { (row::rest(stored, name, text.len(), most)) }
        }
    }
}
