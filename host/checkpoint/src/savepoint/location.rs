//! The path or URL that a user gives, taken apart into a folder and the one above it.

use std::path::Path;

use super::{CheckpointId, Error, Result, SAVEPOINT_MANIFEST, Store, no_savepoint, paths};

/// A folder inside another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Location {
    dir: String,
    name: String,
}

impl Location {
    /// Opens the folder. One on a disk is there already: see [`find`].
    pub(super) fn store(&self) -> Result<Store> {
        let named = |error: Error| Error { what: format!("{}/{} can't be opened", self.dir, self.name), ..error };
        Store::open(&self.dir, &self.name).map_err(named)
    }

    /// The checkpoint whose folder it is, by its name.
    pub(super) fn checkpoint(&self) -> Option<CheckpointId> {
        paths::named_checkpoint(&self.name).filter(|id| paths::checkpoint(*id) == self.name)
    }

    /// The folder above.
    pub(super) fn above(&self) -> Option<Self> {
        split(&self.dir)
    }
}

/// Takes what a user gives apart. A folder on a disk must be there: looking makes none.
pub(super) fn find(location: &str) -> Result<Location> {
    let folder = location.trim_end_matches('/');
    let path = folder.strip_prefix("file://").or_else(|| (!folder.contains("://")).then_some(folder));
    let Some(path) = path else {
        let folder = folder.strip_suffix(SAVEPOINT_MANIFEST).unwrap_or(folder).trim_end_matches('/');
        return split(folder).ok_or_else(|| no_savepoint(location, "the URL names no folder inside a bucket"));
    };
    // The root is all slash.
    let path = if path.is_empty() && location.starts_with('/') { "/" } else { path };
    let full = Path::new(path).canonicalize().map_err(|error| no_savepoint(location, error.to_string()))?;
    let is_manifest = full.is_file() && full.file_name().is_some_and(|name| name == SAVEPOINT_MANIFEST);
    let folder = if is_manifest { full.parent().unwrap_or(&full) } else { &full };
    if !folder.is_dir() {
        return Err(no_savepoint(location, format!("it is a file, and not the `{SAVEPOINT_MANIFEST}` of a savepoint")));
    }
    let text = folder.to_str().ok_or_else(|| no_savepoint(location, "its path isn't UTF-8"))?;
    split(text).ok_or_else(|| no_savepoint(location, "it is the root of the file system"))
}

/// The last part of a path or URL and what is before it; `None`: there is only a host, or nothing.
fn split(folder: &str) -> Option<Location> {
    let (dir, name) = folder.rsplit_once('/')?;
    let is_whole = !name.is_empty() && !dir.ends_with(":/");
    let dir = if dir.is_empty() { "/" } else { dir };
    is_whole.then(|| Location { dir: dir.to_owned(), name: name.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_location_is_a_folder_in_another() {
        let check = |location: &str, parts: Option<(&str, &str)>| {
            let found = find(location).ok().map(|found| (found.dir, found.name));
            assert_eq!(found, parts.map(|(dir, name)| (dir.to_owned(), name.to_owned())), "{location}");
        };
        check("s3://bucket/job/chk-41/_metadata", Some(("s3://bucket/job", "chk-41")));
        check("s3://bucket/sp/", Some(("s3://bucket", "sp")));
        check("s3://bucket", None);
        check("s3://", None);
        check("/", None);
        check("", None);
        check("no/such/folder", None);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().canonicalize().unwrap();
        let (dir, name) = (path.parent().unwrap().to_str().unwrap(), path.file_name().unwrap().to_str().unwrap());
        let text = path.to_str().unwrap();
        check(text, Some((dir, name)));
        check(&format!("file://{text}/"), Some((dir, name)));
        std::fs::write(path.join("_metadata"), "").unwrap();
        check(&format!("{text}/_metadata"), Some((dir, name)));
        std::fs::write(path.join("other"), "").unwrap();
        check(&format!("{text}/other"), None);
    }

    #[test]
    fn only_a_checkpoint_s_own_name_is_one() {
        let check = |name: &str, id: Option<u64>| {
            let location = Location { dir: "a/job".to_owned(), name: name.to_owned() };
            assert_eq!(location.checkpoint(), id.map(CheckpointId), "{name}");
            assert_eq!(location.above(), Some(Location { dir: "a".to_owned(), name: "job".to_owned() }));
        };
        check("chk-41", Some(41));
        check("41", None);
        check("chk-041", None);
        check("savepoint-job-1", None);
    }
}
