//! A manifest for tests.

use weir_model::codec::Codec;
use weir_model::describe::StateKind;

use super::*;

/// A source, a counting operator and a sink, with `files` as the state of the operator's first subtask.
pub(crate) fn manifest(checkpoint: u64, epoch: u64, files: &[&str]) -> Manifest {
    let operator = |uid: &str, kind, subtasks: Vec<SubtaskSnapshot>| OperatorSnapshot {
        uid: OperatorUid::new(uid).unwrap(),
        kind,
        function: uid.to_owned(),
        plugin_digest: (kind == OperatorKind::Operator).then_some(PluginDigest([7; 32])),
        file_digest: (kind == OperatorKind::Operator).then_some(PluginDigest([6; 32])),
        file_function: (kind == OperatorKind::Operator).then(|| "count".to_owned()),
        is_swapped: kind == OperatorKind::Operator,
        next: (kind == OperatorKind::Operator).then(|| NextVersion { digest: PluginDigest([8; 32]), function: "count-2".to_owned() }),
        has_component: kind == OperatorKind::Operator,
        contract: "0.1.0".to_owned(),
        imports: vec!["weir:output/output@0.1.0".to_owned()],
        key_codec: (kind == OperatorKind::Operator).then_some(Codec::Utf8),
        parallelism: subtasks.len() as u32,
        states: Vec::new(),
        subtasks,
    };
    let source = operator("lines", OperatorKind::Source, vec![SubtaskSnapshot { position: vec![1, 2, 3], ..SubtaskSnapshot::default() }]);
    let groups = [0..64, 64..128];
    let scope = |place| if place == 0 { FileScope::Full } else { FileScope::Changes };
    let entries = files.iter().enumerate().map(|(place, path)| file(path, scope(place), groups[0].clone())).collect();
    let first =
        SubtaskSnapshot { files: entries, in_flight: Some(file("shared/count/in-flight-0", FileScope::Full, 0..64)), ..SubtaskSnapshot::default() };
    let second = SubtaskSnapshot {
        files: vec![file("shared/count/other", FileScope::Full, groups[1].clone())],
        in_flight: None,
        ..SubtaskSnapshot::default()
    };
    let mut count = operator("count", OperatorKind::Operator, vec![first, second]);
    count.states.push(StateDescriptor {
        name: "n".to_owned(),
        kind: StateKind::Map,
        value: Codec::from_name("u64"),
        schema_version: 2,
        ttl_ms: 5000,
    });
    let handles = vec![b"part-0-0".to_vec(), b"part-0-1".to_vec()];
    let sink = operator("out", OperatorKind::Sink, vec![SubtaskSnapshot { position: vec![9], handles, ..SubtaskSnapshot::default() }]);
    Manifest {
        checkpoint: CheckpointId(checkpoint),
        owner_epoch: OwnerEpoch(epoch),
        kind: ManifestKind::Checkpoint,
        job: JobIdentity { name: "word count".to_owned(), id: "word-count.0".to_owned() },
        max_parallelism: 128,
        hash_function: HASH_FUNCTION.to_owned(),
        triggered_ms: 1_000,
        completed_ms: 1_020,
        retained: Vec::new(),
        probation: None,
        operators: vec![source, count, sink],
    }
}

pub(crate) fn file(path: &str, scope: FileScope, key_groups: Range<u32>) -> FileEntry {
    FileEntry { path: path.to_owned(), scope, rows: 10, bytes: 1000, checksum: 0xfeed, key_groups }
}
