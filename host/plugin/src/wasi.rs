//! Virtual WASI: what guests whose language needs a system find in place of one. No files, no network, no environment; time and chance are the call's.
//!
//! Linked by hand, and not by `wasmtime-wasi`: there a guest that sleeps holds up its thread, and a blocking write needs a thread without a tokio runtime. Here nothing
//! blocks: whoever waits for a time finds that it has come.

mod clocks;
mod closed;
mod commands;
mod random;
mod streams;

pub(crate) use closed::link_closed;
pub(crate) use random::Random;

use std::collections::BTreeMap;
use std::sync::Arc;

use wasmtime::component::Linker;
use weir_model::time::SharedClock;

use crate::host_functions::HostData;
use crate::services::Services;
use clocks::Time;
use streams::{Lines, STDERR_LEVEL, STDOUT_LEVEL, Said};

/// The version that is linked: the linker takes it for all others of 0.2.
const VERSION: &str = "@0.2.0";

/// What a plugin may see of the machine beyond what the contract gives; nothing, unless its user grants it.
#[derive(Clone, Default)]
pub struct Capabilities {
    /// The machine's clock in place of the call's processing time.
    pub clock: Option<SharedClock>,
    /// Random numbers of the machine in place of those that follow from UID, subtask and checkpoint.
    pub random: bool,
    /// Environment variables.
    pub env: BTreeMap<String, String>,
}

impl std::fmt::Debug for Capabilities {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Capabilities").field("clock", &self.clock.is_some()).field("random", &self.random).field("env", &self.env).finish()
    }
}

/// The system that one instance sees.
pub(crate) struct Wasi {
    granted: Arc<Capabilities>,
    time: Time,
    random: Random,
    stdout: Lines,
    stderr: Lines,
    said: Said,
}

impl Wasi {
    pub(crate) fn new(granted: Arc<Capabilities>, random: Random) -> Self {
        let time = Time::new(granted.clock.clone());
        Self { granted, time, random, stdout: Lines::of(STDOUT_LEVEL), stderr: Lines::of(STDERR_LEVEL), said: Said::default() }
    }

    /// A call begins at this processing time, milliseconds since the Unix epoch.
    pub(crate) fn begin_call(&mut self, processing_time_ms: i64) {
        self.time.begin_call(processing_time_ms);
        self.said.begin_call();
    }

    /// From now on, chance follows from this.
    pub(crate) fn reseed(&mut self, random: Random) {
        self.random = random;
    }

    /// A call has ended: what it wrote without ending the line is a line.
    pub(crate) fn end_call(&mut self, services: &mut Services) {
        self.stdout.end_call(services);
        self.stderr.end_call(services);
    }

    /// What the call has written to standard error: the reason, if it traps.
    pub(crate) fn last_words(&self) -> Option<&str> {
        self.said.text()
    }
}

/// How an interface that isn't weir's own is offered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Offer {
    /// With what it needs to work.
    Virtual,
    /// Every attempt is refused. Languages import it whatever a program does.
    Closed,
    /// As `Closed`, for the one language that imports it whatever a program does; refused at load for all others.
    ClosedForPython,
}

/// How the interface with this name is offered; `None`: not at all.
pub(crate) fn offer(import: &str) -> Option<Offer> {
    let (name, version) = import.split_once('@')?;
    if !version.starts_with("0.2.") {
        return None;
    }
    match name {
        "wasi:io/error" | "wasi:io/poll" | "wasi:io/streams" => Some(Offer::Virtual),
        "wasi:clocks/monotonic-clock" | "wasi:clocks/wall-clock" => Some(Offer::Virtual),
        "wasi:random/random" | "wasi:random/insecure" | "wasi:random/insecure-seed" => Some(Offer::Virtual),
        "wasi:cli/environment" | "wasi:cli/exit" | "wasi:cli/stdin" | "wasi:cli/stdout" | "wasi:cli/stderr" => Some(Offer::Virtual),
        "wasi:cli/terminal-input" | "wasi:cli/terminal-output" => Some(Offer::Virtual),
        "wasi:cli/terminal-stdin" | "wasi:cli/terminal-stdout" | "wasi:cli/terminal-stderr" => Some(Offer::Virtual),
        "wasi:filesystem/types" => Some(Offer::Closed),
        "wasi:filesystem/preopens" => Some(Offer::Virtual),
        name if name.starts_with("wasi:sockets/") => Some(Offer::ClosedForPython),
        _ => None,
    }
}

/// Puts what works into the linker; what is closed depends on the component ([`link_closed`]).
pub(crate) fn link(linker: &mut Linker<HostData>) -> wasmtime::Result<()> {
    clocks::link(linker)?;
    random::link(linker)?;
    streams::link(linker)?;
    commands::link(linker)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_machine_has_is_offered_by_name_and_version() {
        let check = |import: &str, expected: Option<Offer>| assert_eq!(offer(import), expected, "{import}");
        check("wasi:io/streams@0.2.0", Some(Offer::Virtual));
        check("wasi:io/streams@0.2.12", Some(Offer::Virtual));
        check("wasi:io/streams@0.3.0", None);
        check("wasi:io/streams", None);
        check("wasi:filesystem/types@0.2.6", Some(Offer::Closed));
        check("wasi:sockets/tcp@0.2.6", Some(Offer::ClosedForPython));
        check("wasi:http/outgoing-handler@0.2.0", None);
        check("wasi:keyvalue/store@0.2.0-draft", None);
    }
}
