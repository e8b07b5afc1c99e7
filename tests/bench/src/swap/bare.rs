//! The bare programs: the rows of a savepoint written to a file, and read from it into a map.

use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Write};
use std::ops::ControlFlow;

use hashbrown::HashMap;
use serde_json::{Value, json};
use weir_checkpoint::savepoint::Snapshot;
use weir_model::time::{Clock, SystemClock};
use weir_runtime::savepoint::SnapshotRows;

use crate::checkpoint::{CHUNK_BYTES, block_on, done};
use crate::usage::print;

/// `copy-bare SAVEPOINT FILE`: reads the rows of a savepoint into a map, then writes that to a file until the disk has it; says how long the writing took.
pub(crate) fn copy_bare(words: &[&str]) -> Result<(), String> {
    let [savepoint, file] = words else { return Err("copy-bare takes SAVEPOINT FILE".to_owned()) };
    let map = rows(savepoint)?;
    let clock = SystemClock::new();
    let mut open = BufWriter::with_capacity(CHUNK_BYTES, File::create(file).map_err(explain)?);
    for (key, sum) in &map {
        open.write_all(&key.to_le_bytes()).and_then(|()| open.write_all(&sum.to_le_bytes())).map_err(explain)?;
    }
    let written = open.into_inner().map_err(|error| error.to_string())?;
    written.sync_all().map_err(explain)?;
    let took_ms = clock.monotonic_ns() as f64 / 1e6;
    let bytes = written.metadata().map_err(explain)?.len();
    print(&json!({ "rows": map.len(), "bytes": bytes, "took_ms": took_ms }).to_string());
    Ok(())
}

/// `load-bare FILE`: reads such a file into a map; says how many keys there are, and what their sums add up to.
pub(crate) fn load_bare(words: &[&str]) -> Result<(), String> {
    let [file] = words else { return Err("load-bare takes FILE".to_owned()) };
    let file = File::open(file).map_err(explain)?;
    let rows = file.metadata().map_err(explain)?.len() as usize / 16;
    let mut map: HashMap<u64, u64> = HashMap::with_capacity(rows);
    let (mut open, mut row) = (BufReader::with_capacity(CHUNK_BYTES, file), [[0; 8]; 2]);
    for _ in 0..rows {
        open.read_exact(row.as_flattened_mut()).map_err(explain)?;
        let [key, sum] = row.map(u64::from_le_bytes);
        map.insert(key, sum);
    }
    done(&map)
}

/// How many rows a savepoint has, and what their sums add up to.
pub(super) fn totals(savepoint: &str) -> Result<Value, String> {
    let map = rows(savepoint)?;
    Ok(json!({ "rows": map.len(), "records": map.values().sum::<u64>() }))
}

/// The sums of a savepoint, by key.
fn rows(savepoint: &str) -> Result<HashMap<u64, u64>, String> {
    block_on(async {
        let snapshot = Snapshot::open(savepoint).await.map_err(|error| error.to_string())?;
        let manifest = snapshot.manifest();
        let mut map = HashMap::new();
        for subtask in manifest.operators.iter().flat_map(|operator| &operator.subtasks).filter(|subtask| !subtask.files.is_empty()) {
            let opened = SnapshotRows::open(snapshot.store(), subtask.files.clone(), None, 0..manifest.max_parallelism).await;
            let mut rows = opened.map_err(|error| error.to_string())?;
            map.reserve(subtask.files.iter().map(|file| file.rows as usize).sum());
            let is_first: Vec<bool> = rows.states().iter().map(|state| state.schema_version == 1).collect();
            let each = |row: &weir_runtime::savepoint::StateRow<'_>| {
                let value = row.value.unwrap_or_default();
                let sum = if is_first.get(row.state) == Some(&true) { number(value) } else { varint(value) };
                map.insert(number(row.key), sum);
                ControlFlow::Continue(())
            };
            rows.next(each).await.map_err(|error| error.to_string())?;
        }
        Ok(map)
    })?
}

fn number(bytes: &[u8]) -> u64 {
    bytes.try_into().map_or(0, u64::from_le_bytes)
}

/// The number with which postcard's bytes begin.
fn varint(bytes: &[u8]) -> u64 {
    let last = bytes.iter().position(|byte| byte & 0x80 == 0).unwrap_or_default();
    bytes.iter().take(last + 1).rev().fold(0, |number, byte| number << 7 | u64::from(byte & 0x7f))
}

fn explain(error: std::io::Error) -> String {
    error.to_string()
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_sum_is_what_postcard_writes_first() {
        assert_eq!((super::varint(&[7, 1]), super::varint(&[0xac, 2, 9]), super::varint(&[])), (7, 300, 0));
    }
}
