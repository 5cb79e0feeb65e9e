//! Manifests: whatever text comes, it is refused or read; what is written says what the changed values say, and what was added
//! can be taken out again.

use fuzz::graft::Grafts;
use injector::meaning::meaning;
use injector::offline::change::{self, Changed, Output};
use injector::offline::document::{self, Manifest};
use injector::offline::yaml;
use injector::options::Options;
use serde_json::Value;

use crate::review::options;

#[test]
fn manifests() {
    let options = options();
    fuzz::target!("manifests", |bytes: &[u8]| check(&String::from_utf8_lossy(bytes), &options));
}

#[test]
fn grafted_manifests() {
    let options = options();
    let corpus = fuzz::corpus(env!("CARGO_MANIFEST_DIR"), "manifests");
    let read = |bytes: &Vec<u8>| document::parse("corpus", std::str::from_utf8(bytes).ok()?).ok();
    let documents = corpus.iter().filter_map(read).flat_map(|manifest| manifest.documents);
    let values: Vec<Value> = documents.map(|document| document.value).filter(Value::is_object).collect();
    bolero::check!(name = "manifests-grafted").with_iterations(fuzz::iterations(100)).with_type::<Grafts>().for_each(
        |grafts: &Grafts| {
            let value = grafts.of(&values);
            let text = yaml::block(&value);
            let read = document::parse("block", &text).unwrap_or_else(|error| panic!("{error:#}\n{text}"));
            assert_eq!(meaning(&read.documents[0].value), meaning(&value), "{text}");
            check(&text, &options);
            check(&value.to_string(), &options);
        },
    );
}

fn check(text: &str, options: &Options) {
    let Ok(manifest) = document::parse("input", text) else { return };
    let manifests = [manifest];
    check_written(&manifests, &change::uninject(&manifests));
    let injected = change::inject(&manifests, Some("team"), options);
    check_written(&manifests, &injected);
    let was_there = change::uninject(&manifests).reports.iter().any(|report| report.decision == "remove");
    if injected.values.iter().all(Value::is_null) || was_there {
        return;
    }
    let written = [document::parse("written", &injected.text(&manifests, Output::Yaml).0).unwrap()];
    let removed = change::uninject(&written);
    let before: Vec<Value> = objects(manifests[0].documents.iter().map(|document| &document.value)).iter().map(meaning).collect();
    let after: Vec<Value> = objects(removed.values.iter()).iter().map(meaning).collect();
    assert_eq!(after, before, "{text}");
}

/// The objects of documents, and of lists in their place.
fn objects<'a>(values: impl Iterator<Item = &'a Value>) -> Vec<Value> {
    let mut objects = Vec::new();
    for value in values {
        change::visit(&mut value.clone(), &mut |object| objects.push(object.clone()));
    }
    objects
}

/// What is written in either form says the same as the values.
fn check_written(manifests: &[Manifest], changed: &Changed) {
    let expected: Vec<&Value> = changed.values.iter().filter(|value| !value.is_null()).collect();
    if expected.is_empty() {
        return;
    }
    let (text, _) = changed.text(manifests, Output::Yaml);
    let read = document::parse("written", &text).unwrap_or_else(|error| panic!("{error:#}\n{text}"));
    let found: Vec<&Value> = read.documents.iter().map(|document| &document.value).filter(|value| !value.is_null()).collect();
    if manifests.iter().all(|manifest| manifest.is_json) && expected.len() > 1 {
        assert_eq!(found[0]["items"].as_array().unwrap().iter().collect::<Vec<_>>(), expected);
    } else {
        assert_eq!(found, expected, "{text}");
    }
    let json: Value = serde_json::from_str(&changed.text(manifests, Output::Json).0).unwrap();
    match expected[..] {
        [one] => assert_eq!(json, *one),
        _ => assert_eq!(json["items"].as_array().unwrap().iter().collect::<Vec<_>>(), expected),
    }
}
