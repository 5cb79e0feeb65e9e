//! The user that the sidecar runs as: one who can read what the steps write, and never root.

use serde_json::Value;

use crate::pod::Pod;

/// The image's own user, named where the pod's level would make it root.
const IMAGE_USER: u64 = 65532;

/// The uid to set, where one is needed: that of the steps where all have the same; the image's where the pod's level says root.
#[must_use]
pub fn of(pod: Pod<'_>, steps: &[&Value]) -> Option<u64> {
    let of_pod = run_as_user(pod.spec());
    let mut users = steps.iter().map(|step| run_as_user(step).or(of_pod));
    let first = users.next().flatten().filter(|user| users.all(|other| other == Some(*user)));
    match (first, of_pod) {
        (Some(user), _) if user != 0 => Some(user),
        (_, Some(0)) => Some(IMAGE_USER),
        _ => None,
    }
}

fn run_as_user(parent: &Value) -> Option<u64> {
    parent.get("securityContext")?.get("runAsUser")?.as_u64()
}
