use super::*;

fn with_claims(claims: &str) -> Token {
    Token::new(&format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(claims))).unwrap()
}

#[test]
fn a_token_has_characters_of_tokens_alone_and_is_never_shown() {
    let long = "a".repeat(LONGEST);
    for text in ["a", "abc.DEF-_~+/09==", &long] {
        assert_eq!(Token::new(text).unwrap().text(), text);
    }
    for text in ["", "a b", "a;b", "a\n", "\u{e9}", "a,b", "a\"", &format!("{long}a")] {
        assert_eq!(Token::new(text), None, "{text:?}");
    }
    assert_eq!(format!("{:?}", Token::new("secret").unwrap()), "Token(..)");
}

#[test]
fn a_header_names_its_scheme() {
    let token = Token::new("abc");
    for (value, expected) in
        [("Bearer abc", &token), ("bearer  abc", &token), ("Basic abc", &None), ("abc", &None), ("Bearer a b", &None)]
    {
        assert_eq!(&Token::of_header(value), expected, "{value}");
    }
}

#[test]
fn what_a_token_says_of_its_end_is_read_where_it_can_be() {
    let at = |seconds| Some(UNIX_EPOCH + Duration::from_secs(seconds));
    for (claims, expected) in [
        (r#"{"exp":1700000000}"#, at(1_700_000_000)),
        (r#"{"exp":1700000000.0}"#, at(1_700_000_000)),
        (r#"{"exp":-1}"#, None),
        (r#"{"exp":1e300}"#, None),
        (r#"{"exp":"soon"}"#, None),
        ("{}", None),
        ("no json", None),
    ] {
        assert_eq!(with_claims(claims).expires(), expected, "{claims}");
    }
    assert_eq!(Token::new("opaque").unwrap().expires(), None);
}
