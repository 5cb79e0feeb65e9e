//! Mends our own container after others: what it needs is put back, what they added and does no harm stays.
//!
//! Others have good reasons to change it: a registry's mirror rewrites the image, a platform assigns a uid, the API server fills in
//! defaults and mounts a token. Fighting over those would undo them, for nobody is called a third time.

use serde_json::{Map, Value};

use crate::names::NATS_CREDENTIALS;
use crate::pod;

/// Fields whose value is anybody's, as long as there is one.
const YIELDED: [&str; 2] = ["image", "imagePullPolicy"];
/// Fields that a container beside the steps must not have: each can hold or fail the step.
const HARMFUL: [&str; 7] = ["startupProbe", "readinessProbe", "livenessProbe", "ports", "stdin", "tty", "restartPolicyRules"];
/// Fields that would take the container below the Pod Security standard `restricted`.
const PRIVILEGES: [&str; 2] = ["privileged", "procMount"];

/// Our container as it is, brought to what it should be.
pub(super) fn container(current: &Value, wanted: &Value) -> Value {
    let (Some(current), Some(wanted)) = (current.as_object(), wanted.as_object()) else { return wanted.clone() };
    let mut mended = current.clone();
    for key in HARMFUL {
        mended.shift_remove(key);
    }
    if !wanted.contains_key("lifecycle") {
        mended.shift_remove("lifecycle");
    }
    for (key, wanted) in wanted {
        let found = current.get(key).unwrap_or(&Value::Null);
        let value = match key.as_str() {
            key if YIELDED.contains(&key) && found.as_str().is_some_and(|text| !text.is_empty()) => found.clone(),
            "resources" if has_bounds(found) => found.clone(),
            "securityContext" => security(found, wanted),
            "env" => keyed(&without_other_credentials(found, wanted), wanted, "name"),
            "volumeMounts" => keyed(found, wanted, "mountPath"),
            _ if covers(found, wanted) => found.clone(),
            _ => wanted.clone(),
        };
        mended.insert(key.clone(), value);
    }
    Value::Object(mended)
}

/// Whether a volume is the one that is wanted, and of that one kind alone.
pub(super) fn is_same_volume(current: &Value, wanted: &Value) -> bool {
    let keys = |value: &Value| value.as_object().map_or(0, Map::len);
    covers(current, wanted) && keys(current) == keys(wanted)
}

/// Whether everything that is wanted is there; objects may have more.
pub(super) fn covers(current: &Value, wanted: &Value) -> bool {
    match (current, wanted) {
        (Value::Object(current), Value::Object(wanted)) => {
            wanted.iter().all(|(key, wanted)| current.get(key).is_some_and(|current| covers(current, wanted)))
        }
        (current, wanted) => current == wanted,
    }
}

fn has_bounds(resources: &Value) -> bool {
    let has = |list: &str, resource: &str| {
        resources.get(list).and_then(|list| list.get(resource)).is_some_and(|amount| !amount.is_null())
    };
    ["requests", "limits"].iter().all(|list| ["cpu", "memory"].iter().all(|resource| has(list, resource)))
}

fn security(current: &Value, wanted: &Value) -> Value {
    let (Some(current), Some(wanted)) = (current.as_object(), wanted.as_object()) else { return wanted.clone() };
    let mut mended = current.clone();
    for key in PRIVILEGES {
        mended.shift_remove(key);
    }
    if mended.get("runAsUser").and_then(Value::as_u64) == Some(0) {
        mended.shift_remove("runAsUser");
    }
    for (key, wanted) in wanted {
        // A uid that a platform assigned is one that it lets run.
        if key == "runAsUser" && mended.contains_key(key) {
            continue;
        }
        mended.insert(key.clone(), wanted.clone());
    }
    Value::Object(mended)
}

/// The variables without those of credentials that are not wanted: while a setting of the injector is rolled out, a pod may get its
/// sidecar from one replica and be looked at by another.
fn without_other_credentials(current: &Value, wanted: &Value) -> Value {
    let Some(current) = current.as_array() else { return current.clone() };
    let is_wanted = |name: &str| wanted.as_array().is_some_and(|wanted| wanted.iter().any(|entry| pod::name(entry) == name));
    let stays = |entry: &&Value| !NATS_CREDENTIALS.contains(&pod::name(entry)) || is_wanted(pod::name(entry));
    Value::Array(current.iter().filter(stays).cloned().collect())
}

/// Ours first and in order, then what others added, found by this field; in place where ours are all there.
fn keyed(current: &Value, wanted: &Value, field: &str) -> Value {
    let (Some(current), Some(wanted)) = (current.as_array(), wanted.as_array()) else { return wanted.clone() };
    let key = |element| key(element, field);
    let mut found = std::collections::BTreeMap::new();
    for element in current {
        *found.entry(key(element)).or_insert(0_usize) += 1;
    }
    let whole = wanted.iter().all(|wanted| {
        found.get(key(wanted)) == Some(&1) && current.iter().any(|element| key(element) == key(wanted) && covers(element, wanted))
    });
    if whole && found.values().all(|count| *count == 1) {
        return Value::Array(current.clone());
    }
    let mut seen: Vec<&str> = wanted.iter().map(key).collect();
    let mut mended = wanted.clone();
    for element in current {
        if !seen.contains(&key(element)) {
            seen.push(key(element));
            mended.push(element.clone());
        }
    }
    Value::Array(mended)
}

fn key<'a>(element: &'a Value, field: &str) -> &'a str {
    pod::text(element, field).unwrap_or_default()
}
