//! The server's configuration: `JetStream`, TLS with client certificates, and who may do what; or one token for everybody.
//!
//! A user's name is the DNS name of its certificate. The permissions are those of a cluster: what a publisher or ingest
//! cannot do here, it cannot do there.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::Options;

/// Room for every stream a test may want; the server reserves no disk for it.
const MAX_STORE_BYTES: u64 = 64 << 30;
/// The file with the token, beside the configuration.
pub(super) const TOKEN: &str = "token";
/// Whose certificate servers of a cluster show to each other.
pub(super) const ROUTE: &str = "route";
const DURABLE: &str = "jangar-agent-comms";

/// A server's place in a cluster.
#[derive(Clone, Debug)]
pub(super) struct Member {
    /// The port on 127.0.0.1 for the other servers.
    pub(super) port: u16,
    /// Theirs.
    pub(super) others: Vec<u16>,
}

/// The user of a namespace's sidecars.
pub(super) fn publisher(namespace: &str) -> String {
    format!("{namespace}.publisher")
}

/// All users of the server.
pub(super) fn users(namespaces: &[String]) -> Vec<String> {
    let publishers = namespaces.iter().map(|namespace| publisher(namespace));
    ["admin", "ingest"].map(str::to_owned).into_iter().chain(publishers).collect()
}

/// Writes `nats.conf`; the server reads JSON as its configuration.
pub(super) fn write(directory: &Path, port: u16, options: &Options, member: Option<&Member>) -> Result<()> {
    let path = directory.join("nats.conf");
    let mut config = json!({
        "server_name": format!("agent-comms-{port}"),
        "host": "127.0.0.1",
        "port": port,
        "jetstream": {
            "store_dir": directory.join("store"),
            "max_memory_store": 256 << 20,
            "max_file_store": MAX_STORE_BYTES,
        },
        "tls": {
            "ca_file": directory.join("ca.crt"),
            "cert_file": directory.join("server.crt"),
            "key_file": directory.join("server.key"),
            "verify_and_map": true,
            "timeout": 10,
        },
        "authorization": { "users": authorization(&options.namespaces) },
    });
    if let Some(max_payload) = options.max_payload {
        config["max_payload"] = json!(max_payload);
    }
    if let Some(member) = member {
        config["cluster"] = cluster(directory, member);
    }
    if let Some(token) = &options.token {
        config["tls"]["verify_and_map"] = json!(false);
        config["authorization"] = json!({ "token": token });
        let path = directory.join(TOKEN);
        fs::write(&path, token).with_context(|| format!("cannot write {}", path.display()))?;
    }
    let text = serde_json::to_string_pretty(&config)?;
    fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))
}

fn cluster(directory: &Path, member: &Member) -> Value {
    let routes = member.others.iter().map(|port| format!("nats-route://127.0.0.1:{port}"));
    json!({
        "name": "agent-comms",
        "host": "127.0.0.1",
        "port": member.port,
        "routes": routes.collect::<Vec<_>>(),
        "tls": {
            "ca_file": directory.join("ca.crt"),
            "cert_file": directory.join(format!("{ROUTE}.crt")),
            "key_file": directory.join(format!("{ROUTE}.key")),
            "verify": true,
            "timeout": 10,
        },
    })
}

fn authorization(namespaces: &[String]) -> Vec<Value> {
    let publishers = namespaces.iter().map(|namespace| publisher_permissions(namespace));
    [json!({ "user": "admin" }), ingest_permissions()].into_iter().chain(publishers).collect()
}

/// Its own runs and its own voice in the general channel; it hears that channel, and reads no run, not even its own.
pub(super) fn publisher_permissions(namespace: &str) -> Value {
    json!({
        "user": publisher(namespace),
        "permissions": {
            "publish": { "allow": [
                format!("workflow.{namespace}.>"),
                format!("workflow.general.*.{namespace}.>"),
                "agent-comms.read.general",
            ]},
            "subscribe": { "allow": ["workflow.general.>", format!("_INBOX_{namespace}.>")] },
        },
    })
}

/// Reads the stream through the durable and through consumers of its own, and can neither change nor empty it.
fn ingest_permissions() -> Value {
    json!({
        "user": "ingest",
        "permissions": {
            "publish": {
                "allow": [
                    "$JS.API.INFO",
                    "$JS.API.STREAM.INFO.agent-comms",
                    "$JS.API.CONSUMER.INFO.agent-comms.*",
                    "$JS.API.CONSUMER.CREATE.agent-comms.*",
                    "$JS.API.CONSUMER.CREATE.agent-comms.*.>",
                    "$JS.API.CONSUMER.DELETE.agent-comms.*",
                    "$JS.API.CONSUMER.MSG.NEXT.agent-comms.*",
                    "$JS.ACK.agent-comms.>",
                ],
                "deny": [
                    format!("$JS.API.CONSUMER.CREATE.agent-comms.{DURABLE}"),
                    format!("$JS.API.CONSUMER.CREATE.agent-comms.{DURABLE}.>"),
                    format!("$JS.API.CONSUMER.DELETE.agent-comms.{DURABLE}"),
                ],
            },
            "subscribe": { "allow": ["_INBOX_ingest.>", "agent-comms.read.general"] },
            // A plain `true` would let exactly one answer through.
            "allow_responses": { "max": -1, "expires": "1m" },
        },
    })
}
