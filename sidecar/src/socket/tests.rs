use super::{Protocol, told};

#[track_caller]
fn check(bytes: &str, expected: Option<Protocol>) {
    assert_eq!(told(bytes.as_bytes()), expected, "{bytes:?}");
}

#[test]
fn a_method_and_a_space_is_http_and_its_start_is_not_decided() {
    check("", None);
    check("P", None);
    check("POST", None);
    check("POST /", Some(Protocol::Http));
    check("OPTIONS ", Some(Protocol::Http));
    check("POSTER", Some(Protocol::Lines));
    check("GET\n", Some(Protocol::Lines));
    check("hello", Some(Protocol::Lines));
    check("get /", Some(Protocol::Lines));
}
