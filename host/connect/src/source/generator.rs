//! Made-up records: lines of words that follow Zipf's law, or a sequence of numbers, at full speed or at a rate.
//!
//! Each subtask makes one stream of records. The same seed, subtask and parallelism give the same stream, however it is cut into batches and
//! however often the job is restored: the streams stay those of the first start, and another parallelism deals them out anew.

mod stream;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use weir_model::Result;
use weir_model::codec::{Codec, NumberCodec};
use weir_model::id::{OperatorUid, Parallelism, SubtaskIndex};
use weir_model::rows::BatchBuilder;
use weir_model::section::Section;
use weir_model::time::SharedClock;

use super::position::{GeneratorPosition, StreamPosition, another_source, damaged};
use super::{BatchLimit, SourceProgress, SourceStatus, refuse_misplaced};
use crate::random::Random;
use crate::zipf::{RANKS_MAX, Zipf};
use stream::{Stream, WordStream};

const DISTINCT_DEFAULT: u64 = 100_000;
/// A line of that many words has about 6 MB.
const WORDS_PER_LINE_MAX: u64 = 1 << 20;
/// The longest that a reader waits before it looks at the clock again.
const WAIT_MAX: Duration = Duration::from_secs(1);
/// The shortest: a timer is no finer than that.
const WAIT_MIN: Duration = Duration::from_millis(1);

/// Records a second that can be asked for: more than a machine makes, and few enough that counts of them stay exact for long.
const RATE_MAX: f64 = 1e9;

/// The keys that belong to some kinds only.
const KEYS_OF_KINDS: &[(&str, &[&str])] = &[
    ("distinct", &["zipf-words"]),
    ("exponent", &["zipf-words"]),
    ("words-per-line", &["zipf-words"]),
    ("seed", &["zipf-words"]),
    ("lines", &["zipf-words"]),
    ("bytes", &["zipf-words"]),
    ("from", &["sequence"]),
    ("to", &["sequence"]),
];

/// A generator as the job file says it.
#[derive(Debug, Clone)]
pub struct GeneratorConfig {
    kind: Kind,
    /// Records a second of all subtasks together; `None`: as fast as they are taken.
    rate: Option<f64>,
}

#[derive(Debug, Clone)]
enum Kind {
    Words(WordsConfig),
    /// Both ends belong to the sequence, as in Flink.
    Sequence {
        from: u64,
        to: u64,
    },
}

#[derive(Debug, Clone)]
struct WordsConfig {
    distinct: u32,
    exponent: f64,
    /// `None`: 8 to 12 in turn.
    words_per_line: Option<usize>,
    seed: u64,
    end: WordsEnd,
}

/// When the words end, all subtasks together.
#[derive(Debug, Clone, Copy)]
enum WordsEnd {
    Never,
    Lines(u64),
    /// At the first line with which there are that many bytes, newlines included.
    Bytes(u64),
}

impl GeneratorConfig {
    pub(super) fn parse(mut section: Section) -> Result<Self> {
        let kinds = [("zipf-words", "zipf-words"), ("sequence", "sequence")];
        let Some(kind) = section.take_choice("kind", &kinds)? else { return Err(section.missing("kind", "\"zipf-words\"")) };
        refuse_misplaced(&section, "kind", kind, KEYS_OF_KINDS)?;
        let kind = if kind == "sequence" { take_sequence(&mut section)? } else { Kind::Words(take_words(&mut section)?) };
        let rate = section.take_positive_f64("rate")?;
        if let Some((_, line)) = rate.filter(|(rate, _)| *rate > RATE_MAX) {
            let remedy = format!("write a number up to {RATE_MAX}, or leave `rate` out for full speed");
            return Err(section.key_error(line, "rate", "no generator makes that many records a second", remedy));
        }
        section.finish()?;
        Ok(Self { kind, rate: rate.map(|(rate, _)| rate) })
    }

    pub(super) fn codecs(&self) -> (Codec, Codec) {
        match self.kind {
            Kind::Words(_) => (Codec::None, Codec::Utf8),
            Kind::Sequence { .. } => (Codec::None, Codec::Number(NumberCodec::U64)),
        }
    }

    /// The bytes that will be made, where the job file says them.
    pub(super) fn bytes_total(&self) -> Option<u64> {
        match self.kind {
            Kind::Words(WordsConfig { end: WordsEnd::Bytes(bytes), .. }) => Some(bytes),
            _ => None,
        }
    }

