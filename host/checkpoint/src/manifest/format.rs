//! The manifest as it is stored: types of its own, encoded with postcard, in an envelope with magic, version, length and checksum.

use serde::{Deserialize, Serialize};
use weir_model::codec::Codec;
use weir_model::describe::{StateDescriptor, StateKind};
use weir_model::id::{CheckpointId, OperatorUid, PluginDigest};
use xxhash_rust::xxh3::xxh3_64;

use super::{
    FileEntry, FileScope, JobIdentity, Manifest, ManifestKind, NextVersion, OperatorKind, OperatorSnapshot, OwnerEpoch, Probation, SubtaskSnapshot,
    Thresholds,
};

mod check;

#[cfg(test)]
mod tests;

/// What a manifest begins with.
const MAGIC: [u8; 8] = *b"WEIRCHKP";

/// The version that is written.
const FORMAT_VERSION: u32 = 2;
/// The version before, which is still read: the same without what [`ManifestV2`] adds.
const FORMAT_VERSION_1: u32 = 1;

/// Magic, version, checksum, length of the body.
const HEADER_BYTES: usize = 8 + 4 + 8 + 8;

/// The longest body: far above what the largest job needs, far below what would hurt.
const BODY_BYTES_MAX: u64 = 256 << 20;

/// The longest manifest as a file.
pub(crate) const MANIFEST_BYTES_MAX: u64 = BODY_BYTES_MAX + HEADER_BYTES as u64;

/// What is wrong with the bytes of a manifest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ManifestError {
    /// Shorter than the envelope.
    #[error("it has {bytes} bytes, and the envelope alone has {HEADER_BYTES}")]
    Truncated {
        /// Bytes there are.
        bytes: u64,
    },
    /// Something else than a manifest.
    #[error("it doesn't begin with the mark of a manifest")]
    NotAManifest,
    /// Written by a weir that this one doesn't know.
    #[error("its format version is {version}, and this weir reads versions up to {FORMAT_VERSION}")]
    Version {
        /// The version it claims.
        version: u32,
    },
    /// Cut short, or with something behind it.
    #[error("its envelope announces {announced} bytes of content, and there are {found}")]
    Length {
        /// What the envelope says.
        announced: u64,
        /// What there is.
        found: u64,
    },
    /// Larger than any manifest.
    #[error("its content of {bytes} bytes is larger than a manifest may be ({BODY_BYTES_MAX} bytes)")]
    TooLarge {
        /// Its size.
        bytes: u64,
    },
    /// Some byte was changed.
    #[error("its checksum is wrong")]
    Checksum,
    /// The checksum is right and the content can't be read.
    #[error("its content can't be read: {why}")]
    Content {
        /// What the reader says.
        why: String,
    },
    /// The content contradicts itself.
    #[error("its content contradicts itself: {what}")]
    Contradiction {
        /// What doesn't fit.
        what: String,
    },
}

/// Version 2: what it adds stands behind what version 1 has.
#[derive(Serialize, Deserialize)]
struct ManifestV2 {
    first: ManifestV1,
    /// One for each operator, in the same order.
    operators: Vec<OperatorV2>,
    probation: Option<ProbationV2>,
}

