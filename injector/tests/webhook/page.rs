//! The tables of the injector's page say what the program does.

use std::path::Path;

use injector::annotations;
use injector::certificates::metrics::{CertificateMetrics, StepLabels};
use injector::check::code::Code;
use injector::metrics::{DecisionLabels, EventMetrics, Metrics, MissMetrics, OwnerMetrics, RefusalLabels};
use injector::policy::Reason;
use prometheus_client::registry::Registry;

/// Every reason, in the order of decision.
fn reasons() -> String {
    let rows = Reason::ALL.map(|reason| {
        let sidecar = match (reason.is_injected(), reason.disappoints()) {
            (true, _) => "yes",
            (_, true) => "no, and told",
            _ => "no",
        };
        format!("| `{}` | {} | {sidecar} |\n", reason.code(), reason.words())
    });
    format!("| reason | says | sidecar |\n|---|---|---|\n{}", rows.concat())
}

fn metrics() -> String {
    let mut registry = Registry::default();
    let metrics = Metrics::register(&mut registry);
    // What has labels is told once it has a value.
    let labels = DecisionLabels { decision: "inject", reason: "inject", runtime: "native", dry_run: "false" };
    drop(metrics.decisions.get_or_create(&labels));
    drop(metrics.notes.get_or_create(&RefusalLabels { reason: "" }));
    drop(metrics.refusals.get_or_create(&RefusalLabels { reason: "" }));
    let misses = MissMetrics::register(&mut registry);
    drop(misses.misses.get_or_create(&RefusalLabels { reason: "" }));
    let certificates = CertificateMetrics::register(&mut registry);
    drop(certificates.steps.get_or_create(&StepLabels { step: "" }));
    drop(EventMetrics::register(&mut registry));
    drop(OwnerMetrics::register(&mut registry));
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
    let tells = |name: &str| {
        let help = text.lines().find_map(|line| line.strip_prefix("# HELP ")?.strip_prefix(name)?.strip_prefix(' '));
        help.unwrap().trim_end_matches('.').to_owned()
    };
    let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '));
    let rows: Vec<String> = types
        .map(|(name, kind)| {
            let suffix = if kind == "counter" { "_total" } else { "" };
            format!("| `{name}{suffix}` | {kind} | {} |\n", tells(name))
        })
        .collect();
    format!("| metric | is a | tells |\n|---|---|---|\n{}", rows.concat())
}

/// Everything that `check` looks at.
fn codes() -> String {
    let rows = Code::ALL.map(|code| format!("| `{}` | {} |\n", code.text(), code.meaning()));
    format!("| code | right when |\n|---|---|\n{}", rows.concat())
}

/// Puts the table between its marks.
fn with_table(page: &str, name: &str, table: &str) -> String {
    let (begin, end) = (format!("<!-- {name}: made from the program -->\n"), format!("<!-- end of {name} -->\n"));
    let (before, rest) = page.split_once(&begin).expect("the page has the mark that begins the table");
    let (_, after) = rest.split_once(&end).expect("the page has the mark that ends the table");
    format!("{before}{begin}\n{table}\n{end}{after}")
}

#[test]
fn the_tables_of_the_page_are_what_the_program_does() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/injector.md");
    let written = std::fs::read_to_string(&path).unwrap();
    let mut page = written.clone();
    let tables = [("annotations", annotations::table()), ("reasons", reasons()), ("codes", codes()), ("metrics", metrics())];
    for (name, table) in tables {
        page = with_table(&page, name, &table);
    }
    if page != written {
        std::fs::write(&path, &page).unwrap();
        panic!("{} was out of date and is written anew; look at it and commit it", path.display());
    }
}
