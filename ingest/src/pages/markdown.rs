//! What people and agents write, as HTML that can do nothing.
//!
//! The one place where the text of a message becomes markup. Elements and attributes come from this file alone: raw HTML is
//! shown as the text it is, a link goes to `http`, `https` or `mailto` or is no link, and an image is a link to it, since
//! loading it would tell its server who reads. Where runs are spoken of, an id that looks like a workflow uid leads to its page.

use maud::{Escaper, Markup, PreEscaped};
use pulldown_cmark::{Alignment, CodeBlockKind, Event, HeadingLevel, Options, Parser, Tag, TagEnd, TextMergeStream};
use std::fmt::Write as _;

/// Deeper nesting is shown flat: browsers give up long before our parser does.
const MOST_NESTED: usize = 24;

/// Renders a text that may be markdown.
#[must_use]
pub fn render(text: &str) -> Markup {
    write(text, false)
}

/// The same, with links to the runs whose uids it names. Whether there is such a run is not looked up: a row is rendered once for
/// everybody who reads it, and the page of a run that somebody may not read is that of one that is not known.
#[must_use]
pub fn render_with_runs(text: &str) -> Markup {
    write(text, true)
}

/// The words of a text that may be markdown, without its marks: for a place that has room for a line of it.
#[must_use]
pub fn words(text: &str) -> String {
    let mut words = String::with_capacity(text.len());
    for event in Parser::new_ext(text, options()) {
        match event {
            Event::Text(text) | Event::Code(text) | Event::Html(text) | Event::InlineHtml(text) => words.push_str(&text),
            Event::End(TagEnd::Emphasis | TagEnd::Strong | TagEnd::Strikethrough | TagEnd::Link | TagEnd::Image) => {}
            Event::SoftBreak | Event::HardBreak | Event::Rule | Event::End(_) => words.push(' '),
            _ => {}
        }
    }
    words.truncate(words.trim_end().len());
    words
}

fn options() -> Options {
    Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH | Options::ENABLE_TASKLISTS
}

fn write(text: &str, runs: bool) -> Markup {
    let mut writer = Writer { runs, ..Writer::default() };
    for event in TextMergeStream::new(Parser::new_ext(text, options())) {
        writer.event(event);
    }
    PreEscaped(writer.html)
}

/// Renders a text as it is, with the marks that redaction left made visible.
#[must_use]
pub fn plain(text: &str) -> Markup {
    let mut html = String::with_capacity(text.len() + text.len() / 8);
    write_text(&mut html, text);
    PreEscaped(html)
}

#[derive(Default)]
struct Writer {
    html: String,
    /// What closes each open element; empty for those that are not shown as such.
    open: Vec<&'static str>,
    columns: Vec<Alignment>,
    cell: usize,
    in_head: bool,
    /// Whether ids of runs become links.
    runs: bool,
}

impl Writer {
    fn event(&mut self, event: Event<'_>) {
        match event {
            Event::Start(tag) => self.start(tag),
            Event::End(tag) => self.end(tag),
            Event::Text(text) => self.text(&text),
            Event::Html(text) | Event::InlineHtml(text) => write_text(&mut self.html, &text),
            Event::Code(text) | Event::InlineMath(text) | Event::DisplayMath(text) => {
                self.html.push_str("<code>");
                self.text(&text);
                self.html.push_str("</code>");
            }
            Event::FootnoteReference(label) => write_text(&mut self.html, &format!("[^{label}]")),
            // A line that was written as a line stays one: most of what is shown was never meant as markdown.
            Event::SoftBreak | Event::HardBreak => self.html.push_str("<br>"),
            Event::Rule => self.html.push_str("<hr>"),
            Event::TaskListMarker(done) => self.html.push_str(if done { "☑ " } else { "☐ " }),
        }
    }

    fn text(&mut self, text: &str) {
        // A link holds no other.
        if !self.runs || self.open.contains(&"</a>") {
            return write_text(&mut self.html, text);
        }
        let mut rest = text;
        while let Some(at) = find_uid(rest) {
            let (before, from) = rest.split_at(at);
            let (uid, after) = from.split_at(UID);
            write_text(&mut self.html, before);
            // Digits and hyphens need no escaping anywhere.
            self.html.push_str("<a class=\"run\" href=\"/agents/");
            self.html.push_str(uid);
            self.html.push_str("\">");
            self.html.push_str(uid);
            self.html.push_str("</a>");
            rest = after;
        }
        write_text(&mut self.html, rest);
    }

