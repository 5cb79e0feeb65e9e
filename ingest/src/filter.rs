//! Which messages a viewer wants to see: one filter for history and live, so that both agree.

use message::Timestamp;

use crate::stored::StoredMessage;

/// A choice of messages. Runs and the channel are a union; the rest narrows it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Filter {
    /// Run ids or workflow uids: a message matches by either, or by its name where its uid is unknown.
    pub runs: Vec<String>,
    /// Whether the shared channel is wanted.
    pub general: bool,
    /// Only this namespace.
    pub namespace: Option<String>,
    /// Only these kinds, where any are given.
    pub kinds: Vec<String>,
    /// Only these agents, where any are given.
    pub agents: Vec<String>,
    /// Only these roles, where any are given.
    pub roles: Vec<String>,
    /// Only these steps, where any are given.
    pub steps: Vec<String>,
    /// Only these stages, where any are given.
    pub stages: Vec<String>,
    /// Only content that holds this text, case aside. Live streams do not take it.
    pub text: Option<String>,
    /// Only what holds none of these texts, case aside. Live streams do not take them.
    pub without: Vec<String>,
    /// Only content in which PostgreSQL finds this regular expression, case aside. Live streams do not take it, and nothing here
    /// judges by it.
    pub regex: Option<String>,
    /// Only what the stream stored at this time or later.
    pub since: Option<Timestamp>,
    /// Only what the stream stored before this time.
    pub until: Option<Timestamp>,
}

impl Filter {
    /// Whether a message is wanted.
    #[must_use]
    pub fn matches(&self, stored: &StoredMessage) -> bool {
        let message = &stored.message;
        let wanted = |list: &[String], value: &str| list.is_empty() || list.iter().any(|item| item == value);
        let in_run = stored.verified && self.runs.iter().any(|run| is_run(stored, run));
        let in_channel = self.general && message.is_general();
        (in_run || in_channel)
            && self.namespace.as_ref().is_none_or(|namespace| *namespace == message.run.namespace)
            && wanted(&self.kinds, message.kind.as_str())
            && wanted(&self.agents, &message.agent_id)
            && wanted(&self.roles, message.role.as_str())
            && wanted(&self.steps, message.step_id.as_deref().unwrap_or_default())
            && wanted(&self.stages, message.stage.as_deref().unwrap_or_default())
            && self.since.is_none_or(|since| stored.created_at >= since)
            && self.until.is_none_or(|until| stored.created_at < until)
            && self.text.as_ref().is_none_or(|text| holds(message.content.as_deref(), text))
            && !self.without.iter().any(|text| holds(message.content.as_deref(), text))
    }

    /// Whether texts have to be looked through for it, which takes as long as they are.
    #[must_use]
    pub fn is_search(&self) -> bool {
        self.text.is_some() || !self.without.is_empty() || self.regex.is_some()
    }
}

fn is_run(stored: &StoredMessage, run: &str) -> bool {
    let message = &stored.message;
    if message::identity::names_nothing(&message.run.uid) {
        message.run.name == run || message.run_id.as_deref() == Some(run)
    } else {
        message.run.uid == run || message.run_id.as_deref() == Some(run)
    }
}

fn holds(content: Option<&str>, text: &str) -> bool {
    content.is_some_and(|content| content.to_lowercase().contains(&text.to_lowercase()))
}

#[cfg(test)]
mod tests;
