use hyper::header::HeaderValue;

use super::*;

#[test]
fn a_link_leads_nowhere_but_here() {
    for next in ["/", "/agents", "/agents/a%20b?kind=error&x=//evil.example", "/api/agents/runs"] {
        assert!(is_of_here(next), "{next}");
    }
    for next in [
        "",
        "agents",
        "//evil.example",
        "/\\evil.example",
        "https://evil.example",
        "/\t/evil.example",
        "/a\r\nb",
        "/a\u{e9}",
        "/login?next=/",
        "/logout",
    ] {
        assert!(!is_of_here(next), "{next:?}");
    }
}

#[test]
fn a_page_that_asks_to_sign_in_leads_back() {
    let uri = "/agents/a%20b?kind=error&q=x+y".parse().unwrap();
    let link = link(&uri);
    assert_eq!(link, "/login?next=%2Fagents%2Fa%2520b%3Fkind%3Derror%26q%3Dx%2By");
    let query = Query::parse(link.split_once('?').unwrap().1);
    assert_eq!(query.first("next"), Some("/agents/a%20b?kind=error&q=x+y"));
}

#[test]
fn a_form_comes_from_this_site() {
    let check = |host: &'static str, origin: Option<&'static str>, site: Option<&'static str>| {
        let mut headers = HeaderMap::new();
        headers.insert(hyper::header::HOST, HeaderValue::from_static(host));
        if let Some(origin) = origin {
            headers.insert(ORIGIN, HeaderValue::from_static(origin));
        }
        if let Some(site) = site {
            headers.insert("sec-fetch-site", HeaderValue::from_static(site));
        }
        check_origin(&Uri::from_static("/login"), &headers).is_ok()
    };
    let own = "comms.example";
    assert!(check(own, Some("https://comms.example"), Some("same-origin")));
    assert!(check(own, Some("https://COMMS.example"), None));
    assert!(check("comms.example:8443", Some("https://comms.example:8443"), None));
    assert!(check("localhost:8080", Some("http://localhost:8080"), Some("same-origin")));
    for (origin, site) in [
        (None, None),
        (None, Some("same-origin")),
        (Some("null"), Some("same-origin")),
        (Some("http://comms.example"), Some("same-origin")),
        (Some("https://comms.example:8443"), None),
        (Some("https://evil.example"), None),
        (Some("https://comms.example.evil.example"), None),
        (Some("https://comms.example"), Some("cross-site")),
        (Some("https://comms.example"), Some("same-site")),
        (Some("https://comms.example"), Some("none")),
    ] {
        assert!(!check(own, origin, site), "{origin:?} {site:?}");
    }
}
