//! Changes to JSON of a corpus that leave it JSON: what somebody who knows the format writes wrong, or means otherwise.

use bolero::TypeGenerator;
use serde_json::{Value, json};

/// An object of the corpus, and what is done to it.
#[derive(Debug, Clone, TypeGenerator)]
pub struct Grafts {
    /// Which object.
    object: u16,
    /// What is done to it, in this order.
    #[generator(bolero::produce::<Vec<Graft>>().with().len(0_usize..6))]
    grafts: Vec<Graft>,
}

/// One change. Places count from any number to one that there is.
#[derive(Debug, Clone, TypeGenerator)]
enum Graft {
    /// Puts something else there.
    Replace { at: u16, value: u8 },
    /// Puts a piece of another object there.
    Transplant { at: u16, object: u16, from: u16 },
    /// Takes it out of what it is in.
    Remove { at: u16 },
    /// Doubles an element of a list.
    Repeat { at: u16 },
    /// Adds an entry to an object, or an element to a list.
    Add { at: u16, key: u8, value: u8 },
}

/// Pieces of an object that has grown beyond this are no longer put into it.
const MOST_PIECES: usize = 4_000;

/// Names that mean something to whoever reads pods and workflows.
const KEYS: [&str; 32] = [
    "name",
    "command",
    "args",
    "env",
    "value",
    "volumeMounts",
    "mountPath",
    "subPath",
    "containers",
    "initContainers",
    "volumes",
    "emptyDir",
    "metadata",
    "labels",
    "annotations",
    "agent-comms.dev/status",
    "agent-comms.dev/files",
    "agent-comms.dev/inject",
    "agent-comms.dev/install",
    "workflows.argoproj.io/workflow",
    "ownerReferences",
    "spec",
    "restartPolicy",
    "resources",
    "limits",
    "securityContext",
    "runAsUser",
    "templates",
    "container",
    "containerSet",
    "sidecars",
    "inline",
];

/// Text at the edge of something.
const WORDS: [&str; 14] = [
    "",
    "main",
    "agent-comms",
    "agent-comms-init",
    "agent-comms-bin",
    "/run/agent-comms",
    "/run/agent-comms-bin/agent-comms",
    "Always",
    "enabled",
    "init",
    "~1/~0",
    "on",
    "- a: #",
    "two\n  lines \u{2028}\n",
];

impl Grafts {
    /// The changed object.
    ///
    /// # Panics
    /// When there is no object.
    #[must_use]
    pub fn of(&self, corpus: &[Value]) -> Value {
        let mut whole = corpus[usize::from(self.object) % corpus.len()].clone();
        for graft in &self.grafts {
            graft.apply(&mut whole, corpus);
        }
        whole
    }
}

impl Graft {
    fn apply(&self, whole: &mut Value, corpus: &[Value]) {
        let places = places(whole);
        let place = |at: u16| places[usize::from(at) % places.len()].as_str();
        match self {
            Self::Replace { at, value } => put(whole, place(*at), plain(*value)),
            Self::Transplant { at, object, from } => {
                let other = &corpus[usize::from(*object) % corpus.len()];
                let pieces = self::places(other);
                let piece = other.pointer(&pieces[usize::from(*from) % pieces.len()]).cloned().unwrap_or_default();
                if places.len() < MOST_PIECES {
                    put(whole, place(*at), piece);
                }
            }
            Self::Remove { at } => {
                let Some((parent, key)) = place(*at).rsplit_once('/') else { return };
                match whole.pointer_mut(parent) {
                    Some(Value::Object(object)) => drop(object.shift_remove(&key.replace("~1", "/").replace("~0", "~"))),
                    Some(Value::Array(list)) => drop(key.parse().map(|index: usize| list.remove(index))),
                    _ => {}
                }
            }
            Self::Repeat { at } => {
                let Some((parent, key)) = place(*at).rsplit_once('/') else { return };
                if let (Some(Value::Array(list)), Ok(index)) = (whole.pointer_mut(parent), key.parse::<usize>()) {
                    list.insert(index, list[index].clone());
                }
            }
            Self::Add { at, key, value } => match whole.pointer_mut(place(*at)) {
                Some(Value::Object(object)) => {
                    object.insert(KEYS[usize::from(*key) % KEYS.len()].to_owned(), plain(*value));
                }
                Some(Value::Array(list)) => list.push(plain(*value)),
                _ => {}
            },
        }
    }
}

fn put(whole: &mut Value, place: &str, value: Value) {
    if let Some(old) = whole.pointer_mut(place) {
        *old = value;
    }
}

fn plain(number: u8) -> Value {
    match usize::from(number) {
        0 => Value::Null,
        1 => json!([]),
        2 => json!({}),
        3 => json!(true),
        4 => json!(0),
        5 => json!(-1.5e300),
        6 => json!(u64::MAX),
        7 => json!([null]),
        8 => json!([{}]),
        9 => json!({ "": "" }),
        number => json!(WORDS[number % WORDS.len()]),
    }
}

/// JSON pointers of everything in a value, and of itself.
fn places(value: &Value) -> Vec<String> {
    let mut places = vec![String::new()];
    collect(value, "", &mut places);
    places
}

fn collect(value: &Value, at: &str, places: &mut Vec<String>) {
    let mut add = |key: String, inside: &Value| {
        let place = format!("{at}/{key}");
        places.push(place.clone());
        collect(inside, &place, places);
    };
    match value {
        Value::Object(object) => {
            object.iter().for_each(|(key, inside)| add(key.replace('~', "~0").replace('/', "~1"), inside));
        }
        Value::Array(list) => list.iter().enumerate().for_each(|(index, inside)| add(index.to_string(), inside)),
        _ => {}
    }
}
