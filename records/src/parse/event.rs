//! Events of agent programs: which program's a line is, and what the readers of all of them share.
//!
//! An event that its program is known for becomes messages; one of an unknown type is kept whole in `attrs.event`.

use std::sync::Arc;

use message::{Kind, Timestamp, Tool};
use serde_json::{Map, Value, json};

use super::state::{ParserState, Program};
use super::{claude, codex, gemini, runner, text};
use crate::draft::Draft;
use crate::rules::Format;

/// Where and when an event was read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    /// Where its line begins.
    pub(super) offset: u64,
    pub(super) read_at: Timestamp,
}

/// The messages of an event; the object itself when it is no event of a known program.
pub(super) fn read(
    state: &mut Arc<ParserState>,
    object: Map<String, Value>,
    place: Place,
    format: Format,
) -> Result<Vec<Draft>, Map<String, Value>> {
    let program = match named(format) {
        Some(Program::Runner) => Some(Program::Runner).filter(|_| object.get("event").is_some_and(Value::is_object)),
        Some(program) => Some(program).filter(|_| object.get("type").is_some_and(Value::is_string)),
        None => program_of(state.program, &object),
    };
    let Some(program) = program else { return Err(object) };
    let state = Arc::make_mut(state);
    let mut before = None;
    if state.program != Some(program) {
        before = state.flush();
        state.start(program);
    }
    let mut drafts = match program {
        Program::Codex => codex::read(state, object, place),
        Program::Claude => claude::read(state, object, place),
        Program::Gemini => gemini::read(state, object, place),
        Program::Runner => runner::read(state, object, place),
    };
    for draft in &mut drafts {
        draft.program_agent = program.agent();
    }
    drafts.splice(0..0, before);
    Ok(drafts)
}

/// The program whose events the lines of a source are said to be.
fn named(format: Format) -> Option<Program> {
    match format {
        Format::Auto | Format::Text => None,
        Format::Codex => Some(Program::Codex),
        Format::Claude => Some(Program::Claude),
        Format::Gemini => Some(Program::Gemini),
        Format::Runner => Some(Program::Runner),
    }
}

fn program_of(last: Option<Program>, object: &Map<String, Value>) -> Option<Program> {
    if object.contains_key("ts") && object.get("event").is_some_and(|event| event["type"].is_string()) {
        return Some(Program::Runner);
    }
    let kind = object.get("type")?.as_str()?;
    if codex::knows(kind, object) {
        Some(Program::Codex)
    } else if gemini::knows(kind, object) {
        Some(Program::Gemini)
    } else if claude::knows(kind, object) {
        Some(Program::Claude)
    } else {
        // Names that several programs could use are this program's if it has been speaking.
        last.filter(|last| match last {
            Program::Codex => kind == "error" && object.contains_key("message"),
            Program::Gemini => matches!(kind, "message" | "error" | "result"),
            Program::Claude => matches!(kind, "assistant" | "user" | "system" | "result"),
            Program::Runner => false,
        })
    }
}

/// An event of a type that is not known, whole.
pub(super) fn unknown(name: &str, event: Map<String, Value>) -> Draft {
    Draft::new(Kind::LOG, if name.is_empty() { "event" } else { name }).with_attr("event", event)
}

/// Takes a text out of an object; a value of another type stays.
pub(super) fn take_text(object: &mut Map<String, Value>, key: &str) -> Option<String> {
    object.get(key)?.as_str()?;
    match object.shift_remove(key)? {
        Value::String(text) => Some(text),
        _ => None,
    }
}

/// Takes an object out of an object; a value of another type stays.
pub(super) fn take_object(object: &mut Map<String, Value>, key: &str) -> Option<Map<String, Value>> {
    object.get(key)?.as_object()?;
    match object.shift_remove(key)? {
        Value::Object(object) => Some(object),
        _ => None,
    }
}

/// Takes a list out of an object; a value of another type stays.
pub(super) fn take_list(object: &mut Map<String, Value>, key: &str) -> Option<Vec<Value>> {
    object.get(key)?.as_array()?;
    match object.shift_remove(key)? {
        Value::Array(list) => Some(list),
        _ => None,
    }
}

/// Takes a value that is not null out of an object.
pub(super) fn take(object: &mut Map<String, Value>, key: &str) -> Option<Value> {
    object.shift_remove(key).filter(|value| !value.is_null())
}