    /// The readers, from the start or from where those of `restored` were.
    pub(super) fn open(
        &self,
        uid: &OperatorUid,
        parallelism: Parallelism,
        clock: &SharedClock,
        restored: Vec<GeneratorPosition>,
    ) -> Result<Vec<GeneratorReader>> {
        let bytes: u64 = restored.iter().fold(0, |sum, position| sum.saturating_add(position.bytes_made));
        let streams = if restored.is_empty() { self.start(parallelism) } else { self.restore(uid, parallelism, restored)? };
        let (streams_in_all, count) = (streams.len(), parallelism.get() as usize);
        let mut dealt: Vec<VecDeque<Stream>> = parallelism.subtasks().map(|_| VecDeque::new()).collect();
        for (place, stream) in streams.into_iter().enumerate() {
            dealt.get_mut(place % count).into_iter().for_each(|hand| hand.push_back(stream.clone()));
        }
        // What was made before is counted once, by the first reader.
        let readers = dealt.into_iter().zip(std::iter::once(bytes).chain(std::iter::repeat(0))).map(|(streams, bytes)| {
            let share = streams.len() as f64 / streams_in_all.max(1) as f64;
            let pace = self.rate.map(|rate| Pace { clock: Arc::clone(clock), rate: rate * share, start_ns: None });
            GeneratorReader { streams, pace, made: 0, bytes, line: Vec::new() }
        });
        Ok(readers.collect())
    }

    /// A stream for each subtask.
    fn start(&self, parallelism: Parallelism) -> Vec<Stream> {
        match &self.kind {
            Kind::Words(words) => {
                // The table can be large, and every stream draws from the same one.
                let zipf = Arc::new(Zipf::new(words.distinct, words.exponent));
                parallelism.subtasks().map(|subtask| Stream::Words(words.stream(&zipf, subtask, parallelism))).collect()
            }
            Kind::Sequence { from, to } => {
                let all = Stream::Numbers { next: Some(*from), to: *to, step: 1 };
                all.split(u64::from(parallelism.get()))
            }
        }
    }

    /// The streams that were left, cut so that each subtask gets some where that can be done.
    fn restore(&self, uid: &OperatorUid, parallelism: Parallelism, restored: Vec<GeneratorPosition>) -> Result<Vec<Stream>> {
        let zipf = match &self.kind {
            Kind::Words(words) => Some((words, Arc::new(Zipf::new(words.distinct, words.exponent)))),
            Kind::Sequence { .. } => None,
        };
        let mut streams = Vec::new();
        for position in restored.into_iter().flat_map(|position| position.streams) {
            let stream = match (position, &zipf) {
                (StreamPosition::Words { random, line, lines_end, bytes_left }, Some((words, zipf))) => {
                    let random = Random::from_state(random).filter(|_| line <= lines_end);
                    let random = random.ok_or_else(|| damaged(uid, "no generator of words is ever there"))?;
                    Stream::Words(WordStream { zipf: Arc::clone(zipf), random, words_per_line: words.words_per_line, line, lines_end, bytes_left })
                }
                (StreamPosition::Numbers { step: 0, .. }, None) => return Err(damaged(uid, "it is one of a sequence that doesn't go on")),
                (StreamPosition::Numbers { next, to, step }, None) => Stream::Numbers { next, to, step },
                (StreamPosition::Words { .. }, None) => return Err(another_source(uid, "it is one of a generator with kind = \"zipf-words\"")),
                (StreamPosition::Numbers { .. }, Some(_)) => return Err(another_source(uid, "it is one of a generator with kind = \"sequence\"")),
            };
            if !stream.is_done() {
                streams.push(stream);
            }
        }
        // Words follow from each other and stay in their streams.
        let parts = u64::from(parallelism.get()).div_ceil(streams.len().max(1) as u64);
        Ok(streams.into_iter().flat_map(|stream| stream.split(parts)).collect())
    }
}

fn take_sequence(section: &mut Section) -> Result<Kind> {
    let from = section.take_u64("from")?.map_or(0, |(from, _)| from);
    let (to, line) = section.take_u64("to")?.unwrap_or((u64::MAX, 0));
    if to < from {
        return Err(section.key_error(line, "to", format!("{to} comes before from = {from}"), "write a number that isn't smaller than `from`"));
    }
    Ok(Kind::Sequence { from, to })
}

