use super::{Server, ServerError};

#[track_caller]
fn check(text: &str, expected: Result<&str, ServerError>) {
    let parsed = text.parse::<Server>().map(|server| server.to_string());
    assert_eq!(parsed, expected.map(ToOwned::to_owned), "{text}");
}

#[test]
fn plain_text_stays_on_this_machine() {
    check("http://127.0.0.1:8080", Ok("http://127.0.0.1:8080"));
    check("http://localhost:8080/", Ok("http://localhost:8080"));
    check("http://[::1]:1", Ok("http://[::1]:1"));
    check("https://comms.example.org/behind/", Ok("https://comms.example.org/behind"));
    check("http://comms.example.org", Err(ServerError::Plaintext("comms.example.org".to_owned())));
    check("http://127.0.0.1.example.org", Err(ServerError::Plaintext("127.0.0.1.example.org".to_owned())));
}

#[test]
fn what_is_no_address_is_refused() {
    for text in ["", "comms.example.org", "/agents", "ftp://comms.example.org", "https://"] {
        check(text, Err(ServerError::NoUrl));
    }
    for text in ["https://me:secret@comms.example.org", "https://comms.example.org/?token=x"] {
        check(text, Err(ServerError::More));
    }
}

#[test]
fn any_text_may_stand_in_an_address() {
    let server: Server = "https://comms.example.org/a".parse().unwrap();
    let address = server.address(&["api", "runs", "a/b ü?"], &[("q", "x&y=1 #".to_owned()), ("limit", "2".to_owned())]);
    assert_eq!(address, "https://comms.example.org/a/api/runs/a%2Fb%20%C3%BC%3F?q=x%26y%3D1%20%23&limit=2");
    assert!(address.parse::<hyper::Uri>().is_ok());
}
