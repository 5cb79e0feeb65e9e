//! The Secret and the webhook configuration in the cluster. Every write carries the version that was read: of two replicas
//! that write at the same time one wins, and the other reads again.

use std::collections::BTreeMap;
use std::fmt::Debug;

use futures_util::{Stream, StreamExt as _, stream};
use k8s_openapi::ByteString;
use k8s_openapi::api::admissionregistration::v1::MutatingWebhookConfiguration;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{Api, DynamicObject, ObjectMeta, Patch, PatchParams, PostParams};
use kube::core::{ApiResource, PartialObjectMeta};
use kube::runtime::{WatchStreamExt as _, watcher};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::material::{Material, MaterialError};

/// Who changed an object, in its list of managed fields.
const MANAGER: &str = "agent-comms-injector";
const MANAGED_BY: &str = "app.kubernetes.io/managed-by";

/// Both objects.
#[derive(Clone, Debug)]
pub struct Store {
    secrets: Api<Secret>,
    secret_metadata: Api<PartialObjectMeta<Secret>>,
    configurations: Api<DynamicObject>,
    secret: String,
    configuration: String,
}

/// The Secret as it was read; none when it is not there.
#[derive(Debug)]
pub struct Held {
    secret: Option<Secret>,
    /// What is in it; none when it is absent, empty, or ours and damaged.
    pub material: Option<Material>,
}

/// Why the cluster could not be asked or changed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A request failed.
    #[error("cannot {action} `{name}`")]
    Request {
        /// What was tried.
        action: &'static str,
        /// Name of the object.
        name: String,
        /// What the API server or the connection said.
        #[source]
        source: Box<kube::Error>,
    },
    /// A Secret of this name is somebody else's.
    #[error("secret `{name}` was not made by agent-comms-injector; choose another with --certificate-secret")]
    Foreign {
        /// Its name.
        name: String,
        /// What it lacks.
        #[source]
        source: MaterialError,
    },
}

/// A write, or somebody else's that came first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Written {
    /// It is written.
    Yes,
    /// The object has changed since it was read.
    Raced,
}

impl Store {
    /// The objects of these names, the Secret in `namespace`.
    #[must_use]
    pub fn new(client: kube::Client, namespace: &str, secret: &str, configuration: &str) -> Self {
        let resource = ApiResource::erase::<MutatingWebhookConfiguration>(&());
        Self {
            secrets: Api::namespaced(client.clone(), namespace),
            secret_metadata: Api::namespaced(client.clone(), namespace),
            configurations: Api::all_with(client, &resource),
            secret: secret.to_owned(),
            configuration: configuration.to_owned(),
        }
    }

    /// Name of the webhook configuration.
    #[must_use]
    pub fn configuration_name(&self) -> &str {
        &self.configuration
    }

    /// The webhook configuration as JSON, or none when it is not there.
    ///
    /// Read it before the Secret: whoever writes both begins with the Secret, so a configuration that was read first is
    /// never newer than the Secret, and a patch made from the two cannot take back what another replica has done.
    pub async fn read_configuration(&self) -> Result<Option<Value>, StoreError> {
        let read = self.configurations.get_opt(&self.configuration).await;
        let object = read.map_err(|source| self.configuration_error("read webhook configuration", source))?;
        Ok(object.and_then(|object| serde_json::to_value(object).ok()))
    }

    /// Changes the webhook configuration.
    pub async fn patch_configuration(&self, patch: &Value) -> Result<Written, StoreError> {
        let params = PatchParams { field_manager: Some(MANAGER.to_owned()), ..PatchParams::default() };
        let patched = self.configurations.patch(&self.configuration, &params, &Patch::Strategic(patch)).await;
        written(patched).map_err(|source| self.configuration_error("change webhook configuration", source))
    }

