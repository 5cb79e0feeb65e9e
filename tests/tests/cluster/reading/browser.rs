//! A real browser signs in, and its event stream is let in by the cookie.

use anyhow::Result;
use fantoccini::{Client, Locator};
use neighbours::{Chromium, Kubernetes};
use serde_json::Value;

use super::ground::Ground;
use crate::ground::{PATIENCE, eventually};

/// A session that trusts the authority of the test.
pub(super) async fn open(chromium: &Chromium) -> Result<Client> {
    tests::browser::open(chromium, &[("acceptInsecureCerts", Value::Bool(true))]).await
}

/// Signs in on the page that asks for a token.
pub(super) async fn sign_in(browser: &Client, token: &str) -> Result<()> {
    browser.find(Locator::Css("input[name=token]")).await?.send_keys(token).await?;
    browser.find(Locator::Css("form.login button")).await?.click().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_signs_in_sees_what_is_said_live_and_signs_out() -> Result<()> {
    let ground = Ground::new("browser").await;
    let reader = ground.reader("reader").await;
    reader.has_everywhere("agent-comms-general-reader").await;
    let token = reader.token().await;
    let chromium = Chromium::start().await?;
    let browser = open(&chromium).await?;
    let base = format!("https://localhost:{}", ground.api.port());
    eventually("the channel may be read", async || ground.get(&token, "/agents/general").await.0.is_success()).await;

    browser.goto(&format!("{base}/agents/general?kind=message")).await?;
    assert_eq!(browser.current_url().await?.path(), "/login");
    sign_in(&browser, "nonsense").await?;
    browser.wait().for_element(Locator::Css("[role=alert]")).await?;
    sign_in(&browser, &token).await?;
    browser.wait().for_element(Locator::Css("#connection[data-state=live]")).await?;
    let url = browser.current_url().await?;
    assert_eq!((url.path(), url.query()), ("/agents/general", Some("kind=message")));
    ground.say_to_all("browser-run", "one", "seen live").await;
    browser.wait().for_element(Locator::Css("#rows .row")).await?;
    assert!(browser.find(Locator::Css("#rows")).await?.text().await?.contains("seen live"));
    // No script reads the cookie.
    assert_eq!(browser.execute("return document.cookie", Vec::new()).await?, Value::String(String::new()));
    let cookie = browser.get_named_cookie("__Host-agent-comms").await?;
    assert_eq!((cookie.http_only(), cookie.secure(), cookie.value()), (Some(true), Some(true), token.as_str()));

    browser.find(Locator::Css("#leave")).await?.click().await?;
    browser.wait().for_element(Locator::Css("input[name=token]")).await?;
    browser.goto(&format!("{base}/agents/general")).await?;
    assert_eq!(browser.current_url().await?.path(), "/login");

    // Whose token ends while they look is told so, and where to go.
    sign_in(&browser, &reader.token_of_seconds(Kubernetes::shared().await?, 8).await).await?;
    browser.wait().for_element(Locator::Css("#connection[data-state=live]")).await?;
    let again = browser.wait().at_most(PATIENCE).for_element(Locator::Css("#connection a")).await?;
    assert_eq!(again.attr("href").await?.as_deref(), Some("/login?next=%2Fagents%2Fgeneral"));
    again.click().await?;
    sign_in(&browser, &token).await?;
    browser.wait().for_element(Locator::Css("#connection[data-state=live]")).await?;

    // Somebody else in the same browser shares no stream with whoever was there before: one window of each has two.
    let rights = async || browser.execute("return document.body.dataset.reader", Vec::new()).await;
    let first = rights().await?;
    assert!(first.as_str().is_some_and(|rights| rights.len() == 16), "{first}");
    let other = ground.reader("other").await;
    other.has_everywhere("agent-comms-general-reader").await;
    let theirs = other.token().await;
    eventually("they may read the channel", async || ground.get(&theirs, "/agents/general").await.0.is_success()).await;
    let window = browser.new_window(false).await?.handle;
    browser.switch_to_window(window).await?;
    browser.goto(&format!("{base}/login")).await?;
    browser.delete_all_cookies().await?;
    browser.goto(&format!("{base}/agents/general")).await?;
    sign_in(&browser, &theirs).await?;
    browser.wait().for_element(Locator::Css("#connection[data-state=live]")).await?;
    assert_ne!(rights().await?, first);
    assert_eq!(ground.metric("agentcomms_ingest_live_viewers").await, 2);
    browser.close().await?;
    ground.stopped().await;
    Ok(())
}
