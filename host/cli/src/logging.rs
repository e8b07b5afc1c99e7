//! The log: lines on standard error, above the progress if that is shown.

use std::io::{self, Write};

use tracing_subscriber::Layer as _;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use weir_model::{Error, Result};

use crate::args::{Global, LogFormat};
use crate::{output, progress};

/// What plugins log; with the field `uid`.
const GUEST: &str = "guest";

/// Starts the log.
///
/// # Errors
/// A usage error when `WEIR_LOG` can't be read.
pub(crate) fn start(global: &Global) -> Result<()> {
    let filter = filter(global.verbose, std::env::var("WEIR_LOG").ok().as_deref())?;
    let registry = tracing_subscriber::registry();
    let layer = tracing_subscriber::fmt::layer().with_writer(|| LogWriter).with_ansi(output::stderr_has_colour());
    // It fails only when there is a log already, and this is called once.
    let started = match global.log_format {
        LogFormat::Text => registry.with(layer.with_filter(filter)).try_init(),
        LogFormat::Json => registry.with(layer.json().with_filter(filter)).try_init(),
    };
    started.map_err(|error| Error::job("the log can't be started", error.to_string(), "this is a bug of weir: please report it"))
}

/// What is logged: `-v` says it, else `WEIR_LOG`, else warnings and the plugins' own lines from info up.
fn filter(verbose: u8, variable: Option<&str>) -> Result<Targets> {
    let levels = |own, guest| Targets::new().with_default(own).with_target(GUEST, guest);
    match (verbose, variable.filter(|text| !text.trim().is_empty())) {
        (0, None) => Ok(levels(LevelFilter::WARN, LevelFilter::INFO)),
        (0, Some(text)) => text.parse().map_err(|error| {
            let remedy = "write levels such as `info`, or targets with levels such as `warn,guest=debug,weir_runtime=trace`";
            Error::usage(format!("WEIR_LOG={text}"), format!("it can't be read: {error}"), remedy)
        }),
        (1, _) => Ok(levels(LevelFilter::INFO, LevelFilter::DEBUG)),
        _ => Ok(levels(LevelFilter::DEBUG, LevelFilter::TRACE)),
    }
}

/// Standard error, with the progress out of the way.
struct LogWriter;

impl Write for LogWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        progress::aside(|| io::stderr().lock().write_all(bytes)).map(|()| bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_counts_more_than_the_environment() {
        let check = |verbose, variable, expected: &str| assert_eq!(filter(verbose, variable).unwrap(), expected.parse().unwrap());
        check(0, None, "warn,guest=info");
        check(0, Some(""), "warn,guest=info");
        check(0, Some("error,guest=trace"), "error,guest=trace");
        check(1, Some("error"), "info,guest=debug");
        check(2, None, "debug,guest=trace");
        check(9, None, "debug,guest=trace");
        assert_eq!(filter(0, Some("guest=loud")).unwrap_err().what, "WEIR_LOG=guest=loud");
    }
}
