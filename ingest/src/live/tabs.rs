//! The event of a row for pages that share one stream: a line that says whose it is, then the row. Pure.

use bytes::{BufMut as _, Bytes, BytesMut};
use serde_json::json;

use crate::stored::StoredMessage;

/// Of the event that carries the row alone. The line has what a [`Filter`](crate::filter::Filter) asks of a message: whoever
/// hands the rows on chooses as it does.
pub(super) fn event(stored: &StoredMessage, row: &Bytes) -> Bytes {
    let message = &stored.message;
    let run = &message.run;
    let id = if message::identity::names_nothing(&run.uid) { &run.name } else { &run.uid };
    let head = json!({
        "ids": [id, message.run_id],
        "namespace": run.namespace,
        "kind": message.kind.as_str(),
        "agent": message.agent_id,
        "role": message.role.as_str(),
        "step": message.step_id,
        "stage": message.stage,
    });
    // The position is the first line.
    let end = row.iter().position(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    let head = format!("data: {head}\n");
    let mut event = BytesMut::with_capacity(row.len() + head.len());
    event.put_slice(&row[..end]);
    event.put_slice(head.as_bytes());
    event.put_slice(&row[end..]);
    event.freeze()
}

#[cfg(test)]
mod tests;
