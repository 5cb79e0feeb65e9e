//! A yardstick's program: it does what it is told on its standard input, one command a line, and says when each is done.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

/// A program that runs until it is told to end. It also ends with this process, however that ends: its input does.
pub struct Commanded {
    name: String,
    child: Child,
    commands: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Commanded {
    /// Starts it.
    pub fn start(mut command: Command) -> Result<Self> {
        let program = std::path::Path::new(command.get_program());
        let name = program.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().with_context(|| format!("cannot run {name}"))?;
        let commands = child.stdin.take().context("no input")?;
        let answers = BufReader::new(child.stdout.take().context("no output")?);
        Ok(Self { name, child, commands, answers })
    }

    /// Its process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Tells it to do something, and goes on.
    pub fn say(&mut self, command: &str) -> Result<()> {
        writeln!(self.commands, "{command}")?;
        Ok(self.commands.flush()?)
    }

    /// Waits until it says this word; gives what it says after it.
    pub fn expect(&mut self, word: &str) -> Result<String> {
        let mut line = String::new();
        self.answers.read_line(&mut line)?;
        match line.trim_end().strip_prefix(word) {
            Some(rest) => Ok(rest.trim_start().to_owned()),
            None => bail!("{} says {line:?} instead of {word:?}", self.name),
        }
    }

    /// Tells it to do something and waits until it is done.
    pub fn ask(&mut self, command: &str, word: &str) -> Result<String> {
        self.say(command)?;
        self.expect(word)
    }

    /// Ends it; gives how long that took.
    pub fn end(self) -> Result<Duration> {
        let Self { name, mut child, commands, .. } = self;
        let start = Instant::now();
        drop(commands);
        let status = child.wait()?;
        if !status.success() {
            bail!("{name} ended with {status}");
        }
        Ok(start.elapsed())
    }
}
