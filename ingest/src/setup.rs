//! `setup`: the stream and its durable consumer where no controller makes them, from the same definition.
//!
//! It creates what is missing and nothing else. What is there and differs is shown, and left to a person: a changed
//! consumer can pass over messages, a deleted one forgets what is stored.

mod duration;
mod manifest;

use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use async_nats::jetstream;
use async_nats::jetstream::consumer::{IntoConsumerConfig as _, pull};
use async_nats::jetstream::context::GetStreamErrorKind;
use async_nats::jetstream::stream::{self, ConsumerErrorKind};
use serde_json::{Value, json};

use crate::args::SetupArgs;
use crate::args::client::Format;
use manifest::Manifest;

/// The definition this program was built with.
const BUILT_IN: &str = include_str!("../../manifests/nats/agent-comms.yaml");
/// How long the server may take to be reached.
const CONNECT: Duration = Duration::from_secs(10);

/// What became of a stream or a consumer.
#[derive(Debug, PartialEq)]
enum Outcome {
    Created,
    Same,
    Differs(Vec<Difference>),
}

/// A setting that is not as it should be.
#[derive(Debug, PartialEq)]
struct Difference {
    setting: String,
    is: Value,
    should_be: Value,
}

/// Creates what is missing, and fails when something differs.
///
/// # Errors
/// When a file cannot be read, the server cannot be reached or refuses, or something that is there differs.
pub async fn run(args: &SetupArgs) -> anyhow::Result<()> {
    service::logs::start(&args.logs);
    let manifest = read(args.manifest.as_deref())?;
    let scratch = tempfile::tempdir().context("cannot make a temporary directory; set TMPDIR to one that may be written to")?;
    let options = args.nats.options("agent-comms-ingest setup", scratch.path())?;
    // A person waits for the answer: a few tries, then it says what it could not reach.
    let client = options.max_reconnects(5).connect(args.nats.servers()?).await.with_context(|| {
        format!("cannot connect to nats at `{}`; check the address and that the server runs", args.nats.told_url())
    })?;
    let reached = tokio::time::timeout(CONNECT, client.flush()).await;
    let reached = reached.is_ok_and(|flushed| flushed.is_ok());
    anyhow::ensure!(
        reached,
        "nats at `{}` cannot be reached within 10 s; check the address and the certificates",
        args.nats.told_url()
    );
    let jetstream = jetstream::new(client);
    let mut differences = 0;
    for wanted in manifest.streams {
        let outcome = stream(&jetstream, wanted.clone()).await?;
        differences += tell(args.output, &Resource { stream: &wanted.name, consumer: None }, &outcome)?;
    }
    for (stream, wanted) in manifest.consumers {
        let name = wanted.durable_name.clone().unwrap_or_default();
        let outcome = consumer(&jetstream, &stream, wanted).await?;
        differences += tell(args.output, &Resource { stream: &stream, consumer: Some(&name) }, &outcome)?;
    }
    anyhow::ensure!(
        differences == 0,
        "{differences} settings differ, nothing was changed; change them by hand or change the manifest"
    );
    Ok(())
}

fn read(path: Option<&Path>) -> anyhow::Result<Manifest> {
    let Some(path) = path else {
        return Manifest::parse(BUILT_IN).context("the built-in manifest cannot be used");
    };
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("cannot read the manifest `{}`; give a file that this process may read", path.display()))?;
    Manifest::parse(&text).with_context(|| format!("manifest `{}` cannot be used", path.display()))
}

async fn stream(jetstream: &jetstream::Context, wanted: stream::Config) -> anyhow::Result<Outcome> {
    let name = wanted.name.clone();
    match jetstream.get_stream(&name).await {
        Ok(mut found) => {
            let found = &found.info().await.with_context(|| format!("cannot read stream `{name}`"))?.config;
            Ok(compare(&serde_json::to_value(&wanted)?, &serde_json::to_value(found)?))
        }
        Err(error) => match error.kind() {
            GetStreamErrorKind::JetStream(reason) if reason.error_code() == jetstream::ErrorCode::STREAM_NOT_FOUND => {
                jetstream.create_stream(wanted).await.with_context(|| format!("cannot create stream `{name}`"))?;
                Ok(Outcome::Created)
            }
            _ => Err(error).with_context(|| format!("cannot read stream `{name}`")),
        },
    }
}

