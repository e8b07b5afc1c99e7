//! Each verdict, and what a user is told to do.

use super::*;
use crate::manifest::sample;

fn uid(text: &str) -> OperatorUid {
    OperatorUid::new(text).unwrap()
}

fn state(name: &str, kind: StateKind, codec: &str, schema_version: u32) -> StateDescriptor {
    StateDescriptor { name: name.to_owned(), kind, value: Codec::from_name(codec), schema_version, ttl_ms: 0 }
}

/// A job that fits the sample's manifest as it is.
fn job() -> Vec<JobOperator> {
    let node = |name: &str, kind| JobOperator { uid: uid(name), renamed_from: None, kind, parallelism: Parallelism::ONE, code: None };
    let code = Code {
        function: "count".to_owned(),
        digest: PluginDigest([7; 32]),
        imports: Vec::new(),
        key_codec: Some(Codec::Utf8),
        states: vec![state("n", StateKind::Map, "u64", 2)],
    };
    let count = JobOperator { code: Some(code), ..node("count", OperatorKind::Operator) };
    vec![node("lines", OperatorKind::Source), count, node("out", OperatorKind::Sink)]
}

fn groups(count: u32) -> MaxParallelism {
    MaxParallelism::new(Parallelism::new(count).unwrap(), Parallelism::ONE).unwrap()
}

/// Changes the job and the manifest; what becomes of each node, or what is said.
#[track_caller]
fn check(change: impl Fn(&mut Manifest, &mut Vec<JobOperator>), dropped: &[&str], expected: Result<&[(&str, Verdict)], &str>) {
    let (mut manifest, mut job) = (sample::manifest(5, 1, &["shared/count/a"]), job());
    change(&mut manifest, &mut job);
    let dropped: Vec<_> = dropped.iter().map(|text| text.parse().unwrap()).collect();
    let given_up = GivenUp { states: &dropped, ..GivenUp::default() };
    let migrations = |_: &JobOperator, state: &str, from: u32| if state == "n" && from == 2 { Ok(()) } else { Err("it knows none".to_owned()) };
    let comparison = compare(&manifest, "chk-5", groups(128), &job, given_up, &migrations);
    match (comparison.check(), expected) {
        (Ok(()), Ok(expected)) => {
            let found: Vec<_> = comparison.nodes.iter().map(|node| (node.uid.as_str(), node.verdict)).collect();
            assert_eq!(found, expected);
        }
        (Err(error), Err(text)) => assert!(error.to_string().contains(text), "{error}, expected {text}"),
        (result, expected) => panic!("{result:?}, expected {expected:?}"),
    }
}

fn states(job: &mut [JobOperator], states: Vec<StateDescriptor>) {
    job[1].code.as_mut().unwrap().states = states;
}

use Verdict::{Dropped, Kept, Migrated, New};

const SAME: &[(&str, Verdict)] = &[("lines", Kept), ("count", Kept), ("out", Kept)];

#[test]
fn what_is_the_same_is_kept_whatever_its_order_and_parallelism() {
    check(|_, _| {}, &[], Ok(SAME));
    check(|_, job| job[1].parallelism = Parallelism::new(7).unwrap(), &[], Ok(SAME));
    check(|_, job| job.reverse(), &[], Ok(&[("out", Kept), ("count", Kept), ("lines", Kept)]));
    check(|_, job| job[1].code.as_mut().unwrap().function = "other".to_owned(), &[], Ok(SAME));
}

#[test]
fn a_node_that_the_snapshot_doesn_t_know_is_new() {
    check(
        |_, job| job.push(JobOperator { uid: uid("more"), ..job[1].clone() }),
        &[],
        Ok(&[("lines", Kept), ("count", Kept), ("out", Kept), ("more", New)]),
    );
}

