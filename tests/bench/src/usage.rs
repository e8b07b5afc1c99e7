//! What this process has used so far, and where a benchmark says what it does.

/// CPU time of this process, all threads, user and system, nanoseconds (`getrusage`).
pub(crate) fn cpu_ns() -> u64 {
    // SAFETY: `getrusage` fills the struct that it is given; all-zero bytes are a valid one.
    #[expect(unsafe_code, reason = "the standard library has no CPU time; see SAFETY")]
    let usage = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        libc::getrusage(libc::RUSAGE_SELF, &raw mut usage);
        usage
    };
    let ns = |time: libc::timeval| u64::try_from(time.tv_sec).unwrap_or(0) * 1_000_000_000 + u64::try_from(time.tv_usec).unwrap_or(0) * 1000;
    ns(usage.ru_utime) + ns(usage.ru_stime)
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
