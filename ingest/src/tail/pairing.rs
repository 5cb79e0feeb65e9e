//! Brings a tool call and its result into one line. Pure: it is handed the time.
//!
//! A call waits for its result for a moment, and takes its place then. One that takes longer is shown open, and its result
//! is a line of its own that says again what it answers. Whoever called shows nothing else before: what one agent says
//! stays in order. Nothing is dropped.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use message::Kind;
use tokio::time::Instant;

use super::said::Said;

/// How long a call waits: most tools answer sooner, and a person does not yet wonder.
const HOLD: Duration = Duration::from_secs(2);
/// Calls that wait at once, and calls that are open at once. Beyond it the oldest is let go.
const MOST: usize = 256;

/// Something to show.
#[derive(Debug, Clone)]
pub enum Line {
    /// A message that is no call and no result.
    Message(Box<Said>),
    /// A call whose result has not come.
    Open(Box<Said>),
    /// A call with its result, or one that tells its own.
    Done {
        /// The call; nothing where it was not seen.
        call: Option<Box<Said>>,
        /// The result.
        result: Box<Said>,
        /// Whether the call was shown open before.
        again: bool,
    },
}

/// Namespace, uid and pod of the run, and the id of the call, which is unique in its pod at most.
type Key = (String, String, String, String);

/// Calls whose results have not come.
#[derive(Debug, Default)]
pub struct Pairing {
    /// Not shown yet, oldest first.
    held: VecDeque<(Key, Box<Said>, Instant)>,
    /// Shown as open.
    open: HashMap<Key, Box<Said>>,
    /// The same, oldest first.
    opened: VecDeque<Key>,
}

impl Pairing {
    /// Takes the next message and gives what is to be shown now.
    pub fn take(&mut self, said: Said, now: Instant) -> Vec<Line> {
        let key = key(&said);
        match (said.kind.as_str(), key) {
            (Kind::TOOL_CALL, _) if said.tool().output().is_some() || said.tool().duration_ms().is_some() => {
                let mut lines = self.release_of(&said);
                lines.push(Line::Done { call: None, result: Box::new(said), again: false });
                lines
            }
            (Kind::TOOL_CALL, Some(key)) => {
                let oldest = if self.held.len() >= MOST { self.held.pop_front() } else { None };
                self.held.push_back((key, Box::new(said), now + HOLD));
                oldest.map(|(key, call, _)| self.show_open(key, call)).into_iter().collect()
            }
            (Kind::TOOL_CALL, None) => {
                let mut lines = self.release_of(&said);
                lines.push(Line::Open(Box::new(said)));
                lines
            }
            (Kind::TOOL_RESULT, key) => {
                let found = key.and_then(|key| self.call_of(&key));
                let again = found.as_ref().is_some_and(|(_, again)| *again);
                vec![Line::Done { call: found.map(|(call, _)| call), result: Box::new(said), again }]
            }
            _ => {
                let mut lines = self.release_of(&said);
                lines.push(Line::Message(Box::new(said)));
                lines
            }
        }
    }

    /// When a call has waited long enough.
    #[must_use]
    pub fn due(&self) -> Option<Instant> {
        self.held.front().map(|(_, _, until)| *until)
    }

    /// The calls that have.
    pub fn expire(&mut self, now: Instant) -> Vec<Line> {
        let count = self.held.iter().take_while(|(_, _, until)| *until <= now).count();
        let due: Vec<_> = self.held.drain(..count).collect();
        due.into_iter().map(|(key, call, _)| self.show_open(key, call)).collect()
    }

    /// All that wait: nothing comes any more.
    pub fn flush(&mut self) -> Vec<Line> {
        let held = std::mem::take(&mut self.held);
        held.into_iter().map(|(key, call, _)| self.show_open(key, call)).collect()
    }

    /// The calls of whoever said this.
    fn release_of(&mut self, said: &Said) -> Vec<Line> {
        let same = |call: &Said| {
            (&call.workflow_namespace, &call.workflow_uid, &call.agent_id)
                == (&said.workflow_namespace, &said.workflow_uid, &said.agent_id)
        };
        let (released, held) = std::mem::take(&mut self.held).into_iter().partition::<VecDeque<_>, _>(|(_, call, _)| same(call));
        self.held = held;
        released.into_iter().map(|(key, call, _)| self.show_open(key, call)).collect()
    }

    fn show_open(&mut self, key: Key, call: Box<Said>) -> Line {
        if self.open.insert(key.clone(), call.clone()).is_none() {
            self.opened.push_back(key);
        }
        while self.opened.len() > MOST {
            if let Some(oldest) = self.opened.pop_front() {
                self.open.remove(&oldest);
            }
        }
        Line::Open(call)
    }

    /// The call of a result, and whether it was shown.
    fn call_of(&mut self, key: &Key) -> Option<(Box<Said>, bool)> {
        if let Some(place) = self.held.iter().position(|(held, _, _)| held == key) {
            return self.held.remove(place).map(|(_, call, _)| (call, false));
        }
        let call = self.open.remove(key)?;
        self.opened.retain(|opened| opened != key);
        Some((call, true))
    }
}

fn key(said: &Said) -> Option<Key> {
    let call_id = said.tool().call_id()?.to_owned();
    let pod = said.pod.clone().unwrap_or_default();
    Some((said.workflow_namespace.clone(), said.workflow_uid.clone(), pod, call_id))
}

#[cfg(test)]
mod tests;
