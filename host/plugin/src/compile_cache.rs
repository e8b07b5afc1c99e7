//! Compiled components kept between runs, by digest and engine settings.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use weir_model::id::PluginDigest;
use weir_model::key_group::hash_key;

/// A folder of compiled components. Only its user may write there: the engine runs what it finds.
///
/// A file is an 8-byte checksum of the rest (little-endian XXH3-64), then what the engine serialized. Any failure to read or write only
/// means that a component is compiled again.
#[derive(Debug)]
pub(crate) struct CompileCache {
    dir: PathBuf,
    settings: u64,
}

impl CompileCache {
    pub(crate) fn new(dir: PathBuf, settings: u64) -> Self {
        Self { dir, settings }
    }

    fn path(&self, digest: &PluginDigest) -> PathBuf {
        self.dir.join(format!("{digest}-{:016x}.cwasm", self.settings))
    }

    /// The compiled component, if it is there and whole.
    pub(crate) fn read(&self, digest: &PluginDigest) -> Option<Vec<u8>> {
        use std::os::unix::fs::MetadataExt;
        let path = self.path(digest);
        // Somebody else's file in a shared folder is not ours to run.
        let metadata = fs::metadata(&path).ok()?;
        if metadata.uid() != rustix::process::geteuid().as_raw() || metadata.mode() & 0o022 != 0 {
            tracing::warn!("{} is writable by others and is not used", path.display());
            return None;
        }
        let mut bytes = fs::read(&path).ok()?;
        let (checksum, compiled) = bytes.split_first_chunk::<8>()?;
        if u64::from_le_bytes(*checksum) != hash_key(compiled) {
            tracing::warn!("{} is damaged; the plugin is compiled again", path.display());
            return None;
        }
        bytes.drain(..8);
        Some(bytes)
    }

    /// Keeps a compiled component: written beside its place, then renamed, so that a reader never meets half of it.
    pub(crate) fn write(&self, digest: &PluginDigest, compiled: &[u8]) {
        if let Err(error) = self.try_write(&self.path(digest), compiled) {
            tracing::warn!("the compiled plugin can't be kept in {}: {error}", self.dir.display());
        }
    }

    fn try_write(&self, path: &Path, compiled: &[u8]) -> std::io::Result<()> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.dir)?;
        let partial = path.with_extension(format!("{}.partial", std::process::id()));
        let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&partial)?;
        let written = file.write_all(&hash_key(compiled).to_le_bytes()).and_then(|()| file.write_all(compiled));
        written.and_then(|()| fs::rename(&partial, path)).inspect_err(|_| drop(fs::remove_file(&partial)))
    }
}
