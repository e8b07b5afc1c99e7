//! Wall-clock and CPU seconds of what this tool runs.

use std::time::Instant;

/// Measures from its creation on.
pub(crate) struct Stopwatch {
    started: Instant,
    children_cpu_s: f64,
}

/// What a stopwatch saw.
pub(crate) struct Elapsed {
    /// Seconds that passed.
    pub(crate) wall_s: f64,
    /// CPU seconds, user and system, of the processes that ended meanwhile.
    pub(crate) cpu_s: f64,
}

impl Stopwatch {
    /// Starts measuring.
    #[expect(clippy::disallowed_methods, reason = "a developer's tool reports real time; nothing here is simulated")]
    pub(crate) fn start() -> Self {
        Self { started: Instant::now(), children_cpu_s: children_cpu_s() }
    }

    /// What has passed since the start.
    pub(crate) fn elapsed(&self) -> Elapsed {
        Elapsed { wall_s: self.started.elapsed().as_secs_f64(), cpu_s: children_cpu_s() - self.children_cpu_s }
    }
}

/// CPU seconds of all child processes waited for so far.
#[expect(unsafe_code, reason = "the standard library has no CPU time of children; see SAFETY")]
fn children_cpu_s() -> f64 {
    // SAFETY: rusage is plain integers, for which all zeroes is a value.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: the pointer is to a whole rusage of our own, and the call writes nothing else.
    let answer = unsafe { libc::getrusage(libc::RUSAGE_CHILDREN, &raw mut usage) };
    if answer != 0 {
        return 0.0;
    }
    let seconds = |time: libc::timeval| time.tv_sec as f64 + time.tv_usec as f64 / 1e6;
    seconds(usage.ru_utime) + seconds(usage.ru_stime)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn the_cpu_time_of_a_child_is_seen_once_it_has_ended() {
        let watch = Stopwatch::start();
        let status = Command::new("sh").args(["-c", "i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done"]).status().unwrap();
        assert!(status.success());
        let elapsed = watch.elapsed();
        assert!(elapsed.cpu_s > 0.0 && elapsed.wall_s > 0.0);
    }
}
