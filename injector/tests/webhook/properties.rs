//! For any pod, and whatever other webhooks did to it before or in between.

use injector::meaning::meaning;
use injector::names::{INSTALLER, SIDECAR};
use injector::options::Options;
use injector::ours;
use injector::plan;
use injector::pod::{self, Pod};
use injector::policy::Reason;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::damages::{self, damage};
use crate::reviews::{options, outcome};
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

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn an_injection_keeps_what_the_user_wrote_and_is_done_once((pod, namespace) in pods()) {
        let first = outcome(&pod, &namespace);
        prop_assert_ne!(first.reason, Reason::InternalSelfCheck, "{:?}", first.fault);
        prop_assert_eq!(first.patch.is_some(), first.reason == Reason::Inject);
        let Some(patch) = first.patch else { return Ok(()) };
        check_injected(&patch.patched, &options())?;
        prop_assert_eq!(ours::rest(&patch.patched), meaning(&pod));
        prop_assert_eq!(outcome(&patch.patched, &namespace).reason, Reason::AlreadyInjected);
    }

    #[test]
    fn damage_by_others_is_mended((pod, namespace) in pods(), damages in prop::collection::vec(damage(), 1..5)) {
        let Some(patch) = outcome(&pod, &namespace).patch else { return Ok(()) };
        let mut damaged = patch.patched;
        for damage in &damages {
            damages::apply(&mut damaged, damage);
        }
        // Without annotation and container nothing says that volumes of our names are not somebody's own.
        prop_assume!(ours::status(Pod(&damaged)).is_some());
        let again = outcome(&damaged, &namespace);
        prop_assert!(matches!(again.reason, Reason::Repair | Reason::AlreadyInjected), "{:?} {:?}", again.reason, again.fault);
        let mended = again.patch.map_or_else(|| damaged.clone(), |patch| patch.patched);
        check_injected(&mended, &options())?;
        prop_assert_eq!(outcome(&mended, &namespace).reason, Reason::AlreadyInjected);
    }
}
