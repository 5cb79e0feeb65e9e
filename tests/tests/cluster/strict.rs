//! Objects shown to an API server, which checks them as if it stored them and stores nothing.

use hyper::Request;
use injector::offline::document::Document;
use k8s_openapi::api::core::v1::Pod;
use kube::Resource as _;
use kube::api::DynamicObject;
use kube::core::{ApiResource, GroupVersionKind};
use neighbours::Kubernetes;
use serde_json::Value;
use tokio::sync::OnceCell;

/// What becomes of fields that the API server does not know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Unknown {
    /// They are refused, and so is a field that is given twice.
    Refused,
    /// They are left out.
    Dropped,
}

/// The server of those tests that give it kinds or install what is there once in a cluster. It ends with the process.
pub async fn apart() -> &'static Kubernetes {
    static APART: OnceCell<Kubernetes> = OnceCell::const_new();
    APART.get_or_try_init(Kubernetes::start).await.unwrap()
}

/// Why a pod would not be made in a namespace; none if it would.
pub async fn refusal_of_pod(client: &kube::Client, namespace: &str, pod: &Value, unknown: Unknown) -> Option<String> {
    let mut pod = pod.clone();
    pod["apiVersion"] = "v1".into();
    pod["kind"] = "Pod".into();
    pod["metadata"]["namespace"] = namespace.into();
    let path = DynamicObject::url_path(&ApiResource::erase::<Pod>(&()), Some(namespace));
    refusal(client, &path, "application/json", pod.to_string().into_bytes(), unknown).await
}

/// Why the objects of a document would not be made, each in its own namespace or in this one. A document of one object goes
/// as the text that it is; an API server takes no lists.
pub async fn refusals(client: &kube::Client, namespace: &str, document: &Document) -> Vec<String> {
    let value = &document.value;
    let mut refusals = Vec::new();
    if value["kind"] == "List" {
        for item in value["items"].as_array().unwrap() {
            let body = item.to_string().into_bytes();
            refusals.extend(refusal(client, &path(item, namespace), "application/json", body, Unknown::Refused).await);
        }
    } else {
        let body = document.text.clone().into_bytes();
        refusals.extend(refusal(client, &path(value, namespace), "application/yaml", body, Unknown::Refused).await);
    }
    refusals
}

/// The kind of an object.
pub fn resource(object: &Value) -> ApiResource {
    let (group, version) = object["apiVersion"].as_str().unwrap().rsplit_once('/').unwrap_or(("", "v1"));
    ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, object["kind"].as_str().unwrap()))
}

fn path(object: &Value, namespace: &str) -> String {
    let namespace = object["metadata"]["namespace"].as_str().unwrap_or(namespace);
    DynamicObject::url_path(&resource(object), Some(namespace))
}

async fn refusal(client: &kube::Client, path: &str, form: &str, body: Vec<u8>, unknown: Unknown) -> Option<String> {
    let validation = if unknown == Unknown::Refused { "Strict" } else { "Ignore" };
    let request = Request::post(format!("{path}?dryRun=All&fieldValidation={validation}")).header("content-type", form);
    let answer = client.request::<Value>(request.body(body).unwrap()).await;
    match answer {
        Ok(_) => None,
        Err(kube::Error::Api(status)) if status.is_failure() => Some(status.message.clone()),
        Err(error) => panic!("the API server did not answer: {error}"),
    }
}
