//! What `docs/api.md` tells people to write.

const PAGE: &str = include_str!("../../../docs/api.md");

/// The loop around `curl`.
pub fn curl_loop() -> String {
    block("sh", "--speed-time")
}

/// The script of a page.
pub fn page_script() -> String {
    block("js", "new EventSource")
}

/// The block in this language that holds these words, without what it is indented by.
fn block(language: &str, words: &str) -> String {
    let lines: Vec<&str> = PAGE.lines().collect();
    let fence = format!("```{language}");
    let begins = lines.iter().enumerate().filter(|(_, line)| line.trim() == fence).map(|(index, _)| index);
    let blocks = begins.map(|begin| {
        let indent = lines[begin].len() - lines[begin].trim_start().len();
        let body = lines[begin + 1..].iter().take_while(|line| line.trim() != "```");
        body.map(|line| line.get(indent..).unwrap_or_default()).fold(String::new(), |text, line| text + line + "\n")
    });
    let mut blocks = blocks.filter(|block| block.contains(words));
    let block = blocks.next().unwrap();
    assert_eq!(blocks.next(), None);
    block
}
