//! Metrics of what is asked.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

use super::answer::Answer;
use super::routes::ROUTES;

/// What was asked, and what came of it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Labels {
    /// The operation as the document of the API names it; `page`, `asset`, `login`, or `other`.
    route: &'static str,
    code: u16,
}

/// What was asked: an answer carries it until it is counted.
#[derive(Debug, Clone, Copy)]
struct Asked(&'static str);

/// Counts requests. Clones share it.
#[derive(Debug, Clone, Default)]
pub(super) struct Requests(Family<Labels, Counter>);

impl Requests {
    pub(super) fn register(&self, registry: &mut Registry) {
        for route in ROUTES {
            drop(self.0.get_or_create(&Labels { route: route.id, code: 200 }));
        }
        registry.register(
            "agentcomms_ingest_http_requests",
            "Requests, by what was asked and the code of the answer",
            self.0.clone(),
        );
    }

    /// Counts an answer, by what it says was asked.
    pub(super) fn count(&self, answer: &mut Answer) {
        let route = answer.extensions_mut().remove::<Asked>().map_or("other", |Asked(route)| route);
        self.0.get_or_create(&Labels { route, code: answer.status().as_u16() }).inc();
    }
}

/// Notes what an answer is to.
pub(super) fn asked(mut answer: Answer, route: &'static str) -> Answer {
    answer.extensions_mut().insert(Asked(route));
    answer
}
