//! Standard streams: what a guest prints goes to the operator's log, line by line; there is nothing to read.

use wasmtime::StoreContextMut;
use wasmtime::component::{ComponentType, Lift, Linker, Lower, Resource, ResourceType};

use super::VERSION;
use super::clocks::Pollable;
use crate::host_functions::HostData;
use crate::services::{LogLevel, Services};

/// The level of what is printed.
pub(super) const STDOUT_LEVEL: LogLevel = LogLevel::Info;
/// The level of what is printed as an error. Languages and their libraries print their warnings there.
pub(super) const STDERR_LEVEL: LogLevel = LogLevel::Warn;

/// Longer lines are cut.
const LINE_BYTES_MAX: usize = 4096;
/// What is kept of a call's standard error, in case it traps.
const SAID_BYTES_MAX: usize = 2000;
/// How many bytes a guest is told that it may write at once.
const WRITE_BYTES_MAX: u64 = 64 * 1024;

/// A stream that has nothing.
pub(super) struct InputStream;

/// Standard output or standard error, by number.
pub(super) struct OutputStream;

/// What an operation that failed would say; none does.
pub(super) struct IoError;

const STDOUT: u32 = 1;
const STDERR: u32 = 2;

/// Text that comes in pieces and goes to the log as lines.
#[derive(Debug)]
pub(super) struct Lines {
    level: LogLevel,
    partial: Vec<u8>,
}

impl Lines {
    pub(super) fn of(level: LogLevel) -> Self {
        Self { level, partial: Vec::new() }
    }

    fn write(&mut self, bytes: &[u8], mut services: Option<&mut Services>) {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            let room = LINE_BYTES_MAX.saturating_sub(self.partial.len());
            self.partial.extend_from_slice(piece.get(..piece.len().min(room)).unwrap_or_default());
            if piece.ends_with(b"\n") {
                self.end_line(services.as_deref_mut());
            }
        }
    }

    fn end_line(&mut self, services: Option<&mut Services>) {
        let line = String::from_utf8_lossy(&self.partial);
        if let Some(services) = services.filter(|_| !line.trim_end().is_empty()) {
            services.log(self.level, line.trim_end());
        }
        self.partial.clear();
    }

    pub(super) fn end_call(&mut self, services: &mut Services) {
        if !self.partial.is_empty() {
            self.end_line(Some(services));
        }
    }
}

/// What a call has written to standard error, on one line: the reason, if it traps.
#[derive(Debug, Default)]
pub(super) struct Said(String);

impl Said {
    pub(super) fn begin_call(&mut self) {
        self.0.clear();
    }

    fn hear(&mut self, bytes: &[u8]) {
        let room = SAID_BYTES_MAX.saturating_sub(self.0.len());
        let heard = bytes.get(..bytes.len().min(room)).unwrap_or_default();
        self.0.extend(String::from_utf8_lossy(heard).chars().map(|char| if char.is_control() { ' ' } else { char }));
    }

    pub(super) fn text(&self) -> Option<&str> {
        let said = self.0.trim_end();
        (!said.is_empty()).then_some(said)
    }
}

/// `streams.stream-error`.
#[derive(ComponentType, Lift, Lower)]
#[component(variant)]
enum StreamError {
    #[component(name = "last-operation-failed")]
    LastOperationFailed(Resource<IoError>),
    #[component(name = "closed")]
    Closed,
}

type Store<'a> = StoreContextMut<'a, HostData>;
type Answer<T> = wasmtime::Result<(Result<T, StreamError>,)>;

/// A pollable that is ready: no stream makes anybody wait.
fn ready(mut store: Store<'_>) -> wasmtime::Result<(Resource<Pollable>,)> {
    Ok((store.data_mut().wasi.time.wait(0)?,))
}

fn write(mut store: Store<'_>, stream: &Resource<OutputStream>, bytes: &[u8]) -> Answer<()> {
    let HostData { wasi, services, .. } = store.data_mut();
    let services = services.as_deref_mut();
    if stream.rep() == STDERR {
        wasi.said.hear(bytes);
        wasi.stderr.write(bytes, services);
    } else {
        wasi.stdout.write(bytes, services);
    }
    Ok((Ok(()),))
}

