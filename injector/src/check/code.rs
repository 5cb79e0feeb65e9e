//! What is looked at, by stable codes: a public contract with scripts that read the findings.

/// One kind of finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// The API server's version.
    ApiServer,
    /// The webhook configuration.
    WebhookConfiguration,
    /// What an entry calls.
    WebhookTarget,
    /// What an entry is called for.
    WebhookRules,
    /// What happens without an answer.
    FailurePolicy,
    /// Which namespaces an entry is for.
    NamespaceSelector,
    /// The Service.
    Service,
    /// The replicas behind it.
    Replicas,
    /// The certificate as a handshake shows it.
    Served,
    /// What an entry trusts.
    CaBundle,
    /// The certificate's end.
    CertificateExpiry,
    /// Its authority's end.
    AuthorityExpiry,
    /// The kubelets.
    Nodes,
    /// The namespaces that ask.
    Namespaces,
    /// A label of a namespace that does not do what it seems to.
    NamespaceLabel,
    /// Labels of pods that do nothing.
    PodLabel,
    /// What a namespace demands of containers.
    LimitRange,
    /// What sidecars of a namespace connect with.
    Credentials,
    /// Missed pods.
    Misses,
}

impl Code {
    /// Every code, in the order in which they are told.
    pub const ALL: [Self; 19] = [
        Self::ApiServer,
        Self::WebhookConfiguration,
        Self::WebhookTarget,
        Self::WebhookRules,
        Self::FailurePolicy,
        Self::NamespaceSelector,
        Self::Service,
        Self::Replicas,
        Self::Served,
        Self::CaBundle,
        Self::CertificateExpiry,
        Self::AuthorityExpiry,
        Self::Nodes,
        Self::Namespaces,
        Self::NamespaceLabel,
        Self::PodLabel,
        Self::LimitRange,
        Self::Credentials,
        Self::Misses,
    ];

    /// The stable text.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Self::ApiServer => "api_server",
            Self::WebhookConfiguration => "webhook_configuration",
            Self::WebhookTarget => "webhook_target",
            Self::WebhookRules => "webhook_rules",
            Self::FailurePolicy => "failure_policy",
            Self::NamespaceSelector => "namespace_selector",
            Self::Service => "service",
            Self::Replicas => "replicas",
            Self::Served => "served",
            Self::CaBundle => "ca_bundle",
            Self::CertificateExpiry => "certificate_expiry",
            Self::AuthorityExpiry => "authority_expiry",
            Self::Nodes => "nodes",
            Self::Namespaces => "namespaces",
            Self::NamespaceLabel => "namespace_label",
            Self::PodLabel => "pod_label",
            Self::LimitRange => "limit_range",
            Self::Credentials => "credentials",
            Self::Misses => "misses",
        }
    }

    /// What is looked at, for the table in the documentation.
    #[must_use]
    pub fn meaning(self) -> &'static str {
        match self {
            Self::ApiServer => "the API server knows native sidecars",
            Self::WebhookConfiguration => "there is a webhook configuration",
            Self::WebhookTarget => "its entry calls the injector",
            Self::WebhookRules => "it is called when pods are made, and again when others change them",
            Self::FailurePolicy => "pods are made also when the injector does not answer",
            Self::NamespaceSelector => "it asks for the label of namespaces",
            Self::Service => "the Service is there",
            Self::Replicas => "two replicas behind it are ready",
            Self::Served => "a handshake shows the certificate that the Secret has; unknown where no handshake comes about",
            Self::CaBundle => "`caBundle` verifies the certificate of the handshake, or of the Secret where there was none",
            Self::CertificateExpiry => "the certificate lasts",
            Self::AuthorityExpiry => "its authority lasts",
            Self::Nodes => "the kubelets know native sidecars",
            Self::Namespaces => "a namespace is enabled",
            Self::NamespaceLabel => "no namespace has a label that does not do what it seems to",
            Self::PodLabel => "no pod asks for a sidecar in a namespace that is not enabled",
            Self::LimitRange => "no LimitRange of an enabled namespace refuses pods for the sidecar's requests and limits",
            Self::Credentials => "each enabled namespace has a certificate for NATS that lasts, where sidecars need one",
            Self::Misses => "no pod was made without the sidecar that it should have",
        }
    }
}
