//! What one instance may use: memory, time, stack, output.

use std::time::Duration;

use wasmtime::ResourceLimiter;

/// The deepest guest stack, bytes. Deep recursion must trap in the guest before it reaches the end of the thread's own stack.
pub(crate) const STACK_BYTES_MAX: usize = 256 * 1024;
/// Table elements over all tables of an instance: 8 bytes of host memory each.
const TABLE_ELEMENTS_MAX: usize = 100_000;

/// Core instances, memories and tables inside one component instance: each costs the host memory of its own. Adapters of the usual toolchains make
/// about ten.
const CORE_INSTANCES_MAX: usize = 64;

/// The limits of one instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InstanceLimits {
    /// Bytes over all memories of the instance.
    pub memory_bytes_max: u64,
    /// The longest that one call may take.
    pub call_timeout: Duration,
    /// The most that one call may emit, bytes. A batch that emits more is halved and called again.
    pub output_bytes_max: usize,
    /// The most that one call may put into its state, bytes.
    pub state_bytes_max: usize,
    /// An instance is replaced by a fresh one after this many calls, so that a leaking guest can't grow for ever.
    pub recycle_calls: u64,
    /// It is replaced as well when its memory has grown beyond this, or beyond three quarters of what it may have.
    pub recycle_bytes: u64,
}

impl Default for InstanceLimits {
    fn default() -> Self {
        Self {
            memory_bytes_max: 256 << 20,
            call_timeout: Duration::from_secs(5),
            output_bytes_max: 64 << 20,
            state_bytes_max: 64 << 20,
            recycle_calls: 1 << 20,
            recycle_bytes: u64::MAX,
        }
    }
}

impl InstanceLimits {
    /// What instances of a language need: interpreters hold on to memory, and some never give it back. The sizes are several times what each has when it starts.
    pub(crate) fn for_language(language: &str) -> Self {
        let (memory_bytes_max, recycle_bytes) = match language {
            "python" => (512 << 20, 128 << 20),
            "go" => (512 << 20, 128 << 20),
            "javascript" => (256 << 20, 64 << 20),
            _ => return Self::default(),
        };
        Self { memory_bytes_max, recycle_bytes, ..Self::default() }
    }

    /// Memory beyond which an instance is replaced after a call.
    pub(crate) fn worn_bytes(&self) -> u64 {
        self.recycle_bytes.min(self.memory_bytes_max / 4 * 3)
    }
}

/// Counts what an instance has, and says no.
#[derive(Debug)]
pub(crate) struct Limiter {
    memory_bytes_max: u64,
    memory_bytes: u64,
    table_elements: usize,
    denied: bool,
}

impl Limiter {
    pub(crate) fn new(limits: &InstanceLimits) -> Self {
        Self { memory_bytes_max: limits.memory_bytes_max, memory_bytes: 0, table_elements: 0, denied: false }
    }

    /// Bytes over all memories.
    pub(crate) fn memory_bytes(&self) -> u64 {
        self.memory_bytes
    }

    /// Whether the instance has asked for more than it may have since the last [`Self::forget_denial`].
    pub(crate) fn denied(&self) -> bool {
        self.denied
    }

    /// Starts a new call: a denial that the guest survived is no reason for what happens later.
    pub(crate) fn forget_denial(&mut self) {
        self.denied = false;
    }
}

impl ResourceLimiter for Limiter {
    fn memory_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        let more = desired.saturating_sub(current) as u64;
        let allowed = self.memory_bytes.saturating_add(more) <= self.memory_bytes_max;
        if allowed {
            self.memory_bytes += more;
        } else {
            self.denied = true;
        }
        Ok(allowed)
    }

    fn table_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        let more = desired.saturating_sub(current);
        let allowed = self.table_elements.saturating_add(more) <= TABLE_ELEMENTS_MAX;
        if allowed {
            self.table_elements += more;
        } else {
            self.denied = true;
        }
        Ok(allowed)
    }

    fn instances(&self) -> usize {
        CORE_INSTANCES_MAX
    }

    fn memories(&self) -> usize {
        CORE_INSTANCES_MAX
    }

    fn tables(&self) -> usize {
        CORE_INSTANCES_MAX
    }
}
