//! A browser under test, beyond what WebDriver offers.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use bytes::Bytes;
use fantoccini::{Client, ClientBuilder};
use http_body_util::{BodyExt as _, Full};
use hyper::Request;
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use neighbours::Chromium;
use serde_json::{Value, json};

/// How long a page may take to show something, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

/// Opens a session, with these capabilities beside those of every test.
pub async fn open(chromium: &Chromium, more: &[(&str, Value)]) -> Result<Client> {
    let mut capabilities = chromium.capabilities();
    capabilities.extend(more.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
    let session = ClientBuilder::new(HttpConnector::new()).capabilities(capabilities).connect(&chromium.url()).await;
    session.context("no browser session")
}

/// The size of the window, in CSS pixels; a narrow one is a phone's.
pub async fn resize(browser: &Client, driver: &str, (width, height): (u32, u32)) -> Result<()> {
    let metrics = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500 });
    tell(browser, driver, "Emulation.setDeviceMetricsOverride", metrics).await.map(drop)
}

/// Light or dark, as the reader's system is.
pub async fn colours(browser: &Client, driver: &str, scheme: &str) -> Result<()> {
    let features = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
    tell(browser, driver, "Emulation.setEmulatedMedia", features).await.map(drop)
}

/// Tells it something that is in no page: a command of Chromium's own protocol. `driver` is where its driver listens.
pub async fn tell(browser: &Client, driver: &str, command: &str, parameters: Value) -> Result<Value> {
    let session = browser.session_id().await?.context("the browser has no session")?;
    let url = format!("{driver}/session/{session}/goog/cdp/execute");
    let body = json!({ "cmd": command, "params": parameters }).to_string();
    let request = Request::post(url).header("content-type", "application/json").body(Full::from(body))?;
    let client = legacy::Client::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
    let answer = client.request(request).await?.into_body().collect().await?.to_bytes();
    let answer: Value = serde_json::from_slice(&answer)?;
    if let Some(error) = answer["value"]["error"].as_str() {
        bail!("{command}: {error}: {}", answer["value"]["message"]);
    }
    Ok(answer["value"].clone())
}

/// Waits until a script says true of the page.
pub async fn wait_for(browser: &Client, what: &str, script: &str) -> Result<()> {
    let start = Instant::now();
    while browser.execute(script, Vec::new()).await? != Value::Bool(true) {
        if start.elapsed() > PATIENCE {
            let page = browser.execute("return document.body.innerText", Vec::new()).await?;
            bail!("waited {PATIENCE:?} until {what}; the page says:\n{}", page.as_str().unwrap_or_default());
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}
