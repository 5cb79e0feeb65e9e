use tracing_subscriber::filter::LevelFilter;

use super::*;

#[track_caller]
fn check(filter: &str, target: &str, expected: LevelFilter) {
    let targets = read_filter(filter).unwrap();
    let levels =
        [tracing::Level::ERROR, tracing::Level::WARN, tracing::Level::INFO, tracing::Level::DEBUG, tracing::Level::TRACE];
    for level in levels {
        assert_eq!(targets.would_enable(target, &level), level <= expected, "{filter:?} for {target} at {level}");
    }
}

#[test]
fn a_filter_is_a_level_or_levels_by_module() {
    for filter in ["", "info", " info ,", "sidecar=debug,", "INFO,other=trace"] {
        check(filter, "service::nats", LevelFilter::INFO);
    }
    check("off", "sidecar", LevelFilter::OFF);
    check("warn,sidecar=debug", "sidecar::run", LevelFilter::DEBUG);
    check("warn,sidecar=debug", "service", LevelFilter::WARN);
    check("sidecar=debug,warn", "service", LevelFilter::WARN);
    check("debug,async_nats=off", "async_nats::connector", LevelFilter::OFF);
    check("sidecar", "sidecar::run", LevelFilter::TRACE);
}

#[test]
fn no_filter_shows_what_libraries_carry() {
    for filter in
        ["trace", "trace,async_nats=trace,tokio_postgres=trace", "async_nats::connection=trace,tokio_postgres::query=debug,trace"]
    {
        check(filter, "async_nats::connection", LevelFilter::INFO);
        check(filter, "tokio_postgres::query", LevelFilter::INFO);
        check(filter, "ingest::consume", LevelFilter::TRACE);
    }
    check("error", "tokio_postgres::query", LevelFilter::ERROR);
    check("error,tokio_postgres=warn", "tokio_postgres::query", LevelFilter::WARN);
}

#[test]
fn a_filter_that_cannot_be_read_says_which_part() {
    for filter in ["info,sidecar=loud", "sidecar=debug=info"] {
        let part = filter.rsplit(',').next().unwrap();
        assert!(check_filter(filter).unwrap_err().starts_with(&format!("`{part}` cannot be read: ")), "{filter}");
    }
}
