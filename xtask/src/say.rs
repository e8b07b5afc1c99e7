//! The only place that prints: results on stdout, progress and complaints on stderr.

use crate::fault::Fault;

/// A result.
#[expect(clippy::print_stdout, reason = "a command's result belongs on stdout")]
pub(crate) fn line(text: &str) {
    println!("{text}");
}

/// What is being done, and why.
#[expect(clippy::print_stderr, reason = "progress must not mix with results")]
pub(crate) fn progress(text: &str) {
    eprintln!("xtask: {text}");
}

/// Why it ends here.
#[expect(clippy::print_stderr, reason = "complaints must not mix with results")]
pub(crate) fn fault(fault: &Fault) {
    eprintln!("error: {}\n  why: {}\n  do:  {}", fault.what, fault.why, fault.remedy);
}
