//! What a pod means, whichever way it is written.

use injector::ours;
use injector::pod::Pod;
use serde_json::Value;

/// Absent, null and empty mean the same to the API server.
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

/// What is left of a pod without what is ours in it.
pub fn without_ours(pod: &Value) -> Value {
    let status = ours::status(Pod(pod)).unwrap_or_default();
    meaning(&ours::without(pod, &status))
}
