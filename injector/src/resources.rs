//! Requests and limits of what is added, chosen so that the pod keeps its class and its place.

use serde_json::{Value, json};

use crate::annotations::Overrides;
use crate::options::{Bounds, Options};
use crate::pod::{Pod, text};
use crate::quantity::Quantity;

/// What the spool and the logs of the sidecar may take on the node's disk before its share is used up.
const STORAGE: (&str, &str) = ("16Mi", "512Mi");

/// Requests and limits; none where the pod has its own as a whole, which an addition could exceed.
#[must_use]
pub fn of(pod: Pod<'_>, overrides: &Overrides, options: &Options) -> Option<Value> {
    if pod.spec().get("resources").and_then(Value::as_object).is_some_and(|resources| !resources.is_empty()) {
        return None;
    }
    let guaranteed = is_guaranteed(pod);
    let request = |bounds: &Bounds| if guaranteed { bounds.limit.to_string() } else { bounds.request.to_string() };
    let cpu = overrides.cpu.as_ref().unwrap_or(&options.resources.cpu);
    let memory = overrides.memory.as_ref().unwrap_or(&options.resources.memory);
    let mut resources = json!({
        "requests": { "cpu": request(cpu), "memory": request(memory) },
        "limits": { "cpu": cpu.limit.to_string(), "memory": memory.limit.to_string() },
    });
    // The kubelet evicts by the sum of these limits, and one of ours alone would be a limit for all.
    if every_container(pod, |container| amount(container, "limits", "ephemeral-storage").is_some()) {
        resources["requests"]["ephemeral-storage"] = json!(STORAGE.0);
        resources["limits"]["ephemeral-storage"] = json!(STORAGE.1);
    }
    Some(resources)
}

/// In a Guaranteed pod every container has limits and requests as high, or none, which the API server then fills in.
fn is_guaranteed(pod: Pod<'_>) -> bool {
    every_container(pod, |container| {
        ["cpu", "memory"].iter().all(|resource| {
            let limit = amount(container, "limits", resource);
            let request = amount(container, "requests", resource);
            limit.is_some() && (request.is_none() || request == limit)
        })
    })
}

fn every_container(pod: Pod<'_>, holds: impl Fn(&Value) -> bool) -> bool {
    !pod.containers().is_empty() && pod.all_containers().all(holds)
}

fn amount(container: &Value, list: &str, resource: &str) -> Option<Quantity> {
    let amounts = container.get("resources")?.get(list)?;
    let quantity = text(amounts, resource).and_then(Quantity::parse);
    // A number is as good as text before the API server has written it anew.
    quantity.or_else(|| Quantity::parse(&amounts.get(resource)?.as_u64()?.to_string()))
}
