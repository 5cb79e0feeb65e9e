//! What the API answers: one table, from which requests are routed and the document at `/openapi.json` is made, so that neither
//! can know of something that the other does not.

mod parameters;

use parameters as p;
pub use parameters::{Parameter, Place, Shape};

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// Messages as they are said.
    Events,
    /// Runs as they change.
    RunEvents,
    /// The list of runs.
    Runs,
    /// One run.
    Run,
    /// A run's history, page by page.
    RunMessages,
    /// A run's history as a file.
    RunExport,
    /// The same for people.
    RunMarkdown,
    /// A channel's history, page by page.
    ChannelMessages,
    /// A channel's history as a file.
    ChannelExport,
    /// The same for people.
    ChannelMarkdown,
    /// A message among its neighbours.
    Message,
    /// The whole text of a message.
    MessageContent,
    /// What could not be read or stored.
    DeadLetters,
    /// The dead letters of one position.
    DeadLetter,
    /// The document of this API.
    Document,
}

impl Operation {
    /// Whether its answer is made while it is sent.
    pub(super) fn is_stream(self) -> bool {
        matches!(
            self,
            Self::Events | Self::RunEvents | Self::RunExport | Self::RunMarkdown | Self::ChannelExport | Self::ChannelMarkdown
        )
    }
}

