//! The folder in which the jobs of one user are registered.

use std::fs;
use std::io::{self, Read};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use weir_model::{Error, Result};

use super::record::{JobId, Record};
use crate::atomic_file;

/// A file with more isn't a job's.
const RECORD_BYTES_MAX: u64 = 1 << 20;

/// Where jobs are registered: `$WEIR_RUN_DIR`, else `$XDG_RUNTIME_DIR/weir`, else a folder named after the user in `temp`.
pub(crate) fn place(env: impl Fn(&str) -> Option<String>, temp: &Path) -> PathBuf {
    let set = |name: &str| env(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    // Whoever has become another user still has the variable, and may have no such folder.
    let xdg = || set("XDG_RUNTIME_DIR").filter(|path| path.is_absolute() && path.is_dir()).map(|path| path.join("weir"));
    set("WEIR_RUN_DIR").or_else(xdg).unwrap_or_else(|| temp.join(format!("weir-{}", rustix::process::geteuid().as_raw())))
}

/// The folder, seen to be this user's and closed to others.
#[derive(Debug, Clone)]
pub(crate) struct RunFolder {
    path: PathBuf,
}

impl RunFolder {
    /// The folder if it is there.
    ///
    /// # Errors
    /// When it isn't this user's, or others may look into it.
    pub(crate) fn open(path: &Path) -> Result<Option<Self>> {
        match fs::symlink_metadata(path) {
            Ok(metadata) => check(path, &metadata).map(|()| Some(Self { path: path.to_owned() })),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(refuse(path, error.to_string())),
        }
    }

    /// The folder, made if it isn't there.
    ///
    /// # Errors
    /// As [`Self::open`], and when it can't be made.
    pub(crate) fn make(path: &Path) -> Result<Self> {
        if let Some(folder) = Self::open(path)? {
            return Ok(folder);
        }
        fs::DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(|error| refuse(path, format!("it can't be made: {error}")))?;
        // Somebody else may have been faster.
        Self::open(path)?.ok_or_else(|| refuse(path, "it has gone away".to_owned()))
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The name of a job's socket in it.
    pub(crate) fn socket_name(id: &JobId) -> String {
        format!("{id}.sock")
    }

    /// A job's file.
    pub(crate) fn record_path(&self, id: &JobId) -> PathBuf {
        self.path.join(format!("{id}.json"))
    }

    /// Writes what is known of a job.
    ///
    /// # Errors
    /// What the operating system says; the file is as it was then.
    pub(crate) fn write(&self, record: &Record) -> io::Result<()> {
        atomic_file::write(&self.record_path(&record.id), &record.encode())
    }

    /// What is known of a job; `None` if there is no such file, or another weir wrote it.
    pub(crate) fn read(&self, id: &JobId) -> Option<Record> {
        let mut bytes = Vec::new();
        fs::File::open(self.record_path(id)).ok()?.take(RECORD_BYTES_MAX).read_to_end(&mut bytes).ok()?;
        Record::decode(&bytes).filter(|record| record.id == *id)
    }

    /// The names in it.
    ///
    /// # Errors
    /// When it can't be read.
    pub(crate) fn names(&self) -> Result<Vec<String>> {
        let unreadable = |error: io::Error| refuse(&self.path, format!("it can't be read: {error}"));
        let entries = fs::read_dir(&self.path).map_err(unreadable)?;
        Ok(entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect())
    }

    /// Removes a file of it. Somebody else may have done so: that is just as well.
    pub(crate) fn remove(&self, name: &str) {
        drop(fs::remove_file(self.path.join(name)));
    }

    /// How long ago a file was written, milliseconds; 0 if nobody knows.
    pub(crate) fn age_ms(&self, name: &str, now_ms: i64) -> i64 {
        let written_s = fs::symlink_metadata(self.path.join(name)).map(|metadata| metadata.mtime());
        written_s.map_or(0, |written_s| now_ms.saturating_sub(written_s.saturating_mul(1000)))
    }
}

fn check(path: &Path, metadata: &fs::Metadata) -> Result<()> {
    let user = rustix::process::geteuid().as_raw();
    if !metadata.is_dir() {
        return Err(refuse(path, "it is not a folder".to_owned()));
    }
    if metadata.uid() != user {
        return Err(refuse(path, format!("it belongs to user {}, and this is user {user}", metadata.uid())));
    }
    if metadata.mode() & 0o077 != 0 {
        let why = format!("others may use it too: its mode is {:03o}", metadata.mode() & 0o777);
        return Err(Error { remedy: format!("`chmod 700 {}` if nobody else has put anything there", path.display()), ..refuse(path, why) });
    }
    Ok(())
}

fn refuse(path: &Path, why: String) -> Error {
    let what = format!("the folder of running jobs, {}, can't be used", path.display());
    Error::usage(what, why, "set WEIR_RUN_DIR to a folder of your own, the same for all your jobs and commands")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn the_folder_is_the_most_specific_one_that_is_set() {
        let user = rustix::process::geteuid().as_raw();
        let check = |set: &[(&str, &str)], expected: &str| {
            let env = |name: &str| set.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
            assert_eq!(place(env, Path::new("/var/tmp")), Path::new(expected), "{set:?}");
        };
        let of_user = format!("/var/tmp/weir-{user}");
        check(&[("WEIR_RUN_DIR", "/a"), ("XDG_RUNTIME_DIR", "/tmp")], "/a");
        check(&[("WEIR_RUN_DIR", ""), ("XDG_RUNTIME_DIR", "/tmp")], "/tmp/weir");
        check(&[("XDG_RUNTIME_DIR", "relative")], &of_user);
        check(&[("XDG_RUNTIME_DIR", "/no/such/folder")], &of_user);
        check(&[], &of_user);
    }

    #[test]
    fn a_folder_that_others_may_use_is_refused() {
        let base = std::env::temp_dir().join(format!("weir-cli-run-{}", std::process::id()));
        let path = base.join("a/b");
        assert!(RunFolder::open(&path).unwrap().is_none(), "looking makes nothing");
        let folder = RunFolder::make(&path).unwrap();
        assert_eq!(fs::metadata(folder.path()).unwrap().mode() & 0o777, 0o700);
        for mode in [0o701, 0o710, 0o777, 0o1777] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            let error = RunFolder::make(&path).unwrap_err();
            assert!(error.why.contains("others may use it") && error.remedy.contains("chmod 700"), "{error}");
        }
        fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).unwrap();
        std::os::unix::fs::symlink(&path, base.join("link")).unwrap();
        assert!(RunFolder::open(&base.join("link")).unwrap_err().why.contains("not a folder"), "a link could be bent");
        fs::write(base.join("file"), "").unwrap();
        assert!(RunFolder::open(&base.join("file/in")).is_err());
        fs::remove_dir_all(&base).unwrap();
    }
}
