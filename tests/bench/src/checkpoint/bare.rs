//! The bare programs: a checkpoint's files read into a map, with nothing else there.

use std::fs::File;
use std::io::Read;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::Path;

use hashbrown::HashMap;
use key_count::{Sweep, key_of};
use weir_checkpoint::manifest::{FileEntry, FileScope, Manifest};
use weir_checkpoint::paths::job_id;
use weir_state::{RestoreError, SnapshotScope, StateFileIndex, StateFileInfo};

use crate::checkpoint::recovery::JOB;
use crate::checkpoint::{block_on, folder};
use crate::usage::print;

/// What is read of a file at a time.
pub(crate) const CHUNK_BYTES: usize = 8 << 20;

/// `restore-bare DIR`: reads the rows of the newest checkpoint's files into a map; says how many keys there are, and what their values add up to.
pub(crate) fn restore_bare(words: &[&str]) -> Result<(), String> {
    let [dir] = words else { return Err("restore-bare takes DIR".to_owned()) };
    let dir = Path::new(dir);
    let manifest = manifest(dir)?;
    // Room for all, as if there were no key in two files.
    let mut map: HashMap<u64, u64> = HashMap::with_capacity(manifest.files().map(|file| file.rows as usize).sum());
    for file in manifest.files() {
        read_rows(dir, file, manifest.max_parallelism, &mut map)?;
    }
    done(&map)
}

/// `restore-raw DIR KEYS HITS RECORDS`: reads the same files without looking into them, and puts the keys and values that would be in them into a map.
pub(crate) fn restore_raw(words: &[&str]) -> Result<(), String> {
    let [dir, numbers @ ..] = words else { return Err("restore-raw takes DIR KEYS HITS RECORDS".to_owned()) };
    let numbers: Vec<u64> = numbers.iter().filter_map(|word| word.parse().ok()).collect();
    let [keys, hits, records] = numbers.as_slice() else { return Err("restore-raw takes DIR KEYS HITS RECORDS".to_owned()) };
    let (manifest, mut buffer) = (manifest(Path::new(dir))?, vec![0; CHUNK_BYTES]);
    for file in manifest.files() {
        let mut open = open(Path::new(dir), file)?;
        while open.read(&mut buffer).map_err(|error| error.to_string())? > 0 {}
    }
    let sweep = Sweep::new(*keys, *hits).ok_or("there can't be that many keys")?;
    let swept = records.saturating_sub(*keys);
    let mut map: HashMap<u64, u64> = HashMap::with_capacity(*keys as usize);
    for index in 0..*keys {
        // How often the sweep came by: whole rounds, and what the last one has done.
        let (rounds, rest) = (swept / (keys * hits), swept % (keys * hits));
        map.insert(key_of(index), 1 + rounds * hits + rest.saturating_sub(index * hits).min(*hits));
    }
    if map.len() as u64 != *keys || map.get(&sweep.record(*records).0).is_none_or(|count| count + 1 != sweep.record(*records).1) {
        return Err("the map isn't what the job had".to_owned());
    }
    done(&map)
}

/// Says what is in the map, and stays until it is killed, so that taking the map down isn't measured.
pub(crate) fn done(map: &HashMap<u64, u64>) -> Result<(), String> {
    print(&map.len().to_string());
    print(&map.values().sum::<u64>().to_string());
    std::io::stdin().read(&mut [0]).map(drop).map_err(|error| error.to_string())
}

fn manifest(dir: &Path) -> Result<Manifest, String> {
    let newest = block_on(folder::newest(&folder::open(dir, JOB)?))??;
    newest.ok_or_else(|| format!("{}: there is no checkpoint", dir.display()))
}

fn open(dir: &Path, file: &FileEntry) -> Result<File, String> {
    let path = dir.join(job_id(JOB)).join(&file.path);
    File::open(&path).map_err(|error| format!("{}: {error}", path.display()))
}

fn read_rows(dir: &Path, file: &FileEntry, max_parallelism: u32, map: &mut HashMap<u64, u64>) -> Result<(), String> {
    let failed = |error: &dyn std::fmt::Display| format!("{}: {error}", file.path);
    let scope = if file.scope == FileScope::Full { SnapshotScope::Full } else { SnapshotScope::Changes };
    let info = StateFileInfo { scope, rows: file.rows, bytes: file.bytes, checksum: file.checksum, key_groups: file.key_groups.clone() };
    let (open, all) = (open(dir, file)?, 0..max_parallelism);
    let mut buffer = Vec::new();
    fill(&open, &StateFileIndex::tail_bytes(file.bytes), &mut buffer).map_err(|error| failed(&error))?;
    let index = StateFileIndex::parse(&buffer, &info).map_err(|error| failed(&error))?;
    for range in index.ranges(&all) {
        fill(&open, &range, &mut buffer).map_err(|error| failed(&error))?;
        // Gathered first: a loop that does nothing but insert has the memory's answers overlap.
        let mut rows: Vec<(u64, Option<u64>)> = Vec::new();
        let gathered = index.read(&range, &buffer, &all, |row| -> Result<(), RestoreError> {
            let number = |bytes: &[u8]| bytes.try_into().map_or(0, u64::from_le_bytes);
            rows.push((number(row.key), row.value.map(number)));
            Ok(())
        });
        gathered.map_err(|error| failed(&error))?;
        for (key, value) in rows {
            match value {
                Some(value) => drop(map.insert(key, value)),
                None => drop(map.remove(&key)),
            }
        }
    }
    Ok(())
}

/// Reads part of a file.
fn fill(file: &File, range: &Range<u64>, buffer: &mut Vec<u8>) -> std::io::Result<()> {
    buffer.resize((range.end - range.start) as usize, 0);
    file.read_exact_at(buffer, range.start)
}
