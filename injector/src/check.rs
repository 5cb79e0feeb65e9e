//! `agent-comms-injector check`: what of an installation is right, what is not, and what to do about it.
//!
//! It only reads. What its user may not read is told as unknown; a cluster that cannot be asked at all is an error. What
//! is read is kept apart from what is thought of it: [`webhook`], [`certificate`], [`nodes`], [`namespaces`], [`pods`] and
//! [`ranges`] take values and give findings; [`code`] lists what these can be about.

mod certificate;
pub mod code;
pub mod finding;
mod missed;
mod namespaces;
mod nodes;
mod pods;
mod ranges;
mod served;
#[cfg(test)]
mod tests;
mod webhook;

use std::io::{self, IsTerminal as _, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::Args;
use k8s_openapi::api::admissionregistration::v1::MutatingWebhookConfiguration;
use k8s_openapi::api::core::v1::{LimitRange, Namespace, Node, Pod, Secret, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::api::{Api, DynamicObject, ListParams};
use kube::core::ApiResource;
use serde_json::Value;

use crate::cli::PodArgs;
use crate::misses;
use crate::offline::command::ReportOutput;
use crate::options::{NatsAuth, Options};
use crate::pod::list;
use crate::read::{Read, read};
use code::Code;
use finding::Finding;

/// Settings of `check`.
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// Form of the findings: words, or JSON
    #[arg(short, long, default_value = "text", value_name = "FORM")]
    pub output: ReportOutput,
    /// How to reach the API server, a kubeconfig file; by default `KUBECONFIG`, else the service account
    #[arg(long, value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,
    /// Context of the kubeconfig; by default the current one
    #[arg(long, value_name = "NAME")]
    pub context: Option<String>,
    /// Namespace of the injector
    #[arg(short, long, env = "AGENT_COMMS_NAMESPACE", default_value = "agent-comms", value_name = "NAME")]
    pub namespace: String,
    /// Service of the injector
    #[arg(long, default_value = "agent-comms-injector", value_name = "NAME")]
    pub service: String,
    /// The `MutatingWebhookConfiguration` that calls the injector
    #[arg(long, env = "AGENT_COMMS_WEBHOOK_CONFIGURATION", default_value = "agent-comms-injector", value_name = "NAME")]
    pub webhook_configuration: String,
    /// Secret of its certificate, in its namespace
    #[arg(long, env = "AGENT_COMMS_CERTIFICATE_SECRET", default_value = "agent-comms-injector-certificate", value_name = "NAME")]
    pub certificate_secret: String,
    #[command(flatten)]
    #[expect(missing_docs, reason = "a flattened group's comment would replace the command's help")]
    pub pods: PodArgs,
}

/// Names of the objects that make up an installation.
struct Names {
    namespace: String,
    service: String,
    configuration: String,
    secret: String,
}

/// Looks at the cluster and tells what was found.
pub async fn run(arguments: CheckArgs) -> Result<ExitCode> {
    let output = arguments.output;
    let findings = look(arguments).await?;
    let mut out = io::stdout().lock();
    match output {
        ReportOutput::Json => serde_json::to_writer_pretty(&mut out, &findings).map_err(io::Error::from),
        ReportOutput::Text => finding::tell(&mut out, &findings, io::stdout().is_terminal()),
    }
    .and_then(|()| writeln!(out))
    .context("cannot write the findings")?;
    Ok(ExitCode::from(finding::exit_code(&findings)))
}

/// Everything that was found.
///
/// # Errors
/// When the cluster cannot be asked.
pub async fn look(arguments: CheckArgs) -> Result<Vec<Finding>> {
    let CheckArgs { output: _, kubeconfig, context, namespace, service, webhook_configuration, certificate_secret, pods } =
        arguments;
    let options = pods.options()?;
    let client = service::kubernetes::client(kubeconfig.as_deref(), context.as_deref()).await?;
    let names = Names { namespace, service, configuration: webhook_configuration, secret: certificate_secret };
    let version = client.apiserver_version().await.context("cannot ask the API server for its version")?;
    let mut findings = vec![nodes::of_api_server(&version.git_version)];
    findings.extend(of_webhook(&client, &names).await?);
    let nodes = Api::<Node>::all(client.clone());
    findings.extend(match read("list nodes", nodes.list(&ListParams::default())).await? {
        Read::Found(nodes) => nodes::judge(&nodes.items),
        Read::Absent | Read::Forbidden => vec![Finding::unknown(Code::Nodes, "you may not list nodes")],
    });
    findings.extend(of_namespaces(&client, &names, &options).await?);
    Ok(findings)
}

/// The webhook configuration, the Service behind it, and the certificate.
async fn of_webhook(client: &kube::Client, names: &Names) -> Result<Vec<Finding>> {
    let resource = ApiResource::erase::<MutatingWebhookConfiguration>(&());
    let configurations = Api::<DynamicObject>::all_with(client.clone(), &resource);
    let configuration = read("read the webhook configuration", configurations.get(&names.configuration)).await?;
    let (mut findings, configuration) = match configuration {
        Read::Found(object) => {
            let configuration = serde_json::to_value(object).context("the webhook configuration has no json form")?;
            (webhook::judge(&configuration, names), configuration)
        }
        Read::Absent => return Ok(vec![webhook::absent(&names.configuration)]),
        Read::Forbidden => {
            return Ok(vec![Finding::unknown(
                Code::WebhookConfiguration,
                "you may not read the webhook configuration, so its caBundle and the certificate are not known",
            )]);
        }
    };
    if list(&configuration, "webhooks").iter().any(|webhook| webhook.pointer("/clientConfig/service").is_some()) {
        let services = Api::<Service>::namespaced(client.clone(), &names.namespace);
        let service = read("read the Service", services.get(&names.service)).await?;
        findings.push(webhook::of_service(&service, names));
        if service != Read::Absent {
            findings.push(webhook::of_replicas(&endpoints(client, names).await?, names));
        }
    }
    let secrets = Api::<Secret>::namespaced(client.clone(), &names.namespace);
    let secret = read("read the Secret of the certificate", secrets.get(&names.secret)).await?;
    findings.extend(of_certificates(&configuration, secret, names).await);
    Ok(findings)
}

/// The endpoints behind the Service.
async fn endpoints(client: &kube::Client, names: &Names) -> Result<Read<Vec<EndpointSlice>>> {
    let slices = Api::<EndpointSlice>::namespaced(client.clone(), &names.namespace);
    let of_service = ListParams::default().labels(&format!("kubernetes.io/service-name={}", names.service));
    Ok(match read("list the endpoints of the Service", slices.list(&of_service)).await? {
        Read::Found(list) => Read::Found(list.items),
        Read::Absent => Read::Absent,
        Read::Forbidden => Read::Forbidden,
    })
}

/// What each entry trusts, compared with what is served: as a handshake shows where it can be reached from here, else as the
/// Secret has it.
async fn of_certificates(configuration: &Value, secret: Read<Secret>, names: &Names) -> Vec<Finding> {
    let stored = served::of_secret(secret, names);
    let mut judge = certificate::Judge::default();
    for webhook in list(configuration, "webhooks") {
        judge.look(webhook, served::by_handshake(webhook).await, &stored);
    }
    judge.findings()
}

/// The namespaces that ask, what each has, and the pods that were missed in them.
async fn of_namespaces(client: &kube::Client, names: &Names, options: &Options) -> Result<Vec<Finding>> {
    let api = Api::<Namespace>::all(client.clone());
    let Read::Found(all) = read("list namespaces", api.list_metadata(&ListParams::default())).await? else {
        let words = "you may not list namespaces, so which are enabled, what is in them and what was missed cannot be told";
        return Ok(vec![Finding::unknown(Code::Namespaces, words)]);
    };
    let all: Vec<_> = all.items.into_iter().map(|namespace| namespace.metadata).collect();
    let mut findings = namespaces::judge(&all, &names.namespace);
    let enabled = namespaces::enabled(&all, &names.namespace);
    let labelled = ListParams::default().labels(misses::ENABLED);
    let asking = read("list the pods that ask by label", Api::<Pod>::all(client.clone()).list_metadata(&labelled)).await?;
    findings.push(pods::judge(&asking, &enabled));
    let mut ranges = Vec::new();
    for namespace in &enabled {
        let api = Api::<LimitRange>::namespaced(client.clone(), &namespace.name);
        ranges.push(read("list the LimitRanges of a namespace", api.list(&ListParams::default())).await?);
    }
    findings.extend(ranges::judge(&enabled, &ranges, &options.resources));
    if options.nats_auth == NatsAuth::Token {
        findings.push(namespaces::tokens());
    } else {
        let mut secrets = Vec::new();
        for namespace in &enabled {
            let api = Api::<Secret>::namespaced(client.clone(), &namespace.name);
            secrets.push(read("read the Secret of a namespace", api.get(crate::names::NATS_VOLUME)).await?);
        }
        findings.extend(namespaces::judge_secrets(&enabled, &secrets));
    }
    findings.push(missed::look(client, &enabled, options).await?);
    Ok(findings)
}
