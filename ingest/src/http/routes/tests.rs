use super::{Operation, ROUTES, find};

#[track_caller]
fn check(path: &str, expected: Option<(Operation, &[&str])>) {
    let segments: Vec<&str> = path.split('/').skip(1).collect();
    let found = find(&segments);
    assert_eq!(found.as_ref().map(|found| (found.route.operation, &found.parts[..])), expected, "{path}");
}

#[test]
fn a_path_leads_to_one_route() {
    check("/api/agents/events", Some((Operation::Events, &[])));
    check("/api/agents/runs", Some((Operation::Runs, &[])));
    check("/api/agents/runs/events", Some((Operation::RunEvents, &[])));
    check("/api/agents/runs/u-1", Some((Operation::Run, &["u-1"])));
    check("/api/agents/runs/u-1/messages", Some((Operation::RunMessages, &["u-1"])));
    check("/api/agents/runs/u-1/export.jsonl", Some((Operation::RunExport, &["u-1"])));
    check("/api/agents/runs/u-1/messages/export.jsonl", Some((Operation::RunExport, &["u-1"])));
    check("/api/agents/runs/u-1/export.md", Some((Operation::RunMarkdown, &["u-1"])));
    check("/api/agents/channels/general/messages", Some((Operation::ChannelMessages, &["general"])));
    check("/api/agents/messages/1.4/content", Some((Operation::MessageContent, &["1.4"])));
    check("/openapi.json", Some((Operation::Document, &[])));
    for nowhere in ["/", "/api", "/api/agents", "/api/agents/runs/u/messages/x", "/api/agents/events/x", "/api/agents/messages"] {
        check(nowhere, None);
    }
}

#[test]
fn every_part_of_a_path_is_a_parameter_and_nothing_else_is() {
    for route in ROUTES {
        let parts: Vec<&str> =
            route.path.split('/').filter_map(|part| part.strip_prefix('{').and_then(|part| part.strip_suffix('}'))).collect();
        let named: Vec<&str> = route
            .parameters
            .iter()
            .copied()
            .flatten()
            .filter(|parameter| parameter.place == super::Place::Path)
            .map(|parameter| parameter.name)
            .collect();
        assert_eq!(parts, named, "{}", route.path);
    }
}
