//! What to follow, found out before it is followed.

use std::collections::HashSet;

use serde_json::Value;

use crate::args::tail::TailArgs;
use crate::client::backoff::Backoff;
use crate::client::follow::Stream;
use crate::client::http::{AskError, Client};
use crate::terminal::output::{Output, notice};
use crate::terminal::visible;

/// Runs in one answer of the list.
const PAGE: usize = 200;

/// A stream, and whether its lines have to name their runs.
#[derive(Debug)]
pub(super) struct Choice {
    pub(super) stream: Stream,
    pub(super) several: bool,
}

/// Finds the runs that were asked for. An id that is not known is waited for by the stream itself; a name is waited for
/// here, since only what has spoken has one. Nothing when the reader goes meanwhile, or when there is nothing to wait for.
///
/// # Errors
/// When an id or a name is of several namespaces, or when the server does not answer.
pub(super) async fn choose(client: &Client, args: &TailArgs, output: &Output) -> Result<Option<Choice>, AskError> {
    let mut query: Vec<(&'static str, String)> = Vec::new();
    for id in &args.run {
        if client.run(id, args.namespace.as_deref()).await?.is_none() {
            notice(&format!("-- run `{}` has not spoken yet, or what it said is past the retention", visible::line(id)));
        }
        query.push(("runId", id.clone()));
    }
    for name in &args.workflow {
        let found = tokio::select! {
            found = named(client, name, args) => found?,
            () = output.gone() => return Ok(None),
        };
        query.extend(found.map(|uid| ("workflowUid", uid)));
    }
    query.extend(args.channel.iter().map(|channel| ("channel", channel.clone())));
    if query.is_empty() {
        return Ok(None);
    }
    let several = query.len() > 1 || args.channel.is_some();
    query.extend(args.namespace.iter().map(|namespace| ("namespace", namespace.clone())));
    query.extend(args.kind.iter().map(|kind| ("kind", kind.clone())));
    query.extend(args.agent.iter().map(|agent| ("agent", agent.clone())));
    match &args.after {
        Some(cursor) => query.push(("after", cursor.clone())),
        None => query.push(("limit", args.last.to_string())),
    }
    Ok(Some(Choice { stream: Stream { path: vec!["api", "agents", "events"], query }, several }))
}

/// The uid of the latest run of this name, once there is one; nothing where there is none and it is not to be waited for.
async fn named(client: &Client, name: &str, args: &TailArgs) -> Result<Option<String>, AskError> {
    let mut backoff = Backoff::default();
    let mut told = false;
    let mut query = vec![("q", name.to_owned()), ("limit", PAGE.to_string())];
    query.extend(args.namespace.iter().map(|namespace| ("namespace", namespace.clone())));
    loop {
        let again = match client.json(&["api", "agents", "runs"], &query).await {
            Ok(list) => match latest(&list, name)? {
                Some(uid) => return Ok(Some(uid)),
                None => None,
            },
            Err(error) if told && error.is_passing() => error.after(),
            Err(error) => return Err(error),
        };
        if !told {
            notice(&format!("-- no run of a workflow `{}` has spoken yet", visible::line(name)));
            told = true;
        }
        if args.no_follow {
            return Ok(None);
        }
        tokio::time::sleep(backoff.next(service::nats::random_fraction()).max(again.unwrap_or_default())).await;
    }
}

/// The list is newest first.
fn latest(list: &Value, name: &str) -> Result<Option<String>, AskError> {
    let runs = list["runs"].as_array().map(Vec::as_slice).unwrap_or_default();
    let mut named = runs.iter().filter(|run| run["workflow_name"] == name);
    let of = |run: &Value, field: &str| run[field].as_str().unwrap_or_default().to_owned();
    let namespaces: HashSet<String> = named.clone().map(|run| of(run, "workflow_namespace")).collect();
    if namespaces.len() > 1 {
        let mut namespaces: Vec<String> = namespaces.iter().map(|name| visible::line(name).into_owned()).collect();
        namespaces.sort();
        return Err(AskError::Several { id: visible::line(name).into_owned(), namespaces });
    }
    Ok(named.next().map(|run| {
        let uid = of(run, "workflow_uid");
        if message::identity::names_nothing(&uid) { name.to_owned() } else { uid }
    }))
}

#[cfg(test)]
mod tests;
