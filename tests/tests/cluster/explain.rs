//! `explain` of pods that are stored: what was done to them, or what to change.

use clap::Parser as _;
use injector::cli::{Cli, Command};
use injector::live;
use injector::offline::report::Report;
use kube::api::PostParams;
use neighbours::Kubernetes;
use neighbours::kubernetes::Access;
use serde_json::json;

use crate::ground::{Ground, step};
use crate::misses::enable;

async fn explain(user: &Access, words: &[&str]) -> anyhow::Result<Report> {
    let fixed = ["injector", "explain", "--kubeconfig", user.kubeconfig().to_str().unwrap()];
    let Command::Explain(arguments) = Cli::parse_from(fixed.iter().chain(words)).command else { panic!("this is no `explain`") };
    live::explain(*arguments).await
}

#[tokio::test]
async fn a_stored_pod_is_explained_by_the_rule_that_decided() {
    let kubernetes = Kubernetes::start().await.unwrap();
    let ground = Ground::of(&kubernetes, "explained").await;
    let (steps, admin) = (ground.steps(), ground.account());
    let pods = ground.pods(&steps);
    let make = async |name: &str| drop(pods.create(&PostParams::default(), &step(name)).await.unwrap());
    make("early").await;
    let report = explain(admin, &["pod", "early", "-n", &steps]).await.unwrap();
    assert_eq!((report.reason, report.disappoints), ("namespace_not_enabled", false), "{report}");
    enable(&ground, &steps).await;
    make("missed").await;
    let replica = ground.serve(&[]).await;
    make("injected").await;
    for (name, expected) in [
        ("early", ("skip", "made_before_label", true)),
        ("missed", ("skip", "missed", true)),
        ("injected", ("inject", "already_injected_current", false)),
    ] {
        let report = explain(admin, &[&format!("{steps}/{name}")]).await.unwrap();
        assert_eq!((report.decision, report.reason, report.disappoints), expected, "{report}");
        let told = serde_json::to_value(&report).unwrap();
        assert_eq!((&told["kind"], &told["namespace"], &told["name"]), (&json!("Pod"), &json!(steps), &json!(name)));
        assert!(report.because[0].contains(&format!("of namespace {steps} says enabled since")), "{report}");
        assert_eq!(report.because[1], "Job crawl owns it: it is a step");
    }
    replica.end().await;

    let error = explain(admin, &["pod", "nobody", "-n", &steps]).await.unwrap_err();
    assert_eq!(error.to_string(), format!("there is no pod nobody in namespace {steps}"));
    let stranger = kubernetes.user("stranger", "strangers").unwrap();
    let error = explain(&stranger, &["pod", "early", "-n", &steps]).await.unwrap_err();
    assert_eq!(error.to_string(), format!("you may not read pod early of namespace {steps}"));
    drop(kubernetes);
    assert!(explain(admin, &["pod", "early", "-n", &steps]).await.is_err());
}
