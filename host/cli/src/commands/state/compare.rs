//! The state of two savepoints side by side, in the order that both are in.

use std::cmp::Ordering;
use std::collections::{BTreeSet, VecDeque};
use std::ops::ControlFlow;

use weir_checkpoint::manifest::{FileEntry, OperatorSnapshot};
use weir_checkpoint::savepoint::Snapshot;
use weir_model::describe::{StateDescriptor, StateKind};
use weir_model::key_group::KeyGroup;
use weir_model::{Error, Result};
use weir_runtime::savepoint::{SnapshotRows, StateRow};

/// Rows that are read ahead.
const PAGE_ROWS: usize = 4096;

/// How many entries differ, and how.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) only_a: u64,
    pub(crate) only_b: u64,
    pub(crate) different: u64,
    pub(crate) same: u64,
}

/// A row of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct OwnRow {
    state: usize,
    schema_version: u32,
    key_group: KeyGroup,
    key: Vec<u8>,
    sub_key: Option<Vec<u8>>,
    value: Vec<u8>,
    written_s: u32,
}

impl OwnRow {
    pub(super) fn as_row(&self) -> StateRow<'_> {
        let Self { state, key_group, key, sub_key, value, written_s, .. } = self;
        StateRow { state: *state, key_group: *key_group, key, sub_key: sub_key.as_deref(), value: Some(value), written_s: *written_s }
    }

    fn address(&self) -> (KeyGroup, &[u8], Option<&[u8]>) {
        (self.key_group, &self.key, self.sub_key.as_deref())
    }
}

/// The rows of one state of a node, some read ahead; none where there is no such node.
struct Side {
    rows: Option<SnapshotRows>,
    page: VecDeque<OwnRow>,
}

impl Side {
    async fn open(snapshot: &Snapshot, uid: &str, state: &str) -> Result<Self> {
        let rows = match find(snapshot, uid) {
            None => None,
            Some(operator) => Some(SnapshotRows::open(snapshot.store(), files(operator), Some(state), 0..snapshot.manifest().max_parallelism).await?),
        };
        Ok(Self { rows, page: VecDeque::new() })
    }

    fn states(&self) -> Vec<StateDescriptor> {
        self.rows.as_ref().map_or_else(Vec::new, |rows| rows.states().to_vec())
    }

    /// Sees that the next row is there, if there is one.
    async fn fill(&mut self) -> Result<()> {
        let Some(rows) = self.rows.as_mut().filter(|_| self.page.is_empty()) else { return Ok(()) };
        let states = rows.states().to_vec();
        let page = &mut self.page;
        let is_more = rows
            .next(|row| {
                // The length of a list follows from its items.
                let Some(state) = states.get(row.state).filter(|state| state.kind != StateKind::List || row.sub_key != Some(&[])) else {
                    return ControlFlow::Continue(());
                };
                page.push_back(OwnRow {
                    state: row.state,
                    schema_version: state.schema_version,
                    key_group: row.key_group,
                    key: row.key.to_vec(),
                    sub_key: row.sub_key.map(<[u8]>::to_vec),
                    value: row.value.unwrap_or_default().to_vec(),
                    written_s: row.written_s,
                });
                if page.len() < PAGE_ROWS { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
            })
            .await?;
        if !is_more {
            self.rows = None;
        }
        Ok(())
    }
}

/// What is to be seen of two states side by side.
pub(super) struct Pair<'a> {
    pub(super) states_a: &'a [StateDescriptor],
    pub(super) states_b: &'a [StateDescriptor],
    pub(super) a: Option<&'a OwnRow>,
    pub(super) b: Option<&'a OwnRow>,
}

