use super::{Told, is_request, told};

#[track_caller]
fn check(bytes: &str, expected: Option<Told>) {
    assert_eq!(told(bytes.as_bytes()), expected, "{bytes:?}");
}

#[test]
fn a_method_and_a_space_may_be_http_and_its_start_is_not_decided() {
    check("", None);
    check("P", None);
    check("POST", None);
    check("POST /", Some(Told::Method));
    check("OPTIONS ", Some(Told::Method));
    check("POSTER", Some(Told::Lines));
    check("GET\n", Some(Told::Lines));
    check("hello", Some(Told::Lines));
    check("get /", Some(Told::Lines));
}

#[test]
fn a_request_is_told_by_the_end_of_its_first_line() {
    for request in ["GET / HTTP/1.1\r\nhost: x", "POST /messages HTTP/1.0\n", "OPTIONS * HTTP/1.1\r\n"] {
        assert!(is_request(request.as_bytes()), "{request:?}");
    }
    for text in
        ["GET /health 200 3ms\nHTTP/1.1\n", "POST is done", "GET / HTTP/1.1", "GET / HTTP/2.0\r\n", "POST / HTTP/1.1 202\n"]
    {
        assert!(!is_request(text.as_bytes()), "{text:?}");
    }
}
