//! Whether a process still runs: its number alone doesn't say, because numbers are used again.

use std::fs;

/// What tells this run of process `pid` from every other; `None` when it is gone, or the system has no /proc.
pub(crate) fn stamp(pid: u32) -> Option<String> {
    let ticks = start_ticks(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)?;
    // Ticks count from the start of the machine, and a folder may outlive that.
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    Some(format!("{}/{ticks}", boot.trim()))
}

/// The start of a process in its line of /proc; `None` when it has ended and only its parent hasn't noticed.
fn start_ticks(stat: &str) -> Option<u64> {
    // The name stands in parentheses and may hold anything, blanks and parentheses too.
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_whitespace();
    let state = fields.next()?;
    // The state is field 3 of the line, the start is field 22.
    fields.nth(18).filter(|_| !["Z", "X"].contains(&state))?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_start_is_read_whatever_the_process_is_called() {
        let check = |stat: &str, ticks: Option<u64>| assert_eq!(start_ticks(stat), ticks, "{stat}");
        let rest = "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 4711 20";
        check(&format!("12 (weir) S {rest}"), Some(4711));
        check(&format!("12 (a) R 9) (b) S {rest}"), Some(4711));
        check(&format!("12 (weir) Z {rest}"), None);
        check("12 (weir) S 1 2", None);
        check("", None);
    }

    #[test]
    fn this_process_runs_and_one_that_has_ended_does_not() {
        let own = stamp(std::process::id()).unwrap();
        assert_eq!(stamp(std::process::id()), Some(own.clone()));
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let running = stamp(child.id()).unwrap();
        assert_ne!(running, own);
        child.kill().unwrap();
        child.wait().unwrap();
        assert_ne!(stamp(child.id()), Some(running));
    }
}
