//! At most 256 messages and 1 MiB on their way, as in the sidecar.

use std::collections::VecDeque;

use anyhow::{Context as _, bail};
use async_nats::{Client, Subscriber};
use futures_util::{FutureExt as _, StreamExt as _};

use crate::messages::Prepared;

const MESSAGES: usize = 256;
const BYTES: usize = 1024 * 1024;

/// Sends the next `count` messages and waits until the stream has all of them. Answers come in order, so it is enough to
/// count them.
pub async fn publish(client: &Client, answers: &mut Subscriber, prepared: &mut Prepared, count: usize) -> anyhow::Result<()> {
    let mut on_the_way: VecDeque<usize> = VecDeque::with_capacity(MESSAGES);
    let (mut sent, mut stored, mut bytes) = (0, 0, 0);
    while stored < count {
        while sent < count && on_the_way.len() < MESSAGES && bytes < BYTES {
            let message = prepared.0.pop_front().context("there are no more messages; load some first")?;
            on_the_way.push_back(message.payload.len());
            bytes += message.payload.len();
            sent += 1;
            client.publish_with_reply_and_headers(message.subject, message.reply, message.headers, message.payload).await?;
        }
        let mut answer = answers.next().await;
        loop {
            let message = answer.context("the connection is lost")?;
            if message.status.is_some() || !message.payload.starts_with(b"{\"stream\"") {
                bail!("the stream does not take a message: {}", String::from_utf8_lossy(&message.payload));
            }
            bytes -= on_the_way.pop_front().unwrap_or_default();
            stored += 1;
            match answers.next().now_or_never() {
                Some(next) => answer = next,
                None => break,
            }
        }
    }
    Ok(())
}
