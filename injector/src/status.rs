//! The status annotation: what was done to a pod, so that a second look knows what is ours and `uninject` can take it back.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The annotation's content, JSON. Unknown fields of other versions are skipped.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Status {
    /// Version of the injector.
    pub version: String,
    /// Name of the runtime.
    pub runtime: String,
    /// Whether the manifest brought the sidecar, so that the webhook leaves the pod as it is.
    #[serde(skip_serializing_if = "is_false")]
    pub manifest: bool,
    /// With what the sidecar tells NATS who it is; absent where that is a certificate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nats_auth: Option<String>,
    /// What each of the user's containers got.
    pub steps: BTreeMap<String, StepStatus>,
    /// Containers whose switch was set, and the value that it had.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub switched: BTreeMap<String, Option<String>>,
    /// Remarks, each beginning with its code.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// What one container got.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct StepStatus {
    /// Whether it has a socket.
    pub socket: bool,
    /// How its output is captured: `file`, `wrapped`, `off`, or the code of why not.
    pub stdout: String,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_false(value: &bool) -> bool {
    !value
}

impl Status {
    /// Reads an annotation; none when it is not ours.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }

    /// The annotation's text.
    #[must_use]
    pub fn to_text(&self) -> String {
        // A structure of strings and booleans always has a JSON form.
        serde_json::to_string(self).unwrap_or_default()
    }
}