async fn consumer(jetstream: &jetstream::Context, stream: &str, wanted: pull::Config) -> anyhow::Result<Outcome> {
    let name = wanted.durable_name.clone().unwrap_or_default();
    let found: Result<jetstream::consumer::PullConsumer, _> = jetstream.get_consumer_from_stream(&name, stream).await;
    match found {
        Ok(found) => {
            let wanted = serde_json::to_value(wanted.into_consumer_config())?;
            Ok(compare(&wanted, &serde_json::to_value(&found.cached_info().config)?))
        }
        Err(error) => match error.kind() {
            ConsumerErrorKind::JetStream(reason) if reason.error_code() == jetstream::ErrorCode::CONSUMER_NOT_FOUND => {
                let created = jetstream.create_consumer_strict_on_stream(wanted, stream).await;
                created.with_context(|| format!("cannot create consumer `{name}` of stream `{stream}`"))?;
                Ok(Outcome::Created)
            }
            _ => Err(error).with_context(|| format!("cannot read consumer `{name}` of stream `{stream}`")),
        },
    }
}

/// Every setting that is wanted and is not so. What the server adds by itself is no difference.
fn compare(wanted: &Value, found: &Value) -> Outcome {
    let empty = serde_json::Map::new();
    let settings = wanted.as_object().unwrap_or(&empty);
    let differs = |(key, value): (&String, &Value)| {
        let other = found.get(key).unwrap_or(&Value::Null);
        let is_default = |value: &Value| {
            matches!(value, Value::Null | Value::Bool(false)) || value.as_i64() == Some(0) || value.as_str() == Some("")
        };
        let same = value == other || (is_default(value) && is_default(other)) || same_set(value, other);
        (!same).then(|| Difference { setting: key.clone(), is: other.clone(), should_be: value.clone() })
    };
    let differences: Vec<Difference> = settings.iter().filter_map(differs).collect();
    if differences.is_empty() { Outcome::Same } else { Outcome::Differs(differences) }
}

/// Subjects have no order.
fn same_set(one: &Value, other: &Value) -> bool {
    let texts = |value: &Value| {
        let mut texts: Vec<String> = value.as_array()?.iter().map(ToString::to_string).collect();
        texts.sort();
        Some(texts)
    };
    texts(one).is_some_and(|one| texts(other) == Some(one))
}

/// What is looked at.
struct Resource<'a> {
    stream: &'a str,
    consumer: Option<&'a str>,
}

/// Prints what became of it and returns how many settings differ.
fn tell(format: Format, resource: &Resource<'_>, outcome: &Outcome) -> anyhow::Result<usize> {
    let differences = match outcome {
        Outcome::Created | Outcome::Same => &[][..],
        Outcome::Differs(differences) => differences,
    };
    let mut out = std::io::stdout().lock();
    match format {
        Format::Text => write!(out, "{}", as_text(resource, outcome, differences))?,
        Format::Json => writeln!(out, "{}", as_json(resource, outcome, differences))?,
    }
    Ok(differences.len())
}

fn as_text(resource: &Resource<'_>, outcome: &Outcome, differences: &[Difference]) -> String {
    let what = match resource.consumer {
        None => format!("stream `{}`", resource.stream),
        Some(consumer) => format!("consumer `{consumer}` of stream `{}`", resource.stream),
    };
    let said = match outcome {
        Outcome::Created => "created",
        Outcome::Same => "is as it should be",
        Outcome::Differs(_) => "differs",
    };
    let lines =
        differences.iter().map(|Difference { setting, is, should_be }| format!("  {setting}: is {is}, should be {should_be}\n"));
    std::iter::once(format!("{what}: {said}\n")).chain(lines).collect()
}

fn as_json(resource: &Resource<'_>, outcome: &Outcome, differences: &[Difference]) -> Value {
    let outcome = match outcome {
        Outcome::Created => "created",
        Outcome::Same => "same",
        Outcome::Differs(_) => "differs",
    };
    let differences: Vec<Value> = differences
        .iter()
        .map(|difference| json!({ "setting": difference.setting, "is": difference.is, "should_be": difference.should_be }))
        .collect();
    json!({ "stream": resource.stream, "consumer": resource.consumer, "outcome": outcome, "differences": differences })
}

#[cfg(test)]
mod tests;
