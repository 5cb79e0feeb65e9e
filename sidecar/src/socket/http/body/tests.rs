use super::BodyError;
use crate::socket::RECORD_LIMIT;

fn records<'a>(content_type: &str, body: &'a [u8]) -> Result<Vec<super::Record<'a>>, BodyError> {
    super::records(content_type, body, 4)
}

#[track_caller]
fn check(content_type: &str, body: &str, expected: &[&str]) {
    let found = records(content_type, body.as_bytes()).unwrap();
    let found: Vec<&str> = found.iter().map(|record| std::str::from_utf8(record).unwrap()).collect();
    assert_eq!(found, expected);
}

#[track_caller]
fn check_refused(content_type: &str, body: &str, expected_line: usize) {
    match records(content_type, body.as_bytes()) {
        Err(BodyError::Record { line, .. } | BodyError::TooLong { line, .. }) => assert_eq!(line, expected_line),
        Err(BodyError::TooMany) => panic!("too many"),
        Ok(records) => panic!("{} taken", records.len()),
    }
}

#[test]
fn json_is_one_object_or_an_array_of_them() {
    check("application/json", "{\"a\":1}\n", &["{\"a\":1}"]);
    check("application/json; charset=utf-8", "[{\"a\":1},\n {\"b\":[2]}]", &["{\"a\":1}", "{\"b\":[2]}"]);
    check_refused("application/json", "[{\"a\":1},\n 2]", 2);
    check_refused("application/json", "{\n\"a\":}", 2);
    check_refused("application/json", "\"text\"", 1);
    check_refused("application/json", "[]", 1);
    check_refused("application/json", "", 1);
}

#[test]
fn ndjson_is_an_object_a_line_and_a_bad_line_is_named() {
    check("application/x-ndjson", "{\"a\":1}\n\n{\"b\":2}\r\n", &["{\"a\":1}", "{\"b\":2}"]);
    check_refused("application/x-ndjson", "{\"a\":1}\n\nnope\n", 3);
}

#[test]
fn text_is_one_message_that_keeps_its_line_breaks() {
    check("text/plain", "hello\n", &["hello"]);
    check("text/plain", "one\n  two\n", &["{\"content\":\"one\\n  two\"}"]);
    check("text/plain", "{\"not\":\"meant as JSON\"}", &["{\"content\":\"{\\\"not\\\":\\\"meant as JSON\\\"}\"}"]);
    check_refused("text/plain", " \n", 1);
}

#[test]
fn without_a_telling_content_type_the_body_tells() {
    let curl = "application/x-www-form-urlencoded";
    check(curl, "hello", &["hello"]);
    check(curl, "{\"a\":1}", &["{\"a\":1}"]);
    check(curl, "{\"a\":1}\n{\"b\":2}\n", &["{\"a\":1}", "{\"b\":2}"]);
    check(curl, "[1, 2] are numbers", &["[1, 2] are numbers"]);
    check("", "{name} is here", &["{\"content\":\"{name} is here\"}"]);
    check_refused(curl, "{\"a\":1}\n{\"b\":\n", 2);
}

#[test]
fn a_record_over_the_limit_is_refused_and_a_long_text_becomes_several() {
    let long = format!("{{\"a\":\"{}\"}}", "x".repeat(RECORD_LIMIT));
    check_refused("application/json", &long, 1);
    let text = "ü\n".repeat(RECORD_LIMIT / 3 + 1);
    let found = records("text/plain", text.as_bytes()).unwrap();
    assert!(found.len() > 1 && found.iter().all(|record| record.len() <= RECORD_LIMIT));
}

#[test]
fn more_records_than_are_taken_at_once_are_refused() {
    assert!(records("application/x-ndjson", b"{}\n\n{}\n{}\n{}\n").is_ok());
    assert_eq!(records("application/x-ndjson", b"{}\n{}\n{}\n{}\n{}\n"), Err(BodyError::TooMany));
    assert_eq!(records("application/json", b"[{},{},{},{},{}]"), Err(BodyError::TooMany));
}
