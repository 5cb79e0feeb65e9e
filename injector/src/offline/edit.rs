//! Carries a change over into the text: what did not change keeps its comments, its order and its style.

use std::str::FromStr as _;

use serde_json::{Map, Value};
use yaml_edit::{Document, Mapping, Sequence, YamlNode};

use crate::offline::yaml;
use crate::pod::text;

/// Makes the text of a document say `after` where it says `before`. Nothing when the text has no form that this can be done in; what
/// comes out must be read again and compared all the same.
#[must_use]
pub fn document(source: &str, before: &Value, after: &Value) -> Option<String> {
    let document = Document::from_str(source).ok()?;
    match (before, after) {
        (Value::Object(before), Value::Object(after)) => mapping(&document.as_mapping()?, before, after)?,
        _ => return None,
    }
    Some(document.to_string())
}

fn mapping(node: &Mapping, before: &Map<String, Value>, after: &Map<String, Value>) -> Option<()> {
    for key in before.keys().filter(|key| !after.contains_key(*key)) {
        node.remove(key.as_str());
    }
    for (key, new) in after {
        let old = before.get(key);
        if old == Some(new) {
            continue;
        }
        match (node.get(key.as_str()), old, new) {
            (Some(YamlNode::Mapping(child)), Some(Value::Object(old)), Value::Object(new)) if !old.is_empty() => {
                mapping(&child, old, new)?;
            }
            (Some(YamlNode::Sequence(child)), Some(Value::Array(old)), Value::Array(new)) if !old.is_empty() => {
                sequence(&child, old, new)?;
            }
            _ => node.set(key.as_str(), made(new)?),
        }
    }
    Some(())
}

fn sequence(node: &Sequence, before: &[Value], after: &[Value]) -> Option<()> {
    // Where nothing came or went, each element is what stands in its place.
    let in_place = before.len() == after.len();
    let kept = if in_place { (0..before.len()).map(|index| (index, index)).collect() } else { common(before, after) };
    let is_kept = |index: usize| kept.iter().any(|(old, _)| *old == index);
    for index in (0..before.len()).rev().filter(|index| !is_kept(*index)) {
        node.remove(index)?;
    }
    // What is kept now stands in the order of `kept`; each new element comes to the place that it has in the end.
    for (index, new) in after.iter().enumerate() {
        match kept.iter().find(|(_, place)| *place == index) {
            Some((old, _)) => element(node, index, &before[*old], new)?,
            None if index >= node.len() => node.push(made(new)?),
            None => node.insert(index, made(new)?),
        }
    }
    Some(())
}

fn element(node: &Sequence, index: usize, old: &Value, new: &Value) -> Option<()> {
    if old == new {
        return Some(());
    }
    match (node.get(index), old, new) {
        (Some(YamlNode::Mapping(child)), Value::Object(old), Value::Object(new)) if !old.is_empty() => mapping(&child, old, new),
        (Some(YamlNode::Sequence(child)), Value::Array(old), Value::Array(new)) if !old.is_empty() => sequence(&child, old, new),
        _ => node.set(index, made(new)?).then_some(()),
    }
}

/// The longest run of elements that both lists have in the same order, as pairs of indexes.
fn common(before: &[Value], after: &[Value]) -> Vec<(usize, usize)> {
    let is_same = |old: usize, new: usize| is_same_element(&before[old], &after[new]);
    let mut longest = vec![vec![0_usize; after.len() + 1]; before.len() + 1];
    for old in (0..before.len()).rev() {
        for new in (0..after.len()).rev() {
            longest[old][new] =
                if is_same(old, new) { longest[old + 1][new + 1] + 1 } else { longest[old + 1][new].max(longest[old][new + 1]) };
        }
    }
    let (mut old, mut new, mut pairs) = (0, 0, Vec::new());
    while old < before.len() && new < after.len() {
        if is_same(old, new) {
            pairs.push((old, new));
            (old, new) = (old + 1, new + 1);
        } else if longest[old + 1][new] >= longest[old][new + 1] {
            old += 1;
        } else {
            new += 1;
        }
    }
    pairs
}

/// Objects of a list are known by their names, and mounts also by their places; lists by what they hold; everything else by
/// itself.
fn is_same_element(old: &Value, new: &Value) -> bool {
    if let (Value::Array(old), Value::Array(new)) = (old, new) {
        return old.len() == new.len() && old.iter().zip(new).all(|(old, new)| is_same_element(old, new));
    }
    match (text(old, "name"), text(new, "name")) {
        (Some(old_name), Some(new_name)) => old_name == new_name && old.get("mountPath") == new.get("mountPath"),
        _ => old == new,
    }
}

/// A value as a node of a text of its own.
fn made(value: &Value) -> Option<YamlNode> {
    let document = Document::from_str(&yaml::block(value)).ok()?;
    let collection = document.as_mapping().map(YamlNode::Mapping).or_else(|| document.as_sequence().map(YamlNode::Sequence));
    collection.or_else(|| document.as_scalar().map(YamlNode::Scalar))
}

#[cfg(test)]
mod tests;
