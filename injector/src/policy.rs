//! Whether a pod gets a sidecar: values in, one reason out.
//!
//! The first reason that holds wins, in the order in which [`Reason`] lists them, so that the same pod always gets the same answer.
//! Reasons that only the plan can find (conflicts, sizes) come after those found here.

use crate::misfit;
use crate::names::INJECT_LABEL;
use crate::options::Options;
use crate::pod::{Pod, text};
use crate::runtime::{self, Runtime};

/// Annotation by which the kubelet marks the API's picture of a static pod.
const MIRROR_ANNOTATION: &str = "kubernetes.io/config.mirror";
/// Node labels that choose an operating system, the second one for old clusters.
const SYSTEM_LABELS: [&str; 2] = ["kubernetes.io/os", "beta.kubernetes.io/os"];

/// Why a pod was or was not injected. The codes are a public contract: metric label, log field, audit annotation, event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// Not the creation of a pod.
    NotPod,
    /// The pod's own label says no.
    DisabledByPod,
    /// Neither a Job's, nor a workflow's, nor labelled.
    NotWorkflowPod,
    /// A pod that Argo runs for itself.
    ArgoComponentPod,
    /// The API's picture of a static pod: changing it changes nothing.
    MirrorPod,
    /// A restored pod that has run already.
    HasRun,
    /// On the host's network, and the settings say to leave those alone.
    HostNetwork,
    /// Our image is for Linux.
    Windows,
    /// Something in it is missing or of another type than Kubernetes has: a mistake in a manifest.
    MalformedPod,
    /// A container has our name and is not ours.
    NameConflict,
    /// A volume has our name and is not ours.
    VolumeConflict,
    /// More containers than a sidecar serves.
    TooManyContainers,
    /// The cluster would take a native sidecar for an ordinary init container, which never ends.
    NativeUnsupported,
    /// Every container has something else mounted where the socket would be.
    MountPathConflict,
    /// The sidecar is there and whole.
    AlreadyInjected,
    /// The pod would come close to what the API server stores.
    TooLarge,
    /// Our own check of the patch failed: better no sidecar than a rejected pod.
    InternalSelfCheck,
    /// The sidecar is added.
    Inject,
    /// The sidecar was there, something of it was missing or changed, and is mended.
    Repair,
}

impl Reason {
    /// Every reason, in the order of decision.
    pub const ALL: [Self; 19] = [
        Self::NotPod,
        Self::DisabledByPod,
        Self::NotWorkflowPod,
        Self::ArgoComponentPod,
        Self::MirrorPod,
        Self::HasRun,
        Self::HostNetwork,
        Self::Windows,
        Self::MalformedPod,
        Self::NameConflict,
        Self::VolumeConflict,
        Self::TooManyContainers,
        Self::NativeUnsupported,
        Self::MountPathConflict,
        Self::AlreadyInjected,
        Self::TooLarge,
        Self::InternalSelfCheck,
        Self::Inject,
        Self::Repair,
    ];

