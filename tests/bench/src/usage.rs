//! What this process has used so far, and where a benchmark says what it does.

use std::fs;

/// CPU time of this process, all threads, user and system, nanoseconds.
pub(crate) fn cpu_ns() -> u64 {
    nanoseconds(rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime))
}

/// CPU time of the calling thread, nanoseconds.
pub(crate) fn thread_cpu_ns() -> u64 {
    nanoseconds(rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime))
}

fn nanoseconds(time: rustix::time::Timespec) -> u64 {
    u64::try_from(time.tv_sec).unwrap_or(0) * 1_000_000_000 + u64::try_from(time.tv_nsec).unwrap_or(0)
}

/// Bytes that this process has handed over to be written so far, to files and everything else.
pub(crate) fn written_bytes() -> u64 {
    let io = fs::read_to_string("/proc/self/io").unwrap_or_default();
    io.lines().find_map(|line| line.strip_prefix("wchar: ")?.parse().ok()).unwrap_or_default()
}

/// How many threads of the whole machine want a processor, on average over the last minute.
pub(crate) fn load() -> f64 {
    fs::read_to_string("/proc/loadavg").ok().and_then(|text| text.split(' ').next()?.parse().ok()).unwrap_or_default()
}

/// The processor and how many of them: figures mean nothing without.
pub(crate) fn machine() -> String {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info.lines().find_map(|line| line.strip_prefix("model name")).map_or("unknown", |rest| rest.trim_start_matches([' ', '\t', ':']));
    format!("{model}, {} cores", std::thread::available_parallelism().map_or(0, std::num::NonZero::get))
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
