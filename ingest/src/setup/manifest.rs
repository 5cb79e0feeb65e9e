//! The NACK resources `Stream` and `Consumer` (`jetstream.nats.io/v1beta2`), as far as this program can create them. A
//! setting it does not know is an error: leaving it out would create something else than the controller does.

use std::time::Duration;

use anyhow::{Context as _, bail};
use async_nats::jetstream::consumer::{AckPolicy, DeliverPolicy, ReplayPolicy, pull};
use async_nats::jetstream::stream::{self, DiscardPolicy, RetentionPolicy, StorageType};
use serde::Deserialize;
use serde_json::Value;

use super::duration;

/// What a manifest asks for.
#[derive(Debug)]
pub(super) struct Manifest {
    /// Streams.
    pub(super) streams: Vec<stream::Config>,
    /// Consumers, each with the name of its stream.
    pub(super) consumers: Vec<(String, pull::Config)>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Resource {
    api_version: String,
    kind: String,
    spec: Value,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct StreamSpec {
    name: String,
    description: Option<String>,
    subjects: Vec<String>,
    #[serde(default = "memory")]
    storage: String,
    #[serde(default = "limits")]
    retention: String,
    #[serde(default = "old")]
    discard: String,
    max_age: Option<String>,
    max_bytes: Option<i64>,
    max_msgs: Option<i64>,
    max_msgs_per_subject: Option<i64>,
    max_msg_size: Option<i32>,
    max_consumers: Option<i32>,
    duplicate_window: Option<String>,
    replicas: Option<usize>,
    #[serde(default)]
    allow_direct: bool,
    #[serde(default)]
    deny_delete: bool,
    #[serde(default)]
    deny_purge: bool,
    // Words to the controller about itself, none to the server.
    #[serde(rename = "preventDelete")]
    _prevent_delete: Option<bool>,
    #[serde(rename = "preventUpdate")]
    _prevent_update: Option<bool>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ConsumerSpec {
    stream_name: String,
    durable_name: String,
    description: Option<String>,
    #[serde(default = "all")]
    deliver_policy: String,
    #[serde(default = "none")]
    ack_policy: String,
    #[serde(default = "instant")]
    replay_policy: String,
    ack_wait: Option<String>,
    max_deliver: Option<i64>,
    max_ack_pending: Option<i64>,
    max_waiting: Option<i64>,
    replicas: Option<usize>,
    #[serde(default)]
    filter_subjects: Vec<String>,
    // Words to the controller about itself, none to the server.
    #[serde(rename = "preventDelete")]
    _prevent_delete: Option<bool>,
    #[serde(rename = "preventUpdate")]
    _prevent_update: Option<bool>,
}

fn memory() -> String {
    "memory".to_owned()
}

fn limits() -> String {
    "limits".to_owned()
}

fn old() -> String {
    "old".to_owned()
}

fn all() -> String {
    "all".to_owned()
}

fn none() -> String {
    "none".to_owned()
}

fn instant() -> String {
    "instant".to_owned()
}

impl Manifest {
    /// Reads every document; resources of other kinds are passed over.
    pub(super) fn parse(text: &str) -> anyhow::Result<Self> {
        let documents: Vec<Value> =
            serde_saphyr::from_multiple(text).map_err(|error| anyhow::anyhow!("it is no YAML: {error}"))?;
        let mut manifest = Self { streams: Vec::new(), consumers: Vec::new() };
        for document in documents.into_iter().filter(|document| !document.is_null()) {
            let resource: Resource = serde_json::from_value(document).context("a document is no Kubernetes resource")?;
            if !resource.api_version.starts_with("jetstream.nats.io/") {
                continue;
            }
            match resource.kind.as_str() {
                "Stream" => {
                    let spec = serde_json::from_value(resource.spec).context("a stream cannot be read")?;
                    manifest.streams.push(stream_config(spec)?);
                }
                "Consumer" => {
                    let spec = serde_json::from_value(resource.spec).context("a consumer cannot be read")?;
                    manifest.consumers.push(consumer_config(spec)?);
                }
                kind => bail!("kind `{kind}` cannot be created here; only Stream and Consumer can"),
            }
        }
        Ok(manifest)
    }
}

fn stream_config(spec: StreamSpec) -> anyhow::Result<stream::Config> {
    Ok(stream::Config {
        name: spec.name,
        description: spec.description,
        subjects: spec.subjects,
        storage: match spec.storage.as_str() {
            "file" => StorageType::File,
            "memory" => StorageType::Memory,
            other => bail!("storage `{other}` is none of file, memory"),
        },
        retention: match spec.retention.as_str() {
            "limits" => RetentionPolicy::Limits,
            "interest" => RetentionPolicy::Interest,
            "workqueue" => RetentionPolicy::WorkQueue,
            other => bail!("retention `{other}` is none of limits, interest, workqueue"),
        },
        discard: match spec.discard.as_str() {
            "old" => DiscardPolicy::Old,
            "new" => DiscardPolicy::New,
            other => bail!("discard `{other}` is none of old, new"),
        },
        max_age: time("maxAge", spec.max_age.as_deref())?,
        max_bytes: spec.max_bytes.unwrap_or(-1),
        max_messages: spec.max_msgs.unwrap_or(-1),
        max_messages_per_subject: spec.max_msgs_per_subject.filter(|limit| *limit > 0).unwrap_or(-1),
        max_message_size: spec.max_msg_size.unwrap_or(-1),
        max_consumers: spec.max_consumers.unwrap_or(-1),
        duplicate_window: time("duplicateWindow", spec.duplicate_window.as_deref())?,
        num_replicas: spec.replicas.unwrap_or(1),
        allow_direct: spec.allow_direct,
        deny_delete: spec.deny_delete,
        deny_purge: spec.deny_purge,
        ..stream::Config::default()
    })
}

fn consumer_config(spec: ConsumerSpec) -> anyhow::Result<(String, pull::Config)> {
    let config = pull::Config {
        durable_name: Some(spec.durable_name),
        description: spec.description,
        deliver_policy: match spec.deliver_policy.as_str() {
            "all" => DeliverPolicy::All,
            other => bail!("deliverPolicy `{other}` would leave messages out; only `all` stores everything"),
        },
        ack_policy: match spec.ack_policy.as_str() {
            "explicit" => AckPolicy::Explicit,
            other => bail!("ackPolicy `{other}` would lose messages; only `explicit` says what is stored"),
        },
        replay_policy: match spec.replay_policy.as_str() {
            "instant" => ReplayPolicy::Instant,
            other => bail!("replayPolicy `{other}` is not instant"),
        },
        ack_wait: time("ackWait", spec.ack_wait.as_deref())?,
        max_deliver: spec.max_deliver.unwrap_or(-1),
        max_ack_pending: spec.max_ack_pending.unwrap_or(1_000),
        max_waiting: spec.max_waiting.unwrap_or(512),
        num_replicas: spec.replicas.unwrap_or(0),
        filter_subjects: spec.filter_subjects,
        ..pull::Config::default()
    };
    Ok((spec.stream_name, config))
}

fn time(field: &str, text: Option<&str>) -> anyhow::Result<Duration> {
    let Some(text) = text else { return Ok(Duration::ZERO) };
    duration::parse(text).with_context(|| format!("{field} `{text}` is no duration; write it as 168h, 10m or 60s"))
}
