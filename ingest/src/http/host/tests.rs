use clap::Parser as _;

use super::{Mode, ServingArgs, check_reach, is_loopback};

#[derive(clap::Parser)]
struct Line {
    #[command(flatten)]
    serving: ServingArgs,
}

fn reach(access: Mode, words: &[&str]) -> Result<(), String> {
    let line = Line::parse_from(std::iter::once(&"serve").chain(words));
    check_reach(&line.serving, access).map_err(|error| error.to_string())
}

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
    assert!(reach(Mode::Open, &["--listen", "127.0.0.1:0"]).is_ok());
    assert!(reach(Mode::Open, &["--listen", "[::1]:8080"]).is_ok());
    let error = reach(Mode::Open, &["--listen", "0.0.0.0:8080", "--behind-tls"]).unwrap_err();
    assert!(error.contains("`0.0.0.0:8080`") && error.contains("127.0.0.1:8080"), "{error}");
}

#[test]
fn nothing_travels_readable_where_others_reach_the_server() {
    for mode in [Mode::Kubernetes, Mode::Proxy] {
        let error = reach(mode, &["--listen", "0.0.0.0:8080"]).unwrap_err();
        assert!(error.contains("--tls-cert"), "{error}");
        assert!(reach(mode, &["--listen", "[::]:8080", "--behind-tls"]).is_ok());
        assert!(reach(mode, &["--listen", "[::]:8080", "--tls-cert", "c", "--tls-key", "k"]).is_ok());
        assert!(reach(mode, &["--listen", "127.0.0.1:0"]).is_ok());
    }
}
