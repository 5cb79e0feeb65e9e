//! What JSON means to the API server, whichever way it is written.

use serde_json::Value;

/// The value without what is null or empty: to the API server that is as good as absent.
#[must_use]
pub fn meaning(value: &Value) -> Value {
    let is_empty = |value: &Value| match value {
        Value::Null => true,
        Value::Array(list) => list.is_empty(),
        Value::Object(object) => object.is_empty(),
        _ => false,
    };
    match value {
        Value::Array(list) => Value::Array(list.iter().map(meaning).collect()),
        Value::Object(object) => {
            object.iter().map(|(key, value)| (key.clone(), meaning(value))).filter(|(_, value)| !is_empty(value)).collect()
        }
        value => value.clone(),
    }
}
