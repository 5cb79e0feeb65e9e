use super::{cursor, limit, searching, stream_filter};
use crate::cursor::Cursor;
use crate::http::query::Query;

#[test]
fn a_stream_needs_something_to_follow() {
    let problem = stream_filter(&Query::parse("kind=error")).unwrap_err();
    assert_eq!(problem.status.as_u16(), 400);
    assert!(problem.detail.contains("runId, workflowUid or channel"), "{}", problem.detail);
}

#[test]
fn runs_and_the_channel_are_a_union() {
    let filter = stream_filter(&Query::parse("runId=a&workflowUid=b&runId=c&channel=general&kind=Error&agent=X")).unwrap();
    assert_eq!(filter.runs, ["a", "c", "b"]);
    assert!(filter.general);
    assert_eq!((filter.kinds, filter.agents), (vec!["error".to_owned()], vec!["X".to_owned()]));
}

#[test]
fn a_stream_follows_no_more_than_it_can() {
    let twenty = "runId=a&".repeat(20);
    assert!(stream_filter(&Query::parse(&twenty)).is_ok());
    assert!(stream_filter(&Query::parse(&format!("{twenty}channel=general"))).is_err());
    assert!(stream_filter(&Query::parse("channel=other")).is_err());
}

#[test]
fn numbers_and_positions_are_read_or_refused() {
    let query = Query::parse("limit=5000&low=7&bad=x&before=1.4711&text=Foo&q=Foo");
    assert_eq!(limit(&query, "limit", (500, 1_000)).unwrap(), 1_000);
    assert_eq!(limit(&query, "low", (500, 1_000)).unwrap(), 7);
    assert_eq!(limit(&query, "none", (500, 1_000)).unwrap(), 500);
    assert!(limit(&query, "bad", (500, 1_000)).is_err());
    assert_eq!(cursor(&query, "before").unwrap(), Some(Cursor { epoch: 1, sequence: 4_711 }));
    assert!(cursor(&query, "bad").is_err());
    assert_eq!(searching(&query).unwrap().text.as_deref(), Some("Foo"));
}

#[test]
fn times_are_moments_or_how_long_ago_and_nothing_else() {
    let filter = searching(&Query::parse("since=2026-01-31T12:00:00%2B02:00&until=2026-02-01T00:00:00Z")).unwrap();
    assert_eq!(filter.since.unwrap().to_string(), "2026-01-31T10:00:00.000000Z");
    assert_eq!(filter.until.unwrap().to_string(), "2026-02-01T00:00:00.000000Z");
    let ago = |text: &str| searching(&Query::parse(&format!("since={text}"))).unwrap().since.unwrap();
    assert!(ago("7d") < ago("2h") && ago("2h") < ago("15m") && ago("15m") < ago("3s"));
    for bad in ["since=yesterday", "until=5", "since=-5m", "since=m", "since=99999999999999999d", "until=5w", "since=%C2%B5"] {
        let problem = searching(&Query::parse(bad)).unwrap_err();
        assert_eq!(problem.status.as_u16(), 400, "{bad}");
        assert!(problem.detail.contains("15m"), "{bad}: {}", problem.detail);
    }
}
