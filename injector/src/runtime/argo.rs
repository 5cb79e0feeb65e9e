//! Argo Workflows: pods labelled with their workflow, steps run under the emissary, output in files that the emissary writes when told to.
//!
//! The shape of these pods is that of `workflow/controller/workflowpod.go` in argoproj/argo-workflows, in both layouts: with an init container
//! and `wait`, and init-less with `supervisor`.

use message::identity::split_argo_node;
use serde_json::Value;

use super::{Capture, Runtime, Uncaptured};
use crate::identity::{Identity, Source};
use crate::options::Options;
use crate::pod::{self, Owner, Pod, list};
use crate::policy::Reason;

const WORKFLOW_LABEL: &str = "workflows.argoproj.io/workflow";
const COMPONENT_LABEL: &str = "workflows.argoproj.io/component";
const NODE_NAME: &str = "workflows.argoproj.io/node-name";
/// Both layouts put the program there under this name, `/var/run/argo/argoexec` or `/argo-bin/bin/argoexec`; Argo's own images have it on the path.
const PROGRAM: &str = "argoexec";
/// The emissary writes `ctr/<container>/combined` below this directory.
const FILES: &str = "/var/run/argo";
const SWITCH: &str = "ARGO_INCLUDE_SCRIPT_OUTPUT";

pub(super) struct Argo;

impl Runtime for Argo {
    fn name(&self) -> &'static str {
        "argo"
    }

    fn claims(&self, pod: Pod<'_>) -> bool {
        pod.label(WORKFLOW_LABEL).is_some()
    }

    fn evidence(&self, pod: Pod<'_>) -> String {
        format!("its label {WORKFLOW_LABEL} says {}: it is a pod of that workflow", pod.label(WORKFLOW_LABEL).unwrap_or_default())
    }

    fn refuses(&self, pod: Pod<'_>) -> Option<Reason> {
        pod.label(COMPONENT_LABEL).map(|_| Reason::ArgoComponentPod)
    }

    fn identity(&self, pod: Pod<'_>, _outer: Option<&Owner>, _options: &Options) -> Identity {
        let workflow = pod.owner().filter(|owner| owner.kind == "Workflow");
        let node = pod.annotation(NODE_NAME).map(split_argo_node);
        Identity {
            workflow_name: Source::Literal(pod.label(WORKFLOW_LABEL).unwrap_or_default().to_owned()),
            workflow_uid: Source::Literal(workflow.map_or_else(|| "unknown".to_owned(), |owner| owner.uid)),
            run_id: None,
            step_id: node.map(|(step, _)| Source::Literal(step.to_owned())),
            attempt: node.and_then(|(_, attempt)| attempt.map(|attempt| attempt.to_string())),
            owner_unknown: false,
        }
    }

    fn is_own(&self, container: &Value) -> bool {
        let command = pod::command(container);
        command.first().is_some_and(|program| is_argoexec(program)) && command.get(1) != Some(&"emissary")
    }

    fn switch(&self) -> Option<&'static str> {
        Some(SWITCH)
    }

    fn capture(&self, container: &Value) -> Capture {
        let command = pod::command(container);
        let Some(end) = command.iter().position(|word| *word == "--") else { return Capture::None(Uncaptured::CommandUnknown) };
        if !command.first().is_some_and(|program| is_argoexec(program)) {
            return Capture::None(Uncaptured::CommandUnknown);
        }
        // An image with only a CMD leaves nothing after the mark: the program is then the first argument.
        let program = command.get(end + 1).copied().or_else(|| list(container, "args").first()?.as_str());
        if program.is_some_and(is_argoexec) {
            return Capture::None(Uncaptured::RuntimeProgram);
        }
        if list(container, "env")
            .iter()
            .any(|entry| pod::name(entry) == SWITCH && !entry.get("valueFrom").is_none_or(Value::is_null))
        {
            return Capture::None(Uncaptured::SwitchUnset);
        }
        Capture::File { path: format!("{FILES}/ctr/{}/combined", pod::name(container)), switch: SWITCH }
    }
}

fn is_argoexec(program: &str) -> bool {
    program.rsplit('/').next() == Some(PROGRAM)
}