/// Puts what an event still holds among the attributes.
pub(super) fn keep_rest(mut draft: Draft, rest: Map<String, Value>) -> Draft {
    for (key, value) in rest.into_iter().filter(|(_, value)| !value.is_null()) {
        draft.attrs.entry(key).or_insert(value);
    }
    draft
}

/// A call that begins here.
pub(super) fn call(state: &mut ParserState, id: &str, name: &str, arguments: Value, at: Timestamp, place: Place) -> Draft {
    let call_id = state.open_call(id, name, place.offset, at);
    let tool = Tool::default().with("call_id", call_id).with("name", name).with("arguments", arguments);
    Draft::of_tool(Kind::TOOL_CALL, tool)
}

/// The result of the call with this id in the log, to which output is added with [`with_output`].
pub(super) fn result(state: &mut ParserState, id: &str, name: Option<&str>, status: &str, at: Timestamp, place: Place) -> Draft {
    let closed = state.close_call(id, place.offset, at);
    let mut tool = Tool::default().with("call_id", closed.call_id);
    if let Some(name) = name.map(ToOwned::to_owned).or(closed.name) {
        tool = tool.with("name", name);
    }
    tool = tool.with("status", status);
    if let Some(duration) = closed.duration_ms {
        tool = tool.with("duration_ms", duration);
    }
    Draft::of_tool(Kind::TOOL_RESULT, tool)
}

/// Adds a tool's output, text as a terminal would show it.
pub(super) fn with_output(mut draft: Draft, output: Option<Value>) -> Draft {
    let output = match output {
        Some(Value::String(output)) => Value::String(text::clean(&output).into_owned()),
        Some(output) => output,
        None => return draft,
    };
    draft.tool = Some(draft.tool.unwrap_or_default().with("output", output));
    draft
}

/// The text of a list of content blocks, where all of them are text; else the list itself.
pub(super) fn text_of_blocks(blocks: Vec<Value>) -> Value {
    let texts: Option<Vec<&str>> =
        blocks.iter().map(|block| block.get("text").filter(|_| block["type"] == "text").and_then(Value::as_str)).collect();
    match texts {
        Some(texts) => texts.join("\n").into(),
        None => blocks.into(),
    }
}

/// A plan: its steps in `attrs.plan` as {`text`, `status`}, and as a list that people can read.
pub(super) fn plan(steps: &[Value]) -> Draft {
    let steps: Vec<(String, String)> = steps.iter().filter_map(plan_step).collect();
    let line = |(text, status): &(String, String)| {
        let mark = if status == "completed" { "x" } else { " " };
        let note = if status == "in_progress" { " (in progress)" } else { "" };
        format!("- [{mark}] {text}{note}")
    };
    let content = steps.iter().map(line).collect::<Vec<_>>().join("\n");
    let content = if content.is_empty() { "empty plan".to_owned() } else { content };
    let plan: Vec<Value> = steps.into_iter().map(|(text, status)| json!({"text": text, "status": status})).collect();
    Draft::new(Kind::STATUS, content).with_attr("plan", plan)
}

/// Text and status of a step, under any of the names that programs give them.
fn plan_step(step: &Value) -> Option<(String, String)> {
    let names = ["text", "step", "description", "content", "title"];
    let text = names.iter().find_map(|name| step.get(name)?.as_str()).or_else(|| step.as_str())?;
    let status = step.get("status").and_then(Value::as_str).map(ToOwned::to_owned);
    let done = || if step["completed"] == true { "completed" } else { "pending" }.to_owned();
    Some((text.to_owned(), status.unwrap_or_else(done)))
}

/// Token counts under one set of names: `input_tokens`, `cached_tokens`, `output_tokens`; others keep theirs.
pub(super) fn usage(counts: Map<String, Value>) -> Map<String, Value> {
    let mut usage = Map::new();
    for (key, value) in counts.into_iter().filter(|(_, value)| !value.is_null()) {
        let key = match key.as_str() {
            "cached_input_tokens" | "cache_read_input_tokens" | "cached" | "cachedInputTokens" => "cached_tokens".to_owned(),
            "inputTokens" => "input_tokens".to_owned(),
            "outputTokens" => "output_tokens".to_owned(),
            _ => key,
        };
        usage.insert(key, value);
    }
    usage
}
