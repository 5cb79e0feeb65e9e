//! A message as markdown: for a report, an issue, another agent. What it says stands as it was said; texts of tools are fenced, by
//! a fence longer than any in them.

use message::{Kind, Tool};

use super::event;
use crate::stored::StoredMessage;

/// The message, with an empty line at its end.
#[must_use]
pub fn of(stored: &StoredMessage) -> String {
    let message = &stored.message;
    let kind = message.kind.as_str();
    let step = message.step_id.as_deref().map(|step| match message.attempt {
        Some(attempt) => format!(", {step} · {attempt}"),
        None => format!(", {step}"),
    });
    let what = if kind == Kind::MESSAGE { String::new() } else { format!(" · {kind}") };
    let mut text =
        format!("**{}**{}{what} · {} · `{}`\n\n", message.agent_id, step.unwrap_or_default(), message.timestamp, stored.cursor);
    let mut paragraph = |paragraph: &str| {
        text.push_str(paragraph.trim_end());
        text.push_str("\n\n");
    };
    match message.content.as_deref() {
        Some(content) if kind == Kind::LOG => paragraph(&fenced(content, "")),
        Some(content) => paragraph(content),
        None => {}
    }
    if let Some(tool) = &message.tool {
        let mut line = format!("`{}`", tool.name().unwrap_or("tool"));
        let duration = tool.duration_ms().map(|duration| format!("{duration} ms"));
        for told in [tool.status(), duration.as_deref()].into_iter().flatten() {
            line.push_str(" · ");
            line.push_str(told);
        }
        paragraph(&line);
        if let Some(arguments) = tool.arguments() {
            paragraph(&fenced(&event::text_of(arguments), if arguments.is_string() { "" } else { "json" }));
        }
        if let Some(output) = tool.output() {
            paragraph(&fenced(&event::text_of(output), language(tool)));
        }
    }
    text
}

fn language(tool: &Tool) -> &'static str {
    match tool.output() {
        Some(output) if output.is_string() => "",
        _ => "json",
    }
}

fn fenced(text: &str, language: &str) -> String {
    let longest = text.split(|character| character != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest.max(2) + 1);
    let end = if text.ends_with('\n') { "" } else { "\n" };
    format!("{fence}{language}\n{text}{end}{fence}")
}

#[cfg(test)]
mod tests;
