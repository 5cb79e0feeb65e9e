//! Jobs, and pods that ask for a sidecar by label: the run is the object that owns the pod.

use serde_json::Value;

use super::{Capture, Runtime, Uncaptured};
use crate::identity::{Identity, Source};
use crate::names::{BIN_DIR, INJECT_LABEL};
use crate::options::{Options, OuterRun};
use crate::paths;
use crate::pod::{self, Owner, Pod, list};
use crate::policy::Reason;

const COMPLETION_INDEX: &str = "batch.kubernetes.io/job-completion-index";
const PROBES: [&str; 3] = ["startupProbe", "readinessProbe", "livenessProbe"];
const HOOKS: [&str; 2] = ["postStart", "preStop"];

pub(super) struct Native;

impl Runtime for Native {
    fn name(&self) -> &'static str {
        "native"
    }

    fn claims(&self, pod: Pod<'_>) -> bool {
        pod.label(INJECT_LABEL) == Some("enabled") || pod.owner().is_some_and(|owner| owner.kind == "Job")
    }

    fn evidence(&self, pod: Pod<'_>) -> String {
        match pod.owner() {
            Some(Owner { kind, name, .. }) if kind == "Job" => format!("Job {name} owns it: it is a step"),
            _ => format!("its label {INJECT_LABEL} says enabled: it asks for a sidecar itself"),
        }
    }

    fn refuses(&self, _pod: Pod<'_>) -> Option<Reason> {
        None
    }

    fn identity(&self, pod: Pod<'_>, outer: Option<&Owner>, options: &Options) -> Identity {
        let Some(owner) = pod.owner() else {
            return Identity {
                workflow_name: Source::Field("metadata.name"),
                workflow_uid: Source::Field("metadata.uid"),
                run_id: None,
                step_id: None,
                attempt: None,
                owner_unknown: false,
            };
        };
        match follows_outer_run(pod, options) {
            Some((kind, name)) => outer_run(pod, kind, name, outer, &owner),
            None => Identity {
                step_id: Some(Source::Literal(step_of_job(pod, &owner))),
                workflow_name: Source::Literal(owner.name),
                workflow_uid: Source::Literal(owner.uid),
                run_id: None,
                attempt: None,
                owner_unknown: false,
            },
        }
    }

    fn is_own(&self, _container: &Value) -> bool {
        false
    }

    fn capture(&self, container: &Value) -> Capture {
        if pod::command(container).is_empty() {
            return Capture::None(Uncaptured::CommandUnknown);
        }
        if ["stdin", "tty"].iter().any(|key| container.get(key).and_then(Value::as_bool) == Some(true)) {
            return Capture::None(Uncaptured::Interactive);
        }
        let hooks =
            container.get("lifecycle").into_iter().flat_map(|lifecycle| HOOKS.iter().filter_map(|hook| lifecycle.get(hook)));
        let mut handlers = PROBES.iter().filter_map(|probe| container.get(probe)).chain(hooks);
        if handlers.any(|handler| handler.get("exec").is_some_and(|exec| !exec.is_null())) {
            return Capture::None(Uncaptured::ExecHandlers);
        }
        let is_taken = |path: &str| paths::same(path, BIN_DIR) || paths::below(path, BIN_DIR).is_some();
        if list(container, "volumeMounts").iter().filter_map(|mount| pod::text(mount, "mountPath")).any(is_taken) {
            return Capture::None(Uncaptured::PathTaken);
        }
        Capture::Wrap
    }
}

/// The uid of the Job whose owner a pod's labels promise to be its run.
#[must_use]
pub fn promised_by(pod: Pod<'_>, options: &Options) -> Option<String> {
    follows_outer_run(pod, options)?;
    pod.owner().map(|job| job.uid)
}

/// The kind's setting and the name of the run above the Job that a pod's labels promise.
fn follows_outer_run<'a>(pod: Pod<'a>, options: &'a Options) -> Option<(&'a OuterRun, &'a str)> {
    pod.owner().filter(|owner| owner.kind == "Job")?;
    options.outer_runs.iter().find_map(|outer_run| Some((outer_run, pod.label(&outer_run.label)?)))
}

/// The outer object is the run where the Job's owner is known to be it; else the Job is, and the promised name stays an alias.
fn outer_run(pod: Pod<'_>, outer_run: &OuterRun, name: &str, outer: Option<&Owner>, job: &Owner) -> Identity {
    let known = outer.filter(|owner| owner.kind == outer_run.kind);
    let run = known.unwrap_or(job);
    Identity {
        workflow_name: Source::Literal(run.name.clone()),
        workflow_uid: Source::Literal(run.uid.clone()),
        run_id: Some(name.to_owned()),
        step_id: Some(Source::Literal(pod.label(&outer_run.step_label()).map_or_else(|| step_of_job(pod, job), str::to_owned))),
        attempt: attempt_of_job(&job.name).map(str::to_owned),
        owner_unknown: known.is_none(),
    }
}

/// The Job's name, with the index of an Indexed Job behind it as in the pod's host name.
fn step_of_job(pod: Pod<'_>, job: &Owner) -> String {
    match pod.annotation(COMPLETION_INDEX).or_else(|| pod.label(COMPLETION_INDEX)) {
        Some(index) => format!("{}-{index}", job.name),
        None => job.name.clone(),
    }
}

fn attempt_of_job(name: &str) -> Option<&str> {
    let (_, attempt) = name.rsplit_once("-attempt-")?;
    (!attempt.is_empty() && attempt.bytes().all(|byte| byte.is_ascii_digit())).then_some(attempt)
}
