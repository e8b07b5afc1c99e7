//! One version of a plugin takes another's place over the same state: values are migrated, or named, and nothing is lost.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test says what went wrong by panicking"
)]

use std::sync::OnceLock;

use weir_model::graph::OnError;
use weir_model::id::Parallelism;
use weir_model::key_group::MaxParallelism;
use weir_model::rows::{BatchBuilder, NO_TIMESTAMP};
use weir_model::{Error, Result};
use weir_plugin::{
    CallContext, EngineOptions, Identity, InstanceLimits, NewVersion, OperatorSubtask, OutputPort, Outputs, Plugin, PluginEngine, Services, Step,
    Subtask,
};
use weir_state::{KeyedState, SnapshotScope, StateRow};
use weir_tests::built;

fn plugin() -> &'static Plugin {
    static PLUGIN: OnceLock<Plugin> = OnceLock::new();
    PLUGIN.get_or_init(|| {
        let engine = PluginEngine::new(EngineOptions { cache_dir: Some(built::cache()), compiler: None }).unwrap();
        Plugin::load(&engine, &built::plugin("upgrades")).unwrap()
    })
}

fn place(function: &str, config: &[(&str, &str)]) -> Subtask {
    Subtask {
        uid: "count".to_owned(),
        function: plugin().description().function(function).unwrap().clone(),
        config: config.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        index: 0,
        parallelism: 1,
        max_parallelism: 128,
        checkpoint: 0,
    }
}

fn identity(function: &str) -> Identity {
    Identity { uid: "count".to_owned(), function: function.to_owned(), digest: plugin().digest().to_string() }
}

fn version(function: &str, config: &[(&str, &str)]) -> NewVersion {
    let place = place(function, config);
    let (description, limits) = (place.function.clone(), InstanceLimits::default());
    let guest = plugin().instantiate(place, limits).unwrap();
    NewVersion { identity: identity(function), function: description, guest, dropped_states: Vec::new() }
}

fn start_over(function: &str, on_error: OnError, state: KeyedState) -> OperatorSubtask {
    let NewVersion { identity, function, guest, .. } = version(function, &[]);
    let services = Services::new("count", vec![OutputPort { keyed: true }], InstanceLimits::default(), state);
    OperatorSubtask::new(identity, &function, on_error, guest, services)
}

fn start(function: &str, on_error: OnError) -> OperatorSubtask {
    start_over(function, on_error, KeyedState::new(&place(function, &[]).function.states, 7))
}

/// Records `word:number` through a subtask: what it emitted as `word=count`, and the words of dead letters.
fn feed(subtask: &mut OperatorSubtask, records: &str) -> Result<(String, String)> {
    let mut batch = BatchBuilder::default();
    for record in records.split_whitespace() {
        let (word, number) = record.split_once(':').unwrap();
        batch.push(Some(word.as_bytes()), &number.parse::<u64>().unwrap().to_le_bytes(), NO_TIMESTAMP).unwrap();
    }
    let mut outputs = Outputs::default();
    subtask.begin(0, batch.take());
    while subtask.step(CallContext { watermark: NO_TIMESTAMP, processing_time: 0 }, &mut outputs)? == Step::More {}
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let rows = outputs.batches.iter().flat_map(|(_, batch)| batch.iter());
    let emitted: Vec<_> = rows.map(|row| format!("{}={}", text(row.key.unwrap()), u64::from_le_bytes(row.value.try_into().unwrap()))).collect();
    let dead: Vec<_> = outputs.dead_letters.iter().map(|letter| format!("{}: {}", text(letter.key.as_ref().unwrap()), letter.error)).collect();
    Ok((emitted.join(" "), dead.join("; ")))
}

/// The functions one after the other, each with its records; what they emitted.
fn check(steps: &[(&str, &str, &str)]) -> OperatorSubtask {
    let mut subtask = start(steps[0].0, OnError::Fail);
    for (at, (function, records, emitted)) in steps.iter().enumerate() {
        if at > 0 {
            subtask.replace(version(function, &[])).unwrap();
        }
        assert_eq!(feed(&mut subtask, records).unwrap().0, *emitted, "{function}");
    }
    subtask
}

/// State name, schema version, key, sub-key and value.
type SavedRow = (String, u32, Vec<u8>, Option<Vec<u8>>, Vec<u8>);

