//! Edits a document and writes down each edit as a JSON patch operation: since the edits are made as they are written, every index is right
//! at its time, and a parent that is made once is there for the next edit.

use std::borrow::Cow;

use serde::Serialize;
use serde_json::{Value, json};

/// One operation of RFC 6902, in its JSON form.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "op", rename_all = "lowercase")]
pub enum Operation {
    /// Puts a value at a path, or before the element there.
    Add {
        /// JSON pointer.
        path: String,
        /// The value.
        value: Value,
    },
    /// Puts another value at a path.
    Replace {
        /// JSON pointer.
        path: String,
        /// The value.
        value: Value,
    },
    /// Takes a value away.
    Remove {
        /// JSON pointer.
        path: String,
    },
}

/// A document, which is copied at the first edit, and what was done to it.
#[derive(Debug)]
pub(super) struct Editor<'a> {
    document: Cow<'a, Value>,
    operations: Vec<Operation>,
    misplaced: Option<String>,
}

impl<'a> Editor<'a> {
    pub(super) fn new(document: &'a Value) -> Self {
        Self { document: Cow::Borrowed(document), operations: Vec::new(), misplaced: None }
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
        let list = match self.document.to_mut().pointer_mut(&list_path) {
            Some(Value::Array(list)) => list,
            None | Some(Value::Null) => return self.set(path, key, Value::Array(elements)),
            Some(_) => return self.misplaced = Some(list_path),
        };
        for (offset, value) in elements.into_iter().enumerate() {
            let index = index + offset;
            list.insert(index.min(list.len()), value.clone());
            self.operations.push(Operation::Add { path: format!("{list_path}/{index}"), value });
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
        let Some(object) = self.document.to_mut().pointer_mut(path).and_then(Value::as_object_mut) else { return };
        let before = object.insert(key.to_owned(), value.clone());
        // `add` replaces a member too; `replace` says what is meant where there was one.
        self.operations.push(match before {
            Some(_) => Operation::Replace { path: member, value },
            None => Operation::Add { path: member, value },
        });
    }

    /// Puts another value in the place of an element of a list.
    pub(super) fn replace(&mut self, path: &str, value: Value) {
        let Some(place) = self.document.to_mut().pointer_mut(path) else { return };
        *place = value.clone();
        self.operations.push(Operation::Replace { path: path.to_owned(), value });
    }

    /// Takes an element out of a list.
    pub(super) fn remove(&mut self, path: &str) {
        let Some((parent, index)) = path.rsplit_once('/') else { return };
        let Some(list) = self.document.to_mut().pointer_mut(parent).and_then(Value::as_array_mut) else { return };
        let Some(index) = index.parse().ok().filter(|index| *index < list.len()) else { return };
        list.remove(index);
        self.operations.push(Operation::Remove { path: path.to_owned() });
    }

    /// The document, what was done to it, and where something stood that is not what belongs there; none where nothing was done.
    pub(super) fn finish(self) -> Option<(Value, Vec<Operation>, Option<String>)> {
        (!self.operations.is_empty()).then(|| (self.document.into_owned(), self.operations, self.misplaced))
    }
}
