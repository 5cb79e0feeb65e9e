//! What somebody who may read nothing, or not everything, is told: who they are, what they see, and what to ask for.

use anyhow::Result;
use fantoccini::Locator;
use neighbours::Chromium;
use tests::browser::wait_for;
use tests::look::Look;

use super::browser::{self, sign_in};
use super::ground::{Ground, make_namespace};
use crate::ground::eventually;

#[tokio::test(flavor = "multi_thread")]
async fn whoever_may_not_read_everything_is_told_what_to_ask_for() -> Result<()> {
    let ground = Ground::new("told").await;
    for namespace in ["told-a", "told-b"] {
        make_namespace(&ground.client, namespace).await;
        let last = ground.say(namespace, &format!("{namespace}-run"), "hello").await;
        ground.stored(last).await;
    }
    let reader = ground.reader("reader").await;
    let token = reader.token().await;
    let chromium = Chromium::start().await?;
    let browser = browser::open(&chromium).await?;
    let open = async |path: &str| browser.goto(&format!("https://localhost:{}{path}", ground.api.port())).await;
    let mut look = Look::new(&browser, &chromium).await?;

    open("/agents").await?;
    look.at("sign-in", &["Sign in", "kubectl create token NAME --audience agent-comms-ingest", "Signed in already?"]).await?;
    sign_in(&browser, "nonsense").await?;
    browser.wait().for_element(Locator::Css("[role=alert]")).await?;
    look.at("sign-in-refused", &["This token is not taken: it has ended, is for another audience, or is none."]).await?;
    sign_in(&browser, &token).await?;
    wait_for(&browser, "the list is there", "return document.querySelector('#connection')?.dataset.state === 'live'").await?;
    let ask =
        "kubectl create rolebinding reader-reads-runs --clusterrole=agent-comms-reader --serviceaccount=told:reader --namespace=";
    let nothing = "You are system:serviceaccount:told:reader, and may read no namespace that has runs.";
    look.at("runs-not-allowed", &["No run that you may read", nothing, &format!("{ask}NAMESPACE"), "Sign out"]).await?;
    open("/agents/general").await?;
    let general = "kubectl create clusterrolebinding reader-reads-general --clusterrole=agent-comms-general-reader --serviceaccount=told:reader";
    look.at("general-not-allowed", &["You may not read this", "You may not read the shared channel", general, "Sign out"])
        .await?;
    open("/agents/told-a-run-uid").await?;
    let either = "Either no message of a run told-a-run-uid has come yet";
    look.at("run-not-allowed", &["Nothing of this run that you may read", either, &format!("{ask}NAMESPACE")]).await?;

    reader.may_read("told-a").await;
    eventually("it may be read", async || {
        ground.get(&token, "/api/agents/runs").await.1["runs"].as_array().is_some_and(|runs| runs.len() == 1)
    })
    .await;
    open("/agents").await?;
    browser.find(Locator::Css(".limits summary")).await?.click().await?;
    wait_for(&browser, "the list is live", "return document.querySelector('#connection')?.dataset.state === 'live'").await?;
    let some = ["told-a-run", "You see the runs of told-a alone. What is missing?", &format!("{ask}NAMESPACE")];
    look.at("runs-some-allowed", &some).await?;
    open("/agents?namespace=told-b").await?;
    let unknown = "whether there are runs in told-b you may not know.";
    look.at("namespace-not-allowed", &["No run that you may read", unknown, &format!("{ask}told-b")]).await?;
    // The other namespace is named nowhere else.
    open("/agents").await?;
    assert!(!browser.source().await?.contains("told-b"));
    look.end()?;
    browser.close().await?;
    ground.stopped().await;
    Ok(())
}
