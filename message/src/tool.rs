//! A tool call or its result: a JSON object whose known keys have names, and whose other keys are kept.

use serde_json::{Map, Value};

/// The object in field `tool`. Known keys: `call_id` `name` `arguments` `status` `duration_ms` `output`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Tool(pub Map<String, Value>);

impl Tool {
    /// Pairs a call with its result.
    #[must_use]
    pub fn call_id(&self) -> Option<&str> {
        self.text("call_id")
    }

    /// Name of the tool.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.text("name")
    }

    /// What it was called with: any JSON.
    #[must_use]
    pub fn arguments(&self) -> Option<&Value> {
        self.0.get("arguments").filter(|value| !value.is_null())
    }

    /// How it stands or ended: a word of the program that called it.
    #[must_use]
    pub fn status(&self) -> Option<&str> {
        self.text("status")
    }

    /// How long it took, in milliseconds.
    #[must_use]
    pub fn duration_ms(&self) -> Option<f64> {
        self.0.get("duration_ms").and_then(Value::as_f64)
    }

    /// What it answered: text, or any JSON.
    #[must_use]
    pub fn output(&self) -> Option<&Value> {
        self.0.get("output").filter(|value| !value.is_null())
    }

    /// Sets one key, in the order of the calls.
    #[must_use]
    pub fn with(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.0.insert(key.to_owned(), value.into());
        self
    }

    fn text(&self, key: &str) -> Option<&str> {
        self.0.get(key).and_then(Value::as_str)
    }
}
