//! Edits a document and writes down each edit as a JSON patch operation: since the edits are made as they are written, every index is right
//! at its time, and a parent that is made once is there for the next edit.

use serde_json::{Value, json};

/// One operation of RFC 6902.
#[derive(Clone, Debug, PartialEq)]
pub enum Operation {
    /// Puts a value at a path, or before the element there.
    Add(String, Value),
    /// Puts another value at a path.
    Replace(String, Value),
    /// Takes a value away.
    Remove(String),
}

impl Operation {
    /// The operation's JSON form.
    #[must_use]
    pub fn to_json(&self) -> Value {
        match self {
            Self::Add(path, value) => json!({ "op": "add", "path": path, "value": value }),
            Self::Replace(path, value) => json!({ "op": "replace", "path": path, "value": value }),
            Self::Remove(path) => json!({ "op": "remove", "path": path }),
        }
    }
}

/// A document and what was done to it.
#[derive(Debug)]
pub(super) struct Editor {
    document: Value,
    operations: Vec<Operation>,
    misplaced: Option<String>,
}

impl Editor {
    pub(super) fn new(document: Value) -> Self {
        Self { document, operations: Vec::new(), misplaced: None }
    }

    pub(super) fn document(&self) -> &Value {
        &self.document
    }

    /// The value at a path, null when there is none.
    pub(super) fn at(&self, path: &str) -> &Value {
        self.document.pointer(path).unwrap_or(&Value::Null)
    }

    pub(super) fn name_at(&self, path: &str) -> &str {
        crate::pod::name(self.at(path))
    }

    /// Inserts elements into a list of the object at `path`; a list that is absent or null is made with all of them at once, and
    /// what is there and is no list stays.
    pub(super) fn insert(&mut self, path: &str, key: &str, index: usize, elements: Vec<Value>) {
        if elements.is_empty() {
            return;
        }
        let list_path = format!("{path}/{key}");
        let list = match self.document.pointer_mut(&list_path) {
            Some(Value::Array(list)) => list,
            None | Some(Value::Null) => return self.set(path, key, Value::Array(elements)),
            Some(_) => return self.misplaced = Some(list_path),
        };
        for (offset, element) in elements.into_iter().enumerate() {
            let index = index + offset;
            list.insert(index.min(list.len()), element.clone());
            self.operations.push(Operation::Add(format!("{list_path}/{index}"), element));
        }
    }

    /// Sets a member of an object that is a member of the object at `path`, and made when it is absent or null.
    pub(super) fn set_in(&mut self, path: &str, key: &str, member: &str, value: Value) {
        let object_path = format!("{path}/{key}");
        match self.at(&object_path) {
            Value::Object(_) => self.set(&object_path, member, value),
            Value::Null => self.set(path, key, json!({ member: value })),
            _ => self.misplaced = Some(object_path),
        }
    }

    /// Sets a member of the object at `path`.
    pub(super) fn set(&mut self, path: &str, key: &str, value: Value) {
        let member = format!("{path}/{}", key.replace('~', "~0").replace('/', "~1"));
        let Some(object) = self.document.pointer_mut(path).and_then(Value::as_object_mut) else { return };
        let before = object.insert(key.to_owned(), value.clone());
        // `add` replaces a member too; `replace` says what is meant where there was one.
        self.operations.push(if before.is_some() { Operation::Replace(member, value) } else { Operation::Add(member, value) });
    }

    /// Puts another value in the place of an element of a list.
    pub(super) fn replace(&mut self, path: &str, value: Value) {
        let Some(place) = self.document.pointer_mut(path) else { return };
        *place = value.clone();
        self.operations.push(Operation::Replace(path.to_owned(), value));
    }

    /// Takes an element out of a list.
    pub(super) fn remove(&mut self, path: &str) {
        let Some((parent, index)) = path.rsplit_once('/') else { return };
        let Some(list) = self.document.pointer_mut(parent).and_then(Value::as_array_mut) else { return };
        let Some(index) = index.parse().ok().filter(|index| *index < list.len()) else { return };
        list.remove(index);
        self.operations.push(Operation::Remove(path.to_owned()));
    }

    /// The document, what was done to it, and where something stood that is not what belongs there.
    pub(super) fn finish(self) -> (Value, Vec<Operation>, Option<String>) {
        (self.document, self.operations, self.misplaced)
    }
}