/// What an answer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Body {
    /// JSON of this schema.
    Json(&'static str),
    /// Server-sent events; the data of each message, or of each run, has this schema.
    Events(&'static str),
    /// Lines of JSON of this schema.
    Lines(&'static str),
    /// Plain text.
    Text,
    /// Markdown.
    Markdown,
    /// The document itself.
    Document,
}

/// One thing that can be asked for.
#[derive(Debug)]
pub struct Route {
    /// What it is.
    pub operation: Operation,
    /// Its name in the document.
    pub id: &'static str,
    /// Its path; a part in braces stands for any text.
    pub path: &'static str,
    /// Another path of the same, which is not in the document.
    pub alias: Option<&'static str>,
    /// What it gives, in a few words.
    pub summary: &'static str,
    /// What a reader must know to use it well.
    pub description: &'static str,
    /// What may be asked, in groups that routes share.
    pub parameters: &'static [&'static [Parameter]],
    /// What an answer is.
    pub body: Body,
    /// Statuses of problems that belong to it, beside those that any request may meet.
    pub problems: &'static [u16],
}

/// Everything.
pub static ROUTES: &[Route] = &[
    Route {
        operation: Operation::Events,
        id: "streamMessages",
        path: "/api/agents/events",
        alias: None,
        summary: "Messages of runs and of the shared channel, live",
        description: "Server-sent events. Each message is an event without a name whose id is its cursor; a reader that \
            connects again with `Last-Event-ID` (or `after`) gets everything after it, once, from any replica. Without a position \
            the newest `limit` messages come first. Event `caught_up`: history is told, what follows is live. `heartbeat`: after \
            15 s without any other, its id may be resumed from. `reset`: the position cannot be honoured (`reason`: unknown_epoch, expired, \
            discarded); what follows begins anew. `status` with `degraded`: live messages wait for the database. One of `runId`, \
            `workflowUid` and `channel` is required; together they are a union.",
        parameters: &[&[
            p::RUN_ID,
            p::WORKFLOW_UID,
            p::CHANNEL,
            p::NAMESPACE,
            p::KIND,
            p::AGENT,
            p::ROLE,
            p::STEP,
            p::STAGE,
            p::STREAM_AFTER,
            p::LAST_EVENT_ID,
            p::STREAM_LIMIT,
            p::VIEW,
        ]],
        body: Body::Events("Message"),
        problems: &[400, 403],
    },
    Route {
        operation: Operation::RunEvents,
        id: "streamRuns",
        path: "/api/agents/runs/events",
        alias: None,
        summary: "Runs as they change, live",
        description: "Server-sent events of name `run`, and `heartbeat` after 15 s without one. There is no position: a reader \
            loads the list when it has connected, each time, and then misses nothing.",
        parameters: &[&[p::RUNS_VIEW]],
        body: Body::Events("Run"),
        problems: &[],
    },
    Route {
        operation: Operation::Runs,
        id: "listRuns",
        path: "/api/agents/runs",
        alias: None,
        summary: "Runs, those that spoke last first",
        description: "A page looks at no more than 5,000 runs: where `state` or `q` leave most of them out it may be short, says \
            so with `partial`, and goes on at `next`.",
        parameters: &[&[p::STATE, p::RUN_TEXT, p::NAMESPACE, p::BEFORE, p::RUNS_LIMIT]],
        body: Body::Json("RunList"),
        problems: &[400],
    },
    Route {
        operation: Operation::Run,
        id: "getRun",
        path: "/api/agents/runs/{id}",
        alias: None,
        summary: "One run",
        description: "By its workflow uid, by its name where nobody knows the uid, or by the run id of an outer system.",
        parameters: &[&[p::ID, p::NAMESPACE]],
        body: Body::Json("OneRun"),
        problems: &[404, 409],
    },
    Route {
        operation: Operation::RunMessages,
        id: "listRunMessages",
        path: "/api/agents/runs/{id}/messages",
        alias: None,
        summary: "What a run said, newest first",
        description: p::PAGING,
        parameters: &[&[p::ID], p::HISTORY, p::PAGES],
        body: Body::Json("MessagePage"),
        problems: &[400, 404, 409],
    },
    Route {
        operation: Operation::RunExport,
        id: "exportRun",
        path: "/api/agents/runs/{id}/export.jsonl",
        alias: Some("/api/agents/runs/{id}/messages/export.jsonl"),
        summary: "What a run said, as a file",
        description: p::EXPORT,
        parameters: &[&[p::ID], p::HISTORY],
        body: Body::Lines("Message"),
        problems: &[400, 404, 409],
    },
    Route {
        operation: Operation::RunMarkdown,
        id: "exportRunMarkdown",
        path: "/api/agents/runs/{id}/export.md",
        alias: Some("/api/agents/runs/{id}/messages/export.md"),
        summary: "What a run said, as a text for people",
        description: p::EXPORT_MARKDOWN,
        parameters: &[&[p::ID], p::HISTORY],
        body: Body::Markdown,
        problems: &[400, 404, 409],
    },
    Route {
        operation: Operation::ChannelMessages,
        id: "listChannelMessages",
        path: "/api/agents/channels/{channel}/messages",
        alias: None,
        summary: "What was said in the channel that all runs share, newest first",
        description: p::PAGING,
        parameters: &[&[p::CHANNEL_NAME], p::HISTORY, p::PAGES],
        body: Body::Json("MessagePage"),
        problems: &[400, 403],
    },
    Route {
        operation: Operation::ChannelExport,
        id: "exportChannel",
        path: "/api/agents/channels/{channel}/export.jsonl",
        alias: Some("/api/agents/channels/{channel}/messages/export.jsonl"),
        summary: "What was said in the channel that all runs share, as a file",
        description: p::EXPORT,
        parameters: &[&[p::CHANNEL_NAME], p::HISTORY],
        body: Body::Lines("Message"),
        problems: &[400, 403],
    },
    Route {
        operation: Operation::ChannelMarkdown,
        id: "exportChannelMarkdown",
        path: "/api/agents/channels/{channel}/export.md",
        alias: Some("/api/agents/channels/{channel}/messages/export.md"),
        summary: "What was said in the channel that all runs share, as a text for people",
        description: p::EXPORT_MARKDOWN,
        parameters: &[&[p::CHANNEL_NAME], p::HISTORY],
        body: Body::Markdown,
        problems: &[400, 403],
    },
    Route {
        operation: Operation::Message,
        id: "getMessage",
        path: "/api/agents/messages/{cursor}",
        alias: None,
        summary: "A message among its neighbours",
        description: "Neighbours are of its run; of the shared channel where no run is vouched for.",
        parameters: &[&[p::CURSOR, p::CONTEXT]],
        body: Body::Json("MessageContext"),
        problems: &[400, 404],
    },
    Route {
        operation: Operation::MessageContent,
        id: "getMessageContent",
        path: "/api/agents/messages/{cursor}/content",
        alias: None,
        summary: "The whole text of a message",
        description: "Its content, or, without any, its tool's output. Lists shorten texts over 256 KiB; this does not.",
        parameters: &[&[p::CURSOR, p::PART]],
        body: Body::Text,
        problems: &[400, 404],
    },
    Route {
        operation: Operation::DeadLetters,
        id: "listDeadLetters",
        path: "/api/agents/dead-letters",
        alias: None,
        summary: "Messages that could not be read or stored, newest first",
        description: "Of every namespace, so reading them is a right of its own. Without those that a retry has made messages.",
        parameters: &[&[p::CLASS, p::RESOLVED, p::BEFORE, p::DEAD_LETTERS_LIMIT]],
        body: Body::Json("DeadLetterPage"),
        problems: &[400, 403],
    },
    Route {
        operation: Operation::DeadLetter,
        id: "getDeadLetters",
        path: "/api/agents/dead-letters/{cursor}",
        alias: None,
        summary: "The dead letters of one position, with their bodies",
        description: "Nearly always one; several where the stream broke there.",
        parameters: &[&[p::CURSOR]],
        body: Body::Json("DeadLettersAt"),
        problems: &[400, 403, 404],
    },
    Route {
        operation: Operation::Document,
        id: "getDocument",
        path: "/openapi.json",
        alias: None,
        summary: "This document",
        description: "OpenAPI 3.1.",
        parameters: &[],
        body: Body::Document,
        problems: &[],
    },
];

/// A route that a path leads to, and what stands in the path for each part in braces, in order.
#[derive(Debug)]
pub struct Found<'a> {
    /// The route.
    pub route: &'static Route,
    /// What stands for its parts in braces.
    pub parts: Vec<&'a str>,
}

/// The route of a path, given by its segments, decoded. A route that names a segment beats one that takes any.
#[must_use]
pub fn find<'a>(segments: &[&'a str]) -> Option<Found<'a>> {
    ROUTES.iter().find_map(|route| {
        let paths = [Some(route.path), route.alias];
        let parts = paths.into_iter().flatten().find_map(|path| parts(path, segments))?;
        Some(Found { route, parts })
    })
}

fn parts<'a>(path: &str, segments: &[&'a str]) -> Option<Vec<&'a str>> {
    let mut wanted = path.split('/').skip(1);
    let mut parts = Vec::new();
    for segment in segments {
        let name = wanted.next()?;
        if name.starts_with('{') {
            parts.push(*segment);
        } else if name != *segment {
            return None;
        }
    }
    wanted.next().is_none().then_some(parts)
}

#[cfg(test)]
mod tests;
