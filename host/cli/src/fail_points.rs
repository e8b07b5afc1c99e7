//! `WEIR_FAIL_POINTS`: kills this process, or makes a step fail, at a named point of the checkpoint protocol; for tests of weir itself.
//!
//! `state-file-half-written=kill@2,manifest-put-response-lost=error@1`: at the second passage, at the first one. Nothing is armed without the
//! variable.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::process::{Signal, getpid, kill_process};
use weir_model::fail_point::{FailPoint, arm, injected};
use weir_model::{Error, Result};

/// The variable.
const VARIABLE: &str = "WEIR_FAIL_POINTS";

/// What happens at a point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Act {
    Kill,
    Fail,
}

/// An armed point.
#[derive(Debug)]
struct Armed {
    act: Act,
    /// At which passage, from 1.
    at: u64,
    passed: AtomicU64,
}

/// Arms what the environment names.
///
/// # Errors
/// A usage error for a point or an act that there isn't.
pub(crate) fn arm_from_environment() -> Result<()> {
    let Ok(text) = std::env::var(VARIABLE) else { return Ok(()) };
    let armed = parse(&text)?;
    arm(Box::new(move |point| {
        let Some(armed) = armed.get(&point) else { return Ok(()) };
        if armed.passed.fetch_add(1, Ordering::Relaxed) + 1 != armed.at {
            return Ok(());
        }
        if armed.act == Act::Kill {
            // SIGKILL: nothing is flushed, dropped or tidied up. The signal may take a moment to arrive.
            let _ = kill_process(getpid(), Signal::KILL);
            loop {
                std::thread::park();
            }
        }
        Err(injected(point))
    }));
    Ok(())
}

fn parse(text: &str) -> Result<BTreeMap<FailPoint, Armed>> {
    let refuse = |word: &str| {
        let names: Vec<_> = FailPoint::ALL.iter().map(|point| point.name()).collect();
        Error::usage(format!("{VARIABLE}: `{word}`"), "it is not POINT=kill@N or POINT=error@N", format!("points are: {}", names.join(", ")))
    };
    let words = text.split(',').map(str::trim).filter(|word| !word.is_empty());
    let read = |word: &str| {
        let (name, act) = word.split_once('=')?;
        let (act, at) = act.split_once('@').unwrap_or((act, "1"));
        let act = match act {
            "kill" => Act::Kill,
            "error" => Act::Fail,
            _ => return None,
        };
        let at = at.parse().ok().filter(|at| *at > 0)?;
        Some((FailPoint::named(name)?, Armed { act, at, passed: AtomicU64::new(0) }))
    };
    words.map(|word| read(word).ok_or_else(|| refuse(word))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_are_armed_by_name() {
        let check = |text: &str, expected: &[(FailPoint, Act, u64)]| {
            let parsed = parse(text).unwrap();
            let found: Vec<_> = parsed.iter().map(|(point, armed)| (*point, armed.act, armed.at)).collect();
            assert_eq!(found, expected, "{text}");
        };
        check("", &[]);
        check("some-acked=kill", &[(FailPoint::SomeAcked, Act::Kill, 1)]);
        check("some-acked=error@3, trigger-decided=kill@2", &[(FailPoint::TriggerDecided, Act::Kill, 2), (FailPoint::SomeAcked, Act::Fail, 3)]);
        for wrong in ["some-acked", "some-acked=burn", "no-such=kill", "some-acked=kill@0", "some-acked=kill@x"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