/// Every row of the state, in order.
fn rows(subtask: &mut OperatorSubtask) -> Vec<SavedRow> {
    let state = subtask.state_mut().unwrap();
    let states = state.stored_states();
    let mut rows = Vec::new();
    let note = |row: StateRow<'_>| {
        let of = &states[row.state];
        rows.push((of.name.clone(), of.schema_version, row.key.to_vec(), row.sub_key.map(<[u8]>::to_vec), row.value.unwrap().to_vec()));
    };
    state.for_each_row(MaxParallelism::new(Parallelism::MAX, Parallelism::ONE).unwrap(), note).unwrap();
    rows.sort();
    rows
}

/// Stops the subtask and starts `function` over its state as a restore does: row by row.
fn restarted(mut subtask: OperatorSubtask, function: &str) -> OperatorSubtask {
    let saved = subtask.state_mut().unwrap().stored_states();
    let old = subtask.into_state().unwrap();
    let mut state = KeyedState::new(&place(function, &[]).function.states, 9);
    let numbers = state.accept(&saved, &|_| false).unwrap();
    let groups = MaxParallelism::new(Parallelism::MAX, Parallelism::ONE).unwrap();
    old.for_each_row(groups, |row| state.load(&StateRow { state: numbers[row.state].unwrap(), ..row }).unwrap()).unwrap();
    state.loaded();
    start_over(function, OnError::Fail, state)
}

#[test]
fn counts_go_on_through_one_and_several_versions() {
    check(&[("count-1", "a:1 b:2", "a=1 b=2"), ("count-2", "a:1 c:1", "a=2 c=1")]);
    check(&[("count-1", "a:1 b:2", "a=1 b=2"), ("count-3", "a:1 c:1 b:1", "a=2 c=1 b=3")]);
    // When the third takes over, there are values of all versions.
    let mut subtask = check(&[("count-1", "a:1 b:2 c:3", "a=1 b=2 c=3"), ("count-2", "a:1 d:4", "a=2 d=4"), ("count-3", "a:1 b:1", "a=3 b=3")]);
    let versions = |subtask: &mut OperatorSubtask| rows(subtask).iter().map(|row| row.1).collect::<Vec<_>>();
    assert_eq!(versions(&mut subtask), [1, 2, 3, 3]);
    while subtask.migrate_some(1).unwrap() {}
    assert_eq!(versions(&mut subtask), [3, 3, 3, 3]);
    assert!(!subtask.has_stale());
    assert_eq!(feed(&mut subtask, "a:1 b:1 c:1 d:1").unwrap().0, "a=4 b=4 c=4 d=5");
    assert_eq!(subtask.counts().migrated, 5);
}

#[test]
fn entries_of_maps_and_lists_are_migrated_with_all_that_lies_under_their_key() {
    let background = |mut subtask: OperatorSubtask, records: &str, emitted: &str| {
        while subtask.migrate_some(2).unwrap() {}
        assert!(!subtask.has_stale());
        assert!(rows(&mut subtask).iter().all(|row| row.1 == 2 || row.3.as_ref().is_some_and(Vec::is_empty)));
        assert_eq!(feed(&mut subtask, records).unwrap().0, emitted);
    };
    background(check(&[("map-1", "a:1 bb:2 c:3", "a=1 bb=2 c=3"), ("map-2", "a:1 bb:1", "a=2 bb=3")]), "c:1 a:1", "c=4 a=3");
    background(check(&[("list-1", "a:1 a:2 b:3", "a=1 a=2 b=1"), ("list-2", "a:1 c:1", "a=3 c=1")]), "b:1 a:1", "b=2 a=4");
}

#[test]
fn a_version_that_takes_over_in_mid_stream_equals_one_that_was_restarted() {
    let check = |old: &str, new: &str| {
        let records = |from: u64| (from..from + 3000).map(|n| format!("w{}:{} ", n * n % 617, n % 11)).collect::<String>();
        let mut subtasks = [start(old, OnError::Fail), start(old, OnError::Fail)];
        subtasks.iter_mut().for_each(|subtask| drop(feed(subtask, &records(0)).unwrap()));
        let [mut swapped, stopped] = subtasks;
        swapped.replace(version(new, &[])).unwrap();
        let mut restarted = restarted(stopped, new);
        assert_eq!(feed(&mut swapped, &records(5000)).unwrap(), feed(&mut restarted, &records(5000)).unwrap(), "{old} to {new}");
        assert_eq!(rows(&mut swapped), rows(&mut restarted), "{old} to {new}");
        assert!(!rows(&mut swapped).is_empty());
    };
    check("count-1", "count-1");
    check("count-1", "count-2");
    check("count-1", "count-3");
    check("map-1", "map-2");
    check("list-1", "list-2");
    check("count-1", "count-and-last");
}

