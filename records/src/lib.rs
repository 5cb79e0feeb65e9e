//! Bytes to messages: cut, parse, redact, split, number, id. Used by the sidecar, by `backfill` and by the injector (which
//! checks rules with it), so that the same bytes become the same messages whoever reads them.
//!
//! It must never read a file, a clock or a network, and it does not know who publishes: offsets, bytes and the time of
//! reading are handed in.
//!
//! How it is used, for one source:
//!
//! ```
//! # use std::sync::Arc;
//! # use message::{PodIdentity, RunIdentity, Timestamp};
//! use records::{Cutter, Origin, Recorder, RecorderState, Redactor, SourceIdentity};
//! # let pod = Arc::new(PodIdentity { run: RunIdentity::unknown(), run_id: None, step_id: None, pod: None,
//! #     pod_uid: "p".into(), attempt: None, agent_id: None, stage: None, channel: None, runtime: None });
//! # let read_at = Timestamp::from_unix_micros(0).unwrap();
//! let source = SourceIdentity { label: "main:/logs/a.log".into(), generation: 1, container: Some("main".into()) };
//! let redactor = Arc::new(Redactor::default());
//! let mut cutter = Cutter::new(0); // the checkpoint's offset
//! let mut recorder = Recorder::new(pod, source, redactor, RecorderState::default()); // the checkpoint's state
//! cutter.push(b"first line\nsecond, without an end");
//! while let Some(line) = cutter.next_line() {
//!     let messages = recorder.record(&line, read_at, Origin::File);
//!     // Once all of them are acknowledged, the checkpoint may move to:
//!     let (_offset, _state) = (line.end, recorder.state());
//!     assert_eq!(messages.len(), 1);
//! }
//! // When the step has ended, what is left without a line end, and what the parser still holds:
//! while let Some(line) = cutter.finish() {
//!     assert_eq!(recorder.record(&line, read_at, Origin::File)[0].content.as_deref(), Some("second, without an end"));
//! }
//! recorder.finish(cutter.position(), read_at);
//! ```
//!
//! Invariants kept here:
//! - how the bytes arrive (in what chunks, with what restarts at a line's end) changes no message ([`cut`], [`recorder`]);
//! - nothing a step writes is dropped: what cannot be parsed is text with `attrs.parse_error`;
//! - a step cannot speak for another run, nor as the sidecar ([`parse`]);
//! - a secret is replaced before anything is measured, split, numbered or shown ([`redact`]);
//! - memory and state are bounded, whatever a step writes.

mod clean;
pub mod cut;
mod draft;
pub mod parse;
pub mod recorder;
pub mod redact;
pub mod rules;
pub mod split;

pub use cut::{Cutter, Line};
pub use parse::{Origin, ParserState};
pub use recorder::{Counts, Recorder, RecorderState, SourceIdentity};
pub use redact::Redactor;
pub use rules::Rules;
