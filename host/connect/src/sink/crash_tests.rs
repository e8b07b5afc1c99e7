//! Sinks across crashes: whatever is done in whatever order, what can be seen is what complete checkpoints name, each record once.

use std::collections::BTreeMap;
use std::fs;
use std::sync::Arc;

use proptest::prelude::*;
use weir_model::codec::Codec;
use weir_model::rows::{BatchBuilder, NO_TIMESTAMP};

use super::*;
use crate::test_support::{ManualClock, TempFolder, block_on, permit, section};

/// Something that happens to a sink.
#[derive(Debug, Clone)]
enum Step {
    Write {
        subtask: usize,
        records: u8,
    },
    Flush {
        subtask: usize,
    },
    /// So much time passes that the next record ends its part.
    Age,
    /// A checkpoint, with records that are written after its barrier.
    Checkpoint {
        behind: usize,
        outcome: Outcome,
    },
    Crash {
        parallelism: u32,
    },
}

/// How far a checkpoint gets.
#[derive(Debug, Clone, Copy)]
enum Outcome {
    /// Given up before its output is durable.
    Dropped,
    /// Given up when all its output is durable.
    Aborted,
    /// There is a manifest, and then a crash.
    Manifest {
        parallelism: u32,
    },
    /// There is a manifest and some of its handles are committed, and then a crash.
    Half {
        parallelism: u32,
    },
    /// Committed, but the writers don't know.
    Unnotified,
    Complete,
}

/// The last manifest, as a job keeps it.
#[derive(Default)]
struct Manifest {
    states: Vec<Vec<u8>>,
    handles: Vec<Vec<u8>>,
    is_committed: bool,
}

struct Job {
    folder: TempFolder,
    config: SinkConfig,
    clock: Arc<ManualClock>,
    writers: Vec<SinkWriter>,
    checkpoint: CheckpointId,
    manifest: Manifest,
    /// Records by subtask that the last manifest names or that are older.
    durable: BTreeMap<usize, Vec<String>>,
    /// Records by subtask that no manifest names.
    since: BTreeMap<usize, Vec<String>>,
    /// Records that can be seen now.
    visible: BTreeMap<usize, Vec<String>>,
    record: u64,
}

impl Job {
    fn new(path: &str) -> Self {
        let folder = TempFolder::new();
        let lines = format!("path = \"{path}\"\nroll-size = 40\nend-marker = true");
        let config = SinkConfig::parse("file", section("sinks.out", &lines), folder.path()).unwrap();
        let mut job = Self {
            folder,
            config,
            clock: Arc::default(),
            writers: Vec::new(),
            checkpoint: CheckpointId::FIRST,
            manifest: Manifest::default(),
            durable: BTreeMap::new(),
            since: BTreeMap::new(),
            visible: BTreeMap::new(),
            record: 0,
        };
        job.open(2, false);
        job
    }

    fn uid() -> OperatorUid {
        OperatorUid::new("out").unwrap()
    }

    fn open(&mut self, parallelism: u32, restored: bool) {
        let input = Port { name: "out".into(), key: Codec::None, value: Codec::Utf8 };
        let start = if restored { SinkStart::Restored(&self.manifest.states) } else { SinkStart::Fresh { checkpoints: true } };
        let clock = Arc::clone(&self.clock) as SharedClock;
        self.writers = block_on(self.config.open(&Self::uid(), Parallelism::new(parallelism).unwrap(), &input, &clock, start)).unwrap();
    }

    fn write(&mut self, subtask: usize, records: u8) {
        let subtask = subtask % self.writers.len();
        let mut batch = BatchBuilder::default();
        for _ in 0..records {
            let text = format!("record {}", self.record);
            self.record += 1;
            batch.push(None, text.as_bytes(), NO_TIMESTAMP).unwrap();
            self.since.entry(subtask).or_default().push(text);
        }
        self.writers[subtask].write(&batch.take()).unwrap();
    }

    fn checkpoint(&mut self, behind: usize, outcome: Outcome) {
        let checkpoint = self.checkpoint;
        self.checkpoint = checkpoint.next();
        let prepared: Vec<_> = self.writers.iter_mut().map(|writer| writer.prepare(checkpoint).unwrap()).collect();
        let named = self.since.clone();
        (0..behind).for_each(|record| self.write(record, 1));
        if matches!(outcome, Outcome::Dropped) {
            return;
        }
        let (mut states, mut handles) = (Vec::new(), Vec::new());
        for prepared in prepared {
            let durable = block_on(prepared.make_durable()).unwrap();
            states.push(durable.state);
            handles.extend(durable.handles);
        }
        self.check_visible();
        if matches!(outcome, Outcome::Aborted) {
            return;
        }
        self.manifest = Manifest { states, handles, is_committed: false };
        for (subtask, records) in named {
            self.since.get_mut(&subtask).unwrap().drain(..records.len());
            self.durable.entry(subtask).or_default().extend(records);
        }
        match outcome {
            Outcome::Manifest { parallelism } => return self.crash(parallelism),
            Outcome::Half { parallelism } => {
                let half = self.manifest.handles.len() / 2;
                block_on(self.config.committer(&Self::uid()).commit(&permit(), &self.manifest.handles[..half])).unwrap();
                return self.crash(parallelism);
            }
            Outcome::Dropped | Outcome::Aborted | Outcome::Unnotified | Outcome::Complete => self.commit(),
        }
        if matches!(outcome, Outcome::Complete) {
            self.manifest.is_committed = true;
            self.writers.iter_mut().for_each(|writer| writer.completed(checkpoint));
        }
    }

