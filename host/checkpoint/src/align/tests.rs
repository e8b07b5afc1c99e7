//! The aligner against channels that are written down whole: what comes before which barrier is known.

use proptest::prelude::*;
use weir_model::element::BarrierKind;

use super::*;

fn barrier(checkpoint: u64) -> Barrier {
    Barrier { checkpoint: CheckpointId(checkpoint), kind: BarrierKind::Checkpoint, triggered_ms: 0 }
}

/// Steps such as `b0.5` (barrier 5 through channel 0), `e1` (channel 1 has ended), `u5` (unalign), `a5` (abort), each with what is expected: `cancel 4`,
/// `snapshot 5`, `complete 5`, and after a bar the channels that are blocked and those whose records are in flight. Each step takes a millisecond.
#[track_caller]
fn check(channels: usize, mode: AlignMode, script: &str) {
    let mut aligner = Aligner::new(channels, mode);
    for (now_ms, line) in (0..).zip(script.lines().map(str::trim).filter(|line| !line.is_empty())) {
        let (step, expected) = line.split_once("=>").unwrap();
        let numbers: Vec<u64> = step.trim()[1..].split('.').map(|number| number.parse().unwrap()).collect();
        let done = match &step[..1] {
            "b" => aligner.barrier(numbers[0] as usize, barrier(numbers[1]), now_ms),
            "e" => aligner.ended(numbers[0] as usize, now_ms),
            "u" => aligner.unalign(barrier(numbers[0]), now_ms),
            "a" => {
                aligner.abort(CheckpointId(numbers[0]));
                AlignStep::WAIT
            }
            other => panic!("{other}"),
        };
        let list = |is: &dyn Fn(usize) -> bool| (0..channels).filter(|channel| is(*channel)).map(|channel| channel.to_string()).collect::<String>();
        let mut words = Vec::new();
        words.extend(done.cancel.map(|id| format!("cancel {id}")));
        words.extend(done.snapshot.map(|barrier| format!("snapshot {}", barrier.checkpoint)));
        words.extend(done.complete.map(|one| format!("complete {} in {}", one.checkpoint, one.alignment_ms)));
        let (blocked, in_flight) = (list(&|channel| aligner.is_blocked(channel)), list(&|channel| aligner.records_in_flight(channel)));
        assert_eq!(format!("{} |{blocked}|{in_flight}", words.join(", ")).trim(), expected.trim(), "after {step}");
    }
}

#[test]
fn an_aligned_gate_holds_back_who_is_first() {
    check(3, AlignMode::Aligned, "b1.1 => |1|\nb0.1 => |01|\nb2.1 => snapshot 1, complete 1 in 2 ||\nb0.1 => ||\nu1 => ||");
    check(1, AlignMode::Aligned, "b0.1 => snapshot 1, complete 1 in 0 ||");
}

#[test]
fn an_at_least_once_gate_holds_nobody_back_and_may_wait_for_several() {
    check(2, AlignMode::AtLeastOnce, "b0.1 => ||\nb0.2 => ||\nb1.1 => snapshot 1, complete 1 in 2 ||\nb1.2 => snapshot 2, complete 2 in 2 ||");
    check(2, AlignMode::AtLeastOnce, "b0.1 => ||\nb0.2 => ||\nb1.2 => cancel 1, snapshot 2, complete 2 in 1 ||\nb1.1 => ||");
}

#[test]
fn a_newer_barrier_cancels_an_older_alignment() {
    check(2, AlignMode::Aligned, "b0.1 => |0|\nb1.2 => cancel 1 |1|\nb0.1 => |1|\nb0.2 => snapshot 2, complete 2 in 2 ||");
    check(
        2,
        AlignMode::Unaligned,
        "u1 => snapshot 1 ||01\nb0.1 => ||1\nu2 => cancel 1, snapshot 2 ||01\nb1.1 => ||01\nb1.2 => ||0\nb0.2 => complete 2 in 3 ||",
    );
}

#[test]
fn an_ended_channel_counts_as_aligned() {
    check(2, AlignMode::Aligned, "b0.1 => |0|\ne1 => snapshot 1, complete 1 in 1 ||\nb0.2 => snapshot 2, complete 2 in 0 ||\ne0 => ||");
    check(2, AlignMode::AtLeastOnce, "b0.1 => ||\nb0.2 => ||\ne1 => cancel 1, snapshot 2, complete 2 in 1 ||");
    check(
        2,
        AlignMode::Unaligned,
        "u1 => snapshot 1 ||01\nb0.1 => ||1\ne1 => complete 1 in 2 ||\nu2 => snapshot 2 ||0\ne0 => complete 2 in 1 ||\nu3 => snapshot 3, complete 3 in 0 ||",
    );
}

#[test]
fn an_unaligned_gate_waits_until_it_is_told_not_to() {
    check(2, AlignMode::Unaligned, "b0.1 => |0|\nb1.1 => snapshot 1, complete 1 in 1 ||\nu1 => ||");
    check(2, AlignMode::Unaligned, "b0.1 => |0|\nu1 => snapshot 1 ||1\nu1 => ||1\nb1.1 => complete 1 in 3 ||");
    check(2, AlignMode::AtLeastOnce, "u1 => ||");
}

