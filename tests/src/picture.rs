//! Pictures of pages that are kept, and what a page looks like now beside them.
//!
//! A picture is the file that the browser made. Where the bytes are the same nothing else is looked at. Where they are not,
//! it may be another version of the browser, which draws the edges of letters a little otherwise: so small squares are
//! compared by their mean colour, each with its like in the other picture up to a pixel away. A word more or less, another
//! colour or a part that moved is a difference; how an edge is smoothed is none.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail, ensure};

/// Keeps pictures as they are now, in place of comparing them.
const KEEP: &str = "AGENT_COMMS_PICTURES";
/// The side of a square, in pixels: about a letter.
const SQUARE: usize = 8;
/// By how much the mean of a channel may differ, of 255.
const NEAR: u32 = 10;
/// Squares that may differ: fewer than the shortest word covers.
const MOST: usize = 3;
/// A kept picture is no larger, so that a repository can hold many.
const LARGEST: usize = 60_000;

/// A picture as the comparison sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    width: usize,
    height: usize,
    /// Three bytes a pixel.
    colours: Vec<u8>,
}

/// Compares a picture, a PNG file, with the one that is kept under this name, or keeps it where `AGENT_COMMS_PICTURES=keep` says so.
///
/// # Errors
/// When they differ: `target/pages/NAME.png` then shows what is kept, what is, and where they differ, side by side. When none is
/// kept, or it is too large to be.
pub fn compare(name: &str, png: &[u8]) -> Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let kept = root.join("pictures").join(format!("{name}.png"));
    if std::env::var(KEEP).is_ok_and(|value| value == "keep") {
        ensure!(png.len() <= LARGEST, "{name}: {} bytes, at most {LARGEST} are kept", png.len());
        return fs::write(&kept, png).with_context(|| format!("cannot keep {}", kept.display()));
    }
    let advice = format!("look at it, and keep it with {KEEP}=keep if it is right");
    let there = root.join("../target/pages").join(format!("{name}.png"));
    let Ok(bytes) = fs::read(&kept) else {
        write(&there, png)?;
        bail!("no picture `{name}` is kept; {} shows it: {advice}", there.display());
    };
    if bytes == png {
        return Ok(());
    }
    let (was, is) = (Picture::read(&bytes)?, Picture::read(png)?);
    let differing = was.squares_unlike(&is);
    let Some(squares) = differing.filter(|squares| squares.len() <= MOST) else {
        write(&there, &was.beside(&is).to_png()?)?;
        bail!("`{name}` looks otherwise than it was kept; {} shows both and where: {advice}", there.display());
    };
    if !squares.is_empty() {
        eprintln!("{name}: {} squares differ, which is let pass", squares.len());
    }
    Ok(())
}

fn write(path: &PathBuf, bytes: &[u8]) -> Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::write(path, bytes).with_context(|| format!("cannot write {}", path.display()))
}

impl Picture {
    /// Of one colour.
    #[must_use]
    pub fn plain(width: usize, height: usize, colour: [u8; 3]) -> Self {
        Self { width, height, colours: colour.repeat(width * height) }
    }

    /// Fills a rectangle.
    pub fn fill(&mut self, (left, top): (usize, usize), (width, height): (usize, usize), colour: [u8; 3]) {
        for y in top..(top + height).min(self.height) {
            for x in left..(left + width).min(self.width) {
                let at = (y * self.width + x) * 3;
                self.colours[at..at + 3].copy_from_slice(&colour);
            }
        }
    }

    /// Reads a PNG file of eight bits a channel.
    ///
    /// # Errors
    /// When it is none.
    pub fn read(bytes: &[u8]) -> Result<Self> {
        let mut decoder = png::Decoder::new(std::io::Cursor::new(bytes));
        decoder.set_transformations(png::Transformations::normalize_to_color8());
        let mut reader = decoder.read_info()?;
        let mut buffer = vec![0; reader.output_buffer_size().context("the picture is too large")?];
        let info = reader.next_frame(&mut buffer)?;
        buffer.truncate(info.buffer_size());
        let channels = info.color_type.samples();
        let colours = buffer.chunks_exact(channels).flat_map(|pixel| match pixel {
            [grey] | [grey, _] => [*grey; 3],
            pixel => [pixel[0], pixel[1], pixel[2]],
        });
        Ok(Self { width: info.width as usize, height: info.height as usize, colours: colours.collect() })
    }

    /// As a PNG file.
    fn to_png(&self) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let mut encoder = png::Encoder::new(&mut bytes, u32::try_from(self.width)?, u32::try_from(self.height)?);
        encoder.set_color(png::ColorType::Rgb);
        encoder.write_header()?.write_image_data(&self.colours)?;
        Ok(bytes)
    }

    /// The squares, by their left and top edge, that are like none nearby in the other picture; nothing where the pictures are not
    /// of one size.
    #[must_use]
    pub fn squares_unlike(&self, other: &Self) -> Option<Vec<(usize, usize)>> {
        if (self.width, self.height) != (other.width, other.height) {
            return None;
        }
        let squares =
            (0..self.height).step_by(SQUARE).flat_map(|top| (0..self.width).step_by(SQUARE).map(move |left| (left, top)));
        Some(squares.filter(|&at| !self.is_like(other, at) || !other.is_like(self, at)).collect())
    }

    fn is_like(&self, other: &Self, (left, top): (usize, usize)) -> bool {
        let mean = self.mean(left, top);
        let near = |at: usize| at.saturating_sub(1)..=at + 1;
        let like = |mean: [u32; 3], other: [u32; 3]| mean.iter().zip(other).all(|(one, other)| one.abs_diff(other) <= NEAR);
        near(top).any(|top| near(left).any(|left| like(mean, other.mean(left, top))))
    }

    fn mean(&self, left: usize, top: usize) -> [u32; 3] {
        let mut sum = [0; 3];
        let (right, bottom) = ((left + SQUARE).min(self.width), (top + SQUARE).min(self.height));
        let mut pixels = 0;
        for y in top..bottom {
            let row = &self.colours[(y * self.width + left.min(right)) * 3..(y * self.width + right) * 3];
            for pixel in row.chunks_exact(3) {
                for (sum, channel) in sum.iter_mut().zip(pixel) {
                    *sum += u32::from(*channel);
                }
                pixels += 1;
            }
        }
        sum.map(|sum| sum / pixels.max(1))
    }

    /// This, the other, and the other with what differs in red, side by side.
    fn beside(&self, other: &Self) -> Self {
        let mut marked = other.clone();
        for at in self.squares_unlike(other).unwrap_or_default() {
            marked.fill(at, (SQUARE, SQUARE), [255, 0, 0]);
        }
        let parts = [self, other, &marked];
        let height = parts.iter().map(|part| part.height).max().unwrap_or(0);
        let width = parts.iter().map(|part| part.width).sum();
        let mut beside = Self::plain(width, height, [128; 3]);
        let mut left = 0;
        for part in parts {
            for y in 0..part.height {
                let at = (y * width + left) * 3;
                let row = &part.colours[y * part.width * 3..(y + 1) * part.width * 3];
                beside.colours[at..at + row.len()].copy_from_slice(row);
            }
            left += part.width;
        }
        beside
    }
}

#[cfg(test)]
mod tests;
