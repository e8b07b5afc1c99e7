//! Finds the tools of a language and runs them, so that Ctrl-C ends them too.

use std::ffi::OsString;
use std::io::stderr;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::runtime::Builder as RuntimeBuilder;
use weir_model::{Error, ErrorKind, Result};

use crate::signals::Signals;

/// Where a project keeps tools of its own.
const PROJECT_PLACES: &[&str] = &[".venv/bin", "venv/bin", "node_modules/.bin"];

/// How long an interrupted tool has to end by itself.
const GRACE: Duration = Duration::from_secs(2);

/// A program that a build needs.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Tool {
    /// What it may be called; in each place the first is preferred.
    pub(super) names: &'static [&'static str],
    /// How to get it.
    pub(super) install: &'static str,
}

impl Tool {
    /// The program: the project's own, else the first on `path`.
    ///
    /// # Errors
    /// When there is none, with how to install it.
    pub(super) fn find(&self, place: &str, project: &Path, path: Option<OsString>) -> Result<PathBuf> {
        let own = PROJECT_PLACES.iter().map(|place| project.join(place));
        let path: Vec<_> = path.iter().flat_map(std::env::split_paths).collect();
        let candidates = own.chain(path).flat_map(|folder| self.names.iter().map(move |name| folder.join(name)));
        candidates.into_iter().find(|program| is_program(program)).ok_or_else(|| {
            let names = self.names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
            let why = if self.names.len() > 1 { format!("none of the programs {names} is there") } else { format!("there is no program {names}") };
            Error::usage(place, format!("{why}, neither in the project ({}) nor on PATH", PROJECT_PLACES.join(", ")), self.install)
        })
    }
}

fn is_program(path: &Path) -> bool {
    path.metadata().is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
}

/// The tool that runs at this moment, if any.
#[derive(Debug, Default, Clone)]
pub(super) struct Running(Arc<Mutex<Option<Pid>>>);

impl Running {
    fn lock(&self) -> MutexGuard<'_, Option<Pid>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn kill(&self, signal: Signal) {
        if let Some(group) = *self.lock() {
            // It may have ended just now.
            let _ = kill_process_group(group, signal);
        }
    }

    /// Runs a tool to its end. What it prints goes to standard error, unless the command has a pipe for its standard output.
    ///
    /// # Errors
    /// When it can't be started.
    pub(super) fn run(&self, command: &mut Command) -> std::io::Result<Output> {
        // A group of its own, so that what the tool starts ends with it.
        let child = {
            let mut running = self.lock();
            let child = command.stdin(Stdio::null()).stderr(stderr()).process_group(0).spawn()?;
            *running = Some(Pid::from_child(&child));
            child
        };
        let output = child.wait_with_output();
        *self.lock() = None;
        output
    }
}

/// Does `work`, which may run tools, until it is done or a signal asks to end: then the tool ends, and the work is left as it is.
///
/// # Errors
/// Those of the work, and the interruption.
pub(super) fn interruptible<T: Send + 'static>(work: impl FnOnce(&Running) -> Result<T> + Send + 'static) -> Result<T> {
    let failed = |error: &dyn std::fmt::Display| Error::job("the build can't start", error.to_string(), "free some resources");
    let runtime = RuntimeBuilder::new_current_thread().enable_all().build().map_err(|error| failed(&error))?;
    let running = Running::default();
    let result = runtime.block_on(async {
        let mut signals = Signals::take()?;
        let at_work = running.clone();
        let mut work = tokio::task::spawn_blocking(move || work(&at_work));
        let signal = tokio::select! {
            done = &mut work => return done.unwrap_or_else(|panic| Err(failed(&panic))),
            signal = signals.next() => signal,
        };
        running.kill(Signal::TERM);
        if running.lock().is_some() && tokio::time::timeout(GRACE, work).await.is_err() {
            running.kill(Signal::KILL);
        }
        Err(Error::new(ErrorKind::Interrupted, "the build", format!("{signal} came"), "start it again"))
    });
    // Whatever the work still does ends with the process, which is about to.
    runtime.shutdown_background();
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOOL: Tool = Tool { names: &["newer", "older"], install: "`get it`" };

    #[test]
    fn the_projects_own_tool_comes_before_those_on_the_path() {
        let folder = std::env::temp_dir().join(format!("weir-tool-{}", std::process::id()));
        let (project, bin) = (folder.join("project"), folder.join("bin"));
        let write = |path: PathBuf, mode: u32| {
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, "").unwrap();
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
        };
        let check = |expected: Option<&Path>| {
            let path = std::env::join_paths([folder.join("none"), bin.clone()]).unwrap();
            match (TOOL.find("building x", &project, Some(path)), expected) {
                (Ok(found), Some(expected)) => assert_eq!(found, expected),
                (Err(error), None) => {
                    assert_eq!((error.what.as_str(), error.remedy.as_str()), ("building x", "`get it`"));
                    assert!(error.why.contains("`newer`, `older`") && error.why.contains(".venv/bin"), "{error:?}");
                }
                (found, expected) => panic!("{found:?}, expected {expected:?}"),
            }
        };
        check(None);
        write(bin.join("newer"), 0o644);
        check(None);
        write(bin.join("older"), 0o755);
        check(Some(&bin.join("older")));
        write(bin.join("newer"), 0o755);
        check(Some(&bin.join("newer")));
        write(project.join("node_modules/.bin/older"), 0o755);
        check(Some(&project.join("node_modules/.bin/older")));
        std::fs::remove_dir_all(folder).unwrap();
    }
}
