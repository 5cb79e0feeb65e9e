//! Limit ranges: a namespace may demand of every container what a sidecar does not have, and then refuses the pods that have one.
//!
//! As the API server's plugin does (`plugin/pkg/admission/limitranger`): request and limit are between `min` and `max`, and the
//! limit is not more than so many times the request. What counts for pods as a whole depends on their other containers.

use k8s_openapi::api::core::v1::{LimitRange, LimitRangeItem};
use kube::api::ObjectList;

use super::code::Code;
use super::finding::Finding;
use super::namespaces::Enabled;
use crate::options::{Bounds, Resources};
use crate::quantity::Quantity;
use crate::read::Read;

/// What is thought of the ranges of the enabled namespaces, which come in the same order.
pub fn judge(enabled: &[Enabled], ranges: &[Read<ObjectList<LimitRange>>], resources: &Resources) -> Vec<Finding> {
    let (mut findings, mut hidden) = (Vec::new(), Vec::new());
    for (Enabled { name, .. }, ranges) in enabled.iter().zip(ranges) {
        let Read::Found(ranges) = ranges else {
            hidden.push(name.as_str());
            continue;
        };
        let refusals = ranges.items.iter().flat_map(|range| refusals(range, resources));
        findings.extend(refusals.map(|finding| finding.of(name)));
    }
    if !hidden.is_empty() {
        findings.push(Finding::unknown(Code::LimitRange, format!("you may not list the LimitRanges of: {}", hidden.join(", "))));
    } else if findings.is_empty() {
        findings.push(Finding::ok(Code::LimitRange, "no LimitRange of an enabled namespace refuses the sidecar"));
    }
    findings
}

fn refusals(range: &LimitRange, resources: &Resources) -> Vec<Finding> {
    let name = range.metadata.name.as_deref().unwrap_or_default();
    let items = range.spec.iter().flat_map(|spec| &spec.limits).filter(|item| item.type_ == "Container");
    let mut findings = Vec::new();
    for item in items {
        for (resource, bounds) in [("cpu", &resources.cpu), ("memory", &resources.memory)] {
            let demands = refusal(item, resource, bounds).into_iter();
            findings.extend(demands.map(|demand| {
                let Bounds { request, limit } = bounds;
                Finding::fail(
                    Code::LimitRange,
                    format!("its LimitRange {name} {demand}, and a sidecar has {request}/{limit}: pods with one are refused"),
                    format!("change it, or the sidecar's share: --sidecar-{resource}, or on pods agent-comms.dev/{resource}"),
                )
            }));
        }
    }
    findings
}

/// What an item demands that the bounds do not keep.
fn refusal(item: &LimitRangeItem, resource: &str, Bounds { request, limit }: &Bounds) -> Option<String> {
    let amount = |amounts: &Option<
        std::collections::BTreeMap<String, k8s_openapi::apimachinery::pkg::api::resource::Quantity>,
    >| { Quantity::parse(&amounts.as_ref()?.get(resource)?.0) };
    let (request, limit) = (request.in_millis(), limit.in_millis());
    if let Some(least) = amount(&item.min).filter(|least| request < least.in_millis()) {
        return Some(format!("gives a container at least {least} of {resource}"));
    }
    if let Some(most) = amount(&item.max).filter(|most| limit > most.in_millis()) {
        return Some(format!("gives a container at most {most} of {resource}"));
    }
    // A ratio is an amount too, in thousandths as all of them.
    let is_beyond = |ratio: &Quantity| limit.saturating_mul(1000) > request.saturating_mul(ratio.in_millis());
    let ratio = amount(&item.max_limit_request_ratio).filter(is_beyond)?;
    Some(format!("lets a limit of {resource} be {ratio} times the request"))
}