#[test]
fn an_aborted_checkpoint_lets_go_and_its_barriers_don_t_count() {
    check(2, AlignMode::Aligned, "b0.1 => |0|\na1 => ||\nb1.1 => ||\nb1.2 => |1|\nb0.2 => snapshot 2, complete 2 in 1 ||");
    check(2, AlignMode::Aligned, "a2 => ||\nb0.1 => |0|\nb1.1 => snapshot 1, complete 1 in 1 ||\nb0.2 => ||\nb1.2 => ||");
    check(2, AlignMode::Unaligned, "u1 => snapshot 1 ||01\na1 => ||\nb0.1 => ||");
}

/// A channel's content: `Some` is a barrier's number, `None` a record.
type Content = Vec<Option<u64>>;

fn contents() -> impl Strategy<Value = Vec<Content>> {
    let gaps = proptest::collection::vec(0usize..5, 4..5);
    proptest::collection::vec(gaps, 1..4).prop_map(|channels| {
        let content = |gaps: Vec<usize>| (1u64..).zip(gaps).flat_map(|(id, gap)| std::iter::repeat_n(None, gap).chain([Some(id)])).collect();
        channels.into_iter().map(content).collect()
    })
}

/// Records of a channel before a barrier.
fn before(content: &Content, checkpoint: u64) -> usize {
    content.iter().take_while(|item| **item != Some(checkpoint)).filter(|item| item.is_none()).count()
}

/// Lets the channels speak in the order of `picks`; every fourth pick may unalign.
fn run(contents: &[Content], mode: AlignMode, picks: &[u8]) -> Result<usize, TestCaseError> {
    let mut aligner = Aligner::new(contents.len(), mode);
    let (mut read, mut worked_on) = (vec![0usize; contents.len()], vec![0usize; contents.len()]);
    let (mut in_flight, mut at_snapshot) = (vec![0usize; contents.len()], Vec::new());
    let (mut completed, mut picks) = (0usize, picks.iter().cycle());
    while read.iter().zip(contents).any(|(read, content)| *read < content.len()) {
        let pick = usize::from(*picks.next().unwrap_or(&0));
        let channel = pick % contents.len();
        let step = if mode == AlignMode::Unaligned && pick % 4 == 3 {
            // Now and then before any barrier has come, as when the coordinator is faster than the records.
            aligner.unalign(barrier((completed as u64 + 1).min(4)), 0)
        } else {
            // Unaligned checkpoints are one at a time: a barrier isn't sent before the checkpoint before is complete.
            let is_sent = |id: &u64| mode != AlignMode::Unaligned || *id as usize <= completed + 1;
            let is_open = |at: &usize| contents[*at].get(read[*at]).is_some_and(|item| item.iter().all(is_sent)) && !aligner.is_blocked(*at);
            let open = (0..contents.len()).map(|by| (channel + by) % contents.len()).find(is_open);
            let Some(channel) = open else { return Err(TestCaseError::fail("every channel is blocked: a deadlock")) };
            let item = contents[channel][read[channel]];
            read[channel] += 1;
            if let Some(id) = item {
                aligner.barrier(channel, barrier(id), 0)
            } else {
                worked_on[channel] += 1;
                in_flight[channel] += usize::from(aligner.records_in_flight(channel));
                AlignStep::WAIT
            }
        };
        prop_assert_eq!(step.cancel, None, "no barrier is skipped here");
        if let Some(barrier) = step.snapshot {
            prop_assert_eq!(barrier.checkpoint.0, completed as u64 + 1);
            at_snapshot = worked_on.clone();
            in_flight.fill(0);
        }
        if let Some(complete) = step.complete {
            completed += 1;
            prop_assert_eq!(complete.checkpoint.0, completed as u64);
            for (channel, content) in contents.iter().enumerate() {
                let (belongs, counted) = (before(content, complete.checkpoint.0), at_snapshot[channel] + in_flight[channel]);
                match mode {
                    AlignMode::AtLeastOnce => prop_assert!(counted >= belongs, "a record of channel {} is lost", channel),
                    AlignMode::Aligned | AlignMode::Unaligned => prop_assert_eq!(counted, belongs, "channel {}", channel),
                }
            }
        }
    }
    Ok(completed)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]
    #[test]
    fn a_snapshot_and_its_records_in_flight_are_what_comes_before_the_barriers(contents in contents(), picks in proptest::collection::vec(any::<u8>(), 1..80)) {
        for mode in [AlignMode::Aligned, AlignMode::AtLeastOnce, AlignMode::Unaligned] {
            // A script of nothing but `unalign` reads nothing.
            let picks: Vec<_> = picks.iter().copied().chain([0, 1, 2]).collect();
            prop_assert_eq!(run(&contents, mode, &picks)?, 4, "{:?}", mode);
        }
    }
}
