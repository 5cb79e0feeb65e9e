//! Signing in with a form, as a browser sends it and as another site would.

use hyper::body::Incoming;
use hyper::{Response, StatusCode};

use super::ground::Ground;
use super::wire::{self, Events};
use crate::ground::eventually;

const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");

fn header<'a>(answer: &'a Response<Incoming>, name: &str) -> &'a str {
    answer.headers().get(name).map_or("", |value| value.to_str().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_becomes_a_cookie_and_the_cookie_lets_in() {
    let ground = Ground::new("login").await;
    let reader = ground.reader("reader").await;
    reader.has_everywhere("agent-comms-general-reader").await;
    let token = reader.token().await;
    let origin = format!("https://{}", ground.api);
    let own = [FORM, ("origin", origin.as_str()), ("sec-fetch-site", "same-origin")];
    let post = async |path: &str, headers: &[(&str, &str)], body: &str| {
        ground.send(wire::request("POST", ground.api, path, headers, body)).await
    };

    // Pages lead to the form and back again; programs and streams are told.
    let page = ground.ask("/agents/general?kind=error", &[]).await;
    assert_eq!(
        (page.status(), header(&page, "location")),
        (StatusCode::SEE_OTHER, "/login?next=%2Fagents%2Fgeneral%3Fkind%3Derror")
    );
    let form = ground.ask("/login?next=%2Fagents%2Fgeneral", &[]).await;
    assert_eq!((form.status(), header(&form, "referrer-policy")), (StatusCode::OK, "same-origin"));
    let (_, text) = ground.get("", "/login?next=%2Fagents%2Fgeneral").await;
    assert!(text.as_str().unwrap().contains("name=\"next\" value=\"/agents/general\""), "{text}");

    let body = format!("token={}&next=%2Fagents%2Fgeneral", token.replace('+', "%2B").replace('=', "%3D"));
    let answer = post("/login", &own, &body).await;
    assert_eq!((answer.status(), header(&answer, "location")), (StatusCode::SEE_OTHER, "/agents/general"));
    let cookie = header(&answer, "set-cookie").to_owned();
    let (pair, attributes) = cookie.split_once("; ").unwrap();
    assert_eq!(pair, format!("__Host-agent-comms={token}"));
    let (flags, age) = attributes.rsplit_once("; Max-Age=").unwrap();
    assert_eq!(flags, "Path=/; Secure; HttpOnly; SameSite=Strict");
    assert!((3_000..=3_600).contains(&age.parse::<u32>().unwrap()), "{age}");

    let signed_in = [("cookie", pair)];
    eventually("the page is shown", async || ground.ask("/agents/general", &signed_in).await.status() == StatusCode::OK).await;
    let mut stream = Events::of(ground.ask("/api/agents/events?channel=general", &signed_in).await);
    ground.say_to_all("login-run", "one", "heard with a cookie").await;
    stream.until("heard with a cookie").await;
    let again = ground.ask("/login?next=%2Fagents", &signed_in).await;
    assert_eq!((again.status(), header(&again, "location")), (StatusCode::SEE_OTHER, "/agents"));
    // A token that is shown counts before a cookie.
    let both = [signed_in[0], ("authorization", "Bearer nonsense")];
    assert_eq!(ground.ask("/api/agents/runs", &both).await.status(), StatusCode::UNAUTHORIZED);

    let left = post("/logout", &own, "").await;
    assert_eq!((left.status(), header(&left, "location")), (StatusCode::SEE_OTHER, "/login"));
    assert_eq!(header(&left, "set-cookie"), "__Host-agent-comms=; Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age=0");
    ground.stopped().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_other_site_and_no_wrong_form_signs_anybody_in_or_out() {
    let ground = Ground::new("forgery").await;
    let token = ground.reader("reader").await.token().await;
    let origin = format!("https://{}", ground.api);
    let plain = format!("http://{}", ground.api);
    let post = async |path: &str, headers: &[(&str, &str)], body: &str| {
        let answer = ground.send(wire::request("POST", ground.api, path, headers, body)).await;
        assert_eq!(header(&answer, "set-cookie"), "", "{path} {headers:?}");
        answer.status()
    };
    let body = format!("token={token}");
    let foreign: [&[(&str, &str)]; 6] = [
        &[FORM],
        &[FORM, ("origin", "null")],
        &[FORM, ("origin", "https://evil.example")],
        &[FORM, ("origin", "https://evil.example"), ("sec-fetch-site", "cross-site")],
        &[FORM, ("origin", &origin), ("sec-fetch-site", "same-site")],
        &[FORM, ("referer", &origin)],
    ];
    for headers in foreign {
        for path in ["/login", "/logout"] {
            assert_eq!(post(path, headers, &body).await, StatusCode::FORBIDDEN, "{path} {headers:?}");
        }
    }
    // From this very machine the same page over http is this site as well.
    let own = [FORM, ("origin", origin.as_str())];
    assert_eq!(
        ground.send(wire::request("POST", ground.api, "/login", &[FORM, ("origin", &plain)], &body)).await.status(),
        StatusCode::SEE_OTHER
    );
    assert_eq!(post("/login", &own, "token=nonsense").await, StatusCode::UNAUTHORIZED);
    assert_eq!(post("/login", &own, "").await, StatusCode::UNAUTHORIZED);
    assert_eq!(post("/login", &own, &format!("token={}", "a".repeat(17 * 1024))).await, StatusCode::PAYLOAD_TOO_LARGE);
    let json = [("content-type", "application/json"), own[1]];
    assert_eq!(post("/login", &json, &body).await, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    assert_eq!(post("/agents", &own, &body).await, StatusCode::METHOD_NOT_ALLOWED);
    // Whoever is signed in is sent nowhere else.
    for next in ["%2F%2Fevil.example", "https%3A%2F%2Fevil.example", "%2F%5Cevil.example"] {
        let answer = ground.send(wire::request("POST", ground.api, "/login", &own, &format!("{body}&next={next}"))).await;
        assert_eq!((answer.status(), header(&answer, "location")), (StatusCode::SEE_OTHER, "/agents"), "{next}");
    }
    ground.stopped().await;
}
