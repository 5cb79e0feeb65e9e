//! For any pod, and whatever other webhooks did to it before or in between.

use injector::meaning::meaning;
use injector::names::{INSTALLER, NATS_CREDENTIALS, NATS_VOLUME, SIDECAR};
use injector::options::{NatsAuth, Options};
use injector::ours;
use injector::plan;
use injector::pod::{self, Pod, list};
use injector::policy::Reason;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::damages::{self, damage};
use crate::reviews::{options, outcome_with};
use crate::scratch;
use crate::shapes::pods;

fn check_injected(pod: &Value, options: &Options) -> Result<(), TestCaseError> {
    let init = Pod(pod).init_containers();
    let place = plan::position(init.iter().filter(|container| !ours::is_container(container)), options);
    prop_assert_eq!(pod::name(&init[place]), SIDECAR);
    prop_assert!(pod::is_native_sidecar(&init[place]));
    for container in Pod(pod).all_containers().filter(|container| ours::is_container(container)) {
        let security = &container["securityContext"];
        prop_assert_eq!(&security["allowPrivilegeEscalation"], &json!(false));
        prop_assert_eq!(&security["capabilities"], &json!({ "drop": ["ALL"] }));
        prop_assert_eq!(&security["runAsNonRoot"], &json!(true));
        prop_assert_ne!(security.get("runAsUser"), Some(&json!(0)));
        prop_assert!(security.get("privileged").is_none() && container.get("startupProbe").is_none());
        let has_bounds = ["requests", "limits"]
            .iter()
            .all(|list| ["cpu", "memory"].iter().all(|name| container["resources"][list][name].is_string()));
        prop_assert!(has_bounds || pod["spec"]["resources"].is_object());
    }
    let ours = [SIDECAR, INSTALLER];
    for name in ours {
        prop_assert!(Pod(pod).all_containers().filter(|container| pod::name(container) == name).count() <= 1);
    }
    Ok(())
}

/// The sidecar has what it shows NATS, and nothing of the other kind.
fn check_credentials(pod: &Value, auth: NatsAuth) -> Result<(), TestCaseError> {
    let variables = NATS_CREDENTIALS;
    let (kind, wanted) = match auth {
        NatsAuth::Certificate => ("secret", &variables[..2]),
        NatsAuth::Token => ("projected", &variables[2..]),
    };
    let volumes: Vec<&Value> = Pod(pod).volumes().iter().filter(|volume| pod::name(volume) == NATS_VOLUME).collect();
    prop_assert_eq!(volumes.len(), 1);
    prop_assert_eq!(volumes[0].as_object().unwrap().keys().collect::<Vec<_>>(), ["name", kind]);
    for container in Pod(pod).all_containers() {
        let found = list(container, "env").iter().map(pod::name).filter(|name| variables.contains(name));
        let has_mount = list(container, "volumeMounts").iter().any(|mount| pod::name(mount) == NATS_VOLUME);
        let is_sidecar = pod::name(container) == SIDECAR;
        prop_assert_eq!(has_mount, is_sidecar);
        prop_assert_eq!(found.collect::<Vec<_>>(), if is_sidecar { wanted } else { &[] });
    }
    Ok(())
}

fn auth() -> impl Strategy<Value = NatsAuth> {
    prop::sample::select(vec![NatsAuth::Certificate, NatsAuth::Token])
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn an_injection_keeps_what_the_user_wrote_and_is_done_once((pod, namespace) in prop_oneof![pods(), scratch::pods()], auth in auth()) {
        let first = outcome_with(&pod, &namespace, auth);
        prop_assert_ne!(first.reason, Reason::InternalSelfCheck, "{:?}", first.fault);
        prop_assert_eq!(first.patch.is_some(), first.reason == Reason::Inject);
        let Some(patch) = first.patch else { return Ok(()) };
        check_injected(&patch.patched, &options())?;
        check_credentials(&patch.patched, auth)?;
        prop_assert_eq!(ours::rest(&patch.patched), meaning(&pod));
        prop_assert_eq!(outcome_with(&patch.patched, &namespace, auth).reason, Reason::AlreadyInjected);
    }

    /// Also by a replica that has another setting than the one that injected.
    #[test]
    fn damage_by_others_is_mended(
        (pod, namespace) in prop_oneof![pods(), scratch::pods()],
        damages in prop::collection::vec(damage(), 1..5),
        (before, auth) in (auth(), auth()),
    ) {
        let Some(patch) = outcome_with(&pod, &namespace, before).patch else { return Ok(()) };
        let mut damaged = patch.patched;
        for damage in &damages {
            damages::apply(&mut damaged, damage);
        }
        // Without annotation and container nothing says that volumes of our names are not somebody's own.
        prop_assume!(ours::status(Pod(&damaged)).is_some());
        let again = outcome_with(&damaged, &namespace, auth);
        prop_assert!(matches!(again.reason, Reason::Repair | Reason::AlreadyInjected), "{:?} {:?}", again.reason, again.fault);
        let mended = again.patch.map_or_else(|| damaged.clone(), |patch| patch.patched);
        check_injected(&mended, &options())?;
        check_credentials(&mended, auth)?;
        prop_assert_eq!(outcome_with(&mended, &namespace, auth).reason, Reason::AlreadyInjected);
    }
}
