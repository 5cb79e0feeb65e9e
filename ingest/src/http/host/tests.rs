use super::{check_open, is_loopback};

#[test]
fn names_of_this_machine_are_answered_whatever_the_port() {
    for host in ["localhost", "LocalHost:8080", "127.0.0.1", "127.9.8.7:1", "[::1]", "[::1]:8080"] {
        assert!(is_loopback(host), "{host}");
    }
}

#[test]
fn names_that_can_be_pointed_elsewhere_are_not() {
    for host in ["", "example.org", "localhost.example.org", "127.0.0.1.example.org:80", "::1", "10.0.0.1", "[::2]:80", ":80"] {
        assert!(!is_loopback(host), "{host}");
    }
}

#[test]
fn an_open_server_is_refused_where_others_reach_it() {
    assert!(check_open("127.0.0.1:0".parse().unwrap()).is_ok());
    assert!(check_open("[::1]:8080".parse().unwrap()).is_ok());
    let error = check_open("0.0.0.0:8080".parse().unwrap()).unwrap_err().to_string();
    assert!(error.contains("`0.0.0.0:8080`") && error.contains("127.0.0.1:8080"), "{error}");
}