#[test]
fn a_picky_migration_is_the_affair_of_the_records_of_its_keys() {
    let upgraded = |on_error| {
        let mut subtask = start("count-1", on_error);
        feed(&mut subtask, "even:2 odd:3 other:5 last:4").unwrap();
        subtask.replace(version("count-2-picky", &[])).unwrap();
        subtask
    };
    let error: Error = feed(&mut upgraded(OnError::Fail), "even:1 odd:1").unwrap_err();
    assert!(error.what.contains("operator count (function count-2-picky, plugin sha256:"), "{error}");
    assert_eq!(error.why, "state count of key \"odd\" can't be migrated from schema version 1: 3 is odd");
    let error = upgraded(OnError::Fail).migrate_some(1000).unwrap_err();
    assert!(error.why.contains("is odd"), "{error}");

    for on_error in [OnError::Skip, OnError::DeadLetter] {
        let mut subtask = upgraded(on_error);
        let (emitted, dead) = feed(&mut subtask, "odd:1 even:1 new:1 odd:2").unwrap();
        assert_eq!(emitted, "even=3 new=1");
        let why = "odd: state count of key \"odd\" can't be migrated from schema version 1: 3 is odd";
        assert_eq!(dead, if on_error == OnError::DeadLetter { format!("{why}; {why}") } else { String::new() });
        while subtask.migrate_some(1).unwrap() {}
        let counts = subtask.counts();
        assert_eq!((counts.migrated, counts.unmigratable, counts.skipped + counts.dead_letters, counts.broken), (2, 2, 2, 0));
        let versions: Vec<_> = rows(&mut subtask).into_iter().map(|row| (String::from_utf8(row.2).unwrap(), row.1)).collect();
        let expect = [("even", 2), ("last", 2), ("new", 2), ("odd", 1), ("other", 1)].map(|(key, version)| (key.to_owned(), version));
        assert_eq!(versions.iter().cloned().collect::<std::collections::BTreeSet<_>>(), expect.into_iter().collect());
        // Once there is a version that takes them, nothing was lost.
        subtask.replace(version("count-2", &[])).unwrap();
        assert_eq!(feed(&mut subtask, "odd:1 other:1 even:1").unwrap().0, "odd=4 other=6 even=4");
    }
}

#[test]
fn a_plugin_says_what_it_can_migrate() {
    let check = |function: &str, state: &str, from_version: u32, why: Option<&str>| {
        let answer = plugin().migrates(place(function, &[]), InstanceLimits::default(), state, from_version);
        match (answer, why) {
            (Ok(()), None) => {}
            (Err(said), Some(why)) => assert!(said.contains(why), "{function}: {said}"),
            (answer, why) => panic!("{function}, state {state} from version {from_version}: {answer:?}, expected {why:?}"),
        }
    };
    check("count-2", "count", 1, None);
    check("count-3", "count", 1, None);
    check("count-3", "count", 2, None);
    check("count-2-picky", "count", 1, None);
    check("map-2", "by-length", 1, None);
    check("list-2", "increments", 1, None);
    check("count-2-no-migration", "count", 1, Some("no migration from schema version 1"));
    check("count-2", "count", 7, Some("no migration from schema version 7"));
    check("count-2", "other", 1, Some("no state `other`"));
    check("stateless-count", "count", 1, Some("no state `count`"));
}

#[test]
fn a_version_without_the_migration_fails_on_the_first_key_that_needs_it() {
    let mut subtask = start("count-1", OnError::Fail);
    feed(&mut subtask, "a:1").unwrap();
    subtask.replace(version("count-2-no-migration", &[])).unwrap();
    assert_eq!(feed(&mut subtask, "b:1").unwrap().0, "b=1");
    let error = feed(&mut subtask, "a:1").unwrap_err();
    assert!(error.why.contains("key \"a\"") && error.why.contains("no migration from schema version 1"), "{error}");
}

