//! What this process has used so far, and where a benchmark says what it does.

/// CPU time of this process, all threads, user and system, nanoseconds.
pub(crate) fn cpu_ns() -> u64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    u64::try_from(time.tv_sec).unwrap_or(0) * 1_000_000_000 + u64::try_from(time.tv_nsec).unwrap_or(0)
}

/// A result, on stdout.
#[expect(clippy::print_stdout, reason = "the figures are what a benchmark is for")]
pub(crate) fn print(line: &str) {
    println!("{line}");
}

/// What is going on, on stderr.
#[expect(clippy::print_stderr, reason = "progress belongs on stderr")]
pub(crate) fn tell(line: &str) {
    eprintln!("{line}");
}