/// Shows each entry of a node that differs in value or schema version; when they were written doesn't count.
///
/// # Errors
/// Those of `each`, when one can't be read, and when keys are placed in different ways.
pub(super) async fn compare(a: &Snapshot, b: &Snapshot, uid: &str, mut each: impl FnMut(&Pair<'_>) -> Result<()>) -> Result<Counts> {
    let mut counts = Counts::default();
    let names: BTreeSet<_> = names(a, uid).await?.into_iter().chain(names(b, uid).await?).collect();
    if !names.is_empty() {
        check_groups(a, b)?;
    }
    for name in names {
        let (mut left, mut right) = (Side::open(a, uid, &name).await?, Side::open(b, uid, &name).await?);
        let (states_a, states_b) = (left.states(), right.states());
        loop {
            left.fill().await?;
            right.fill().await?;
            let (first_a, first_b) = (left.page.front(), right.page.front());
            let order = match (first_a, first_b) {
                (None, None) => break,
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some(a), Some(b)) => a.address().cmp(&b.address()),
            };
            let (a, b) = (first_a.filter(|_| order.is_le()), first_b.filter(|_| order.is_ge()));
            let is_same = a.zip(b).is_some_and(|(a, b)| a.value == b.value && a.schema_version == b.schema_version);
            match order {
                Ordering::Equal if is_same => counts.same += 1,
                Ordering::Equal => counts.different += 1,
                Ordering::Less => counts.only_a += 1,
                Ordering::Greater => counts.only_b += 1,
            }
            if !is_same {
                each(&Pair { states_a: &states_a, states_b: &states_b, a, b })?;
            }
            if order.is_le() {
                left.page.pop_front();
            }
            if order.is_ge() {
                right.page.pop_front();
            }
        }
    }
    Ok(counts)
}

/// How many entries of a node differ; `None`: it has no state in either.
///
/// # Errors
/// As [`compare`].
pub(crate) async fn count(a: &Snapshot, b: &Snapshot, uid: &str) -> Result<Option<Counts>> {
    let has_files =
        |snapshot: &Snapshot| find(snapshot, uid).is_some_and(|operator| operator.subtasks.iter().any(|subtask| !subtask.files.is_empty()));
    if !has_files(a) && !has_files(b) {
        return Ok(None);
    }
    compare(a, b, uid, |_| Ok(())).await.map(Some)
}

/// The UIDs of both, those of the first in its order.
pub(crate) fn uids(a: &Snapshot, b: &Snapshot) -> Vec<String> {
    let mut uids: Vec<String> = Vec::new();
    for operator in a.manifest().operators.iter().chain(&b.manifest().operators) {
        if uids.iter().all(|uid| uid != operator.uid.as_str()) {
            uids.push(operator.uid.to_string());
        }
    }
    uids
}

/// The state files of an operator, those of each subtask from the oldest to the newest.
pub(super) fn files(operator: &OperatorSnapshot) -> Vec<FileEntry> {
    operator.subtasks.iter().flat_map(|subtask| subtask.files.iter().cloned()).collect()
}

pub(super) fn find<'a>(snapshot: &'a Snapshot, uid: &str) -> Option<&'a OperatorSnapshot> {
    snapshot.manifest().operators.iter().find(|operator| operator.uid.as_str() == uid)
}

/// The names of an operator's states, as its files have them.
async fn names(snapshot: &Snapshot, uid: &str) -> Result<Vec<String>> {
    let Some(operator) = find(snapshot, uid) else { return Ok(Vec::new()) };
    let rows = SnapshotRows::open(snapshot.store(), files(operator), None, 0..0).await?;
    Ok(rows.states().iter().map(|state| state.name.clone()).collect())
}

fn check_groups(a: &Snapshot, b: &Snapshot) -> Result<()> {
    let (left, right) = (a.manifest(), b.manifest());
    if (left.max_parallelism, &left.hash_function) == (right.max_parallelism, &right.hash_function) {
        return Ok(());
    }
    Err(Error::incompatible(
        format!("the state of {} and of {} can't be compared", a.location(), b.location()),
        format!("their keys are in different orders: max-parallelism is {} and {}", left.max_parallelism, right.max_parallelism),
        format!("`weir savepoint rekey {} -o DIR --max-parallelism {}` writes one that can", a.location(), right.max_parallelism),
    ))
}
