//! Subjects: where a message travels, and whose it is.
//!
//! ```text
//! workflow.<namespace>.<name>.<uid>.agent.<agent>.<kind>             a run's
//! workflow.general.<kind>.<namespace>.<name>.<uid>.agent.<agent>     the shared channel's, with its run
//! workflow.general.<kind>                                            the shared channel's, of publishers that do not say whose
//! ```
//!
//! Three older prefixes in place of `workflow` are read as well, never made.

use std::borrow::Cow;

use crate::escape::{AGENT_LIMIT, KIND_LIMIT, NAME_LIMIT, escape, escape_namespace, unescape};
use crate::identity::{RunIdentity, names_nothing};

/// Prefixes that are read, with the runtime of a message that names none.
const PREFIXES: [(&str, &str); 4] = [
    ("workflow_comms.agent_messages.", "workflow_comms"),
    ("agents.workflow.", "native"),
    ("argo.workflow.", "argo"),
    ("workflow.", "native"),
];

/// The subject of a run's message.
#[must_use]
pub fn of_run(run: &RunIdentity, agent: &str, kind: &str) -> String {
    let mut subject = String::with_capacity(LENGTH);
    subject.push_str("workflow.");
    push_run(&mut subject, run);
    subject.push_str(".agent.");
    push_token(&mut subject, agent, AGENT_LIMIT);
    subject.push('.');
    push_token(&mut subject, kind, KIND_LIMIT);
    subject
}

/// The subject of a run's message that is also for the shared channel. It is published there only.
#[must_use]
pub fn of_general(run: &RunIdentity, agent: &str, kind: &str) -> String {
    let mut subject = String::with_capacity(LENGTH);
    subject.push_str("workflow.general.");
    push_token(&mut subject, kind, KIND_LIMIT);
    subject.push('.');
    push_run(&mut subject, run);
    subject.push_str(".agent.");
    push_token(&mut subject, agent, AGENT_LIMIT);
    subject
}

/// Bytes of most subjects.
const LENGTH: usize = 160;

fn push_run(subject: &mut String, run: &RunIdentity) {
    subject.push_str(&escape_namespace(&run.namespace));
    for token in [&run.name, &run.uid] {
        subject.push('.');
        push_token(subject, token, NAME_LIMIT);
    }
}

/// Most texts are their own token.
fn push_token(subject: &mut String, text: &str, limit: usize) {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    if !text.is_empty() && text.len() <= limit && text.bytes().all(is_plain) {
        subject.push_str(text);
    } else {
        subject.push_str(&escape(text, limit));
    }
}

/// One token of a subject.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Token<'a>(&'a str);

impl<'a> Token<'a> {
    /// The text it stands for.
    #[must_use]
    pub fn text(self) -> Cow<'a, str> {
        unescape(self.0)
    }

    /// Whether the token can stand for this name: equal, equal after the cut of a long one, or one of both names nothing.
    #[must_use]
    pub fn agrees_with(self, name: &str) -> bool {
        let text = self.text();
        names_nothing(name) || names_nothing(&text) || text == name || escape(name, NAME_LIMIT) == self.0
    }
}

/// The run that a subject names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RunTokens<'a> {
    /// Namespace of the run.
    pub namespace: Token<'a>,
    /// Name of the run.
    pub name: Token<'a>,
    /// Uid of the run.
    pub uid: Token<'a>,
}

/// What a subject says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject<'a> {
    /// Whose message it is and where it is shown.
    pub place: Place<'a>,
    /// Kind, as text.
    pub kind: String,
    /// Runtime of the prefix.
    pub runtime: &'static str,
}

/// Whose message it is and where it is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place<'a> {
    /// On the run's page.
    Run {
        /// The run.
        run: RunTokens<'a>,
        /// The agent that speaks.
        agent: String,
    },
    /// On the run's page and in the shared channel.
    General {
        /// The run.
        run: RunTokens<'a>,
        /// The agent that speaks.
        agent: String,
    },
    /// In the shared channel only: nobody vouches for whose it is.
    UnverifiedGeneral,
}

impl<'a> Subject<'a> {
    /// Reads a subject; nothing when it has none of the three forms.
    #[must_use]
    pub fn parse(subject: &'a str) -> Option<Self> {
        let (rest, runtime) = PREFIXES.iter().find_map(|(prefix, runtime)| Some((subject.strip_prefix(prefix)?, *runtime)))?;
        let tokens: Vec<&str> = rest.split('.').collect();
        if tokens.iter().any(|token| token.is_empty()) {
            return None;
        }
        let run = |tokens: &[&'a str]| RunTokens { namespace: Token(tokens[0]), name: Token(tokens[1]), uid: Token(tokens[2]) };
        match tokens.as_slice() {
            ["general", kind] => Some(Self { place: Place::UnverifiedGeneral, kind: unescape(kind).into_owned(), runtime }),
            ["general", kind, run_part @ .., "agent", agent] if run_part.len() == 3 => Some(Self {
                place: Place::General { run: run(run_part), agent: unescape(agent).into_owned() },
                kind: unescape(kind).into_owned(),
                runtime,
            }),
            ["general", ..] => None,
            // Publishers that do not escape send agents with dots: everything between `agent` and the kind is the agent's.
            [namespace, name, uid, "agent", agent @ .., kind] if !agent.is_empty() => Some(Self {
                place: Place::Run { run: run(&[namespace, name, uid]), agent: unescape(&agent.join(".")).into_owned() },
                kind: unescape(kind).into_owned(),
                runtime,
            }),
            _ => None,
        }
    }

    /// The run that the subject vouches for.
    #[must_use]
    pub fn run(&self) -> Option<RunTokens<'a>> {
        match &self.place {
            Place::Run { run, .. } | Place::General { run, .. } => Some(*run),
            Place::UnverifiedGeneral => None,
        }
    }

    /// The agent it names, unless it names nothing.
    #[must_use]
    pub fn agent(&self) -> Option<&str> {
        match &self.place {
            Place::Run { agent, .. } | Place::General { agent, .. } => Some(agent.as_str()).filter(|agent| !names_nothing(agent)),
            Place::UnverifiedGeneral => None,
        }
    }

    /// Whether the message is shown in the shared channel.
    #[must_use]
    pub fn is_general(&self) -> bool {
        !matches!(self.place, Place::Run { .. })
    }
}

#[cfg(test)]
mod tests;
