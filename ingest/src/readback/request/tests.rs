use super::*;

#[track_caller]
fn check(payload: &str, expected: Result<(Option<&str>, usize), &str>) {
    let read = Request::read(payload.as_bytes());
    match expected {
        Ok((after, last)) => {
            let after = after.map(|text| text.parse().unwrap());
            assert_eq!(read, Ok(Request { after, last }), "{payload}");
        }
        Err(words) => assert!(read.as_ref().is_err_and(|error| error.contains(words)), "{payload}: {read:?}"),
    }
}

#[test]
fn a_request_names_a_number_and_perhaps_a_position() {
    check("{}", Ok((None, 50)));
    check(r#"{"last":0}"#, Ok((None, 0)));
    check(r#"{"last":7,"else":[1]}"#, Ok((None, 7)));
    check(r#"{"after":"1.4711","last":500}"#, Ok((Some("1.4711"), 500)));
    check(r#"{"last":18446744073709551615}"#, Ok((None, 1_000)));
}

#[test]
fn what_is_no_request_is_told() {
    check("", Err("cannot be read"));
    check(r#"{"last":-1}"#, Err("cannot be read"));
    check(r#"{"after":"yesterday"}"#, Err("`yesterday` is no cursor"));
}
