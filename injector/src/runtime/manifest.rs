//! Pods that are not made yet, as manifests describe them. What the webhook reads from a pod is told here by references that
//! hold once the pod is made: labels that the Job controller sets, and variables that Argo replaces.
//!
//! Output is captured by the wrapper alone, also for Argo: the switch of the emissary is set by Argo's controller after the
//! template, and what a template says of it does not count.

use serde_json::Value;

use super::{Capture, Runtime, native::Native};
use crate::identity::{INDEXED_STEP, Identity, Source};
use crate::options::Options;
use crate::pod::{Owner, Pod};
use crate::policy::Reason;

/// A Job's template.
pub static JOB: &dyn Runtime = &Template { name: "native", identity: |_, _| of_job(Source::Field(JOB_NAME)) };
/// The template of an Indexed Job, each of whose pods is a step of its own.
pub static INDEXED_JOB: &dyn Runtime = &Template { name: "native", identity: |_, _| of_job(Source::Expression(INDEXED_STEP)) };
/// A lone pod.
pub static POD: &dyn Runtime = &Template { name: "native", identity: |pod, options| Native.identity(pod, None, options) };
/// A template of an Argo workflow.
pub static WORKFLOW: &dyn Runtime = &Template { name: "argo", identity: |_, _| of_workflow() };

const JOB_NAME: &str = "metadata.labels['batch.kubernetes.io/job-name']";
const JOB_UID: &str = "metadata.labels['batch.kubernetes.io/controller-uid']";
const WORKFLOW_NAME: &str = "metadata.labels['workflows.argoproj.io/workflow']";
/// Argo replaces this in templates before it makes a pod.
const WORKFLOW_UID: &str = "{{workflow.uid}}";
const NODE_NAME: &str = "metadata.annotations['workflows.argoproj.io/node-name']";

/// What the pods of all manifests have in common.
struct Template {
    name: &'static str,
    identity: fn(Pod<'_>, &Options) -> Identity,
}

impl Runtime for Template {
    fn name(&self) -> &'static str {
        self.name
    }

    fn is_manifest(&self) -> bool {
        true
    }

    fn claims(&self, _pod: Pod<'_>) -> bool {
        false
    }

    fn evidence(&self, _pod: Pod<'_>) -> String {
        "a manifest describes it".to_owned()
    }

    fn refuses(&self, _pod: Pod<'_>) -> Option<Reason> {
        None
    }

    fn identity(&self, pod: Pod<'_>, _outer: Option<&Owner>, options: &Options) -> Identity {
        (self.identity)(pod, options)
    }

    fn is_own(&self, _container: &Value) -> bool {
        false
    }

    fn capture(&self, container: &Value) -> Capture {
        Native.capture(container)
    }
}

fn of_job(step: Source) -> Identity {
    Identity {
        workflow_name: Source::Field(JOB_NAME),
        workflow_uid: Source::Field(JOB_UID),
        run_id: None,
        step_id: Some(step),
        attempt: None,
        owner_unknown: false,
    }
}

fn of_workflow() -> Identity {
    Identity {
        workflow_name: Source::Field(WORKFLOW_NAME),
        workflow_uid: Source::Literal(WORKFLOW_UID.to_owned()),
        run_id: None,
        // With the number of the attempt behind it, which the sidecar takes off.
        step_id: Some(Source::Field(NODE_NAME)),
        attempt: None,
        owner_unknown: false,
    }
}
