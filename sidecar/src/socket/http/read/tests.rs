use super::*;

#[track_caller]
fn check(query: &str, expected: Result<(u32, bool), &str>) {
    match (reading(query), expected) {
        (Ok(reading), Ok((last, follow))) => assert_eq!(reading, Reading { last, follow }, "{query}"),
        (Err(error), Err(words)) => assert!(error.contains(words), "{query}: {error}"),
        (read, _) => panic!("{query}: {read:?}"),
    }
}

#[test]
fn a_query_says_how_much_and_whether_to_stay() {
    check("", Ok((50, false)));
    check("channel=general&last=7&follow=1", Ok((7, true)));
    check("last=0&follow", Ok((0, true)));
    check("last=4000&follow=0", Ok((1_000, false)));
}

#[test]
fn a_query_that_means_nothing_is_refused() {
    check("channel=mine", Err("no channel `mine`"));
    check("last=-1", Err("`last` is `-1`"));
    check("follow=perhaps", Err("`follow` is `perhaps`"));
    check("limit=5", Err("`limit` means nothing here"));
}

#[tokio::test]
async fn a_connection_is_gone_when_its_other_end_is_closed_and_not_when_that_only_fell_silent() {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let line = Line::of(&ours, b"GET /messages HTTP/1.1\r\n");
    assert!(!line.is_gone());
    let theirs = theirs.into_std().unwrap();
    theirs.shutdown(std::net::Shutdown::Write).unwrap();
    assert!(!line.is_gone());
    drop(theirs);
    assert!(line.is_gone());
}
