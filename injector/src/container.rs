//! The containers and volumes that are added: what they look like does not depend on what is there already.
//!
//! Every container meets the Pod Security standard `restricted` on its own, whatever the pod's level says, and has requests and limits.
//! The sidecar has no probes and no ports: either could hold the steps.

use serde_json::{Map, Value, json};

use crate::annotations::Install;
use crate::files::Files;
use crate::identity::literal;
use crate::names::{
    BIN_DIR, BIN_VOLUME, IMAGE_BINARY, INSTALLER, MARKER_VARIABLE, NATS_CERT_VARIABLE, NATS_DIR, NATS_KEY_VARIABLE, NATS_TOKEN,
    NATS_TOKEN_AUDIENCE, NATS_TOKEN_SECONDS, NATS_TOKEN_VARIABLE, NATS_VOLUME, RUN_DIR, RUN_VOLUME, SIDECAR, STATE_DIR,
    STATE_VOLUME,
};
use crate::options::{NatsAuth, Options};

/// What a sidecar is made from.
#[derive(Debug)]
pub struct Recipe<'a> {
    /// The platform's settings.
    pub options: &'a Options,
    /// Image to run.
    pub image: &'a str,
    /// Namespace of the pod, empty where it is only known later.
    pub namespace: &'a str,
    /// Variables that say who speaks.
    pub identity: Vec<Value>,
    /// Further variables by name.
    pub settings: Vec<(&'static str, String)>,
    /// Containers with a socket.
    pub containers: Vec<String>,
    /// Files that are followed.
    pub files: &'a Files,
    /// How the steps get the binary and are made to wait.
    pub install: Install,
    /// Whether a step needs the binary.
    pub with_binary: bool,
    /// Requests and limits, absent where the pod as a whole has them.
    pub resources: Option<Value>,
    /// User to run as, where the image's own will not do.
    pub run_as_user: Option<u64>,
    /// Seconds between SIGTERM and SIGKILL.
    pub grace_seconds: u64,
}

