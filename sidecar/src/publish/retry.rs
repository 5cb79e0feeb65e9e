//! What to do about a message that the server did not take. Pure.

use std::num::NonZeroU64;
use std::time::Duration;

use serde::Deserialize;

/// The shortest wait before sending again.
const SHORTEST: Duration = Duration::from_millis(100);
/// The longest.
const LONGEST: Duration = Duration::from_secs(5);

/// The server's answer to one publish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// It is stored; `duplicate` when a message of this id was stored before.
    Stored {
        /// Sequence in the stream.
        sequence: u64,
        /// Whether an earlier one stands for it.
        duplicate: bool,
    },
    /// It is not stored.
    Refused(Refusal),
}

/// Why a message is not stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// What to do.
    pub class: Class,
    /// What the server said.
    pub reason: String,
}

/// What to do about a refused message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// It will pass: send again after a wait.
    Retry,
    /// The server will never take it: set it aside.
    SetAside,
    /// Somebody must change a setting: say so, and try now and then.
    Alarm,
}

impl Class {
    /// For metrics and logs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Retry => "retry",
            Self::SetAside => "set_aside",
            Self::Alarm => "alarm",
        }
    }
}

#[derive(Deserialize)]
struct Body {
    error: Option<BodyError>,
    /// A stream counts from 1.
    seq: Option<NonZeroU64>,
    #[serde(default)]
    duplicate: bool,
}

#[derive(Deserialize)]
struct BodyError {
    code: u16,
    #[serde(default)]
    err_code: u16,
    #[serde(default)]
    description: String,
}

/// Reads an answer: its status line where it has one (503 means that no stream listens), else its body.
#[must_use]
pub fn read_answer(status: Option<u16>, payload: &[u8]) -> Answer {
    let refused = |class, reason: String| Answer::Refused(Refusal { class, reason });
    match status {
        None | Some(100 | 200) => {}
        // Also while a cluster elects a leader.
        Some(503) => return refused(Class::Retry, "no stream takes this subject".to_owned()),
        Some(status) => return refused(Class::Retry, format!("status {status}")),
    }
    match serde_json::from_slice::<Body>(payload) {
        Ok(Body { error: Some(error), .. }) => {
            let reason = format!("{} (code {}, {})", error.description, error.code, error.err_code);
            refused(class_of(&error), reason)
        }
        Ok(Body { error: None, seq: Some(sequence), duplicate }) => Answer::Stored { sequence: sequence.get(), duplicate },
        // Whoever else listens to this subject may answer as well: that stores nothing.
        Ok(Body { error: None, seq: None, .. }) => refused(Class::Retry, "an answer is no stream's".to_owned()),
        Err(error) => refused(Class::Retry, format!("answer cannot be read: {error}")),
    }
}

fn class_of(error: &BodyError) -> Class {
    match error.err_code {
        // Message or its headers exceed what the stream takes.
        10_054 | 10_097 => Class::SetAside,
        // Another stream than expected; stream sealed; not authorised; a stream that may not be written to.
        10_060 | 10_109 | 10_151 => Class::Alarm,
        _ if matches!(error.code, 401 | 403) => Class::Alarm,
        _ => Class::Retry,
    }
}

/// Whether a complaint of the server is that this subject may not be published to. It names the subject in quotes.
#[must_use]
pub fn forbids(complaint: &str, subject: &str) -> bool {
    let Some((_, about)) = complaint.split_once("Permissions Violation for Publish to ") else {
        return false;
    };
    about.trim_start_matches('"').strip_prefix(subject).is_some_and(|rest| rest.is_empty() || rest.starts_with('"'))
}

/// Whether a complaint of the server is its last word on a connection: what let it in has expired or was revoked since. NATS
/// says so of a user and of an account (its architecture decision on the errors of the protocol).
#[must_use]
pub fn is_farewell(complaint: &str) -> bool {
    let complaint = complaint.to_ascii_lowercase();
    ["authentication expired", "authentication revoked"].iter().any(|words| complaint.contains(words))
}

/// How long to wait before the `attempt`-th try to go on, counted from 1: doubling, each less a random part of up to a
/// half. `chance` is from 0 to 1. An alarm waits the longest at once, since nothing but a person ends it.
#[must_use]
pub fn delay(class: Class, attempt: u32, chance: f64) -> Duration {
    let full = match class {
        Class::Alarm => LONGEST,
        Class::Retry | Class::SetAside => SHORTEST.saturating_mul(1 << attempt.saturating_sub(1).min(10)).min(LONGEST),
    };
    full.mul_f64(1.0 - 0.5 * chance.clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests;
