//! The change itself: manifests in, the same manifests with or without the sidecar out, and what was done to each pod.

use clap::ValueEnum;
use serde_json::{Value, json};

use crate::mutate;
use crate::offline::document::Manifest;
use crate::offline::place::{self, Found, Place};
use crate::offline::report::Report;
use crate::offline::yaml;
use crate::options::Options;
use crate::ours;
use crate::pod::{Pod, text};

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
        let outcome = mutate::template(&place.pod(object), place.runtime(), &namespace, options);
        let report = Report::of(object, name, &outcome);
        if let Some(patch) = outcome.patch {
            place.put(object, patch.patched);
        }
        report
    })
}

/// Takes the sidecar out of every pod that has it.
#[must_use]
pub fn uninject(manifests: &[Manifest]) -> Changed {
    let of_service = |object: &Value| Report::removed(object, None, false);
    change(manifests, of_service, |object, place| {
        let (pod, name) = (place.pod(object), place.name(object));
        let status = ours::status(Pod(&pod));
        let report = Report::removed(object, name, status.is_some());
        if let Some(status) = status {
            place.put(object, ours::without(&pod, &status));
        }
        report
    })
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
    /// The text of the manifests that these values came from.
    #[must_use]
    pub fn text(&self, manifests: &[Manifest], output: Output) -> String {
        if output == Output::Json || manifests.iter().all(|manifest| manifest.is_json) {
            return self.json();
        }
        let mut whole = String::new();
        let documents = manifests.iter().flat_map(|manifest| manifest.documents.iter().map(move |document| (manifest, document)));
        for (index, ((manifest, document), value)) in documents.zip(&self.values).enumerate() {
            let (text, is_kept) = if manifest.is_json { (yaml::block(value), true) } else { document.changed(value) };
            if !is_kept {
                tracing::warn!(manifest = manifest.name, "comments and order of a document could not be kept");
            }
            if index > 0 && !text.starts_with("---") {
                whole.push_str("---\n");
            }
            whole.push_str(&text);
            if !text.ends_with('\n') {
                whole.push('\n');
            }
        }
        whole
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
