//! What the command line takes from the machine: clock, cores, environment, randomness, and what the process has used.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::Read;
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::runtime::Builder as RuntimeBuilder;
use weir_model::id::Parallelism;
use weir_model::time::{SharedClock, SystemClock};
use weir_model::{Error, Result};

/// The machine as the process found it.
#[derive(Clone)]
pub(crate) struct Machine {
    /// The machine's clock; its monotonic time starts with the process.
    pub(crate) clock: SharedClock,
}

impl Machine {
    /// To be called first thing.
    pub(crate) fn start() -> Self {
        Self { clock: Arc::new(SystemClock::new()) }
    }

    /// Cores that this process may use.
    pub(crate) fn cores(&self) -> usize {
        std::thread::available_parallelism().map_or(1, usize::from)
    }

    /// A text that no other process gives.
    pub(crate) fn claimant(&self) -> String {
        let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
        format!("{host}, process {}, {} ms, {:016x}", std::process::id(), self.clock.wall_ms(), self.seed())
    }

    /// One subtask a core.
    pub(crate) fn default_parallelism(&self) -> Parallelism {
        u32::try_from(self.cores()).ok().and_then(Parallelism::new).unwrap_or(Parallelism::MAX)
    }

    /// Eight bytes that nobody can guess, or, without /dev/urandom, that at least differ from run to run.
    pub(crate) fn seed(&self) -> u64 {
        let mut bytes = [0; 8];
        match std::fs::File::open("/dev/urandom").and_then(|mut file| file.read_exact(&mut bytes)) {
            Ok(()) => u64::from_le_bytes(bytes),
            Err(_) => {
                let mut hasher = DefaultHasher::new();
                (std::process::id(), self.clock.wall_ms(), self.clock.monotonic_ns()).hash(&mut hasher);
                hasher.finish()
            }
        }
    }
}

/// Where compiled plugins are kept: `$WEIR_CACHE_DIR`, else `$XDG_CACHE_HOME/weir`, else `$HOME/.cache/weir`.
pub(crate) fn cache_dir(env: impl Fn(&str) -> Option<String>) -> Option<PathBuf> {
    let set = |name: &str| env(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    // The XDG specification says that a relative path there is to be ignored.
    let xdg = || set("XDG_CACHE_HOME").filter(|path| path.is_absolute()).map(|path| path.join("weir"));
    let home = || set("HOME").filter(|path| path.is_absolute()).map(|path| path.join(".cache/weir"));
    let root = set("WEIR_CACHE_DIR").or_else(xdg).or_else(home)?;
    Some(root.join("compiled"))
}

/// Where this user's jobs are registered.
pub(crate) fn run_dir() -> PathBuf {
    crate::registry::place(|name| std::env::var(name).ok(), &std::env::temp_dir())
}

/// A path as processes that work in other folders need it; a URL as it is.
pub(crate) fn absolute(place: &str) -> String {
    let is_url = place.contains("://");
    std::path::absolute(place).ok().filter(|_| !is_url).map_or_else(|| place.to_owned(), |path| path.display().to_string())
}

/// CPU seconds that this process has used so far, in all its threads, its own code and the kernel's.
pub(crate) fn cpu_seconds() -> f64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

/// The most memory that this process has had resident at once, bytes.
pub(crate) fn peak_rss_bytes() -> u64 {
    // Not `ru_maxrss`: a process inherits that from the one that started it.
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let kib = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    kib.unwrap_or_default() * 1024
}

/// The columns of the terminal that standard output or standard error goes to; `None` when it goes elsewhere.
pub(crate) fn terminal_columns(stream: &impl AsFd) -> Option<u16> {
    let size = rustix::termios::tcgetwinsize(stream).ok()?;
    // Terminals that don't know their size say 0.
    (size.ws_col > 0).then_some(size.ws_col)
}

/// Runs what speaks to a store, on this thread.
///
/// # Errors
/// Those of the work, and when the system has no room for it.
pub(crate) fn block_on<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    let failed = |error: std::io::Error| Error::job("the store can't be asked", error.to_string(), "free some resources");
    RuntimeBuilder::new_current_thread().enable_all().build().map_err(failed)?.block_on(work)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cache_folder_is_the_most_specific_one_that_is_set() {
        let check = |set: &[(&str, &str)], expected: Option<&str>| {
            let env = |name: &str| set.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
            assert_eq!(cache_dir(env), expected.map(PathBuf::from), "{set:?}");
        };
        check(&[("WEIR_CACHE_DIR", "/a"), ("XDG_CACHE_HOME", "/b"), ("HOME", "/c")], Some("/a/compiled"));
        check(&[("WEIR_CACHE_DIR", ""), ("XDG_CACHE_HOME", "/b"), ("HOME", "/c")], Some("/b/weir/compiled"));
        check(&[("XDG_CACHE_HOME", "relative"), ("HOME", "/c")], Some("/c/.cache/weir/compiled"));
        check(&[], None);
    }

    #[test]
    fn the_process_has_used_something() {
        assert!(peak_rss_bytes() > 100_000);
        let before = cpu_seconds();
        let mut sum = 0u64;
        while cpu_seconds() - before < 0.01 {
            sum = std::hint::black_box(sum.wrapping_mul(31) + 1);
        }
        assert!(cpu_seconds() > before);
    }

    #[test]
    fn a_path_is_made_absolute_and_a_url_is_not() {
        let here = std::env::current_dir().unwrap().display().to_string();
        let check = |place: &str, expected: &str| assert_eq!(absolute(place), expected);
        check("savepoints", &format!("{here}/savepoints"));
        check("/a/b", "/a/b");
        check("s3://bucket/a", "s3://bucket/a");
    }

    #[test]
    fn two_seeds_differ() {
        let machine = Machine::start();
        assert_ne!(machine.seed(), machine.seed());
    }
}
