//! `agent-comms-injector explain pod`: why a pod of the cluster has a sidecar or has none, and what to change.
//!
//! The rules are gone through in the order in which they decide: the namespace's label, without which the webhook never hears
//! of a pod; the pod's own labels and owner; what else is in it. It only reads. A pod is judged as it was when it was made.

#[cfg(test)]
mod tests;

use anyhow::{Result, bail, ensure};
use k8s_openapi::api::core::v1::{Namespace, Pod as ApiPod};
use k8s_openapi::jiff::Timestamp;
use kube::api::{Api, DynamicObject, ObjectMeta};
use kube::core::ApiResource;
use serde_json::Value;

use crate::misses::as_created;
use crate::mutate::{self, Outcome};
use crate::names::INJECT_LABEL;
use crate::namespaces::{Wish, is_excluded, labelled_at, wish};
use crate::offline::command::ExplainArgs;
use crate::offline::report::{self, Report};
use crate::options::Options;
use crate::ours;
use crate::patch;
use crate::pod::Pod;
use crate::policy::Reason;
use crate::read::{Read, read};
use crate::review;
use crate::runtime;

/// What is said of a pod: the code is stable like those of [`Reason`].
struct Verdict {
    decision: &'static str,
    code: &'static str,
    words: String,
    disappoints: bool,
}

/// Reads a pod and its namespace, and says why it has a sidecar or has none.
///
/// # Errors
/// When the cluster cannot be asked, or the pod is not there or may not be read.
pub async fn explain(arguments: ExplainArgs) -> Result<Report> {
    let ExplainArgs { pod, filenames: _, namespace, kubeconfig, context, injector_namespace, output: _, pods } = arguments;
    let options = pods.options()?;
    let (named, name) = target(&pod)?;
    if let (Some(named), Some(given)) = (&named, &namespace) {
        ensure!(named == given, "the pod is said to be in namespace {named} and in {given}");
    }
    let client = service::kubernetes::client(kubeconfig.as_deref(), context.as_deref()).await?;
    let namespace = named.or(namespace).unwrap_or_else(|| client.default_namespace().to_owned());
    let pods = Api::<DynamicObject>::namespaced_with(client.clone(), &namespace, &ApiResource::erase::<ApiPod>(&()));
    let pod = match read("read the pod", pods.get(&name)).await? {
        Read::Found(pod) => serde_json::to_value(pod)?,
        Read::Absent => bail!("there is no pod {name} in namespace {namespace}"),
        Read::Forbidden => bail!("you may not read pod {name} of namespace {namespace}"),
    };
    let namespaces = Api::<Namespace>::all(client);
    let metadata = match read("read the namespace", namespaces.get_metadata(&namespace)).await? {
        Read::Found(namespace) => Some(namespace.metadata),
        Read::Absent | Read::Forbidden => None,
    };
    Ok(judge(&pod, metadata.as_ref(), &injector_namespace, &options))
}

/// The namespace, where one is named, and the name.
fn target(words: &[String]) -> Result<(Option<String>, String)> {
    let place = match words {
        [place] => place,
        [kind, place] if is_pod(kind) => place,
        _ => bail!("only pods can be explained: write `pod NAME` or `NAMESPACE/NAME`"),
    };
    let (namespace, name) = match place.split_once('/') {
        // As kubectl prints it.
        Some((kind, name)) if words.len() == 1 && is_pod(kind) => (None, name),
        Some((namespace, name)) => (Some(namespace.to_owned()), name),
        None => (None, place.as_str()),
    };
    let is_name = |text: &str| !text.is_empty() && !text.contains('/');
    ensure!(is_name(name) && namespace.as_deref().is_none_or(is_name), "`{place}` is no NAME and no NAMESPACE/NAME");
    Ok((namespace, name.to_owned()))
}

fn is_pod(kind: &str) -> bool {
    ["pod", "pods", "po"].contains(&kind)
}

/// What is said of a stored pod. `namespace` is none where it may not be read; `own` is that of the injector.
fn judge(stored: &Value, namespace: Option<&ObjectMeta>, own: &str, options: &Options) -> Report {
    let created = as_created(stored);
    let pod = Pod(&created);
    let place = pod.metadata("namespace").unwrap_or_default();
    let mut outcome = mutate::pod(&created, created.to_string().len(), place, None, options);
    // Who owns the Job changes whose messages these are, not whether there is a sidecar, and was not asked here.
    outcome.notes.retain(|note| note.code != "owner_unknown");
    let status = ours::status(pod);
    let is_whole = status.is_some() && patch::has_sidecar(pod);
    let verdict = if is_whole {
        Verdict::of(Reason::AlreadyInjected)
    } else if status.is_some() {
        sidecar_gone()
    } else {
        let made = stored.pointer("/metadata/creationTimestamp").and_then(Value::as_str).and_then(|made| made.parse().ok());
        without_sidecar(pod, made, (place, namespace, own), &outcome)
    };
    let Verdict { decision, code, words, disappoints } = verdict;
    let notes = if is_whole { status.iter().flat_map(|status| status.notes.clone()).collect() } else { notes(&outcome, code) };
    Report {
        decision,
        reason: code,
        words,
        because: vec![of_namespace(place, namespace, own), of_pod(pod)],
        notes,
        containers: status.filter(|_| is_whole).map(report::containers).unwrap_or_default(),
        disappoints,
        ..Report::about(stored)
    }
}