pub(super) fn link(linker: &mut Linker<HostData>) -> wasmtime::Result<()> {
    let mut error = linker.instance(&format!("wasi:io/error{VERSION}"))?;
    error.resource("error", ResourceType::host::<IoError>(), |_, _| Ok(()))?;
    error.func_wrap("[method]error.to-debug-string", |_: Store<'_>, (_,): (Resource<IoError>,)| Ok((String::new(),)))?;
    let mut streams = linker.instance(&format!("wasi:io/streams{VERSION}"))?;
    streams.resource("input-stream", ResourceType::host::<InputStream>(), |_, _| Ok(()))?;
    streams.resource("output-stream", ResourceType::host::<OutputStream>(), |_, _| Ok(()))?;
    for name in ["read", "blocking-read"] {
        let closed = |_: Store<'_>, (_, _): (Resource<InputStream>, u64)| -> Answer<Vec<u8>> { Ok((Err(StreamError::Closed),)) };
        streams.func_wrap(&format!("[method]input-stream.{name}"), closed)?;
    }
    for name in ["skip", "blocking-skip"] {
        let closed = |_: Store<'_>, (_, _): (Resource<InputStream>, u64)| -> Answer<u64> { Ok((Err(StreamError::Closed),)) };
        streams.func_wrap(&format!("[method]input-stream.{name}"), closed)?;
    }
    streams.func_wrap("[method]input-stream.subscribe", |store: Store<'_>, (_,): (Resource<InputStream>,)| ready(store))?;
    streams.func_wrap("[method]output-stream.subscribe", |store: Store<'_>, (_,): (Resource<OutputStream>,)| ready(store))?;
    let room = |_: Store<'_>, (_,): (Resource<OutputStream>,)| -> Answer<u64> { Ok((Ok(WRITE_BYTES_MAX),)) };
    streams.func_wrap("[method]output-stream.check-write", room)?;
    for name in ["write", "blocking-write-and-flush"] {
        let written = |store: Store<'_>, (stream, bytes): (Resource<OutputStream>, Vec<u8>)| write(store, &stream, &bytes);
        streams.func_wrap(&format!("[method]output-stream.{name}"), written)?;
    }
    for name in ["flush", "blocking-flush"] {
        let flushed = |_: Store<'_>, (_,): (Resource<OutputStream>,)| -> Answer<()> { Ok((Ok(()),)) };
        streams.func_wrap(&format!("[method]output-stream.{name}"), flushed)?;
    }
    for name in ["write-zeroes", "blocking-write-zeroes-and-flush"] {
        // Nobody reads zeros in a log.
        let swallowed = |_: Store<'_>, (_, _): (Resource<OutputStream>, u64)| -> Answer<()> { Ok((Ok(()),)) };
        streams.func_wrap(&format!("[method]output-stream.{name}"), swallowed)?;
    }
    for name in ["splice", "blocking-splice"] {
        type Splice = (Resource<OutputStream>, Resource<InputStream>, u64);
        let nothing = |_: Store<'_>, (_, _, _): Splice| -> Answer<u64> { Ok((Err(StreamError::Closed),)) };
        streams.func_wrap(&format!("[method]output-stream.{name}"), nothing)?;
    }
    let mut stdin = linker.instance(&format!("wasi:cli/stdin{VERSION}"))?;
    stdin.func_wrap("get-stdin", |_: Store<'_>, (): ()| Ok((Resource::<InputStream>::new_own(0),)))?;
    let mut stdout = linker.instance(&format!("wasi:cli/stdout{VERSION}"))?;
    stdout.func_wrap("get-stdout", |_: Store<'_>, (): ()| Ok((Resource::<OutputStream>::new_own(STDOUT),)))?;
    let mut stderr = linker.instance(&format!("wasi:cli/stderr{VERSION}"))?;
    stderr.func_wrap("get-stderr", |_: Store<'_>, (): ()| Ok((Resource::<OutputStream>::new_own(STDERR),)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::InstanceLimits;

    #[test]
    fn text_in_pieces_becomes_lines_and_what_is_left_at_the_end_is_one() {
        let mut services = Services::detached("op", InstanceLimits::default());
        let mut lines = Lines::of(STDERR_LEVEL);
        lines.write(b"before any call", None);
        lines.write(b" one\ntw", Some(&mut services));
        lines.write(b"o\n\nthree", Some(&mut services));
        lines.end_call(&mut services);
        assert_eq!(services.lines(), ["before any call one", "two", "three"]);
    }

    #[test]
    fn what_a_call_says_is_one_line_and_the_next_call_begins_anew() {
        let mut said = Said::default();
        said.hear(b"before any call");
        said.begin_call();
        assert_eq!(said.text(), None);
        said.hear(b" one\ntw");
        said.hear(b"o\n\nthree\n");
        assert_eq!(said.text(), Some(" one two  three"));
    }

    #[test]
    fn a_flood_without_lines_is_bounded() {
        let mut services = Services::detached("op", InstanceLimits::default());
        let (mut lines, mut said) = (Lines::of(STDERR_LEVEL), Said::default());
        for _ in 0..1000 {
            said.hear(&[b'x'; 10_000]);
            lines.write(&[b'x'; 10_000], Some(&mut services));
        }
        assert!(lines.partial.len() <= LINE_BYTES_MAX && said.0.len() <= SAID_BYTES_MAX + 4);
        lines.write(b"\n", Some(&mut services));
        assert_eq!(services.lines().len(), 1);
    }
}