#[test]
fn a_version_that_cannot_take_over_is_refused_before_anything_happens() {
    let check = |old: &str, new: &str, dropped: &[&str], why: Option<&str>| {
        let mut subtask = start(old, OnError::Fail);
        feed(&mut subtask, "a:1").unwrap();
        let dropped_states = dropped.iter().map(|state| (*state).to_owned()).collect();
        match (subtask.replace(NewVersion { dropped_states, ..version(new, &[]) }), why) {
            (Ok(()), None) => drop(feed(&mut subtask, "a:1").unwrap()),
            (Err(error), Some(why)) => {
                assert!(error.why.contains(why), "{old} to {new}: {error}");
                assert_eq!(feed(&mut subtask, "a:1").unwrap().0, "a=2");
            }
            (result, why) => panic!("{old} to {new}: {result:?}, expected {why:?}"),
        }
    };
    check("count-1", "count-json", &[], Some("both have schema version 1"));
    check("count-1", "count-map", &[], Some("state count was a value and is a map now"));
    check("count-1", "last-only", &[], Some("no state count"));
    check("count-1", "last-only", &["count"], None);
    check("count-2", "count-1", &[], Some("newer than 1"));
    check("count-1", "stateless-count", &["count"], Some("stateless now"));
}

#[test]
fn a_shadow_finds_exactly_the_records_that_differ() {
    let batches: Vec<String> = (0..40).map(|batch| (0..500).map(|n| format!("w{}:1 ", (batch * 500 + n) * 7 % 901)).collect()).collect();
    let check = |function: &str, config: &[(&str, &str)], differ: &dyn Fn(u64) -> bool| {
        let mut alone = start("count-1", OnError::Fail);
        let mut subtask = start("count-1", OnError::Fail);
        let (mut records, mut emitted, mut differing) = (0, 0, 0);
        let mut keys = std::collections::BTreeSet::new();
        for (at, batch) in batches.iter().enumerate() {
            if at == 10 {
                subtask.begin_shadow(version(function, config), 3);
            }
            let found = feed(&mut subtask, batch).unwrap();
            assert_eq!(found, feed(&mut alone, batch).unwrap());
            if at >= 10 {
                records += batch.split_whitespace().count();
                for (word, count) in found.0.split_whitespace().map(|row| row.split_once('=').unwrap()) {
                    emitted += 1;
                    if differ(count.parse().unwrap()) {
                        differing += 1;
                        keys.insert(word.to_owned());
                    }
                }
            }
        }
        let counts = subtask.end_shadow().unwrap();
        assert_eq!((counts.ended.as_deref(), counts.failed, counts.records, counts.emitted), (None, 0, records as u64, emitted), "{function}");
        assert_eq!((counts.only_old, counts.only_new, counts.keys_differing), (differing, differing, keys.len() as u64), "{function}");
        assert_eq!(counts.examples.len(), 10.min(differing as usize), "{function}");
        for example in &counts.examples {
            let number = |row: &Option<weir_plugin::ShadowRow>| u64::from_le_bytes(row.as_ref().unwrap().value.as_slice().try_into().unwrap());
            assert_eq!(number(&example.new), number(&example.old) + 1000);
        }
        assert_eq!(counts.keys_copied, 901, "{function}");
        assert_eq!(rows(&mut subtask), rows(&mut alone), "{function}");
        assert_eq!(subtask.counts(), alone.counts(), "{function}");
    };
    check("count-1", &[], &|_| false);
    check("count-2", &[], &|_| false);
    check("count-3", &[], &|_| false);
    check("wrong-at", &[("at", "23")], &|count| count >= 23);
    check("wrong-at", &[("at", "15")], &|count| count >= 15);
}

