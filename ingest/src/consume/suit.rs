//! Whether stream and durable are set so that nothing is passed over. Pure: decided from what the server tells of them.

use async_nats::jetstream::consumer::{AckPolicy, Config as ConsumerConfig, DeliverPolicy};
use async_nats::jetstream::stream::{Config as StreamConfig, DiscardPolicy, RetentionPolicy};

/// What of the stream's settings takes messages out of its middle, where nobody sees that they are gone before they are
/// stored; nothing when none does.
pub(super) fn unsafe_setting_of_stream(config: &StreamConfig) -> Option<&'static str> {
    let is_replacing = config.max_messages_per_subject > 0 && config.discard == DiscardPolicy::Old;
    [
        (config.retention != RetentionPolicy::Limits, "another retention than `limits`"),
        (is_replacing, "a limit of messages per subject (max_msgs_per_subject)"),
        (config.allow_message_ttl, "times to live of single messages (allow_msg_ttl)"),
        (config.allow_rollup, "rollups (allow_rollup_hdrs)"),
        (config.no_ack, "no acknowledgements (no_ack)"),
    ]
    .into_iter()
    .find_map(|(is_set, setting)| is_set.then_some(setting))
}

/// With which of its settings the server would pass over messages that nobody stored, or hand out messages that somebody is
/// storing; nothing when with none.
pub(super) fn unsafe_setting_of_durable(config: &ConsumerConfig, stream: &StreamConfig) -> Option<&'static str> {
    let filters: Vec<&String> =
        config.filter_subjects.iter().chain(Some(&config.filter_subject).filter(|filter| !filter.is_empty())).collect();
    let is_covered = |subject: &String| filters.iter().any(|filter| *filter == subject || *filter == ">");
    let leaves_out = !filters.is_empty() && !stream.subjects.iter().all(is_covered);
    [
        (config.ack_policy != AckPolicy::Explicit, "another ack policy than `explicit`"),
        (config.max_deliver > 0, "a limit of deliveries (max_deliver)"),
        (config.deliver_policy != DeliverPolicy::All, "another deliver policy than `all`"),
        (leaves_out, "filters that leave out subjects of the stream (filter_subjects)"),
        (config.headers_only, "no bodies (headers_only)"),
        (!config.backoff.is_empty(), "times between deliveries of their own (backoff)"),
    ]
    .into_iter()
    .find_map(|(is_set, setting)| is_set.then_some(setting))
}

#[cfg(test)]
mod tests;
