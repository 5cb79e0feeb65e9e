//! The change itself: manifests in, the same manifests with or without the sidecar out, and what was done to each pod.

use clap::ValueEnum;
use serde_json::{Value, json};

use crate::meaning::meaning;
use crate::mutate::{self, Outcome};
use crate::offline::document::Manifest;
use crate::offline::place::{self, Found, Place};
use crate::offline::report::Report;
use crate::offline::yaml;
use crate::options::Options;
use crate::ours;
use crate::pod::{Pod, text};
use crate::policy::Reason;

/// Form of manifests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// As they came: comments and order are kept.
    Yaml,
    /// One object, or a list of several.
    Json,
}

/// Manifests that were changed.
#[derive(Debug)]
pub struct Changed {
    /// What each document says now, in the order of the manifests and of their documents; null where it says nothing.
    pub values: Vec<Value>,
    /// What was done, an element for each pod.
    pub reports: Vec<Report>,
}

/// Adds the sidecar to every pod that is to have one. Objects that name no namespace are taken to be of `namespace`.
#[must_use]
pub fn inject(manifests: &[Manifest], namespace: Option<&str>, options: &Options) -> Changed {
    change(manifests, Report::of_service, |object, place| {
        let namespace = text(&object["metadata"], "namespace").or(namespace).unwrap_or_default().to_owned();
        let name = place.name(object);
        let mut outcome = mutate::template(&place.pod(object), place.runtime(), &namespace, options);
        if let Some(path) = misfit(object, place, outcome.reason) {
            return Report::malformed(object, name, &path);
        }
        if let Some(patch) = &outcome.patch {
            let mut with = object.clone();
            place.put(&mut with, patch.patched.clone());
            if rest(&with, place) == rest(object, place) {
                *object = with;
            } else {
                // Something stands where a list or an object belongs, and would be lost.
                outcome = Outcome { reason: Reason::InternalSelfCheck, patch: None, notes: Vec::new(), ..outcome };
            }
        }
        Report::of(object, name, &outcome)
    })
}

/// What is wrong with the manifest of a pod that would have a sidecar but for that.
#[must_use]
pub fn misfit(object: &Value, place: &Place, reason: Reason) -> Option<String> {
    if reason.is_injected() || reason == Reason::MalformedPod { place.misfit(object) } else { None }
}

/// What an object means without what is ours in this place.
fn rest(object: &Value, place: &Place) -> Value {
    let mut object = object.clone();
    take_out(&mut object, place);
    meaning(&object)
}

/// Takes the sidecar out of every pod that has it.
#[must_use]
pub fn uninject(manifests: &[Manifest]) -> Changed {
    let of_service = |object: &Value| Report::removed(object, None, false);
    change(manifests, of_service, |object, place| {
        let name = place.name(object);
        let was_there = take_out(object, place);
        Report::removed(object, name, was_there)
    })
}

/// Takes out what is ours in a place, if anything is.
fn take_out(object: &mut Value, place: &Place) -> bool {
    let pod = place.pod(object);
    let Some(status) = ours::status(Pod(&pod)) else { return false };
    place.put(object, ours::without(pod, &status));
    true
}

fn change(
    manifests: &[Manifest],
    of_service: impl Fn(&Value) -> Report,
    mut each: impl FnMut(&mut Value, &Place) -> Report,
) -> Changed {
    let mut changed = Changed { values: Vec::new(), reports: Vec::new() };
    for document in manifests.iter().flat_map(|manifest| &manifest.documents) {
        let mut value = document.value.clone();
        visit(&mut value, &mut |object| match place::find(object) {
            Found::Places(places) => changed.reports.extend(places.iter().map(|place| each(object, place))),
            Found::Service => changed.reports.push(of_service(object)),
            Found::Other => {}
        });
        changed.values.push(value);
    }
    changed
}

/// Calls for each object, also for those in lists.
pub fn visit(value: &mut Value, each: &mut dyn FnMut(&mut Value)) {
    let is_list = text(value, "kind").is_some_and(|kind| kind.ends_with("List"));
    if let Some(items) = value.get_mut("items").and_then(Value::as_array_mut).filter(|_| is_list) {
        for item in items {
            visit(item, each);
        }
    } else if value.is_object() {
        each(value);
    }
}

impl Changed {
    /// The text of the manifests that these values came from, and the names of those in which comments and order of a
    /// document could not be kept.
    #[must_use]
    pub fn text<'a>(&self, manifests: &'a [Manifest], output: Output) -> (String, Vec<&'a str>) {
        if output == Output::Json || manifests.iter().all(|manifest| manifest.is_json) {
            return (self.json(), Vec::new());
        }
        let (mut whole, mut rewritten) = (String::new(), Vec::new());
        let documents = manifests.iter().flat_map(|manifest| manifest.documents.iter().map(move |document| (manifest, document)));
        for (index, ((manifest, document), value)) in documents.zip(&self.values).enumerate() {
            let (text, is_kept) = if manifest.is_json { (yaml::block(value), true) } else { document.changed(value) };
            if !is_kept && !rewritten.contains(&manifest.name.as_str()) {
                rewritten.push(&manifest.name);
            }
            if index > 0 && !text.starts_with("---") {
                whole.push_str("---\n");
            }
            whole.push_str(&text);
            if !text.ends_with('\n') {
                whole.push('\n');
            }
        }
        (whole, rewritten)
    }

    fn json(&self) -> String {
        let objects: Vec<&Value> = self.values.iter().filter(|value| !value.is_null()).collect();
        let whole = match objects[..] {
            [object] => object.clone(),
            _ => json!({ "apiVersion": "v1", "kind": "List", "items": objects }),
        };
        format!("{whole:#}\n")
    }
}
