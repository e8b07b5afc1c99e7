//! Plugins are compiled by another process of this program; here it is started, shown, and done.

use std::io::IsTerminal;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::time::Duration;

use weir_model::{Error, Result};
use weir_plugin::compile::{self, Compiler};

use crate::exit_code::ExitCode;
use crate::output;

/// The command that the other process is given.
const COMMAND: &str = "compile-component";

/// This program, as long as the process lives: its file may be replaced meanwhile.
const THIS_PROGRAM: &str = "/proc/self/exe";

/// The other process, as the engine wants it.
pub(crate) fn compiler() -> Compiler {
    Compiler { program: PathBuf::from(THIS_PROGRAM), arguments: vec![COMMAND.to_owned()], watch: Arc::new(|name| Box::new(Shown::start(name))) }
}

/// The other process: compiles what comes in, and gives what came of it.
///
/// # Errors
/// When it can't limit itself, read or write.
pub(crate) fn serve() -> Result<ExitCode> {
    let done = compile::serve(std::io::stdin().lock(), std::io::stdout().lock());
    let code = done.map_err(|error| Error::job("a component can't be compiled", error.to_string(), "use `weir run`, which calls this by itself"))?;
    Ok(if code == 0 { ExitCode::Done } else { ExitCode::Incompatible })
}

/// Where nobody looks on, what takes so long is said once, after so many seconds.
const SAID_AFTER_S: u64 = 5;

/// A line on standard error that says what takes so long. Nothing is said of what takes less than a second.
struct Shown {
    /// Dropping it ends the thread.
    done: Option<Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Shown {
    fn start(name: &str) -> Self {
        let (done, ended) = channel::<()>();
        let name = output::printable(name);
        let show = move || {
            let mut seconds = 0;
            while let Err(RecvTimeoutError::Timeout) = ended.recv_timeout(Duration::from_secs(1)) {
                seconds += 1;
                let compiling = format!("compiling {name} for the first time");
                output::note_passing(&format!("{compiling}: {seconds} s"));
                // A log has no line that passes.
                if seconds == SAID_AFTER_S && !std::io::stderr().is_terminal() {
                    output::note(&format!("{compiling}: this can take half a minute"));
                }
            }
            if seconds > 0 {
                output::note_passing("");
                output::note(&format!("compiled {name} for the first time, in {seconds} s"));
            }
        };
        let thread = std::thread::Builder::new().name("weir-compiling".to_owned()).stack_size(128 * 1024).spawn(show).ok();
        Self { done: Some(done), thread }
    }
}

impl Drop for Shown {
    fn drop(&mut self) {
        drop(self.done.take());
        if let Some(thread) = self.thread.take() {
            // It only writes a line.
            let _ = thread.join();
        }
    }
}
