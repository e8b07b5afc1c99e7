//! What `weir swap` asks for, and what it shows.

use super::*;
use crate::args::{Command, parse};
use crate::reach::{Before, Shadow, ShadowExample};

fn args(line: &str) -> SwapArgs {
    let words: Vec<_> = format!("weir swap {line}").split(' ').map(Into::into).collect();
    match parse(&words).unwrap_or_else(|error| panic!("{line}: {error}")).command {
        Command::Swap(args) => args,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_options_become_a_request() {
    let check = |line: &str, expected: SwapAsk| {
        let args = args(line);
        let (uids, file) = args.parts();
        assert_eq!(request(&args, uids, &file, "d".to_owned()).unwrap(), expected, "{line}");
    };
    let plain =
        SwapAsk { uids: vec!["count".to_owned()], file: "/new.wasm".into(), digest: "d".to_owned(), errors_ppm_max: 10_000, ..SwapAsk::default() };
    check("job count /new.wasm", plain.clone());
    check("job a b /new.wasm", SwapAsk { uids: vec!["a".to_owned(), "b".to_owned()], ..plain.clone() });
    check("job count /new.wasm --probation 3", SwapAsk { probation: 3, ..plain.clone() });
    check(
        "job count /new.wasm --probation 3 --max-traps 2 --max-error-ratio 0.5% --max-latency 20ms",
        SwapAsk { probation: 3, traps_max: 2, errors_ppm_max: 5_000, call_ms_max: Some(20), ..plain.clone() },
    );
    check("job count /new.wasm --shadow 1min --max-diff 1%", SwapAsk { shadow_ms: Some(60_000), diff_max: 0.01, ..plain.clone() });
    check(
        "job count /new.wasm --function count-2 --drop-state a --drop-state b",
        SwapAsk { function: Some("count-2".to_owned()), dropped_states: vec!["a".to_owned(), "b".to_owned()], ..plain },
    );
    assert!(args("job --history").history);
}

#[test]
fn options_that_make_no_sense_are_refused() {
    for line in [
        "job",
        "job count",
        "job a b c --history",
        "job count n.wasm --max-diff 1%",
        "job count n.wasm --max-traps 1",
        "job count n.wasm --shadow 0s",
    ] {
        let words: Vec<_> = format!("weir swap {line}").split(' ').map(Into::into).collect();
        assert!(parse(&words).is_err(), "{line}");
    }
}

#[test]
fn the_report_says_what_runs_and_how_it_differs() {
    let example = ShadowExample { uid: "count".to_owned(), key: "word".to_owned(), old: Some("1".to_owned()), new: None };
    let done = SwapDone {
        checkpoint: 12,
        before: vec![Before { uid: "count".to_owned(), digest: "a".repeat(64) }],
        digest: "b".repeat(64),
        shadow: Some(Shadow { records: 1_000, differing: 3, keys: 2, failed: 1, first_failure: None, examples: vec![example] }),
        probation: 3,
        held_us: 1_234,
    };
    let expected = "\
count: bbbbbbbbbbbb runs instead of aaaaaaaaaaaa since checkpoint 12
held up at most 1.2 ms a subtask
on trial for 3 checkpoints: `weir info` shows how many are left
shadow run: 1,000 records; 3 differ, of 2 keys; 1 that only the new version failed on
  count, key word: 1 before, nothing now
";
    assert_eq!(report(&done), expected);
}

#[test]
fn the_history_is_a_table_of_what_the_job_wrote() {
    let json = r#"[{"at_ms": 1000, "uids": ["count"], "from": ["aaaaaaaaaaaaaaaa"], "to": "bbbbbbbbbbbbbbbb", "checkpoint": 3, "outcome": "live"},
        {"at_ms": 2000, "uids": ["a", "b"], "from": ["1", "2"], "to": "cc", "function": "f", "checkpoint": null, "outcome": "refused", "why": "it traps"}]"#;
    let text = history::table(&history::read(json.as_bytes()).unwrap(), 4_000).render(None);
    let lines: Vec<Vec<&str>> = text.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(lines[1], ["3.00", "s", "ago", "count", "aaaaaaaaaaaa", "bbbbbbbbbbbb", "chk-3", "live"]);
    assert_eq!(lines[2], ["2.00", "s", "ago", "a,", "b", "1,", "2", "cc", "f", "refused", "it", "traps"]);
    assert!(history::read(b"{}").is_err());
}
