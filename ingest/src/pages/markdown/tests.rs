use super::{plain, render, render_with_runs, words};

#[track_caller]
fn check(text: &str, html: &str) {
    assert_eq!(render(text).into_string(), html, "{text}");
}

#[test]
fn what_people_write_keeps_its_shape() {
    check("one\ntwo", "<p>one<br>two</p>");
    check("**a** _b_ ~~c~~ `d<`", "<p><strong>a</strong> <em>b</em> <del>c</del> <code>d&lt;</code></p>");
    check("- a\n- [x] b", "<ul><li>a</li><li>☑ b</li></ul>");
    check("3. a", "<ol start=\"3\"><li>a</li></ol>");
    check("# big", "<h3>big</h3>");
    check("```sh\na && b\n```", "<div class=\"language\">sh</div><pre><code>a &amp;&amp; b\n</code></pre>");
    check(
        "| a | b |\n|---|--:|\n| 1 | 2 |",
        "<div class=\"table\"><table><thead><tr><th>a</th><th class=\"right\">b</th></tr></thead><tbody>\
         <tr><td>1</td><td class=\"right\">2</td></tr></tbody></table></div>",
    );
}

#[test]
fn a_line_of_it_has_no_marks() {
    for (text, line) in [
        (
            "The pages of **records** are _new_; `fix-bug` may [link](https://example.org) to them.",
            "The pages of records are new; fix-bug may link to them.",
        ),
        ("# big\n\n- one\n- two\n\n```\ncode\n```", "big one two code"),
        ("| a | b |\n|---|---|\n| 1 | 2 |", "a b 1 2"),
        ("snake_case_name <b> 2 * 3 * 4", "snake_case_name <b> 2 * 3 * 4"),
    ] {
        assert_eq!(words(text).split_whitespace().collect::<Vec<_>>().join(" "), line);
    }
}

#[test]
fn raw_html_is_text() {
    check("<script>alert(1)</script>", "<pre>&lt;script&gt;alert(1)&lt;/script&gt;</pre>");
    check("a <img src=x onerror=alert(1)> b", "<p>a &lt;img src=x onerror=alert(1)&gt; b</p>");
}

#[test]
fn links_go_only_where_nothing_runs() {
    check(
        "[a](https://e.org/?b=\"c\")",
        "<p><a rel=\"noopener noreferrer nofollow\" target=\"_blank\" href=\"https://e.org/?b=&quot;c&quot;\">a</a></p>",
    );
    for target in [
        "javascript:alert(1)",
        "JaVaScRiPt:alert(1)",
        "&#106;avascript:alert(1)",
        "java&#x0A;script:alert(1)",
        "data:text/html,x",
        "vbscript:x",
        "//e.org",
        "/agents",
        "file:///etc/passwd",
        "blob:http://e.org/1",
        "<java\tscript:alert(1)>",
    ] {
        let html = render(&format!("[a]({target})")).into_string();
        assert!(!html.contains("href"), "{target}: {html}");
    }
}

#[test]
fn images_are_links_to_them() {
    check(
        "![cat](https://e.org/c.png)",
        "<p><a rel=\"noopener noreferrer nofollow\" target=\"_blank\" href=\"https://e.org/c.png\">image: cat</a></p>",
    );
    check("![cat](data:image/png;base64,x)", "<p>image: cat</p>");
}

#[test]
fn redactions_are_seen() {
    check("key [redacted:github-token].", "<p>key <span class=\"redacted\">redacted: github-token</span>.</p>");
    assert_eq!(plain("[redacted:a<b]").into_string(), "<span class=\"redacted\">redacted: a&lt;b</span>");
    assert_eq!(plain("[redacted:").into_string(), "[redacted:");
}

#[test]
fn depth_is_bounded() {
    let html = render(&"> ".repeat(5_000)).into_string();
    assert!(html.matches("<blockquote>").count() <= 24);
    let html = render(&format!("{}a", "> ".repeat(300))).into_string();
    assert_eq!(html.matches("<blockquote>").count(), html.matches("</blockquote>").count());
    assert!(html.contains('a'));
}

proptest::proptest! {
    #[test]
    fn no_text_makes_an_element_of_its_own(text in "[<>\"'&a-z:/\\[\\]()!`*_#|\\-\n =]{0,200}") {
        let html = render(&text).into_string();
        for name in ["<script", "<img", "<svg", "<iframe", "<style", "<input"] {
            let at = html.find(name);
            proptest::prop_assert!(at.is_none(), "{name} in {html}");
        }
        proptest::prop_assert!(!html.contains("href=\"javascript"));
    }
}

#[test]
fn ids_of_runs_lead_to_their_pages_where_runs_are_spoken_of() {
    const UID: &str = "3f2b8c1e-52f4-4f0a-9d3e-0c1d2e3f4a5b";
    let link = format!("<a class=\"run\" href=\"/agents/{UID}\">{UID}</a>");
    let check = |text: &str, html: &str| assert_eq!(render_with_runs(text).into_string(), html, "{text}");
    check(&format!("see {UID}, and `{UID}`"), &format!("<p>see {link}, and <code>{link}</code></p>"));
    check(&format!("ü{UID}ü"), &format!("<p>ü{link}ü</p>"));
    for other in [format!("x{UID}"), format!("{UID}-1"), UID.to_uppercase(), UID[1..].to_owned()] {
        check(&other, &format!("<p>{other}</p>"));
    }
    let linked =
        format!("<p><a rel=\"noopener noreferrer nofollow\" target=\"_blank\" href=\"https://e.org/{UID}\">{UID}</a></p>");
    check(&format!("[{UID}](https://e.org/{UID})"), &linked);
    assert_eq!(render(UID).into_string(), format!("<p>{UID}</p>"));
}
