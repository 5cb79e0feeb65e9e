//! Colours, as a terminal takes them (ECMA-48, "select graphic rendition"). Never the only sign of anything.

use crate::pages::colour;

/// How a piece of text looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// As the terminal has it.
    Plain,
    /// Of less weight.
    Dim,
    /// Of more.
    Bold,
    /// Something failed.
    Bad,
    /// Something went well.
    Good,
    /// How things stand.
    Note,
    /// Somebody may have to look.
    Warning,
    /// The colour of one agent, by its number.
    Agent(usize),
}

/// Green, yellow, blue, magenta, cyan and bright blue: red is for what failed.
const AGENTS: [&str; 6] = ["32", "33", "34", "35", "36", "94"];

impl Style {
    /// The colour of an agent: by its name, so it is the same in each terminal.
    #[must_use]
    pub fn of_agent(agent: &str) -> Self {
        Self::Agent(colour::number(agent))
    }

    fn code(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Dim => "2",
            Self::Bold => "1",
            Self::Bad => "31",
            Self::Good => "32",
            Self::Note => "36",
            Self::Warning => "33",
            Self::Agent(number) => AGENTS[number % AGENTS.len()],
        }
    }

    /// Adds a text in this style, or plain where colours are off. The text must hold no control character.
    pub fn push(self, line: &mut String, text: &str, colours: bool) {
        let code = self.code();
        if !colours || code.is_empty() || text.is_empty() {
            line.push_str(text);
            return;
        }
        for part in ["\x1b[", code, "m", text, "\x1b[0m"] {
            line.push_str(part);
        }
    }
}
