use super::{Query, decode, encode};

#[test]
fn a_query_keeps_order_and_repetition() {
    let query = Query::parse("runId=a&runId=b%20c&q=one+two&empty=&flag");
    assert_eq!(query.all("runId").collect::<Vec<_>>(), ["a", "b c"]);
    assert_eq!(query.first("q"), Some("one two"));
    assert_eq!(query.first("empty"), None);
    assert_eq!(query.first("flag"), None);
}

#[test]
fn a_click_on_a_filter_sets_it_and_a_second_click_takes_it_away() {
    let query = Query::parse("q=x");
    let set = query.toggled("kind", "error");
    assert_eq!(set.link("/agents/a"), "/agents/a?q=x&kind=error");
    assert_eq!(set.toggled("kind", "error"), query);
}

#[test]
fn any_text_survives_a_link() {
    for text in ["a/b?c=d&e#f", "grüße %41", "+ \"<'>"] {
        assert_eq!(decode(&encode(text)), text);
        assert_eq!(Query::parse(&Query::default().and("q", text).link("")[1..]).first("q"), Some(text));
    }
}