    /// The Secret.
    pub async fn read_secret(&self) -> Result<Held, StoreError> {
        let read = self.secrets.get_opt(&self.secret).await;
        let Some(secret) = read.map_err(|source| self.secret_error("read secret", source))? else {
            return Ok(Held { secret: None, material: None });
        };
        let data: BTreeMap<String, Vec<u8>> =
            secret.data.iter().flatten().map(|(name, value)| (name.clone(), value.0.clone())).collect();
        let material = match Material::read(&data) {
            _ if data.is_empty() => None,
            Ok(material) => Some(material),
            Err(error) if is_ours(&secret) => {
                tracing::warn!(secret.name = self.secret, %error, "secret is damaged, its content is made anew");
                None
            }
            Err(source) => return Err(StoreError::Foreign { name: self.secret.clone(), source }),
        };
        Ok(Held { secret: Some(secret), material })
    }

    /// Writes the Secret, unless it has changed since `held` was read.
    pub async fn write_secret(&self, held: &Held, material: &Material) -> Result<Written, StoreError> {
        let params = PostParams { field_manager: Some(MANAGER.to_owned()), ..PostParams::default() };
        let mut secret = held.secret.clone().unwrap_or_else(|| Secret {
            metadata: ObjectMeta { name: Some(self.secret.clone()), ..ObjectMeta::default() },
            ..Secret::default()
        });
        secret.data = Some(material.write().into_iter().map(|(name, value)| (name, ByteString(value))).collect());
        secret.metadata.labels.get_or_insert_default().insert(MANAGED_BY.to_owned(), MANAGER.to_owned());
        let result = match &held.secret {
            Some(_) => self.secrets.replace(&self.secret, &params, &secret).await,
            None => self.secrets.create(&params, &secret).await,
        };
        written(result).map_err(|source| self.secret_error("write secret", source))
    }

    /// Something for each time when the webhook configuration may have changed; it never ends.
    pub fn configuration_changes(&self) -> impl Stream<Item = ()> + Send + use<> {
        let client = self.configurations.clone().into_client();
        let api = Api::<PartialObjectMeta<MutatingWebhookConfiguration>>::all(client);
        changes(watch(api, &self.configuration), "webhook configuration")
    }

    /// Something for each time when the Secret or the webhook configuration may have changed; it never ends.
    pub fn changes(&self) -> impl Stream<Item = ()> + Send + use<> {
        let secrets = changes(watch(self.secret_metadata.clone(), &self.secret), "secret");
        stream::select(secrets, self.configuration_changes())
    }

    fn configuration_error(&self, action: &'static str, source: kube::Error) -> StoreError {
        StoreError::Request { action, name: self.configuration.clone(), source: Box::new(source) }
    }

    fn secret_error(&self, action: &'static str, source: kube::Error) -> StoreError {
        StoreError::Request { action, name: self.secret.clone(), source: Box::new(source) }
    }
}

/// A watch of one object's metadata: the keys in a Secret need not travel for it.
fn watch<K>(api: Api<K>, name: &str) -> impl Stream<Item = Result<watcher::Event<K>, watcher::Error>> + Send + use<K>
where
    K: kube::Resource + Clone + DeserializeOwned + Debug + Send + 'static,
{
    watcher::watcher(api, watcher::Config::default().fields(&format!("metadata.name={name}"))).default_backoff()
}

/// A watch that fails is tried again by itself, and whatever was missed meanwhile comes with its next start.
fn changes<T, S>(events: S, what: &'static str) -> impl Stream<Item = ()> + Send + use<T, S>
where
    S: Stream<Item = Result<watcher::Event<T>, watcher::Error>> + Send,
{
    events.filter_map(move |event| {
        if let Err(error) = &event {
            tracing::debug!(error = service::causes::in_one_line(error), watch.of = what, "watch failed");
        }
        std::future::ready(event.ok().map(drop))
    })
}

fn is_ours(secret: &Secret) -> bool {
    secret.metadata.labels.as_ref().and_then(|labels| labels.get(MANAGED_BY)).is_some_and(|manager| manager == MANAGER)
}

fn written<T>(result: Result<T, kube::Error>) -> Result<Written, kube::Error> {
    match result {
        Ok(_) => Ok(Written::Yes),
        // A conflict, and an object that exists already when it is created, have the same code.
        Err(kube::Error::Api(status)) if status.code == 409 => Ok(Written::Raced),
        Err(error) => Err(error),
    }
}
