use std::time::Duration;

use super::*;

fn stream() -> StreamConfig {
    let subjects = ["workflow.>", "agents.workflow.>"].map(ToOwned::to_owned).to_vec();
    StreamConfig { subjects, max_messages_per_subject: -1, ..StreamConfig::default() }
}

fn durable() -> ConsumerConfig {
    let filter_subjects = stream().subjects;
    ConsumerConfig { ack_policy: AckPolicy::Explicit, max_deliver: -1, filter_subjects, ..ConsumerConfig::default() }
}

#[test]
fn a_stream_that_loses_messages_in_its_middle_is_refused() {
    assert_eq!(unsafe_setting_of_stream(&stream()), None);
    let changes: [fn(&mut StreamConfig); 4] = [
        |config| config.retention = RetentionPolicy::WorkQueue,
        |config| config.max_messages_per_subject = 1,
        |config| config.allow_message_ttl = true,
        |config| config.allow_rollup = true,
    ];
    for change in changes {
        let mut config = stream();
        change(&mut config);
        assert!(unsafe_setting_of_stream(&config).is_some(), "{config:?}");
    }
}

#[test]
fn a_durable_that_passes_over_messages_is_refused() {
    let filters = [Vec::new(), vec![">".to_owned()], stream().subjects];
    for filter_subjects in filters {
        assert_eq!(unsafe_setting_of_durable(&ConsumerConfig { filter_subjects, ..durable() }, &stream()), None);
    }
    let changes: [fn(&mut ConsumerConfig); 7] = [
        |config| config.ack_policy = AckPolicy::All,
        |config| config.max_deliver = 5,
        |config| config.deliver_policy = DeliverPolicy::New,
        |config| config.filter_subjects.truncate(1),
        |config| (config.filter_subjects, config.filter_subject) = (Vec::new(), "workflow.demo.>".to_owned()),
        |config| config.headers_only = true,
        |config| config.backoff = vec![Duration::from_secs(1)],
    ];
    for change in changes {
        let mut config = durable();
        change(&mut config);
        assert!(unsafe_setting_of_durable(&config, &stream()).is_some(), "{config:?}");
    }
}