fn take_words(section: &mut Section) -> Result<WordsConfig> {
    let (distinct, line) = section.take_u64("distinct")?.unwrap_or((DISTINCT_DEFAULT, 0));
    if !(1..=u64::from(RANKS_MAX)).contains(&distinct) {
        return Err(section.key_error(line, "distinct", format!("there can't be {distinct} words"), format!("write 1 to {RANKS_MAX}")));
    }
    let exponent = section.take_positive_f64("exponent")?.map_or(1.0, |(exponent, _)| exponent);
    let words_per_line = match section.take_u64("words-per-line")? {
        Some((words, line)) if !(1..=WORDS_PER_LINE_MAX).contains(&words) => {
            let why = format!("a line can't have {words} words");
            return Err(section.key_error(line, "words-per-line", why, format!("write 1 to {WORDS_PER_LINE_MAX}")));
        }
        words => words.map(|(words, _)| words as usize),
    };
    let seed = section.take_u64("seed")?.map_or(0, |(seed, _)| seed);
    let end = match (section.take_u64("lines")?, section.take_size("bytes")?) {
        (None, None) => WordsEnd::Never,
        (Some((lines, _)), None) => WordsEnd::Lines(lines),
        (None, Some((bytes, _))) => WordsEnd::Bytes(bytes),
        (Some(_), Some((_, line))) => return Err(section.key_error(line, "bytes", "`lines` says already when to end", "remove one of them")),
    };
    Ok(WordsConfig { distinct: distinct as u32, exponent, words_per_line, seed, end })
}

impl WordsConfig {
    fn stream(&self, zipf: &Arc<Zipf>, subtask: SubtaskIndex, parallelism: Parallelism) -> WordStream {
        let share = |whole: u64| {
            let (count, index) = (u64::from(parallelism.get()), u64::from(subtask.0));
            whole / count + u64::from(index < whole % count)
        };
        let (lines_end, bytes_left) = match self.end {
            WordsEnd::Never => (u64::MAX, u64::MAX),
            WordsEnd::Lines(lines) => (share(lines), u64::MAX),
            WordsEnd::Bytes(bytes) => (u64::MAX, share(bytes)),
        };
        let random = Random::for_subtask(self.seed, subtask.0, parallelism.get());
        WordStream { zipf: Arc::clone(zipf), random, words_per_line: self.words_per_line, line: 0, lines_end, bytes_left }
    }
}

/// One subtask of a generator.
#[derive(Debug)]
pub(super) struct GeneratorReader {
    /// The first one makes the next record. They take turns.
    streams: VecDeque<Stream>,
    pace: Option<Pace>,
    /// Records since it was opened.
    made: u64,
    /// Bytes of all records, restarts included.
    bytes: u64,
    line: Vec<u8>,
}

impl GeneratorReader {
    pub(super) fn progress(&self) -> SourceProgress {
        SourceProgress { bytes_read: self.bytes, records_skipped: 0 }
    }

    pub(super) fn position(&self) -> GeneratorPosition {
        GeneratorPosition { bytes_made: self.bytes, streams: self.streams.iter().map(Stream::position).collect() }
    }

    pub(super) async fn next(&mut self, out: &mut BatchBuilder, limit: BatchLimit) -> Result<SourceStatus> {
        loop {
            while self.streams.pop_front_if(|stream| stream.is_done()).is_some() {}
            let Some(stream) = self.streams.front_mut() else { return Ok(SourceStatus::End) };
            if limit.reached(out) {
                return Ok(SourceStatus::More);
            }
            let due = match &mut self.pace {
                None => u64::MAX,
                Some(pace) => match pace.due(self.made) {
                    Ok(due) => due,
                    Err(_) if !out.is_empty() => return Ok(SourceStatus::More),
                    Err(wait) => {
                        // Nothing has been made yet that dropping this future could lose.
                        tokio::time::sleep(wait).await;
                        continue;
                    }
                },
            };
            let mut made = 0;
            while made < due
                && !limit.reached(out)
                && let Some(bytes) = stream.make(&mut self.line, out)
            {
                made += 1;
                self.bytes += bytes;
            }
            self.made += made;
            if self.streams.len() > 1 {
                self.streams.rotate_left(1);
            }
        }
    }
}

/// Keeps records to a rate: record `n` is due `n / rate` seconds after the first.
struct Pace {
    clock: SharedClock,
    /// Records a second of this subtask.
    rate: f64,
    start_ns: Option<u64>,
}

impl std::fmt::Debug for Pace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pace").field("rate", &self.rate).finish_non_exhaustive()
    }
}

impl Pace {
    /// How many records are due when `made` are made, or how long to wait for the next.
    fn due(&mut self, made: u64) -> Result<u64, Duration> {
        let now = self.clock.monotonic_ns();
        let start = *self.start_ns.get_or_insert(now);
        let elapsed = Duration::from_nanos(now.saturating_sub(start)).as_secs_f64();
        let due = ((elapsed * self.rate) as u64).saturating_add(1);
        if due > made {
            return Ok(due - made);
        }
        let wait = Duration::try_from_secs_f64(made as f64 / self.rate - elapsed).unwrap_or(WAIT_MAX);
        Err(wait.clamp(WAIT_MIN, WAIT_MAX))
    }
}

#[cfg(test)]
mod tests;