impl Recipe<'_> {
    /// The native sidecar.
    #[must_use]
    pub fn sidecar(&self) -> Value {
        let mut container = self.base(SIDECAR, &["run", "--in-pod"]);
        container.insert("restartPolicy".to_owned(), json!("Always"));
        if self.install == Install::Hook {
            let command = json!([IMAGE_BINARY, "ready", "--run-dir", RUN_DIR, "--containers", self.containers.join(",")]);
            container.insert("lifecycle".to_owned(), json!({ "postStart": { "exec": { "command": command } } }));
        }
        container.insert("env".to_owned(), Value::Array(self.variables()));
        let mut mounts = vec![
            json!({ "name": RUN_VOLUME, "mountPath": RUN_DIR }),
            json!({ "name": STATE_VOLUME, "mountPath": STATE_DIR }),
            json!({ "name": NATS_VOLUME, "mountPath": NATS_DIR, "readOnly": true }),
        ];
        if self.with_binary && self.install == Install::Hook {
            mounts.push(json!({ "name": BIN_VOLUME, "mountPath": BIN_DIR }));
        }
        mounts.extend(self.files.mounts());
        container.insert("volumeMounts".to_owned(), Value::Array(mounts));
        Value::Object(container)
    }

    /// The init container that does the hook's work.
    #[must_use]
    pub fn installer(&self) -> Option<Value> {
        if self.install == Install::Hook {
            return None;
        }
        let mut container = self.base(INSTALLER, &["init", "--run-dir", RUN_DIR, "--containers", &self.containers.join(",")]);
        container.insert("env".to_owned(), Value::Array(self.install_variables()));
        let mut mounts = vec![json!({ "name": RUN_VOLUME, "mountPath": RUN_DIR })];
        if self.with_binary {
            mounts.push(json!({ "name": BIN_VOLUME, "mountPath": BIN_DIR }));
        }
        container.insert("volumeMounts".to_owned(), Value::Array(mounts));
        Some(Value::Object(container))
    }

    /// The volumes. Those that steps write have no size limit: the kubelet would evict the step for it.
    #[must_use]
    pub fn volumes(&self) -> Vec<Value> {
        let mut volumes = vec![json!({ "name": RUN_VOLUME, "emptyDir": {} }), json!({ "name": STATE_VOLUME, "emptyDir": {} })];
        if self.with_binary {
            volumes.push(json!({ "name": BIN_VOLUME, "emptyDir": {} }));
        }
        volumes.push(match self.options.nats_auth {
            NatsAuth::Certificate => secret(),
            NatsAuth::Token => token(),
        });
        volumes
    }

    fn base(&self, name: &str, arguments: &[&str]) -> Map<String, Value> {
        let mut security = json!({
            "allowPrivilegeEscalation": false,
            "capabilities": { "drop": ["ALL"] },
            "readOnlyRootFilesystem": true,
            "runAsNonRoot": true,
            "seccompProfile": { "type": "RuntimeDefault" },
        });
        if let Some(user) = self.run_as_user {
            security["runAsUser"] = json!(user);
        }
        let mut container = Map::new();
        container.insert("name".to_owned(), json!(name));
        container.insert("image".to_owned(), json!(self.image));
        container.insert("imagePullPolicy".to_owned(), json!(self.options.image_pull_policy));
        container.insert("command".to_owned(), json!([IMAGE_BINARY]));
        container.insert("args".to_owned(), json!(arguments));
        container.insert("securityContext".to_owned(), security);
        if let Some(resources) = &self.resources {
            container.insert("resources".to_owned(), resources.clone());
        }
        container
    }

    fn variables(&self) -> Vec<Value> {
        let mut variables = vec![literal(MARKER_VARIABLE, "true")];
        variables.extend(self.identity.iter().cloned());
        variables.push(literal("AGENT_COMMS_RUN_DIR", RUN_DIR));
        variables.push(literal("AGENT_COMMS_STATE_DIR", STATE_DIR));
        variables.push(literal("AGENT_COMMS_CONTAINERS", &self.containers.join(",")));
        variables.push(literal("AGENT_COMMS_GRACE_SECONDS", &self.grace_seconds.to_string()));
        variables.extend(self.files.setting().map(|files| literal("AGENT_COMMS_FILES", &files)));
        variables.extend(self.settings.iter().map(|(name, value)| literal(name, value)));
        variables.extend(self.options.nats_url.as_ref().map(|url| literal("AGENT_COMMS_NATS_URL", url)));
        variables.extend(self.options.nats_ca_pem.as_ref().map(|pem| literal("AGENT_COMMS_NATS_CA_PEM", pem)));
        variables.extend(match self.options.nats_auth {
            NatsAuth::Certificate => vec![
                literal(NATS_CERT_VARIABLE, &format!("{NATS_DIR}/tls.crt")),
                literal(NATS_KEY_VARIABLE, &format!("{NATS_DIR}/tls.key")),
            ],
            NatsAuth::Token => vec![literal(NATS_TOKEN_VARIABLE, &format!("{NATS_DIR}/{NATS_TOKEN}"))],
        });
        variables.push(match self.namespace {
            "" => json!({ "name": "AGENT_COMMS_NATS_INBOX_PREFIX", "value": "_INBOX_$(AGENT_COMMS_NAMESPACE)" }),
            namespace => literal("AGENT_COMMS_NATS_INBOX_PREFIX", &format!("_INBOX_{namespace}")),
        });
        if self.install == Install::Hook {
            variables.extend(self.install_variables());
        }
        variables
    }

    fn install_variables(&self) -> Vec<Value> {
        if self.with_binary { vec![literal("AGENT_COMMS_INSTALL_DIR", BIN_DIR)] } else { Vec::new() }
    }
}

/// The volume of the certificate. Optional, so that a namespace without credentials holds nobody; readable by any user, since the
/// sidecar's is not known here.
fn secret() -> Value {
    json!({ "name": NATS_VOLUME, "secret": { "secretName": NATS_VOLUME, "optional": true, "defaultMode": 0o644 } })
}

/// The volume of the token. `automountServiceAccountToken: false`, of the pod or of its account, is about the token that the API
/// server mounts by itself, not about one that is asked for.
///
/// The sidecar can read it as whatever user it runs. Where all containers run as one user, the kubelet gives the file to that one
/// (0600), and ours counts among them; where the pod has an `fsGroup`, to that group (0640), which is each container's; else to
/// all (0644), and no other container mounts it (KEP 1205; `FsUserFrom` and the projected volumes of the kubelet). So nothing is
/// asked of the pod: an `fsGroup` of ours would change who owns the files on the user's volumes.
fn token() -> Value {
    let token = json!({ "audience": NATS_TOKEN_AUDIENCE, "expirationSeconds": NATS_TOKEN_SECONDS, "path": NATS_TOKEN });
    json!({ "name": NATS_VOLUME, "projected": { "sources": [{ "serviceAccountToken": token }], "defaultMode": 0o644 } })
}
