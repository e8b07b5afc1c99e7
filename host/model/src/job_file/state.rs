//! The table `[state]`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::error::Result;
use crate::settings::{StateBackend, StateSettings};

use super::document::Table;
use super::flink::Aliases;
use super::tables::{is_overruled, single};

/// weir's names, and Flink's of today.
const BACKENDS: &[(&str, StateBackend)] =
    &[("memory", StateBackend::Memory), ("disk", StateBackend::Disk), ("hashmap", StateBackend::Memory), ("rocksdb", StateBackend::Disk)];
/// Flink's of yesterday.
const OLD_BACKENDS: &[(&str, StateBackend)] = &[("filesystem", StateBackend::Memory), ("jobmanager", StateBackend::Memory)];

/// What the disk backend needs at least to work with.
const MEMORY_BYTES_MIN: u64 = 1 << 20;

/// Reads `[state]`.
///
/// # Errors
/// A usage error for a value that is wrong, or that the backend has no use for.
pub(super) fn read(root: &mut Table, file: &Arc<str>, base: &Path, aliases: &Aliases) -> Result<StateSettings> {
    let defaults = StateSettings::default();
    let Some(mut section) = single(root, "state", file, aliases) else { return Ok(defaults) };
    let backend = section.take_flink_choice("backend", BACKENDS, OLD_BACKENDS)?;
    let incremental = section.take_bool("incremental")?.map_or(defaults.incremental, |(incremental, _)| incremental);
    let local_dir = section.take_string("local-dir")?;
    let memory = section.take_size("memory")?;
    let place = section.without_keys();
    section.finish()?;
    let local_dir_at = local_dir.as_ref().map(|(_, line)| ("local-dir", *line));
    if let Some((key, line)) = local_dir_at.or(memory.map(|(_, line)| ("memory", line))) {
        match backend {
            Some((StateBackend::Disk, _)) => {}
            Some((StateBackend::Memory, by_line)) if is_overruled(by_line, line) => return Ok(StateSettings { incremental, ..defaults }),
            _ => {
                let remedy = format!("set `backend` to \"disk\", or remove `{key}`");
                return Err(place.key_error(line, key, "only the disk backend has it, and the backend is \"memory\"", remedy));
            }
        }
    }
    if let Some((dir, line)) = &local_dir
        && dir.trim().is_empty()
    {
        return Err(place.key_error(*line, "local-dir", "it is empty", "name a folder, or remove it for the system's temporary folder"));
    }
    if let Some((bytes, line)) = memory
        && bytes < MEMORY_BYTES_MIN
    {
        return Err(place.key_error(line, "memory", "no subtask can work with less than 1 MiB", "write a size such as \"256MiB\""));
    }
    Ok(StateSettings {
        backend: backend.map_or(defaults.backend, |(backend, _)| backend),
        incremental,
        local_dir: local_dir.map(|(dir, _)| -> PathBuf { base.join(dir) }),
        memory_bytes: memory.map_or(defaults.memory_bytes, |(bytes, _)| bytes),
    })
}
