use std::time::{Duration, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::*;

fn sent(lines: &[&str]) -> Option<String> {
    let mut headers = HeaderMap::new();
    for line in lines {
        headers.append(COOKIE, HeaderValue::from_str(line).unwrap());
    }
    token(&headers).map(|token| token.text().to_owned())
}

#[test]
fn the_token_is_found_among_other_cookies() {
    for (lines, expected) in [
        (&["__Host-agent-comms=abc"][..], Some("abc")),
        (&["a=b; __Host-agent-comms=a.b-c==; c=d"], Some("a.b-c==")),
        (&["a=b", "__Host-agent-comms=abc"], Some("abc")),
        (&["agent-comms=abc"], None),
        (&["__host-agent-comms=abc"], None),
        (&["__Host-agent-comms="], None),
        (&["__Host-agent-comms=a b"], None),
        (&[], None),
    ] {
        assert_eq!(sent(lines).as_deref(), expected, "{lines:?}");
    }
}

#[test]
fn a_cookie_is_for_this_host_alone_and_ends_with_its_token() {
    let now = UNIX_EPOCH + Duration::from_secs(1_000);
    let claims = URL_SAFE_NO_PAD.encode(r#"{"exp":1600}"#);
    let ending = Token::new(&format!("e30.{claims}.c2ln")).unwrap();
    let kept = keep(&ending, now).unwrap();
    assert!(kept.is_sensitive());
    let text = format!("__Host-agent-comms={}; Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age=600", ending.text());
    assert_eq!(kept.to_str().unwrap(), text);
    let late = keep(&ending, now + Duration::from_secs(3_600)).unwrap();
    assert!(late.to_str().unwrap().ends_with("Max-Age=0"));
    let opaque = keep(&Token::new("abc").unwrap(), now).unwrap();
    assert_eq!(opaque.to_str().unwrap(), "__Host-agent-comms=abc; Path=/; Secure; HttpOnly; SameSite=Strict");
    assert_eq!(keep(&Token::new(&"a".repeat(LONGEST + 1)).unwrap(), now), None);
}
