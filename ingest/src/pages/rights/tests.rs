use super::{Limits, in_channel, in_namespace};

fn limits(readable: &[&str], asked: Option<&str>) -> Limits {
    Limits {
        name: "alice".to_owned(),
        readable: readable.iter().map(|&name| name.to_owned()).collect(),
        asked: asked.map(ToOwned::to_owned),
    }
}

#[test]
fn the_command_names_whoever_asks_and_nothing_in_it_is_more_than_a_word() {
    let check = |name: &str, expected: &str| {
        let command = in_namespace(name, "shop");
        let rest = "--clusterrole=agent-comms-reader";
        assert_eq!(command, expected.replace("ROLE", rest), "{name}");
    };
    check("alice", "kubectl create rolebinding alice-reads-runs ROLE --user=alice --namespace=shop");
    check(
        "Alice@example.org",
        "kubectl create rolebinding alice-example-org-reads-runs ROLE --user=Alice@example.org --namespace=shop",
    );
    check(
        "system:serviceaccount:team:reader",
        "kubectl create rolebinding reader-reads-runs ROLE --serviceaccount=team:reader --namespace=shop",
    );
    check("x'; rm -r / #", "kubectl create rolebinding reader-reads-runs ROLE --user='x'\\''; rm -r / #' --namespace=shop");
    check(
        "https://id.example.org#7",
        "kubectl create rolebinding id-example-org-7-reads-runs ROLE --user='https://id.example.org#7' --namespace=shop",
    );
    assert_eq!(
        in_channel("alice"),
        "kubectl create clusterrolebinding alice-reads-general --clusterrole=agent-comms-general-reader --user=alice"
    );
    assert!(in_namespace("alice", "a b").ends_with("--namespace='a b'"));
}

#[test]
fn what_may_be_read_is_named_and_beyond_some_counted() {
    let many: Vec<String> = (0..10).map(|number| format!("n{number}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let beside = limits(&many, None).beside().into_string();
    assert!(beside.contains("<b>n7</b> and 2 more alone"), "{beside}");
    let instead = limits(&many, None).instead().into_string();
    assert!(instead.contains("<b>n7</b> and 2 more alone"), "{instead}");
    let none = limits(&[], None).instead().into_string();
    assert!(none.contains("may read no namespace that has runs"), "{none}");
    assert!(none.contains(">--namespace=NAMESPACE<"), "{none}");
    // Whether it is there is not told.
    let asked = limits(&[], Some("shop")).instead().into_string();
    assert!(asked.contains("whether there are runs in <b>shop</b> you may not know"), "{asked}");
    assert!(asked.contains(">--namespace=shop<"), "{asked}");
}
