//! A run of made-up records that knows what comes next.

use std::sync::Arc;

use weir_model::rows::{BatchBuilder, NO_TIMESTAMP};

use crate::random::Random;
use crate::source::position::StreamPosition;
use crate::zipf::Zipf;
use crate::zipf_text::{push_line, words_in_line};

/// Records that one subtask makes.
#[derive(Debug, Clone)]
pub(super) enum Stream {
    Words(WordStream),
    /// `next`, and every `step`th number after it up to `to`.
    Numbers {
        next: Option<u64>,
        to: u64,
        step: u64,
    },
}

/// Lines of words, each drawn after the one before it.
#[derive(Debug, Clone)]
pub(super) struct WordStream {
    pub(super) zipf: Arc<Zipf>,
    pub(super) random: Random,
    /// `None`: 8 to 12 in turn.
    pub(super) words_per_line: Option<usize>,
    /// The number of the next line, from 0.
    pub(super) line: u64,
    pub(super) lines_end: u64,
    pub(super) bytes_left: u64,
}

impl Stream {
    /// Whether there are no more records.
    pub(super) fn is_done(&self) -> bool {
        match self {
            Self::Words(words) => words.line >= words.lines_end || words.bytes_left == 0,
            Self::Numbers { next, to, .. } => next.is_none_or(|next| next > *to),
        }
    }

    /// Appends the next record, if there is one, and gives its bytes; a line's newline counts. `line` is memory to work in.
    #[inline]
    pub(super) fn make(&mut self, line: &mut Vec<u8>, out: &mut BatchBuilder) -> Option<u64> {
        line.clear();
        let bytes = match self {
            Self::Words(words) => words.make(line),
            Self::Numbers { next, to, step } => next.take_if(|next| *next <= *to).map(|number| {
                line.extend_from_slice(&number.to_le_bytes());
                *next = number.checked_add(*step);
                size_of::<u64>() as u64
            }),
        }?;
        // The longest line fits into a row.
        out.push(None, line, NO_TIMESTAMP).is_ok().then_some(bytes)
    }

    /// The same records as `parts` streams; words stay together.
    pub(super) fn split(self, parts: u64) -> Vec<Self> {
        let Self::Numbers { next, to, step } = self else { return vec![self] };
        let Some(wide) = step.checked_mul(parts) else { return vec![self] };
        let first = |place: u64| next?.checked_add(step * place);
        (0..parts).map(|place| Self::Numbers { next: first(place), to, step: wide }).collect()
    }

    /// What a checkpoint keeps of it.
    pub(super) fn position(&self) -> StreamPosition {
        match self {
            Self::Words(WordStream { random, line, lines_end, bytes_left, .. }) => {
                StreamPosition::Words { random: random.state(), line: *line, lines_end: *lines_end, bytes_left: *bytes_left }
            }
            Self::Numbers { next, to, step } => StreamPosition::Numbers { next: *next, to: *to, step: *step },
        }
    }
}

impl WordStream {
    /// Makes a line without its newline, and gives its bytes with it.
    fn make(&mut self, line: &mut Vec<u8>) -> Option<u64> {
        if self.line >= self.lines_end || self.bytes_left == 0 {
            return None;
        }
        push_line(line, self.line, self.words_per_line.unwrap_or_else(|| words_in_line(self.line)), &self.zipf, &mut self.random, 0..0);
        self.line += 1;
        let bytes = line.len() as u64 + 1;
        self.bytes_left = self.bytes_left.saturating_sub(bytes);
        Some(bytes)
    }
}
