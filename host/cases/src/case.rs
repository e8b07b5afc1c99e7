//! A case: what goes in, what happens meanwhile, and what is expected.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use weir_model::id::Parallelism;

use crate::field::Field;

/// One `[[case]]`.
#[derive(Debug, Clone)]
pub struct Case {
    /// The file that it is in, as the user named it.
    pub file: Arc<str>,
    /// The line that it begins on.
    pub line: usize,
    /// Its name, a sentence.
    pub name: String,
    /// The function that it is about.
    pub function: String,
    pub(crate) config: Vec<(String, String)>,
    pub(crate) parallelism: Parallelism,
    /// Whether the run ends at the first record that is refused.
    pub(crate) fail: bool,
    /// Records in a batch, at the most.
    pub(crate) batch: usize,
    pub(crate) input: Vec<Event>,
    pub(crate) expect: Expect,
}

/// What goes into an operator, or happens to it.
#[derive(Debug, Clone)]
pub(crate) enum Event {
    Records(Records),
    /// Event time up to which all records have been seen, milliseconds.
    Watermark(i64),
    /// Wall-clock time, milliseconds.
    Time(i64),
    /// A checkpoint, and a new start from it.
    Restore(Restore),
    /// Another version takes over between two records.
    Swap(Version),
    /// The instance is lost, as after a trap; the state is not.
    NewInstance,
}

/// A record, or many that are written as one.
#[derive(Debug, Clone)]
pub(crate) struct Records {
    pub(crate) line: usize,
    /// How many, if `repeat` says so.
    pub(crate) repeat: Option<u64>,
    /// The port, if it is named.
    pub(crate) port: Option<String>,
    pub(crate) key: Option<Field>,
    pub(crate) value: Field,
    pub(crate) timestamp: Option<i64>,
}

impl Records {
    /// The number of each, as [`Field`]s want it.
    pub(crate) fn numbers(&self) -> impl Iterator<Item = Option<u64>> + use<> {
        numbers(self.repeat)
    }
}

/// The number of each of so many repetitions; of one that is not repeated, none.
pub(crate) fn numbers(repeat: Option<u64>) -> impl Iterator<Item = Option<u64>> {
    let is_repeated = repeat.is_some();
    (0..repeat.unwrap_or(1)).map(move |i| is_repeated.then_some(i))
}

/// A start from a checkpoint.
#[derive(Debug, Clone)]
pub(crate) struct Restore {
    /// The number of subtasks from then on; `None`: as before.
    pub(crate) parallelism: Option<Parallelism>,
    /// What starts from it, if it is another version.
    pub(crate) version: Option<Version>,
}

/// Another version of an operator.
#[derive(Debug, Clone)]
pub(crate) struct Version {
    /// Its plugin; `None`: the one that runs.
    pub(crate) plugin: Option<PluginRef>,
    /// Its function; `None`: one of the same name.
    pub(crate) function: Option<String>,
}

/// A plugin that a case names.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum PluginRef {
    /// The one under test.
    Tested,
    /// The one that the command line has for this name.
    Named(String),
    /// The one in this file.
    File(PathBuf),
}

impl PluginRef {
    pub(crate) fn name(&self) -> Option<&str> {
        match self {
            Self::Named(name) => Some(name),
            Self::Tested | Self::File(_) => None,
        }
    }
}

/// What must come of a case.
#[derive(Debug, Clone, Default)]
pub(crate) struct Expect {
    pub(crate) output: Option<Vec<Records>>,
    pub(crate) state: BTreeMap<String, Vec<StateEntry>>,
    pub(crate) failures: Vec<Refusal>,
    pub(crate) counters: BTreeMap<String, u64>,
    pub(crate) refuses_open: Option<String>,
    pub(crate) fails: Option<String>,
}

/// What is kept under a key.
#[derive(Debug, Clone)]
pub(crate) struct StateEntry {
    pub(crate) repeat: Option<u64>,
    pub(crate) key: Field,
    pub(crate) kept: Kept,
}

/// What a state holds for a key.
#[derive(Debug, Clone)]
pub(crate) enum Kept {
    Value(Field),
    Items(Vec<Field>),
    Entries(Vec<(Field, Field)>),
}

/// A record that must be refused.
#[derive(Debug, Clone)]
pub(crate) struct Refusal {
    /// Its number among the records of the input, from 0.
    pub(crate) record: usize,
    /// What the message contains.
    pub(crate) message: String,
}

impl Case {
    /// The plugins that the case names.
    pub(crate) fn plugins(&self) -> impl Iterator<Item = &PluginRef> {
        self.input.iter().filter_map(|event| match event {
            Event::Swap(version) | Event::Restore(Restore { version: Some(version), .. }) => version.plugin.as_ref(),
            _ => None,
        })
    }

    /// The functions that the case runs, of the plugin under test.
    pub(crate) fn functions(&self) -> impl Iterator<Item = &str> {
        let later = self.input.iter().filter_map(|event| match event {
            Event::Swap(version) | Event::Restore(Restore { version: Some(version), .. })
                if version.plugin.as_ref().is_none_or(|plugin| *plugin == PluginRef::Tested) =>
            {
                version.function.as_deref()
            }
            _ => None,
        });
        std::iter::once(self.function.as_str()).chain(later)
    }

    /// The records that go in.
    pub(crate) fn records(&self) -> u64 {
        let repeats =
            self.input.iter().filter_map(|event| if let Event::Records(records) = event { Some(records.repeat.unwrap_or(1)) } else { None });
        repeats.sum()
    }
}
