//! Compiled components kept between runs, by digest and engine settings.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use weir_model::id::PluginDigest;
use weir_model::key_group::hash_key;

/// A folder of compiled components. Only its user may write there: the engine runs what it finds.
///
/// A file is the digest of the plugin it was made of, a checksum of the rest (little-endian XXH3-64), then what the engine serialized. Any failure to
/// read or write only means that a component is compiled again.
#[derive(Debug)]
pub(crate) struct CompileCache {
    dir: PathBuf,
    settings: u64,
}

const DIGEST_BYTES: usize = 32;
const HEADER_BYTES: usize = DIGEST_BYTES + 8;

impl CompileCache {
    /// `settings` is a hash of everything besides the plugin that decides what its compiled form is.
    pub(crate) fn new(dir: PathBuf, settings: u64) -> Self {
        Self { dir, settings }
    }

    fn path(&self, digest: &PluginDigest) -> PathBuf {
        self.dir.join(format!("{digest}-{:016x}.cwasm", self.settings))
    }

    /// The compiled component, if it is there, whole, and nobody else's work.
    pub(crate) fn read(&self, digest: &PluginDigest) -> Option<Vec<u8>> {
        let path = self.path(digest);
        let no_follow = i32::try_from(rustix::fs::OFlags::NOFOLLOW.bits()).ok()?;
        let mut file = fs::OpenOptions::new().read(true).custom_flags(no_follow).open(&path).ok()?;
        if !is_ours(&fs::symlink_metadata(&self.dir).ok()?) || !is_ours(&file.metadata().ok()?) {
            tracing::warn!("{} is not used: it or its folder can be written by others", path.display());
            return None;
        }
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).ok()?;
        let (header, compiled) = bytes.split_at_checked(HEADER_BYTES)?;
        if header != self.header(digest, compiled) {
            tracing::warn!("{} is damaged; the plugin is compiled again", path.display());
            return None;
        }
        bytes.drain(..HEADER_BYTES);
        Some(bytes)
    }

    fn header(&self, digest: &PluginDigest, compiled: &[u8]) -> [u8; HEADER_BYTES] {
        let mut header = [0; HEADER_BYTES];
        let (name, sum) = header.split_at_mut(DIGEST_BYTES);
        name.copy_from_slice(&digest.0);
        sum.copy_from_slice(&hash_key(compiled).to_le_bytes());
        header
    }

    /// Keeps a compiled component: written beside its place, then renamed, so that a reader never meets half of it.
    pub(crate) fn write(&self, digest: &PluginDigest, compiled: &[u8]) {
        if let Err(error) = self.try_write(digest, compiled) {
            tracing::warn!("the compiled plugin can't be kept in {}: {error}", self.dir.display());
        }
    }

    fn try_write(&self, digest: &PluginDigest, compiled: &[u8]) -> std::io::Result<()> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.dir)?;
        let path = self.path(digest);
        let partial = path.with_extension(format!("{}.partial", std::process::id()));
        let written = create_new(&partial).and_then(|mut file| {
            file.write_all(&self.header(digest, compiled))?;
            file.write_all(compiled)
        });
        written.and_then(|()| fs::rename(&partial, &path)).inspect_err(|_| drop(fs::remove_file(&partial)))
    }
}

/// A new file that only its user can read and write; one left by a process of the same number is replaced.
fn create_new(path: &Path) -> std::io::Result<File> {
    drop(fs::remove_file(path));
    fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

/// Whether nobody but this user (and root) can write it.
fn is_ours(metadata: &fs::Metadata) -> bool {
    metadata.uid() == rustix::process::geteuid().as_raw() && metadata.mode() & 0o022 == 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn digest(byte: u8) -> PluginDigest {
        PluginDigest([byte; 32])
    }

    #[test]
    fn only_what_was_written_for_a_digest_is_read_for_it() {
        let dir = tempfile::tempdir().unwrap();
        let cache = CompileCache::new(dir.path().join("compiled"), 7);
        assert_eq!(cache.read(&digest(1)), None);
        cache.write(&digest(1), b"code");
        assert_eq!(cache.read(&digest(1)), Some(b"code".to_vec()));
        assert_eq!(CompileCache::new(dir.path().join("compiled"), 8).read(&digest(1)), None, "other settings");

        fs::rename(cache.path(&digest(1)), cache.path(&digest(2))).unwrap();
        assert_eq!(cache.read(&digest(2)), None, "a file under another plugin's name");
    }

    #[test]
    fn what_is_damaged_or_could_be_anybodys_is_not_read() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("compiled");
        let cache = CompileCache::new(folder.clone(), 7);
        let check = |why: &str, spoil: &dyn Fn(&Path)| {
            cache.write(&digest(1), b"code");
            assert_eq!(cache.read(&digest(1)), Some(b"code".to_vec()), "before: {why}");
            spoil(&cache.path(&digest(1)));
            assert_eq!(cache.read(&digest(1)), None, "{why}");
            drop(fs::remove_file(cache.path(&digest(1))));
            fs::set_permissions(&folder, fs::Permissions::from_mode(0o700)).unwrap();
        };
        check("truncated", &|path| File::options().write(true).open(path).unwrap().set_len(20).unwrap());
        check("a flipped bit", &|path| {
            let mut bytes = fs::read(path).unwrap();
            *bytes.last_mut().unwrap() ^= 1;
            fs::write(path, bytes).unwrap();
        });
        check("writable by all", &|path| fs::set_permissions(path, fs::Permissions::from_mode(0o666)).unwrap());
        check("in a folder writable by all", &|_| fs::set_permissions(&folder, fs::Permissions::from_mode(0o777)).unwrap());
        check("a link", &|path| {
            let elsewhere = path.with_extension("elsewhere");
            fs::rename(path, &elsewhere).unwrap();
            std::os::unix::fs::symlink(&elsewhere, path).unwrap();
        });
    }
}
