//! A browser under test, beyond what WebDriver offers.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use bytes::Bytes;
use fantoccini::Client;
use http_body_util::{BodyExt as _, Full};
use hyper::Request;
use hyper_util::client::legacy;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};

/// How long a page may take to show something, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

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
