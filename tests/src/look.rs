//! A look at a state of a page as its readers see it: in a wide window and light, on a phone and dark. What is told is there, it
//! fits, axe finds nothing, and it looks as it was kept.

use anyhow::{Context as _, Result, bail};
use fantoccini::Client;
use neighbours::Chromium;
use serde_json::{Value, json};

use crate::{browser, picture};

const WIDE: (u32, u32) = (1000, 560);
const PHONE: (u32, u32) = (390, 640);

/// What is another each time is always the same in a picture: times, spans, the bars of a run, and the blinking of a caret.
const STILL: &str = "\
    document.styleSheets[0].insertRule('* { caret-color: transparent !important; }'); \
    const write = (selector, change) => document.querySelectorAll(selector).forEach((part) => { part.textContent = change(part.textContent); }); \
    write('#rows time', () => '12:00:00.000'); \
    write('.day span', () => 'Saturday 31 January 2026, UTC'); \
    for (const time of document.querySelectorAll('time.ago')) [time.textContent, time.dateTime] = ['now', '2100-01-01T00:00:00Z']; \
    write('.rail time', () => '31 January 2026 12:00'); \
    const span = (text) => text.replace(/\\d+ (ms|s|m|h)\\b( \\d+ [sm])?/g, '3 s').replace(/\\d\\d:\\d\\d UTC/, '12:00 UTC'); \
    write('#connection span:not(:has(*)), .behind, td.quiet:not(:has(time)), .rail dd:not(:has(*))', span); \
    for (const part of document.querySelectorAll('.facts')) part.firstChild.data = span(part.firstChild.data); \
    for (const spread of document.querySelectorAll('.spread')) spread.style.visibility = 'hidden'; \
    return 1";

/// Keeps what fails in scripts, from the next page on.
const FAILURES: &str = "window.failed = []; addEventListener('error', (event) => failed.push(event.message)); \
    addEventListener('unhandledrejection', (event) => failed.push(String(event.reason)))";

const VIOLATIONS: &str = "return axe.run(document, OPTIONS).then((result) => result.violations.map((violation) => \
    `${violation.id}: ${violation.help}: ${violation.nodes.slice(0, 3).map((node) => `${node.html.slice(0, 160)} ${node.any[0]?.message ?? ''}`).join(' | ')}`))";

/// What is wider than the window, by its own selector; parts that scroll by themselves, and what is in them, are as wide as shown.
const TOO_WIDE: &str = "if (document.documentElement.scrollWidth <= innerWidth) return []; \
    return [...document.querySelectorAll('body *')].filter((part) => part.getBoundingClientRect().right > innerWidth + 1) \
        .slice(0, 5).map((part) => `${part.tagName}#${part.id}.${part.className}`)";

/// Somebody who looks at states, one after the other, and tells at the end what was wrong with any of them.
pub struct Look<'a> {
    browser: &'a Client,
    driver: String,
    axe: String,
    wrong: Vec<String>,
}

impl<'a> Look<'a> {
    /// In this browser.
    pub async fn new(browser: &'a Client, chromium: &Chromium) -> Result<Self> {
        let axe = tokio::task::spawn_blocking(neighbours::axe::script).await??;
        let look = Self { browser, driver: chromium.url(), axe, wrong: Vec::new() };
        look.tell("Page.addScriptToEvaluateOnNewDocument", json!({ "source": FAILURES })).await?;
        look.from(WIDE, "light").await?;
        Ok(look)
    }

    /// Looks at the state that the page is in. It says each of these texts.
    pub async fn at(&mut self, name: &str, told: &[&str]) -> Result<()> {
        self.look(name, told, true).await
    }

    /// The same where scripts do not run: axe is one.
    pub async fn at_without_scripts(&mut self, name: &str, told: &[&str]) -> Result<()> {
        self.look(name, told, false).await
    }

    async fn look(&mut self, name: &str, told: &[&str], runs_axe: bool) -> Result<()> {
        let text = self.ask("return document.body.innerText.replace(/\\s+/g, ' ')").await?;
        let text = text.as_str().context("a page has no text")?;
        for words in told.iter().filter(|words| !text.contains(**words)) {
            self.wrong.push(format!("{name} does not say `{words}`, but:\n{text}"));
        }
        let failed = self.ask("return window.failed ?? []").await?;
        if failed != json!([]) {
            self.wrong.push(format!("{name}: a script failed: {failed}"));
        }
        self.ask(STILL).await?;
        let contrast_alone = json!({ "resultTypes": ["violations"], "runOnly": ["color-contrast"] });
        for (window, theme, device, options) in
            [(WIDE, "light", "wide", json!({ "resultTypes": ["violations"] })), (PHONE, "dark", "phone", contrast_alone)]
        {
            self.from(window, theme).await?;
            let name = format!("{name}-{device}");
            let too_wide = self.ask(TOO_WIDE).await?;
            if too_wide != json!([]) {
                self.wrong.push(format!("{name} is wider than its window: {too_wide}"));
            }
            if let Err(error) = picture::compare(&name, &self.browser.screenshot().await?) {
                self.wrong.push(format!("{error:#}"));
            }
            if runs_axe {
                if self.ask("return typeof axe").await? == "undefined" {
                    self.ask(&format!("{}; return 1", self.axe)).await?;
                }
                let found = self.ask(&VIOLATIONS.replace("OPTIONS", &options.to_string())).await?;
                if found != json!([]) {
                    self.wrong.push(format!("{name}: {found:#}"));
                }
            }
        }
        self.from(WIDE, "light").await
    }

    /// What was wrong, if anything was.
    ///
    /// # Errors
    /// All of it.
    pub fn end(self) -> Result<()> {
        if self.wrong.is_empty() {
            return Ok(());
        }
        bail!("{}", self.wrong.join("\n"))
    }

    async fn from(&self, window: (u32, u32), theme: &str) -> Result<()> {
        browser::resize(self.browser, &self.driver, window).await?;
        browser::colours(self.browser, &self.driver, theme).await
    }

    async fn ask(&self, script: &str) -> Result<Value> {
        Ok(self.browser.execute(script, Vec::new()).await?)
    }

    async fn tell(&self, command: &str, parameters: Value) -> Result<Value> {
        browser::tell(self.browser, &self.driver, command, parameters).await
    }
}
