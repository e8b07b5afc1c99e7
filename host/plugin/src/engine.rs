//! The WebAssembly engine with weir's settings, and the clock tick that ends calls which run too long.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::time::Duration;

use wasmtime::component::Linker;
use wasmtime::{Config, Engine};
use weir_model::{Error, Result};

use crate::compile::Compiler;
use crate::compile_cache::CompileCache;
use crate::host_functions::{HostData, link};
use crate::limits::STACK_BYTES_MAX;

/// How often running calls are checked against their deadline.
pub(crate) const TICK: Duration = Duration::from_millis(10);

/// Settings of the engine.
#[derive(Debug, Clone, Default)]
pub struct EngineOptions {
    /// Where compiled components are kept between runs; `None`: nowhere.
    pub cache_dir: Option<PathBuf>,
    /// Who compiles components; `None`: this process.
    pub compiler: Option<Compiler>,
}

/// Compiles, caches and runs plugins. One per process; cheap to clone.
#[derive(Clone)]
pub struct PluginEngine {
    pub(crate) inner: Arc<EngineInner>,
}

pub(crate) struct EngineInner {
    pub(crate) engine: Engine,
    pub(crate) linker: Linker<HostData>,
    pub(crate) cache: Option<CompileCache>,
    pub(crate) compiler: Option<Compiler>,
    /// Dropping it ends the ticking thread.
    _ticker: Sender<()>,
}

impl PluginEngine {
    /// Starts the engine.
    ///
    /// # Errors
    /// When the machine can't run it; the reason says what is missing.
    pub fn new(options: EngineOptions) -> Result<Self> {
        let failed =
            |why: String| Error::usage("the WebAssembly engine can't start", why, "run weir on x86-64 or aarch64 Linux with 8 GiB of address space");
        let engine = Engine::new(&config()).map_err(|error| failed(error.to_string()))?;
        let mut linker = Linker::new(&engine);
        link(&mut linker).map_err(|error| failed(error.to_string()))?;
        // weir's own version counts too: how it makes components of modules may change.
        let mut hasher = DefaultHasher::new();
        env!("CARGO_PKG_VERSION").hash(&mut hasher);
        engine.precompile_compatibility_hash().hash(&mut hasher);
        let settings = hasher.finish();
        let cache = options.cache_dir.map(|dir| CompileCache::new(dir, settings));
        let ticker = start_ticker(&engine).map_err(|error| failed(error.to_string()))?;
        Ok(Self { inner: Arc::new(EngineInner { engine, linker, cache, compiler: options.compiler, _ticker: ticker }) })
    }
}

impl std::fmt::Debug for PluginEngine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PluginEngine").field("cache", &self.inner.cache).finish_non_exhaustive()
    }
}

/// The settings that decide how components are compiled.
pub(crate) fn config() -> Config {
    let mut config = Config::new();
    config.wasm_component_model(true);
    config.epoch_interruption(true);
    config.max_wasm_stack(STACK_BYTES_MAX);
    // Without `component-model-async` compiled in, this is off anyway; a dependency that turned it on would triple the cost of a call.
    config.concurrency_support(false);
    config
}

/// A thread that advances the engine's epoch until the sender is dropped.
fn start_ticker(engine: &Engine) -> std::io::Result<Sender<()>> {
    let (stop, stopped) = channel::<()>();
    let engine = engine.weak();
    std::thread::Builder::new().name("weir-deadline".to_owned()).stack_size(128 * 1024).spawn(move || {
        while let Err(RecvTimeoutError::Timeout) = stopped.recv_timeout(TICK) {
            match engine.upgrade() {
                Some(engine) => engine.increment_epoch(),
                None => break,
            }
        }
    })?;
    Ok(stop)
}

/// Ticks after which a call of `timeout` is over. The first tick may come at once, so one more than fit.
pub(crate) fn deadline_ticks(timeout: Duration) -> u64 {
    u64::try_from(timeout.as_nanos().div_ceil(TICK.as_nanos())).unwrap_or(u64::MAX / 2).saturating_add(1).min(u64::MAX / 2)
}