/// What else there is to know, also what would come after the rule that decided.
fn notes(outcome: &Outcome, code: &str) -> Vec<String> {
    let reason = outcome.reason;
    let next = (reason.code() != code && !reason.is_injected())
        .then(|| format!("{}: also then no sidecar would be added: {}", reason.code(), reason.words()));
    next.into_iter().chain(outcome.notes.iter().map(ToString::to_string)).collect()
}

impl Verdict {
    fn of(reason: Reason) -> Self {
        Self {
            decision: review::decision(reason),
            code: reason.code(),
            words: reason.words().to_owned(),
            disappoints: reason.disappoints(),
        }
    }

    fn skip(code: &'static str, words: String, disappoints: bool) -> Self {
        Self { decision: "skip", code, words, disappoints }
    }
}

fn sidecar_gone() -> Verdict {
    let words = "its status says that a sidecar was added, and there is none that runs beside its steps; another webhook may have \
                 taken it out; make the pod again, and look at what comes after this webhook";
    Verdict::skip("sidecar_gone", words.to_owned(), true)
}

/// The first rule that holds for a pod that nothing of ours is in.
fn without_sidecar(
    pod: Pod<'_>,
    made: Option<Timestamp>,
    (place, namespace, own): (&str, Option<&ObjectMeta>, &str),
    outcome: &Outcome,
) -> Verdict {
    let is_asked_for = mutate::is_asked_for(pod);
    if is_excluded(place, own) {
        let words = format!("namespace {place} belongs to the cluster or to the injector; run workflows in another one");
        return Verdict::skip("namespace_excluded", words, is_asked_for);
    }
    if namespace.is_some_and(|namespace| wish(namespace) != Wish::Enabled) {
        let words = format!(
            "namespace {place} is not enabled, so its pods never reach the webhook; `kubectl label --overwrite namespace {place} \
             {INJECT_LABEL}=enabled`, and make the pod again"
        );
        return Verdict::skip("namespace_not_enabled", words, is_asked_for);
    }
    if outcome.reason != Reason::Inject {
        return Verdict { disappoints: outcome.disappoints(), ..Verdict::of(outcome.reason) };
    }
    let since = namespace.and_then(labelled_at);
    if let Some((made, since)) = made.zip(since)
        && made.as_second() <= since.as_second()
    {
        let words = format!("it was made at {made}, before namespace {place} was enabled at {since}; make it again");
        return Verdict::skip("made_before_label", words, true);
    }
    let words = "it should have a sidecar: the API server did not call the webhook when it was made, or did not use its answer; see \
                 `agent-comms-injector check`, and make the pod again";
    Verdict::skip("missed", words.to_owned(), true)
}

fn of_namespace(place: &str, namespace: Option<&ObjectMeta>, own: &str) -> String {
    let Some(namespace) = namespace else {
        return format!("you may not read namespace {place}: whether it is enabled is not known");
    };
    match wish(namespace) {
        _ if is_excluded(place, own) => format!("namespace {place} never reaches the webhook, whatever its labels say"),
        Wish::Enabled => {
            let since = labelled_at(namespace).map(|since| format!(" since {since}")).unwrap_or_default();
            format!("label {INJECT_LABEL} of namespace {place} says enabled{since}: its pods reach the webhook")
        }
        Wish::Absent => format!("namespace {place} has no label {INJECT_LABEL}: its pods do not reach the webhook"),
        Wish::Disabled => format!("label {INJECT_LABEL} of namespace {place} says disabled: its pods do not reach the webhook"),
        Wish::Unknown(value) => format!(
            "label {INJECT_LABEL} of namespace {place} says `{value}`, and only `enabled` counts: its pods do not reach the webhook"
        ),
    }
}

fn of_pod(pod: Pod<'_>) -> String {
    if pod.label(INJECT_LABEL) == Some("disabled") {
        return format!("its own label {INJECT_LABEL} says disabled");
    }
    match runtime::of(pod) {
        Some(runtime) => runtime.evidence(pod),
        None => format!("no Job owns it, and neither a workflow's label nor {INJECT_LABEL}=enabled is on it"),
    }
}