    /// The stable code.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::NotPod => "not_pod",
            Self::DisabledByPod => "disabled_by_pod",
            Self::NotWorkflowPod => "not_workflow_pod",
            Self::ArgoComponentPod => "argo_component_pod",
            Self::MirrorPod => "mirror_pod",
            Self::HasRun => "has_run",
            Self::HostNetwork => "host_network",
            Self::Windows => "windows",
            Self::MalformedPod => "malformed_pod",
            Self::AlreadyInjected => "already_injected_current",
            Self::NameConflict => "name_conflict",
            Self::VolumeConflict => "volume_conflict",
            Self::MountPathConflict => "mount_path_conflict",
            Self::TooManyContainers => "too_many_containers",
            Self::TooLarge => "too_large",
            Self::NativeUnsupported => "native_unsupported",
            Self::InternalSelfCheck => "internal_self_check",
            Self::Inject => "inject",
            Self::Repair => "repair",
        }
    }

    /// What happened and what to change, for people; short enough for a warning of the API.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::NotPod => "only the creation of pods is looked at",
            Self::DisabledByPod => "the pod's label agent-comms.dev/inject says disabled",
            Self::NotWorkflowPod => "no Job owns it, no workflow label; label it agent-comms.dev/inject=enabled",
            Self::ArgoComponentPod => "Argo runs this pod for itself; no step is in it",
            Self::MirrorPod => "a static pod cannot be changed through the API",
            Self::HasRun => "the pod has run already",
            Self::HostNetwork => "pods with hostNetwork are left alone by the injector's settings",
            Self::Windows => "there is no sidecar for Windows",
            Self::MalformedPod => "a field is missing or of another type than Kubernetes has; mend the manifest",
            Self::AlreadyInjected => "the sidecar is there",
            Self::NameConflict => "a container is named agent-comms or agent-comms-init; rename it",
            Self::VolumeConflict => "a volume is named agent-comms or agent-comms-*; rename it",
            Self::MountPathConflict => "each container has a mount at /run/agent-comms, or a read-only /run",
            Self::TooManyContainers => "more containers than one sidecar serves",
            Self::TooLarge => "the pod is too large to add to",
            Self::NativeUnsupported => "the cluster has no native sidecars; Kubernetes 1.29 or newer has",
            Self::InternalSelfCheck => "the patch did not pass its own check; please report this",
            Self::Inject => "the sidecar is added",
            Self::Repair => "the sidecar is mended",
        }
    }

    /// Whether the pod has, or now gets, a sidecar.
    #[must_use]
    pub fn is_injected(self) -> bool {
        matches!(self, Self::Inject | Self::Repair | Self::AlreadyInjected)
    }

    /// Whether somebody asked for a sidecar and does not get one, so that they must be told.
    #[must_use]
    pub fn disappoints(self) -> bool {
        matches!(
            self,
            Self::HostNetwork
                | Self::Windows
                | Self::MalformedPod
                | Self::NameConflict
                | Self::VolumeConflict
                | Self::MountPathConflict
                | Self::TooManyContainers
                | Self::TooLarge
                | Self::NativeUnsupported
                | Self::InternalSelfCheck
        )
    }
}

/// The runtime that a pod belongs to, or why it is left alone.
pub fn decide(pod: Pod<'_>, options: &Options) -> Result<&'static dyn Runtime, Reason> {
    let runtime = decide_by_metadata(pod, options)?;
    check_form(pod)?;
    Ok(runtime)
}

/// The same for a pod of which only the metadata are known: what else is in it may still refuse the sidecar.
pub fn decide_by_metadata(pod: Pod<'_>, options: &Options) -> Result<&'static dyn Runtime, Reason> {
    if pod.label(INJECT_LABEL) == Some("disabled") {
        return Err(Reason::DisabledByPod);
    }
    let runtime = runtime::of(pod).ok_or(Reason::NotWorkflowPod)?;
    refuse(pod, runtime, options)?;
    Ok(runtime)
}

/// Whether a pod that belongs to a runtime is looked at further; else why not.
pub fn admit(pod: Pod<'_>, runtime: &dyn Runtime, options: &Options) -> Result<(), Reason> {
    refuse(pod, runtime, options)?;
    check_form(pod)
}

fn check_form(pod: Pod<'_>) -> Result<(), Reason> {
    misfit::of_pod(pod.0).map_or(Ok(()), |_| Err(Reason::MalformedPod))
}

fn refuse(pod: Pod<'_>, runtime: &dyn Runtime, options: &Options) -> Result<(), Reason> {
    if pod.label(INJECT_LABEL) == Some("disabled") {
        return Err(Reason::DisabledByPod);
    }
    if let Some(reason) = runtime.refuses(pod) {
        return Err(reason);
    }
    if pod.annotation(MIRROR_ANNOTATION).is_some() {
        return Err(Reason::MirrorPod);
    }
    if has_run(pod) {
        return Err(Reason::HasRun);
    }
    if options.skip_host_network && pod.spec().get("hostNetwork").and_then(serde_json::Value::as_bool) == Some(true) {
        return Err(Reason::HostNetwork);
    }
    if is_windows(pod) {
        return Err(Reason::Windows);
    }
    Ok(())
}

fn has_run(pod: Pod<'_>) -> bool {
    let phase = pod.0.get("status").and_then(|status| text(status, "phase")).unwrap_or_default();
    !matches!(phase, "" | "Pending")
}

fn is_windows(pod: Pod<'_>) -> bool {
    let spec = pod.spec();
    let named = spec.get("os").and_then(|system| text(system, "name"));
    let selected = SYSTEM_LABELS.iter().find_map(|label| text(spec.get("nodeSelector")?, label));
    named == Some("windows") || selected == Some("windows")
}
