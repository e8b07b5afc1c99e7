//! Where everything of a job's checkpoints lies: the only place where such a path is put together or taken apart.

use weir_model::id::{CheckpointId, OperatorUid, PluginDigest};
use xxhash_rust::xxh3::xxh3_64;

use crate::manifest::OwnerEpoch;

/// The newest status, for people and for `weir checkpoints`.
pub const STATUS: &str = "status.json";

/// The record of the versions that were swapped in, for people and for `weir swap --history`.
pub const SWAPS: &str = "swaps.json";

/// The folder of all files that manifests name.
pub const SHARED: &str = "shared";

/// The folder of plugins that are kept.
pub const COMPONENTS: &str = "plugins";

/// The folder of owner records.
pub const OWNERS: &str = "owner";

/// The name of a job's folder: its name if that is safe as a path, else its safe part and a hash, so that two jobs never share a folder.
#[must_use]
pub fn job_id(job_name: &str) -> String {
    let is_safe = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    let is_fine = job_name.len() <= 100 && !job_name.is_empty() && job_name.chars().all(is_safe);
    if is_fine {
        return job_name.to_owned();
    }
    // A dot keeps such a name apart from every job that is called so: a fine name has none.
    let start: String = job_name.chars().take(60).map(|c| if is_safe(c) { c } else { '-' }).collect();
    format!("{start}.{:016x}", xxh3_64(job_name.as_bytes()))
}

/// The record that an attempt owns the job.
#[must_use]
pub fn owner(epoch: OwnerEpoch) -> String {
    format!("{OWNERS}/{epoch}")
}

/// The record of where an attempt went on from.
#[must_use]
pub fn origin(epoch: OwnerEpoch) -> String {
    format!("{OWNERS}/{epoch}.from")
}

/// The folder of a checkpoint, as a user names it.
#[must_use]
pub fn checkpoint(checkpoint: CheckpointId) -> String {
    format!("chk-{checkpoint}")
}

/// The manifest of a checkpoint.
#[must_use]
pub fn manifest(checkpoint: CheckpointId) -> String {
    format!("chk-{checkpoint}/_metadata")
}

/// The record that everything which a checkpoint names is committed.
#[must_use]
pub fn committed(checkpoint: CheckpointId) -> String {
    format!("chk-{checkpoint}/_committed")
}

/// A state file that attempt `epoch` writes for `checkpoint`; `part` tells apart the files of one subtask.
#[must_use]
pub fn state_file(uid: &OperatorUid, epoch: OwnerEpoch, checkpoint: CheckpointId, subtask: u32, part: &str) -> String {
    format!("{SHARED}/{uid}/{epoch}-{checkpoint}-{subtask}-{part}.state")
}

/// A plugin that is kept: the file as it was given.
#[must_use]
pub fn component(digest: PluginDigest) -> String {
    format!("{COMPONENTS}/{digest}.wasm")
}

/// The manifest of a savepoint, in the savepoint's own folder.
pub const SAVEPOINT_MANIFEST: &str = "_metadata";

/// The folder of a savepoint inside the one for savepoints; `unique` tells it from all others of the job.
#[must_use]
pub fn savepoint(job_id: &str, unique: u64) -> String {
    format!("savepoint-{job_id}-{:012x}", unique >> 16)
}

/// A state file of a savepoint: the file of this number of a subtask.
#[must_use]
pub fn savepoint_file(uid: &OperatorUid, subtask: u32, number: usize) -> String {
    format!("{uid}/{subtask}-{number}.state")
}

/// What the path of a file says about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// An owner's record, or that of where it went on from.
    Owner(OwnerEpoch),
    /// A manifest.
    Manifest(CheckpointId),
    /// Something else in a checkpoint's folder.
    Checkpoint(CheckpointId),
    /// A state file, finished or not.
    StateFile(OwnerEpoch, CheckpointId),
    /// A plugin that is kept.
    Component(PluginDigest),
    /// The status, or something that isn't weir's.
    Other,
}

