//! Metrics as a table for people, made from what is scraped, so that a page of them can be compared with the program.

/// The table, in Markdown, of metrics in the text format of OpenMetrics. A family shows itself only where it has something to
/// show.
#[must_use]
pub fn table(exposition: &str) -> String {
    let (mut help, mut rows) = ("", Vec::new());
    for line in exposition.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            help = rest.split_once(' ').map_or("", |(_, help)| help.trim_end_matches('.'));
        } else if let Some((name, sort)) = line.strip_prefix("# TYPE ").and_then(|rest| rest.split_once(' ')) {
            let total = if sort == "counter" { "_total" } else { "" };
            rows.push(format!("| `{name}{total}` | {sort} | {help} |\n"));
        }
    }
    format!("| metric | is a | tells |\n|---|---|---|\n{}", rows.concat())
}