    fn start(&mut self, tag: Tag<'_>) {
        if self.open.len() >= MOST_NESTED {
            self.open.push("");
            return;
        }
        let close = match tag {
            Tag::Paragraph => self.element("<p>", "</p>"),
            Tag::Heading { level, .. } => match level {
                // The page has its own first headings.
                HeadingLevel::H1 | HeadingLevel::H2 => self.element("<h3>", "</h3>"),
                _ => self.element("<h4>", "</h4>"),
            },
            Tag::BlockQuote(_) => self.element("<blockquote>", "</blockquote>"),
            Tag::CodeBlock(kind) => {
                if let CodeBlockKind::Fenced(language) = kind
                    && !language.is_empty()
                {
                    self.html.push_str("<div class=\"language\">");
                    write_escaped(&mut self.html, &language);
                    self.html.push_str("</div>");
                }
                self.element("<pre><code>", "</code></pre>")
            }
            Tag::HtmlBlock => self.element("<pre>", "</pre>"),
            Tag::List(None) => self.element("<ul>", "</ul>"),
            Tag::List(Some(first)) => {
                self.html.push_str("<ol start=\"");
                self.html.push_str(&first.to_string());
                self.element("\">", "</ol>")
            }
            Tag::Item => self.element("<li>", "</li>"),
            Tag::Table(columns) => {
                self.columns = columns;
                self.element("<div class=\"table\"><table>", "</tbody></table></div>")
            }
            Tag::TableHead => {
                (self.in_head, self.cell) = (true, 0);
                self.element("<thead><tr>", "</tr></thead><tbody>")
            }
            Tag::TableRow => {
                self.cell = 0;
                self.element("<tr>", "</tr>")
            }
            Tag::TableCell => self.start_cell(),
            Tag::Emphasis => self.element("<em>", "</em>"),
            Tag::Strong => self.element("<strong>", "</strong>"),
            Tag::Strikethrough => self.element("<del>", "</del>"),
            Tag::Link { dest_url, .. } => self.start_link(&dest_url, ""),
            Tag::Image { dest_url, .. } => self.start_link(&dest_url, "image: "),
            _ => "",
        };
        self.open.push(close);
    }

    fn end(&mut self, tag: TagEnd) {
        self.html.push_str(self.open.pop().unwrap_or_default());
        match tag {
            TagEnd::TableHead => self.in_head = false,
            TagEnd::TableCell => self.cell += 1,
            _ => {}
        }
    }

    fn element(&mut self, open: &str, close: &'static str) -> &'static str {
        self.html.push_str(open);
        close
    }

    fn start_cell(&mut self) -> &'static str {
        let class = match self.columns.get(self.cell) {
            Some(Alignment::Right) => " class=\"right\"",
            Some(Alignment::Center) => " class=\"center\"",
            _ => "",
        };
        let (name, close) = if self.in_head { ("th", "</th>") } else { ("td", "</td>") };
        self.html.push('<');
        self.html.push_str(name);
        self.html.push_str(class);
        self.html.push('>');
        close
    }

    fn start_link(&mut self, target: &str, prefix: &str) -> &'static str {
        if !is_harmless(target) {
            self.html.push_str(prefix);
            return "";
        }
        self.html.push_str("<a rel=\"noopener noreferrer nofollow\" target=\"_blank\" href=\"");
        write_escaped(&mut self.html, target);
        self.html.push_str("\">");
        self.html.push_str(prefix);
        "</a>"
    }
}

/// Whether a link may be followed: an absolute one with a scheme that runs nothing. Control characters and spaces, which
/// browsers skip while they look for the scheme, make it no link.
fn is_harmless(target: &str) -> bool {
    let Some((scheme, _)) = target.split_once(':') else { return false };
    let scheme = scheme.to_ascii_lowercase();
    matches!(scheme.as_str(), "http" | "https" | "mailto") && !target.chars().any(|c| c.is_control() || c.is_whitespace())
}

/// Characters of a uid as Kubernetes writes one (RFC 9562, in small letters).
const UID: usize = 36;

/// Where the first uid stands that is not a part of a longer word.
fn find_uid(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let of_word = |byte: Option<&u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
    let is_uid = |window: &[u8]| {
        window.iter().enumerate().all(|(index, byte)| match index {
            8 | 13 | 18 | 23 => *byte == b'-',
            _ => matches!(byte, b'0'..=b'9' | b'a'..=b'f'),
        })
    };
    let alone = |at: usize| !of_word(at.checked_sub(1).and_then(|before| bytes.get(before))) && !of_word(bytes.get(at + UID));
    bytes.windows(UID).enumerate().find_map(|(at, window)| (is_uid(window) && alone(at)).then_some(at))
}

fn write_text(html: &mut String, text: &str) {
    let mut rest = text;
    while let Some(at) = rest.find("[redacted:") {
        let name = rest[at..].strip_prefix("[redacted:").and_then(|after| after.split_once(']'));
        let Some((name, after)) = name.filter(|(name, _)| !name.is_empty() && name.len() <= 64 && !name.contains('\n')) else {
            break;
        };
        write_escaped(html, &rest[..at]);
        html.push_str("<span class=\"redacted\">redacted: ");
        write_escaped(html, name);
        html.push_str("</span>");
        rest = after;
    }
    write_escaped(html, rest);
}

fn write_escaped(html: &mut String, text: &str) {
    // Writing to a string cannot fail.
    let written = Escaper::new(html).write_str(text);
    debug_assert!(written.is_ok(), "a string takes any text");
}

#[cfg(test)]
mod tests;
