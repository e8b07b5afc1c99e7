//! Compiling a component to machine code, in a process of its own: a compiler's appetite for memory and time must not be the job's.

use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;

use rustix::process::{Resource, Rlimit, Signal, setrlimit};
use wasmtime::Engine;
use wasmtime::component::Component;

use crate::engine::config;
use crate::error::LoadError;

/// Address space of a compiling process: interpreters of 20 MB have been seen to need 0.5 GiB.
const MEMORY_BYTES_MAX: u64 = 4 << 30;
/// CPU time of a compiling process.
const CPU_SECONDS_MAX: u64 = 600;
/// How a compiling process says that the component isn't one; what is wrong is its output then.
const REFUSED: i32 = 3;

/// What shows that a plugin is being compiled, until it is dropped; it is given what messages call the plugin.
pub type Watch = Arc<dyn Fn(&str) -> Box<dyn Send> + Send + Sync>;

/// Who compiles.
#[derive(Clone)]
pub struct Compiler {
    /// A program that calls [`serve`].
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// Who is told.
    pub watch: Watch,
}

impl std::fmt::Debug for Compiler {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Compiler").field("program", &self.program).field("arguments", &self.arguments).finish_non_exhaustive()
    }
}

impl Compiler {
    /// Compiles in another process; `name` is what messages call the plugin.
    pub(crate) fn compile(&self, engine: &Engine, name: &str, component: &[u8]) -> Result<Component, LoadError> {
        let shown = (self.watch)(name);
        let mut command = Command::new(&self.program);
        command.args(&self.arguments).env_clear().stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let Ok(mut child) = command.spawn() else {
            tracing::debug!("no process can be started to compile {name}; it is compiled in this one");
            return in_this_process(engine, component);
        };
        if let Some(mut input) = child.stdin.take() {
            // One that has ended already says why by its status.
            let _ = input.write_all(component);
        }
        let output = child.wait_with_output().map_err(|error| LoadError::Compile(error.to_string()))?;
        drop(shown);
        match output.status.code() {
            // SAFETY: this very program, with the same engine and settings, has just serialized it; the engine checks the settings again.
            #[expect(unsafe_code, reason = "running what was just compiled is the point; see SAFETY")]
            Some(0) => unsafe { Component::deserialize(engine, &output.stdout) }.map_err(|error| LoadError::Compile(format!("{error:#}"))),
            Some(REFUSED) => Err(LoadError::Invalid(String::from_utf8_lossy(&output.stdout).into_owned())),
            _ => Err(LoadError::Compile(format!(
                "the compiling process ended with {}; it may use {} GiB of memory and {CPU_SECONDS_MAX} s of CPU time",
                output.status,
                MEMORY_BYTES_MAX >> 30
            ))),
        }
    }
}

/// Compiles here and now.
pub(crate) fn in_this_process(engine: &Engine, component: &[u8]) -> Result<Component, LoadError> {
    Component::from_binary(engine, component).map_err(|error| LoadError::Invalid(format!("{error:#}")))
}

/// What a compiling process does: reads a component, writes its compiled form, gives its exit code. It limits itself first, and ends with its parent.
///
/// # Errors
/// When it can't limit itself, read or write.
pub fn serve(mut input: impl Read, mut output: impl Write) -> std::io::Result<i32> {
    let limit = |resource, most| setrlimit(resource, Rlimit { current: Some(most), maximum: Some(most) });
    limit(Resource::As, MEMORY_BYTES_MAX)?;
    limit(Resource::Cpu, CPU_SECONDS_MAX)?;
    limit(Resource::Core, 0)?;
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
    let mut component = Vec::new();
    input.read_to_end(&mut component)?;
    let engine = Engine::new(&config()).map_err(std::io::Error::other)?;
    let (code, answer) = match engine.precompile_component(&component) {
        Ok(compiled) => (0, compiled),
        Err(error) => (REFUSED, format!("{error:#}").into_bytes()),
    };
    output.write_all(&answer)?;
    output.flush()?;
    Ok(code)
}