/// Takes a path inside the job's folder apart.
#[must_use]
pub fn place(path: &str) -> Place {
    let parse = || -> Option<Place> {
        let (folder, rest) = path.split_once('/')?;
        if folder == OWNERS {
            return number(rest.strip_suffix(".from").unwrap_or(rest)).map(|epoch| Place::Owner(OwnerEpoch(epoch)));
        }
        if folder == COMPONENTS {
            return rest.strip_suffix(".wasm").and_then(PluginDigest::from_hex).map(Place::Component);
        }
        if folder == SHARED {
            let (_, name) = rest.split_once('/')?;
            let mut numbers = name.splitn(3, '-').map(number);
            return Some(Place::StateFile(OwnerEpoch(numbers.next()??), CheckpointId(numbers.next()??)));
        }
        let id = CheckpointId(number(folder.strip_prefix("chk-")?)?);
        Some(if rest == "_metadata" { Place::Manifest(id) } else { Place::Checkpoint(id) })
    };
    parse().unwrap_or(Place::Other)
}

/// The checkpoint that a user names: `chk-41`, or a path that ends so, or `41`.
#[must_use]
pub fn named_checkpoint(text: &str) -> Option<CheckpointId> {
    let last = text.trim_end_matches('/').trim_end_matches("/_metadata").rsplit('/').next()?;
    number(last.strip_prefix("chk-").unwrap_or(last)).map(CheckpointId)
}

/// Whether a path from a manifest stays inside the job's folder.
#[must_use]
pub fn is_safe(path: &str) -> bool {
    let is_fine = |part: &str| !part.is_empty() && part != "." && part != ".." && !part.chars().any(|c| c.is_control() || c == '\\');
    path.len() <= 1024 && path.split('/').all(is_fine)
}

/// A number as we write it: no sign, no leading zero, so that no two texts mean one number.
fn number(text: &str) -> Option<u64> {
    let is_canonical = text.bytes().all(|byte| byte.is_ascii_digit()) && (text.len() == 1 || !text.starts_with('0'));
    if is_canonical { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_says_again_what_it_was_made_of() {
        let (epoch, id) = (OwnerEpoch(3), CheckpointId(41));
        let uid = OperatorUid::new("count-words").unwrap();
        let check = |path: &str, place_is: Place| assert_eq!(place(path), place_is, "{path}");
        check(&owner(epoch), Place::Owner(epoch));
        check(&origin(epoch), Place::Owner(epoch));
        check(&manifest(id), Place::Manifest(id));
        check(&committed(id), Place::Checkpoint(id));
        check(&state_file(&uid, epoch, id, 2, "changes"), Place::StateFile(epoch, id));
        check("shared/count-words/3-41-2-full.state.tmp-3", Place::StateFile(epoch, id));
        check("chk-41/_metadata.tmp-3", Place::Checkpoint(id));
        check(STATUS, Place::Other);
        check("chk-041/_metadata", Place::Other);
        check("chk-x/_metadata", Place::Other);
        check("shared/count-words/notes.txt", Place::Other);
        let digest = PluginDigest([0xa7; 32]);
        check(&component(digest), Place::Component(digest));
        check("plugins/a7.wasm", Place::Other);
        check("owner/", Place::Other);
        check("", Place::Other);
    }

    #[test]
    fn a_job_s_folder_is_its_name_or_can_t_be_mistaken_for_one() {
        let check = |name: &str, id: &str| assert_eq!(job_id(name), id);
        check("word-count", "word-count");
        check("a/b", "a-b.48f71e9475860604");
        check("", ".2d06800538d394c2");
        assert_ne!(job_id("a b"), job_id("a/b"));
        assert!(is_safe(&job_id(&"ä".repeat(300))));
    }

    #[test]
    fn a_user_may_name_a_checkpoint_by_number_folder_or_path() {
        let check = |text: &str, id: Option<u64>| assert_eq!(named_checkpoint(text), id.map(CheckpointId), "{text}");
        check("chk-41", Some(41));
        check("41", Some(41));
        check("/data/checkpoints/job/chk-41/", Some(41));
        check("s3://bucket/job/chk-41/_metadata", Some(41));
        check("chk-", None);
        check("newest", None);
    }

    #[test]
    fn a_path_that_leads_out_of_the_folder_isn_t_safe() {
        for path in ["", "/etc/passwd", "../x", "a/../../x", "a//b", "a\\b", "a/./b", "a\0b"] {
            assert!(!is_safe(path), "{path:?}");
        }
        assert!(is_safe("shared/count/1-2-3-full.state"));
    }
}
