//! From a pod to its answer: decision, plan, patch and the check of it. Pure, so that the webhook and the command line give the same answer.

use serde_json::Value;

use crate::names::{INJECT_LABEL, STATUS_ANNOTATION};
use crate::note::Note;
use crate::options::Options;
use crate::ours;
use crate::patch::{self, Fault, Patch};
use crate::plan::{self, Context};
use crate::pod::{Owner, Pod};
use crate::policy::{self, Reason};
use crate::runtime::Runtime;

/// A pod near what etcd stores (1.5 MiB) is not added to.
const MAX_POD_BYTES: usize = 1 << 20;

/// What becomes of a pod.
#[derive(Debug)]
pub struct Outcome {
    /// Why.
    pub reason: Reason,
    /// What to do, when there is something.
    pub patch: Option<Patch>,
    /// What people should know.
    pub notes: Vec<Note>,
    /// The runtime, where one claims the pod.
    pub runtime: Option<&'static str>,
    /// What the check of the patch found.
    pub fault: Option<Fault>,
    /// Whether the pod's own label asks for a sidecar.
    pub is_asked_for: bool,
}

impl Outcome {
    /// Whether somebody asked for a sidecar and does not get one, so that they must be told.
    #[must_use]
    pub fn disappoints(&self) -> bool {
        self.reason.disappoints() || self.is_asked_for && !self.reason.is_injected()
    }
}

/// Decides about a pod and makes its patch. `bytes` is the pod's size on the wire.
#[must_use]
pub fn pod(pod: &Value, bytes: usize, namespace: &str, outer: Option<&Owner>, options: &Options) -> Outcome {
    let outcome = match policy::decide(Pod(pod), options) {
        Ok(_) if came_with_manifest(Pod(pod)) => skip(Reason::AlreadyInjected),
        Ok(runtime) => of_runtime(pod, bytes, Context { options, namespace, runtime, outer }),
        Err(reason) => skip(reason),
    };
    Outcome { is_asked_for: is_labelled(Pod(pod)), ..outcome }
}

/// Decides about a pod that is not made yet, as a manifest describes it, and makes its patch.
#[must_use]
pub fn template(pod: &Value, runtime: &'static dyn Runtime, namespace: &str, options: &Options) -> Outcome {
    let outcome = match policy::admit(Pod(pod), runtime, options) {
        Ok(()) => of_runtime(pod, 0, Context { options, namespace, runtime, outer: None }),
        Err(reason) => skip(reason),
    };
    Outcome { is_asked_for: is_labelled(Pod(pod)), ..outcome }
}

/// What a pod is left alone with.
#[must_use]
pub fn skip(reason: Reason) -> Outcome {
    Outcome { reason, patch: None, notes: Vec::new(), runtime: None, fault: None, is_asked_for: false }
}

/// Whether its manifest brought the sidecar. It is left as it is: what a template says of the run is not what the pod says.
fn came_with_manifest(pod: Pod<'_>) -> bool {
    ours::status(pod).is_some_and(|status| status.manifest) && patch::has_sidecar(pod)
}

fn of_runtime(pod: &Value, bytes: usize, context: Context<'_>) -> Outcome {
    let skip = |reason| Outcome { runtime: Some(context.runtime.name()), ..skip(reason) };
    let status = ours::status(Pod(pod));
    let plan = match &status {
        Some(status) => plan::make(Pod(&ours::without(pod.clone(), status)), context),
        None => plan::make(Pod(pod), context),
    };
    let plan = match plan {
        Ok(plan) => plan,
        Err(reason) => return skip(reason),
    };
    let Some(patch) = patch::make(pod, &plan, context.options) else {
        return Outcome { notes: plan.notes, ..skip(Reason::AlreadyInjected) };
    };
    if bytes > MAX_POD_BYTES {
        return skip(Reason::TooLarge);
    }
    if let Err(fault) = patch::verify(pod.clone(), &patch) {
        return Outcome { fault: Some(fault), ..skip(Reason::InternalSelfCheck) };
    }
    let reason = if status.is_some() { Reason::Repair } else { Reason::Inject };
    Outcome { patch: Some(patch), notes: plan.notes, ..skip(reason) }
}

/// Whether somebody wrote our label or annotations onto a pod, so that silence would puzzle them.
#[must_use]
pub fn is_asked_for(pod: Pod<'_>) -> bool {
    is_labelled(pod) || pod.annotation(STATUS_ANNOTATION).is_some()
}

fn is_labelled(pod: Pod<'_>) -> bool {
    pod.label(INJECT_LABEL) == Some("enabled")
}
