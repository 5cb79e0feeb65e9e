//! What is remembered to find missed pods: the namespaces that ask, and the pods that were suspected. It takes what the
//! watches tell and gives suspects, each once.

use std::collections::{HashMap, HashSet};

use k8s_openapi::api::core::v1::{Namespace, Pod as ApiPod};
use k8s_openapi::jiff::Timestamp;
use kube::api::ObjectMeta;
use kube::core::PartialObjectMeta;
use kube::runtime::watcher::Event;
use serde_json::json;

use crate::names::STATUS_ANNOTATION;
use crate::namespaces;
use crate::options::Options;
use crate::pod::Pod;
use crate::policy;

/// Suspected pods that are remembered, about 100 bytes each. Where more have no sidecar, those beyond are not told.
pub const REMEMBERED: usize = 16_384;

/// A pod that may have been missed, as far as metadata tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Suspect {
    /// Namespace.
    pub namespace: String,
    /// Name.
    pub name: String,
    /// Uid.
    pub uid: String,
    /// When it was made, to the second.
    pub made: Timestamp,
}

/// What is remembered.
#[derive(Debug)]
pub struct Book {
    own_namespace: String,
    /// Namespaces that ask, and since when.
    enabled: HashMap<String, Timestamp>,
    /// Those that the list under way has told.
    listed_namespaces: HashSet<String>,
    /// Uids of pods that were suspected and are not gone.
    suspected: HashSet<String>,
    /// Those that the list under way has told.
    listed: HashSet<String>,
    is_full: bool,
}

impl Book {
    /// Knows nothing. `own_namespace` is the injector's, which cannot ask.
    #[must_use]
    pub fn new(own_namespace: String) -> Self {
        Self {
            own_namespace,
            enabled: HashMap::new(),
            listed_namespaces: HashSet::new(),
            suspected: HashSet::new(),
            listed: HashSet::new(),
            is_full: false,
        }
    }

    /// How many pods are remembered.
    #[must_use]
    pub fn remembered(&self) -> usize {
        self.suspected.len()
    }

    /// Takes what the watch of enabled namespaces tells. Gives those that were not known to be enabled.
    pub fn take_namespace(&mut self, event: Event<PartialObjectMeta<Namespace>>, now: Timestamp) -> Option<String> {
        match event {
            Event::Init => self.listed_namespaces.clear(),
            Event::InitApply(namespace) => {
                self.listed_namespaces.extend(namespace.metadata.name.clone());
                return self.enable(&namespace.metadata, now);
            }
            Event::InitDone => {
                let listed = std::mem::take(&mut self.listed_namespaces);
                self.enabled.retain(|name, _| listed.contains(name));
            }
            Event::Apply(namespace) => return self.enable(&namespace.metadata, now),
            // It is gone, or asks no more.
            Event::Delete(namespace) => {
                self.enabled.remove(&namespace.metadata.name.unwrap_or_default());
            }
        }
        None
    }

    fn enable(&mut self, metadata: &ObjectMeta, now: Timestamp) -> Option<String> {
        let name = metadata.name.clone().filter(|name| !namespaces::is_excluded(name, &self.own_namespace))?;
        let since = namespaces::labelled_at(metadata).unwrap_or(now);
        if let Some(known) = self.enabled.get_mut(&name) {
            // Whoever wrote the label has written something else since.
            *known = since.min(*known);
            return None;
        }
        self.enabled.insert(name.clone(), since);
        Some(name)
    }

    /// Takes what the watch of pods tells. Gives a pod that is suspected for the first time.
    pub fn take_pod(&mut self, event: Event<PartialObjectMeta<ApiPod>>, options: &Options) -> Option<Suspect> {
        match event {
            Event::Init => self.listed.clear(),
            Event::InitApply(pod) => {
                let uid = pod.metadata.uid.clone();
                let suspect = self.look(pod.metadata, options);
                self.listed.extend(uid.filter(|uid| self.suspected.contains(uid)));
                return suspect;
            }
            Event::InitDone => {
                let listed = std::mem::take(&mut self.listed);
                self.suspected.retain(|uid| listed.contains(uid));
                self.is_full = self.suspected.len() >= REMEMBERED;
            }
            Event::Apply(pod) => return self.look(pod.metadata, options),
            Event::Delete(pod) => {
                self.suspected.remove(&pod.metadata.uid.unwrap_or_default());
                self.is_full = false;
            }
        }
        None
    }

    /// Looks at one pod. Gives it when it is suspected for the first time.
    pub fn look(&mut self, mut metadata: ObjectMeta, options: &Options) -> Option<Suspect> {
        let since = *self.enabled.get(metadata.namespace.as_deref()?)?;
        let uid = metadata.uid.clone()?;
        if self.suspected.contains(&uid) || !is_suspect(&mut metadata, since, options) {
            return None;
        }
        if self.suspected.len() >= REMEMBERED {
            if !self.is_full {
                tracing::warn!(pods = REMEMBERED, "so many pods have no sidecar that those beyond are not told");
            }
            self.is_full = true;
            return None;
        }
        self.suspected.insert(uid.clone());
        let made = metadata.creation_timestamp?.0;
        Some(Suspect { namespace: metadata.namespace?, name: metadata.name?, uid, made })
    }
}

/// Whether a pod was made after `since`, has no status, and the decision would be to inject as far as metadata tell. Times
/// count in whole seconds, as the API server tells them, and a pod of the very second in which the label came is none.
#[must_use]
pub fn is_suspect(metadata: &mut ObjectMeta, since: Timestamp, options: &Options) -> bool {
    let made = metadata.creation_timestamp.as_ref().map(|made| made.0.as_second());
    let has_status = metadata.annotations.as_ref().is_some_and(|annotations| annotations.contains_key(STATUS_ANNOTATION));
    if has_status || made.is_none_or(|made| made <= since.as_second()) {
        return false;
    }
    metadata.managed_fields = None;
    policy::decide_by_metadata(Pod(&json!({ "metadata": metadata })), options).is_ok()
}
