//! What sort of message, and in which role it was said.

use std::borrow::Cow;
use std::fmt;

/// What sort of message: one of the known words or any other token, always lower-case and never empty.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Kind(Cow<'static, str>);

impl Kind {
    /// Something said.
    pub const MESSAGE: &str = "message";
    /// A tool was called.
    pub const TOOL_CALL: &str = "tool_call";
    /// What the tool answered.
    pub const TOOL_RESULT: &str = "tool_result";
    /// Thinking aloud.
    pub const REASONING: &str = "reasoning";
    /// How things stand.
    pub const STATUS: &str = "status";
    /// Something failed.
    pub const ERROR: &str = "error";
    /// A line of a log.
    pub const LOG: &str = "log";
    /// Control record: a source was read to its end.
    pub const SOURCE_END: &str = "source-end";
    /// Control record: a container of the step ended.
    pub const STEP_END: &str = "step-end";
    /// Control record: something could not be read or sent.
    pub const GAP: &str = "gap";
    /// The outer system's verdict on a run.
    pub const RUN_OUTCOME: &str = "run-outcome";

    /// The most frequent ones, which need no memory of their own.
    const KNOWN: [&str; 7] =
        [Self::LOG, Self::MESSAGE, Self::TOOL_CALL, Self::TOOL_RESULT, Self::REASONING, Self::STATUS, Self::ERROR];

    /// A kind from any text: trimmed and lower-cased; nothing for an empty text.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        let trimmed = text.trim();
        if let Some(known) = Self::KNOWN.iter().find(|known| **known == trimmed) {
            return Some(Self(Cow::Borrowed(known)));
        }
        (!trimmed.is_empty()).then(|| Self(Cow::Owned(trimmed.to_lowercase())))
    }

    /// [`Kind::MESSAGE`], what a message is unless it says otherwise.
    #[must_use]
    pub fn message() -> Self {
        Self(Cow::Borrowed(Self::MESSAGE))
    }

    /// The word itself.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether only the sidecar may say it.
    #[must_use]
    pub fn is_control(&self) -> bool {
        matches!(self.as_str(), Self::SOURCE_END | Self::STEP_END | Self::GAP)
    }

    /// The kind as a step may say it: a control kind becomes [`Kind::STATUS`].
    #[must_use]
    pub fn of_step(self) -> Self {
        if self.is_control() { Self(Cow::Borrowed(Self::STATUS)) } else { self }
    }

    /// The role of a message that names none.
    #[must_use]
    pub fn default_role(&self) -> Role {
        match self.as_str() {
            Self::STATUS | Self::ERROR | Self::SOURCE_END | Self::STEP_END | Self::GAP => Role::System,
            Self::TOOL_RESULT => Role::Tool,
            _ => Role::Assistant,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// In which role something was said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// The system around the agent.
    System,
    /// The person, or whoever gave the task.
    User,
    /// The agent.
    Assistant,
    /// A tool.
    Tool,
}

impl Role {
    /// Every role.
    pub const ALL: [Self; 4] = [Self::System, Self::User, Self::Assistant, Self::Tool];

    /// The role of this name, in any case.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        match text.trim().to_ascii_lowercase().as_str() {
            "system" => Some(Self::System),
            "user" => Some(Self::User),
            "assistant" => Some(Self::Assistant),
            "tool" => Some(Self::Tool),
            _ => None,
        }
    }

    /// The word itself.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::User => "user",
            Self::Assistant => "assistant",
            Self::Tool => "tool",
        }
    }
}
