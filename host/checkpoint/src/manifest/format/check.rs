//! What must hold of every manifest, whoever made it.

use std::collections::BTreeSet;

use super::ManifestError;
use crate::manifest::{FileEntry, FileScope, Manifest, OperatorSnapshot};
use crate::paths;

/// Refuses a manifest that contradicts itself, before it is written and after it is read.
pub(super) fn consistent(manifest: &Manifest) -> Result<(), ManifestError> {
    if manifest.checkpoint.0 == 0 || manifest.owner_epoch.0 == 0 {
        return refuse(format!("checkpoint {} of owner {}: both count from 1", manifest.checkpoint, manifest.owner_epoch));
    }
    if !(1..=32_768).contains(&manifest.max_parallelism) {
        return refuse(format!("max-parallelism is {}", manifest.max_parallelism));
    }
    if let Some(retained) = manifest.retained.iter().find(|retained| **retained >= manifest.checkpoint) {
        return refuse(format!("checkpoint {retained} is said to be older than {}", manifest.checkpoint));
    }
    if let Some(probation) = manifest.probation.as_ref().filter(|probation| probation.since > manifest.checkpoint || probation.left == 0) {
        return refuse(format!("a trial since checkpoint {} has {} left", probation.since, probation.left));
    }
    let mut uids = BTreeSet::new();
    for operator in &manifest.operators {
        if !uids.insert(&operator.uid) {
            return refuse(format!("{} is there twice", operator.uid));
        }
        consistent_operator(operator, manifest.max_parallelism)?;
    }
    Ok(())
}

fn consistent_operator(operator: &OperatorSnapshot, max_parallelism: u32) -> Result<(), ManifestError> {
    let uid = &operator.uid;
    if operator.parallelism == 0 || operator.parallelism as usize != operator.subtasks.len() {
        return refuse(format!("{uid} has parallelism {} and {} subtasks", operator.parallelism, operator.subtasks.len()));
    }
    for subtask in &operator.subtasks {
        for file in subtask.files.iter().chain(&subtask.in_flight) {
            consistent_file(file, max_parallelism).or_else(|what| refuse(format!("{uid}: file {}: {what}", file.path)))?;
        }
        // A large full snapshot is several files.
        if !subtask.files.is_sorted_by_key(|file| file.scope == FileScope::Changes) {
            return refuse(format!("{uid} has a full file behind one with changes"));
        }
    }
    Ok(())
}

fn consistent_file(file: &FileEntry, max_parallelism: u32) -> Result<(), String> {
    if !paths::is_safe(&file.path) {
        return Err("the path leads out of the job's folder".to_owned());
    }
    let groups = &file.key_groups;
    if groups.start > groups.end || groups.end > max_parallelism {
        return Err(format!("key groups {} to {} of {max_parallelism}", groups.start, groups.end));
    }
    Ok(())
}

fn refuse<T>(what: String) -> Result<T, ManifestError> {
    Err(ManifestError::Contradiction { what })
}