    fn commit(&mut self) {
        block_on(self.config.committer(&Self::uid()).commit(&permit(), &self.manifest.handles)).unwrap();
        self.visible.clone_from(&self.durable);
    }

    fn crash(&mut self, parallelism: u32) {
        self.writers.clear();
        self.since.clear();
        let committer = self.config.committer(&Self::uid());
        block_on(committer.abort_others(&self.manifest.handles)).unwrap();
        if !self.manifest.is_committed {
            self.commit();
        }
        assert_eq!(self.names().into_iter().filter(|name| name.ends_with(part::UNFINISHED)).count(), 0, "something is left of the old run");
        self.open(parallelism, true);
    }

    /// All names in the output folder or under the prefix.
    fn names(&self) -> Vec<String> {
        match &self.config {
            SinkConfig::File(config) => folder::names(config.folder()).unwrap(),
            SinkConfig::Object(config) => block_on(config.bucket().names(&Self::uid())).unwrap(),
            SinkConfig::Print(_) | SinkConfig::Blackhole => unreachable!(),
        }
    }

    fn read(&self, name: &str) -> String {
        match &self.config {
            SinkConfig::File(config) => fs::read_to_string(config.folder().join(name)).unwrap(),
            SinkConfig::Object(config) => block_on(config.bucket().read(name)),
            SinkConfig::Print(_) | SinkConfig::Blackhole => unreachable!(),
        }
    }

    /// Each subtask's finished parts, by their counters, hold its visible records in order.
    fn check_visible(&self) {
        let mut parts: BTreeMap<(usize, u64), String> = BTreeMap::new();
        for name in self.names().into_iter().filter(|name| part::PartName::parse(name).is_some()) {
            let (subtask, counter) = name.strip_prefix("part-").unwrap().strip_suffix(".txt").unwrap().split_once('-').unwrap();
            parts.insert((subtask.parse().unwrap(), counter.parse().unwrap()), self.read(&name));
        }
        let mut found: BTreeMap<usize, Vec<String>> = BTreeMap::new();
        for ((subtask, counter), text) in parts {
            assert!(!text.is_empty(), "part {subtask}-{counter} is empty");
            found.entry(subtask).or_default().extend(text.lines().map(str::to_owned));
        }
        let expected: BTreeMap<_, _> = self.visible.iter().filter(|(_, records)| !records.is_empty()).map(|(k, v)| (*k, v.clone())).collect();
        assert_eq!(found, expected);
    }
}

fn check(path: &str, steps: Vec<Step>) {
    let mut job = Job::new(path);
    for step in steps {
        match step {
            Step::Write { subtask, records } => job.write(subtask, records),
            Step::Flush { subtask } => {
                let subtask = subtask % job.writers.len();
                job.writers[subtask].flush().unwrap();
            }
            Step::Age => job.clock.advance_ms(60_000),
            Step::Checkpoint { behind, outcome } => job.checkpoint(behind, outcome),
            Step::Crash { parallelism } => job.crash(parallelism),
        }
        job.check_visible();
    }
    job.checkpoint(0, Outcome::Complete);
    block_on(job.config.committer(&Job::uid()).finish(&permit())).unwrap();
    job.check_visible();
    assert!(job.since.values().all(Vec::is_empty));
    let names = job.names();
    assert!(names.iter().all(|name| part::is_finished(name)) && names.iter().any(|name| name == part::END_MARKER), "{names:?}");
    assert!(job.folder.path().exists());
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let outcome = prop_oneof![
        Just(Outcome::Dropped),
        Just(Outcome::Aborted),
        (1..5u32).prop_map(|parallelism| Outcome::Manifest { parallelism }),
        (1..5u32).prop_map(|parallelism| Outcome::Half { parallelism }),
        Just(Outcome::Unnotified),
        Just(Outcome::Complete),
    ];
    let step = prop_oneof![
        6 => (0..4usize, 0..6u8).prop_map(|(subtask, records)| Step::Write { subtask, records }),
        1 => (0..4usize).prop_map(|subtask| Step::Flush { subtask }),
        1 => Just(Step::Age),
        4 => (0..4usize, outcome).prop_map(|(behind, outcome)| Step::Checkpoint { behind, outcome }),
        1 => (1..5u32).prop_map(|parallelism| Step::Crash { parallelism }),
    ];
    proptest::collection::vec(step, 0..30)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn files_hold_the_records_of_committed_checkpoints_each_once(steps in steps()) {
        check("out", steps);
    }

    #[test]
    fn objects_hold_the_records_of_committed_checkpoints_each_once(steps in steps()) {
        check("memory://bucket/out", steps);
    }
}
