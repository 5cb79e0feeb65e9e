//! Versions: sidecars need kubelets that know native sidecars.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Node;

use super::code::Code;
use super::finding::Finding;

/// Native sidecars are on from here.
const NEEDED: Version = (1, 29);
/// From here kubelets end them in order, after the steps.
const ADVISED: Version = (1, 31);
/// Nodes that are named in one finding.
const NAMED: usize = 5;

/// Major and minor.
type Version = (u32, u32);

/// The version of the API server.
pub fn of_api_server(git_version: &str) -> Finding {
    match version(git_version) {
        Some(version) if version < NEEDED => {
            let words = format!("the API server is {git_version}, and drops what makes a sidecar one");
            Finding::fail(Code::ApiServer, words, "update the cluster to 1.29 or newer; 1.31 or newer is advised")
        }
        Some(_) => Finding::ok(Code::ApiServer, format!("the API server is {git_version}")),
        None => Finding::warn(
            Code::ApiServer,
            format!("the API server's version `{git_version}` cannot be read"),
            "it must be 1.29 or newer",
        ),
    }
}

/// The versions of all nodes, those that are alike in one finding.
pub fn judge(nodes: &[Node]) -> Vec<Finding> {
    let mut by_version: BTreeMap<(Option<Version>, &str), Vec<&str>> = BTreeMap::new();
    for node in nodes {
        let told = node.status.as_ref().and_then(|status| status.node_info.as_ref()).map(|info| info.kubelet_version.as_str());
        let told = told.unwrap_or_default();
        by_version.entry((version(told), told)).or_default().push(node.metadata.name.as_deref().unwrap_or_default());
    }
    if by_version.is_empty() {
        return vec![Finding::ok(Code::Nodes, "there are no nodes yet")];
    }
    by_version.into_iter().map(|((version, told), names)| of_version(version, told, &names)).collect()
}

fn of_version(version: Option<Version>, told: &str, names: &[&str]) -> Finding {
    let nodes = match names {
        [one] => format!("node {one} has"),
        several => format!("{} nodes have", several.len()),
    };
    let words = format!("{nodes} the kubelet {told}");
    let mut which = names.iter().take(NAMED).copied().collect::<Vec<_>>().join(", ");
    if names.len() > NAMED {
        which.push_str(", ...");
    }
    match version {
        None => Finding::warn(
            Code::Nodes,
            format!("{nodes} a kubelet of unknown version `{told}`"),
            format!("it must be 1.29 or newer: {which}"),
        ),
        Some(version) if version < NEEDED => {
            let advice =
                format!("update to 1.29 or newer, 1.31 is advised; there a sidecar never ends and holds its pod: {which}");
            Finding::fail(Code::Nodes, words, advice)
        }
        Some(version) if version < ADVISED => {
            Finding::warn(Code::Nodes, words, format!("1.31 or newer is advised, which ends sidecars in order: {which}"))
        }
        Some(_) => Finding::ok(Code::Nodes, words),
    }
}

/// Reads `v1.31.2-eks-7f9249a`.
fn version(text: &str) -> Option<Version> {
    let mut numbers = text.strip_prefix('v').unwrap_or(text).split('.');
    let minor_digits = |minor: &str| minor.bytes().take_while(u8::is_ascii_digit).count();
    let major = numbers.next()?.parse().ok()?;
    let minor = numbers.next()?;
    Some((major, minor[..minor_digits(minor)].parse().ok()?))
}