#[derive(Default, Serialize, Deserialize)]
struct OperatorV2 {
    file_digest: Option<[u8; 32]>,
    is_swapped: bool,
    next: Option<NextV2>,
    has_component: bool,
    imports: Vec<String>,
    key_codec: Option<String>,
    file_function: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct NextV2 {
    digest: [u8; 32],
    function: String,
}

#[derive(Serialize, Deserialize)]
struct ProbationV2 {
    since: u64,
    left: u32,
    uids: Vec<String>,
    traps_max: u64,
    errors_ppm_max: u32,
    call_ms_max: Option<u64>,
}

#[derive(Serialize, Deserialize)]
struct ManifestV1 {
    checkpoint: u64,
    owner_epoch: u64,
    kind: KindV1,
    job_name: String,
    job_id: String,
    max_parallelism: u32,
    hash_function: String,
    triggered_ms: i64,
    completed_ms: i64,
    retained: Vec<u64>,
    operators: Vec<OperatorV1>,
}

#[derive(Serialize, Deserialize)]
enum KindV1 {
    Checkpoint,
    Drain,
    Stop,
    /// Since version 2.
    Savepoint,
}

#[derive(Serialize, Deserialize)]
struct OperatorV1 {
    uid: String,
    kind: OperatorKindV1,
    function: String,
    plugin_digest: Option<[u8; 32]>,
    contract: String,
    parallelism: u32,
    states: Vec<StateV1>,
    subtasks: Vec<SubtaskV1>,
}

#[derive(Serialize, Deserialize)]
enum OperatorKindV1 {
    Source,
    Operator,
    Sink,
}

#[derive(Serialize, Deserialize)]
struct StateV1 {
    name: String,
    kind: StateKindV1,
    codec: String,
    schema_version: u32,
    ttl_ms: u64,
}

#[derive(Serialize, Deserialize)]
enum StateKindV1 {
    Value,
    List,
    Map,
}

#[derive(Serialize, Deserialize)]
struct SubtaskV1 {
    files: Vec<FileV1>,
    position: Vec<u8>,
    handles: Vec<Vec<u8>>,
    in_flight: Option<FileV1>,
}

#[derive(Serialize, Deserialize)]
struct FileV1 {
    path: String,
    scope: ScopeV1,
    rows: u64,
    bytes: u64,
    checksum: u64,
    key_groups: (u32, u32),
}

#[derive(Serialize, Deserialize)]
enum ScopeV1 {
    Full,
    Changes,
}

/// The envelope around the body.
pub(super) fn encode(manifest: &Manifest) -> Result<Vec<u8>, ManifestError> {
    check::consistent(manifest)?;
    let body = postcard::to_allocvec(&stored(manifest)).map_err(|error| ManifestError::Content { why: error.to_string() })?;
    let body_bytes = body.len() as u64;
    if body_bytes > BODY_BYTES_MAX {
        return Err(ManifestError::TooLarge { bytes: body_bytes });
    }
    let mut bytes = Vec::with_capacity(HEADER_BYTES + body.len());
    bytes.extend_from_slice(&MAGIC);
    bytes.extend_from_slice(&FORMAT_VERSION.to_le_bytes());
    bytes.extend_from_slice(&xxh3_64(&body).to_le_bytes());
    bytes.extend_from_slice(&body_bytes.to_le_bytes());
    bytes.extend_from_slice(&body);
    Ok(bytes)
}

/// Checks the envelope from the outside in, so that the first thing wrong is what is named.
pub(super) fn decode(bytes: &[u8]) -> Result<Manifest, ManifestError> {
    let truncated = ManifestError::Truncated { bytes: bytes.len() as u64 };
    let (Some((magic, rest)), true) = (bytes.split_first_chunk::<8>(), bytes.len() >= HEADER_BYTES) else { return Err(truncated) };
    if *magic != MAGIC {
        return Err(ManifestError::NotAManifest);
    }
    let Some((version, rest)) = rest.split_first_chunk::<4>() else { return Err(truncated) };
    let Some((checksum, rest)) = rest.split_first_chunk::<8>() else { return Err(truncated) };
    let Some((announced, body)) = rest.split_first_chunk::<8>() else { return Err(truncated) };
    let (version, checksum, announced) = (u32::from_le_bytes(*version), u64::from_le_bytes(*checksum), u64::from_le_bytes(*announced));
    if version != FORMAT_VERSION && version != FORMAT_VERSION_1 {
        return Err(ManifestError::Version { version });
    }
    if announced != body.len() as u64 {
        return Err(ManifestError::Length { announced, found: body.len() as u64 });
    }
    if announced > BODY_BYTES_MAX {
        return Err(ManifestError::TooLarge { bytes: announced });
    }
    if xxh3_64(body) != checksum {
        return Err(ManifestError::Checksum);
    }
    let stored = if version == FORMAT_VERSION_1 {
        let first: ManifestV1 = whole(body)?;
        let operators = first.operators.iter().map(|_| OperatorV2::default()).collect();
        ManifestV2 { first, operators, probation: None }
    } else {
        whole(body)?
    };
    let manifest = loaded(stored)?;
    check::consistent(&manifest)?;
    Ok(manifest)
}

/// All of `body` as one value.
fn whole<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, ManifestError> {
    // Postcard never allocates more than the bytes that are left, whatever a length in them says.
    let (value, rest) = postcard::take_from_bytes(body).map_err(|error| ManifestError::Content { why: error.to_string() })?;
    if rest.is_empty() { Ok(value) } else { Err(ManifestError::Content { why: format!("{} bytes follow it", rest.len()) }) }
}

fn stored(manifest: &Manifest) -> ManifestV2 {
    let probation = manifest.probation.as_ref().map(|probation| ProbationV2 {
        since: probation.since.0,
        left: probation.left,
        uids: probation.uids.iter().map(ToString::to_string).collect(),
        traps_max: probation.thresholds.traps_max,
        errors_ppm_max: probation.thresholds.errors_ppm_max,
        call_ms_max: probation.thresholds.call_ms_max,
    });
    let operator = |operator: &OperatorSnapshot| OperatorV2 {
        file_digest: operator.file_digest.map(|digest| digest.0),
        is_swapped: operator.is_swapped,
        next: operator.next.as_ref().map(|next| NextV2 { digest: next.digest.0, function: next.function.clone() }),
        has_component: operator.has_component,
        imports: operator.imports.clone(),
        key_codec: operator.key_codec.as_ref().map(|codec| codec.name().to_owned()),
        file_function: operator.file_function.clone(),
    };
    ManifestV2 { first: stored_first(manifest), operators: manifest.operators.iter().map(operator).collect(), probation }
}

fn stored_first(manifest: &Manifest) -> ManifestV1 {
    ManifestV1 {
        checkpoint: manifest.checkpoint.0,
        owner_epoch: manifest.owner_epoch.0,
        kind: match manifest.kind {
            ManifestKind::Checkpoint => KindV1::Checkpoint,
            ManifestKind::Drain => KindV1::Drain,
            ManifestKind::Stop => KindV1::Stop,
            ManifestKind::Savepoint => KindV1::Savepoint,
        },
        job_name: manifest.job.name.clone(),
        job_id: manifest.job.id.clone(),
        max_parallelism: manifest.max_parallelism,
        hash_function: manifest.hash_function.clone(),
        triggered_ms: manifest.triggered_ms,
        completed_ms: manifest.completed_ms,
        retained: manifest.retained.iter().map(|checkpoint| checkpoint.0).collect(),
        operators: manifest.operators.iter().map(stored_operator).collect(),
    }
}

fn stored_operator(operator: &OperatorSnapshot) -> OperatorV1 {
    OperatorV1 {
        uid: operator.uid.to_string(),
        kind: match operator.kind {
            OperatorKind::Source => OperatorKindV1::Source,
            OperatorKind::Operator => OperatorKindV1::Operator,
            OperatorKind::Sink => OperatorKindV1::Sink,
        },
        function: operator.function.clone(),
        plugin_digest: operator.plugin_digest.map(|digest| digest.0),
        contract: operator.contract.clone(),
        parallelism: operator.parallelism,
        states: operator.states.iter().map(stored_state).collect(),
        subtasks: operator.subtasks.iter().map(stored_subtask).collect(),
    }
}

fn stored_state(state: &StateDescriptor) -> StateV1 {
    StateV1 {
        name: state.name.clone(),
        kind: match state.kind {
            StateKind::Value => StateKindV1::Value,
            StateKind::List => StateKindV1::List,
            StateKind::Map => StateKindV1::Map,
        },
        codec: state.value.name().to_owned(),
        schema_version: state.schema_version,
        ttl_ms: state.ttl_ms,
    }
}

fn stored_subtask(subtask: &SubtaskSnapshot) -> SubtaskV1 {
    SubtaskV1 {
        files: subtask.files.iter().map(stored_file).collect(),
        position: subtask.position.clone(),
        handles: subtask.handles.clone(),
        in_flight: subtask.in_flight.as_ref().map(stored_file),
    }
}

fn stored_file(file: &FileEntry) -> FileV1 {
    FileV1 {
        path: file.path.clone(),
        scope: match file.scope {
            FileScope::Full => ScopeV1::Full,
            FileScope::Changes => ScopeV1::Changes,
        },
        rows: file.rows,
        bytes: file.bytes,
        checksum: file.checksum,
        key_groups: (file.key_groups.start, file.key_groups.end),
    }
}

fn loaded(stored: ManifestV2) -> Result<Manifest, ManifestError> {
    let ManifestV2 { first: stored, operators: added, probation } = stored;
    if stored.operators.len() != added.len() {
        let what = format!("it has {} operators in one place and {} in another", stored.operators.len(), added.len());
        return Err(ManifestError::Contradiction { what });
    }
    Ok(Manifest {
        checkpoint: CheckpointId(stored.checkpoint),
        owner_epoch: OwnerEpoch(stored.owner_epoch),
        kind: match stored.kind {
            KindV1::Checkpoint => ManifestKind::Checkpoint,
            KindV1::Drain => ManifestKind::Drain,
            KindV1::Stop => ManifestKind::Stop,
            KindV1::Savepoint => ManifestKind::Savepoint,
        },
        job: JobIdentity { name: stored.job_name, id: stored.job_id },
        max_parallelism: stored.max_parallelism,
        hash_function: stored.hash_function,
        triggered_ms: stored.triggered_ms,
        completed_ms: stored.completed_ms,
        retained: stored.retained.into_iter().map(CheckpointId).collect(),
        probation: probation.map(loaded_probation).transpose()?,
        operators: stored.operators.into_iter().zip(added).map(loaded_operator).collect::<Result<_, _>>()?,
    })
}

fn loaded_probation(stored: ProbationV2) -> Result<Probation, ManifestError> {
    let ProbationV2 { since, left, uids, traps_max, errors_ppm_max, call_ms_max } = stored;
    Ok(Probation {
        since: CheckpointId(since),
        left,
        uids: uids.iter().map(|uid| loaded_uid(uid)).collect::<Result<_, _>>()?,
        thresholds: Thresholds { traps_max, errors_ppm_max, call_ms_max },
    })
}

fn loaded_uid(uid: &str) -> Result<OperatorUid, ManifestError> {
    OperatorUid::new(uid).map_err(|error| ManifestError::Contradiction { what: error.to_string() })
}

fn loaded_operator((stored, added): (OperatorV1, OperatorV2)) -> Result<OperatorSnapshot, ManifestError> {
    Ok(OperatorSnapshot {
        uid: loaded_uid(&stored.uid)?,
        kind: match stored.kind {
            OperatorKindV1::Source => OperatorKind::Source,
            OperatorKindV1::Operator => OperatorKind::Operator,
            OperatorKindV1::Sink => OperatorKind::Sink,
        },
        function: stored.function,
        plugin_digest: stored.plugin_digest.map(PluginDigest),
        file_digest: added.file_digest.map(PluginDigest),
        file_function: added.file_function,
        is_swapped: added.is_swapped,
        next: added.next.map(|next| NextVersion { digest: PluginDigest(next.digest), function: next.function }),
        has_component: added.has_component,
        contract: stored.contract,
        imports: added.imports,
        key_codec: added.key_codec.as_deref().map(Codec::from_name),
        parallelism: stored.parallelism,
        states: stored.states.into_iter().map(loaded_state).collect(),
        subtasks: stored.subtasks.into_iter().map(loaded_subtask).collect(),
    })
}

fn loaded_state(stored: StateV1) -> StateDescriptor {
    StateDescriptor {
        name: stored.name,
        kind: match stored.kind {
            StateKindV1::Value => StateKind::Value,
            StateKindV1::List => StateKind::List,
            StateKindV1::Map => StateKind::Map,
        },
        value: Codec::from_name(&stored.codec),
        schema_version: stored.schema_version,
        ttl_ms: stored.ttl_ms,
    }
}

fn loaded_subtask(stored: SubtaskV1) -> SubtaskSnapshot {
    SubtaskSnapshot {
        files: stored.files.into_iter().map(loaded_file).collect(),
        position: stored.position,
        handles: stored.handles,
        in_flight: stored.in_flight.map(loaded_file),
    }
}

fn loaded_file(stored: FileV1) -> FileEntry {
    FileEntry {
        path: stored.path,
        scope: match stored.scope {
            ScopeV1::Full => FileScope::Full,
            ScopeV1::Changes => FileScope::Changes,
        },
        rows: stored.rows,
        bytes: stored.bytes,
        checksum: stored.checksum,
        key_groups: stored.key_groups.0..stored.key_groups.1,
    }
}
