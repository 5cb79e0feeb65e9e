//! The watermark: how far the durable's acknowledgements reach without a hole, which is how far everything is committed.

use std::sync::Arc;
use std::time::Duration;

use async_nats::jetstream::consumer::PullConsumer;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use service::causes::in_one_line;

use super::{POSTGRES_CONDITION, STREAM_CONDITION, Storing};
use crate::cursor::Cursor;
use crate::settled::Settled;
use crate::store::raise_watermark;

/// How often it is read.
const EVERY: Duration = Duration::from_millis(300);

/// Follows it until the token is cancelled.
pub(super) async fn follow(storing: Storing, consumer: PullConsumer, epoch: i64, stop: CancellationToken) {
    let mut ticks = tokio::time::interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! { _ = ticks.tick() => {}, () = stop.cancelled() => return }
        let info = match consumer.get_info().await {
            Ok(info) => info,
            Err(error) => {
                storing.readiness.fail(STREAM_CONDITION, in_one_line(&error));
                continue;
            }
        };
        storing.readiness.hold(STREAM_CONDITION);
        storing.metrics.lag(info.num_pending, info.num_ack_pending);
        let sequence = i64::try_from(info.ack_floor.stream_sequence).unwrap_or(i64::MAX);
        match raise_watermark(&storing.pool, Cursor { epoch, sequence }).await {
            Ok((watermark, epochs)) => {
                storing.readiness.hold(POSTGRES_CONDITION);
                storing.metrics.watermark(watermark.sequence);
                let watermark = watermark.max(storing.settled.borrow().watermark);
                let settled = Settled { watermark, epochs: Arc::new(epochs), quarantine: false };
                storing.settled.send_if_modified(|known| {
                    let changed = *known != settled;
                    *known = settled;
                    changed
                });
            }
            Err(error) => storing.readiness.fail(POSTGRES_CONDITION, in_one_line(&error)),
        }
    }
}