#[test]
fn a_node_that_is_gone_must_be_given_up_by_name_or_have_a_successor() {
    check(|_, job| drop(job.remove(1)), &[], Err("`count` of chk-5 isn't in the job any more: its state would be lost"));
    check(|_, job| drop(job.remove(1)), &[], Err("renamed-from = \"count\""));
    check(|_, job| drop(job.remove(1)), &["count"], Ok(&[("lines", Kept), ("out", Kept), ("count", Dropped)]));
    check(|_, job| drop(job.remove(2)), &["out"], Err("not be committed yet"));
    let renamed = |_: &mut Manifest, job: &mut Vec<JobOperator>| {
        job[1].renamed_from = Some(uid("count"));
        job[1].uid = uid("total");
    };
    check(renamed, &[], Ok(&[("lines", Kept), ("total", Kept), ("out", Kept)]));
}

#[test]
fn another_kind_of_node_or_key_is_refused() {
    check(|_, job| job[1].kind = OperatorKind::Sink, &[], Err("was of kind operator and is of kind sink now"));
    check(|_, job| job[1].code.as_mut().unwrap().key_codec = Some(Codec::Json), &[], Err("its keys were utf8 and are json now"));
    check(
        |_, job| job[1].code.as_mut().unwrap().key_codec = Some(Codec::Json),
        &["count"],
        Ok(&[("lines", Kept), ("count", Dropped), ("out", Kept)]),
    );
}

#[test]
fn each_state_is_found_by_name_and_version() {
    let n = |kind, codec: &str, version| state("n", kind, codec, version);
    let set = |list: Vec<StateDescriptor>| move |_: &mut Manifest, job: &mut Vec<JobOperator>| states(job, list.clone());
    let map = StateKind::Map;
    check(set(vec![n(map, "u64", 2), state("m", StateKind::Value, "utf8", 1)]), &[], Ok(SAME));
    check(set(vec![n(map, "postcard:N/1", 3)]), &[], Ok(&[("lines", Kept), ("count", Migrated), ("out", Kept)]));
    check(set(vec![n(map, "u64", 1)]), &[], Err("have schema version 2, and the function is older: it knows version 1"));
    check(set(vec![n(map, "json", 2)]), &[], Err("were u64 and are json now, under the same schema version 2"));
    check(set(vec![n(StateKind::Value, "u64", 2)]), &[], Err("was a map and is a value now"));
    check(set(Vec::new()), &[], Err("has no state `n` any more"));
    check(set(Vec::new()), &[], Err("--drop-state count.n"));
    check(set(Vec::new()), &["count.n"], Ok(&[("lines", Kept), ("count", Dropped), ("out", Kept)]));
    check(set(vec![n(map, "u64", 2)]), &["count.n"], Ok(&[("lines", Kept), ("count", Dropped), ("out", Kept)]));
    check(set(vec![n(map, "u64", 2)]), &["count.other"], Err("`count` has no state `other` in chk-5"));
    check(
        set(vec![n(map, "u64", 2)]),
        &["cuont"],
        Err("chk-5 has no node `cuont` (leave it out if that was given up before; otherwise did you mean `count`?)"),
    );
    check(set(vec![n(map, "json", 2)]), &["count.n"], Ok(&[("lines", Kept), ("count", Dropped), ("out", Kept)]));
    let older = |manifest: &mut Manifest, job: &mut Vec<JobOperator>| {
        manifest.operators[1].states.push(state("n", StateKind::Map, "u64", 1));
        states(job, vec![state("n", StateKind::Map, "u64", 3)]);
    };
    check(older, &[], Err("schema version 1 and the function's 3, and there is no migration: it knows none"));
    let no_rows = |manifest: &mut Manifest, job: &mut Vec<JobOperator>| {
        manifest.operators[1].subtasks.iter_mut().flat_map(|subtask| &mut subtask.files).for_each(|file| file.rows = 0);
        states(job, Vec::new());
    };
    check(no_rows, &[], Ok(&[("lines", Kept), ("count", Dropped), ("out", Kept)]));
}

#[test]
fn other_key_groups_are_refused() {
    check(|manifest, _| manifest.max_parallelism = 256, &[], Err("weir savepoint rekey"));
    check(|manifest, _| manifest.hash_function = "crc32".to_owned(), &[], Err("crc32"));
}
