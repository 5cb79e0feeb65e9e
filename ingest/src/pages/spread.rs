//! A run over time: a bar for each part of it, which leads there. The script of the page marks the part that is on screen, and
//! takes a part that is drawn over with the pointer as the range to show.

use maud::{Markup, html};

use super::figures;
use crate::http::query::Query;
use crate::read::messages::just_below;
use crate::read::spread::{BARS, Bar, Spread};

/// The height of the highest bar.
const HEIGHT: i64 = 28;

/// The bars; each leads to the page that begins with its first message, under the filters that are set.
pub(super) fn render(spread: &Spread, path: &str, query: &Query) -> Markup {
    // A run that said little has low bars.
    let most = spread.bars.iter().map(|bar| bar.messages).max().unwrap_or(1).max(6);
    let query = query.without("before").without("after").without("at");
    let filtered = ["since", "until"].iter().any(|name| query.first(name).is_some());
    let whole = query.without("since").without("until");
    html! {
        figure.spread #spread aria-label="Messages over time" data-from=(milliseconds(spread, 0)) data-to=(milliseconds(spread, BARS)) {
            svg viewBox={ "0 0 " (BARS * 10) " " (HEIGHT) } preserveAspectRatio="none" {
                @for bar in &spread.bars {
                    a href=(query.clone().and("after", just_below(bar.first).to_string()).link(path)) tabindex="-1" {
                        title { (title(spread, *bar)) }
                        rect.space x=(bar.number * 10) y="0" width="10" height=(HEIGHT) {}
                        @let height = height(bar.messages, most);
                        rect.bar data-bar=(bar.number) x=(bar.number * 10) y=(HEIGHT - height) width="9" height=(height) {}
                        @if bar.errors > 0 {
                            @let height = height.min(self::height(bar.errors, most).max(6));
                            rect.errors x=(bar.number * 10) y=(HEIGHT - height) width="9" height=(height) {}
                        }
                    }
                }
            }
            @if filtered { a.whole href=(whole.link(path)) { "Whole run" } }
        }
    }
}

/// So that the quiet parts of a run with one loud one can still be seen, the square roots are compared.
fn height(messages: i64, most: i64) -> i64 {
    (messages * HEIGHT * HEIGHT / most).isqrt().clamp(2, HEIGHT)
}

fn title(spread: &Spread, bar: Bar) -> String {
    let (from, to) = (figures::clock(spread.begin(bar.number)), figures::clock(spread.begin(bar.number + 1)));
    let errors = if bar.errors == 0 { String::new() } else { format!(", errors: {}", figures::count(bar.errors)) };
    format!("{from} to {to} UTC, messages: {}{errors}", figures::count(bar.messages))
}

fn milliseconds(spread: &Spread, number: i32) -> i64 {
    spread.begin(number).unix_micros() / 1_000
}
