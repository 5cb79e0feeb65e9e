//! The schemas of answers. Lists of messages and problems are put together from parts that are JSON already; their outer form
//! stands here, and a test holds real answers against it.

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, SchemaGenerator};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::api::dead_letters::{DeadLetterPage, DeadLettersAt};
use crate::api::event::EventData;
use crate::api::run::{OneRun, RunData, RunList};

/// A page of history.
#[derive(Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
struct MessagePage<'a> {
    /// Always true.
    ok: bool,
    /// Newest first.
    messages: Vec<EventData<'a>>,
    /// The `before` of the page of older messages; null where there are none.
    next: Option<String>,
    /// The `after` of the page of newer messages; null where there are none.
    previous: Option<String>,
    /// Everything that matches up to here is told, here or on other pages.
    as_of: String,
    /// From when on messages were looked at; null for all.
    since: Option<String>,
    /// Why some of what followed `after` is not here; null where nothing is lost.
    missing: Option<String>,
}

/// A message among its neighbours.
#[derive(Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
struct MessageContext<'a> {
    /// Always true.
    ok: bool,
    /// Oldest first, the message asked for among them.
    messages: Vec<EventData<'a>>,
    /// The message asked for.
    cursor: String,
    /// Whether there are older ones.
    older: bool,
    /// Whether there are newer ones.
    newer: bool,
}

/// What is wrong with a request (RFC 9457).
#[derive(Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Problem {
    /// Always `about:blank`: the status says what kind it is.
    r#type: String,
    title: String,
    status: u16,
    /// What is wrong, and the way out.
    detail: String,
    /// Always false.
    ok: bool,
    /// The same as `detail`, for readers that look for it here.
    error: String,
    /// The namespaces that know the id that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Vec<String>")]
    namespaces: Option<Vec<String>>,
}

/// Every schema by its name.
pub(super) fn all() -> Map<String, Value> {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.definitions_path = "/components/schemas".into();
        settings.meta_schema = None;
    });
    let mut generator = settings.for_serialize().into_generator();
    add::<EventData<'static>>(&mut generator);
    add::<RunData<'static>>(&mut generator);
    add::<RunList<'static>>(&mut generator);
    add::<OneRun<'static>>(&mut generator);
    add::<MessagePage<'static>>(&mut generator);
    add::<MessageContext<'static>>(&mut generator);
    add::<DeadLetterPage<'static>>(&mut generator);
    add::<DeadLettersAt<'static>>(&mut generator);
    add::<Problem>(&mut generator);
    generator.take_definitions(true)
}

/// What a generator was asked for once is among its definitions.
fn add<T: JsonSchema>(generator: &mut SchemaGenerator) {
    let _reference = generator.subschema_for::<T>();
}