#[test]
fn a_shadow_leaves_no_trace_in_what_is_saved() {
    let key_groups = MaxParallelism::new(Parallelism::MAX, Parallelism::ONE).unwrap();
    // What each checkpoint would write.
    let files = |function: Option<&str>| {
        let state = KeyedState::new(&place("count-1", &[]).function.states, 7).tracked(key_groups);
        let mut subtask = start_over("count-1", OnError::Skip, state);
        let (mut files, mut emitted) = (Vec::new(), Vec::new());
        for round in 0..4 {
            if let Some(function) = function.filter(|_| round == 1) {
                subtask.begin_shadow(version(function, &[("at", "2")]), 3);
            }
            for batch in 0..20 {
                let records: String = (0..200).map(|n| format!("word-{}-{round}:1 ", (batch * 200 + n) % (900 + 700 * round))).collect();
                let more: String = (0..50).map(|n| format!("word-{}-0:1 ", (batch * 31 + n * 17) % 900)).collect();
                emitted.push(feed(&mut subtask, &(records + &more)).unwrap());
            }
            let state = subtask.state_mut().unwrap();
            state.freeze(if round == 0 { SnapshotScope::Full } else { SnapshotScope::Changes });
            let mut captured = std::iter::from_fn(|| Some(state.capture(1000))).flatten().next().unwrap();
            while let Some(file) = captured.next_file().unwrap() {
                files.push(file.bytes);
            }
        }
        let ended = subtask.end_shadow().map(|counts| (counts.ended, counts.only_old, counts.failed > 0));
        (files, emitted, subtask.counts(), ended)
    };
    let alone = files(None);
    assert!(alone.0.len() >= 4 && alone.3.is_none());
    for (function, differs) in [("count-1", false), ("count-2", false), ("wrong-at", true), ("refuse-at", true)] {
        let beside = files(Some(function));
        assert_eq!((&beside.0, &beside.1, beside.2), (&alone.0, &alone.1, alone.2), "{function}");
        let (ended, only_old, failed) = beside.3.unwrap();
        assert_eq!((ended, only_old > 0, failed), (None, differs, function == "refuse-at"), "{function}");
    }
}

#[test]
fn a_shadow_copies_keys_that_lie_on_disk() {
    let dir = tempfile::tempdir().unwrap();
    let key_groups = MaxParallelism::new(Parallelism::MAX, Parallelism::ONE).unwrap();
    let state = KeyedState::new(&place("count-1", &[]).function.states, 7).tracked(key_groups).on_disk(&dir.path().join("state"), 64 * 1024).unwrap();
    let mut subtask = start_over("count-1", OnError::Fail, state);
    let records = |round: u64| (0..500).map(|n| format!("a-word-that-is-longer-than-most-{}:1 ", (round * 500 + n) % 8000)).collect::<String>();
    (0..16).for_each(|round| drop(feed(&mut subtask, &records(round)).unwrap()));
    subtask.begin_shadow(version("count-2", &[]), 3);
    for round in 16..48 {
        let (emitted, _) = feed(&mut subtask, &records(round)).unwrap();
        let count = format!("={}", round / 16 + 1);
        assert!(emitted.split_whitespace().all(|row| row.ends_with(&count)), "{emitted}");
    }
    let counts = subtask.end_shadow().unwrap();
    assert_eq!((counts.ended, counts.only_old, counts.only_new, counts.keys_copied), (None, 0, 0, 8000));
}

#[test]
fn a_shadow_that_refuses_records_has_failed_on_them_and_one_that_always_traps_ends() {
    let shadowed = |function: &str| {
        let mut subtask = start("count-1", OnError::Fail);
        feed(&mut subtask, "a:9").unwrap();
        subtask.begin_shadow(version(function, &[("at", "10")]), 3);
        assert_eq!(feed(&mut subtask, "a:1 b:1 a:1").unwrap().0, "a=10 b=1 a=11");
        let many: String = (0..200).map(|n| format!("c{n}:10 ")).collect();
        feed(&mut subtask, &many).unwrap();
        subtask.end_shadow().unwrap()
    };
    let refusing = shadowed("refuse-at");
    assert_eq!((refusing.failed, refusing.only_old, refusing.only_new, refusing.ended), (202, 202, 0, None));
    assert!(refusing.first_failure.unwrap().contains("the count would be 10, and it was told to refuse"));
    let trapping = shadowed("trap-at");
    assert_eq!((trapping.failed, trapping.ended.as_deref()), (2, Some("its instance broke more than 100 times")));
    assert!(trapping.first_failure.unwrap().contains("it was told to trap"));
}

#[test]
fn a_stateless_function_is_shadowed_by_one_of_its_kind_only() {
    let mut subtask = start("stateless-count", OnError::Fail);
    let mut counts = |function: &str| {
        subtask.begin_shadow(version(function, &[]), 3);
        assert_eq!(feed(&mut subtask, "a:1 b:2 a:3").unwrap().0, "a=1 b=1 a=1");
        subtask.end_shadow().unwrap()
    };
    let same = counts("stateless-count");
    assert_eq!((same.records, same.emitted, same.only_old, same.only_new, same.keys_copied, same.ended), (3, 3, 0, 0, 0, None));
    let keyed = counts("count-1");
    assert_eq!((keyed.records, keyed.ended.as_deref()), (0, Some("the function was stateless and is keyed now")));
}
