//! The keys of the pages. The sheet is a part of every page; its script opens it.

use maud::{Markup, html};

const LIST: [(&str, &str); 11] = [
    ("j  k", "next, previous row"),
    ("Enter", "open or close the row"),
    ("e  E", "next, previous error or warning"),
    ("x", "errors alone, and back"),
    ("f  Space", "follow, or pause"),
    ("g  G", "first, latest row"),
    ("y", "copy the link of the row"),
    ("m  J", "copy the row as markdown, as JSON"),
    ("r", "the row as it was written, and back"),
    ("c", "the row among its neighbours"),
    ("t", "times: UTC, local, relative, delta"),
];
const EVERYWHERE: [(&str, &str); 3] = [("/", "search"), ("?", "this sheet"), ("Esc", "leave a field, close this")];

/// The button that opens the sheet, hidden where no script answers it.
pub(super) fn button() -> Markup {
    html! { button #keys type="button" aria-haspopup="dialog" title="Keys" hidden { "?" } }
}

/// The sheet.
pub(super) fn sheet() -> Markup {
    html! {
        dialog #help aria-labelledby="help-title" {
            h2 #help-title { "Keys" }
            h3 { "In a list of messages" }
            dl { @for (key, text) in LIST { (line(key, text)) } }
            h3 { "Everywhere" }
            dl { @for (key, text) in EVERYWHERE { (line(key, text)) } }
            form method="dialog" { button autofocus { "Close" } }
        }
    }
}

fn line(keys: &str, text: &str) -> Markup {
    html! {
        div {
            dt { @for key in keys.split("  ") { kbd { (key) } } }
            dd { (text) }
        }
    }
}
