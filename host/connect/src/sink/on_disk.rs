//! What sinks write into a checkpoint: commit handles and the state of a writer, in an envelope with a version and a checksum.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use weir_model::id::OperatorUid;
use weir_model::{Error, Result};
use xxhash_rust::xxh3::xxh3_64;

use super::part::PartName;

/// How every record starts: what it is, and the version of its format.
const MAGIC: &[u8; 5] = b"wsnk\x01";

/// One record of a sink in a checkpoint. New kinds go to the end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Record {
    /// What a writer must know after a restore.
    Writer(WriterState),
    /// A part in a folder.
    File(FileHandle),
    /// A part in an object store.
    Object(ObjectHandle),
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct WriterState {
    /// Above every counter that the writer has used.
    pub(super) counter_next: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct FileHandle {
    /// The final name; the one before has a suffix more.
    pub(super) name: String,
    /// Bytes of the whole file.
    pub(super) length: u64,
    /// XXH3 of the whole file.
    pub(super) checksum: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ObjectHandle {
    /// The final name, under the sink's prefix.
    pub(super) name: String,
    /// Bytes of the whole object.
    pub(super) length: u64,
    /// The store's name of the upload.
    pub(super) upload: String,
    /// The store's names of its blocks, in order.
    pub(super) blocks: Vec<String>,
}

impl Record {
    pub(super) fn encode(&self, uid: &OperatorUid) -> Result<Vec<u8>> {
        let mut bytes = postcard::to_extend(self, MAGIC.to_vec())
            .map_err(|error| Error::job(format!("sink `{uid}`: the checkpoint"), format!("it can't be written: {error}"), "report this as a bug"))?;
        bytes.extend_from_slice(&xxh3_64(&bytes).to_le_bytes());
        Ok(bytes)
    }

    pub(super) fn decode(uid: &OperatorUid, bytes: &[u8]) -> Result<Self> {
        let refuse = |why: &str| Err(unreadable(uid, why));
        let Some((content, checksum)) = bytes.split_last_chunk::<8>() else { return refuse("it is cut off") };
        let Some(body) = content.strip_prefix(MAGIC) else { return refuse("it was written by another version of weir, or by something else") };
        if xxh3_64(content) != u64::from_le_bytes(*checksum) {
            return refuse("its checksum is wrong");
        }
        match postcard::take_from_bytes(body) {
            Ok((record, [])) => Ok(record),
            Ok(_) | Err(_) => refuse("it can't be read"),
        }
    }
}

/// How far the writers of a restored checkpoint had come.
#[derive(Debug, Default)]
pub(super) struct Counters(Vec<u64>);

impl Counters {
    /// From the states of all old writers, in order. The state of another kind of sink, which is empty, says nothing.
    pub(super) fn read(uid: &OperatorUid, states: &[Vec<u8>]) -> Result<Self> {
        let mut counters = Vec::new();
        for state in states {
            counters.push(match Record::decode(uid, state) {
                _ if state.is_empty() => 0,
                Ok(Record::Writer(WriterState { counter_next })) => counter_next,
                Ok(Record::File(_) | Record::Object(_)) => return Err(unreadable(uid, "something else stands where a writer's state is expected")),
                Err(error) => return Err(error),
            });
        }
        Ok(Self(counters))
    }

    /// The counter that none of them has reached.
    pub(super) fn above(&self) -> u64 {
        self.0.iter().copied().max().unwrap_or(0)
    }

    /// Whether a part was begun only after the checkpoint, so that, if it is finished, a newer one has committed it.
    pub(super) fn is_newer(&self, part: &PartName) -> bool {
        let (subtask, counter) = part.numbers();
        let of_subtask = usize::try_from(subtask).ok().and_then(|subtask| self.0.get(subtask).copied());
        counter >= of_subtask.unwrap_or_else(|| self.above())
    }
}

/// Reads commit handles; `pick` takes the name and the rest of the one kind that is expected.
pub(super) fn handles_by_name<T>(
    uid: &OperatorUid,
    handles: &[Vec<u8>],
    pick: impl Fn(Record) -> Option<(String, T)>,
) -> Result<BTreeMap<PartName, T>> {
    let read = handles.iter().map(|bytes| {
        let picked = pick(Record::decode(uid, bytes)?);
        let (name, handle) = picked.ok_or_else(|| unreadable(uid, "the sink was of another kind: a folder isn't a place in an object store"))?;
        // Whatever else the name says, it must not lead out of the sink's folder.
        let part = PartName::parse(&name).ok_or_else(|| unreadable(uid, &format!("`{name}` is not the name of a part")))?;
        Ok((part, handle))
    });
    read.collect()
}

/// The error about a record that isn't what it should be.
fn unreadable(uid: &OperatorUid, why: &str) -> Error {
    Error::job(
        format!("sink `{uid}`: what the checkpoint says of it"),
        why,
        "restore from another checkpoint, or with the job file and the weir that this one was taken with",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_comes_back_and_a_damaged_one_is_refused() {
        let uid = OperatorUid::new("out").unwrap();
        let object = ObjectHandle { name: "part-0-1.csv".into(), length: 9, upload: "u".into(), blocks: vec!["a".into(), "b".into()] };
        let file = FileHandle { name: "part-1-2.txt".into(), length: u64::MAX, checksum: 7 };
        for record in [Record::Writer(WriterState { counter_next: 300 }), Record::File(file), Record::Object(object)] {
            let bytes = record.encode(&uid).unwrap();
            assert_eq!(Record::decode(&uid, &bytes).unwrap(), record);
            for at in 0..bytes.len() {
                assert!(Record::decode(&uid, &bytes[..at]).is_err(), "cut at {at}");
                for bit in 0..8 {
                    let mut damaged = bytes.clone();
                    damaged[at] ^= 1 << bit;
                    assert!(Record::decode(&uid, &damaged).is_err(), "bit {bit} of byte {at}");
                }
            }
            assert!(Record::decode(&uid, &[bytes, vec![0]].concat()).is_err());
        }
    }

    #[test]
    fn new_writers_start_above_all_old_ones() {
        let uid = OperatorUid::new("out").unwrap();
        let state = |counter_next| Record::Writer(WriterState { counter_next }).encode(&uid).unwrap();
        let counters = |states: &[Vec<u8>]| Counters::read(&uid, states).unwrap();
        assert_eq!(counters(&[]).above(), 0);
        let some = counters(&[state(2), Vec::new(), state(9), state(4)]);
        assert_eq!(some.above(), 9);
        for (name, is_newer) in
            [("part-0-1.txt", false), ("part-0-2.txt", true), ("part-2-8.txt", false), ("part-7-8.txt", false), ("part-7-9.txt", true)]
        {
            assert_eq!(some.is_newer(&PartName::parse(name).unwrap()), is_newer, "{name}");
        }
        let handle = Record::File(FileHandle { name: "part-0-0.txt".into(), length: 0, checksum: 0 }).encode(&uid).unwrap();
        assert!(Counters::read(&uid, &[handle]).is_err());
    }
}
