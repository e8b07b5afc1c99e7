//! The committers of a job's sinks: all that makes output visible goes through here.

use weir_checkpoint::permit::{CommitPermit, DurableCheckpoint};
use weir_connect::sink::Committer;
use weir_model::id::OperatorUid;
use weir_model::{Error, Result};

use crate::plan::{Plan, PlannedKind};

/// One committer for each sink.
pub(crate) struct Committers(Vec<(OperatorUid, Committer)>);

impl Committers {
    /// Those of a plan's sinks.
    pub(crate) fn of(plan: &Plan) -> Self {
        let mut committers = Vec::new();
        for node in &plan.nodes {
            if let PlannedKind::Sink(config) = &node.kind {
                committers.push((node.uid.clone(), config.committer(&node.uid)));
            }
        }
        Self(committers)
    }

    /// Commits what a checkpoint names; again: changes nothing.
    ///
    /// # Errors
    /// When something can't be committed, or nobody knows whether it is.
    pub(crate) async fn commit(&self, durable: &DurableCheckpoint) -> Result<()> {
        let permit = durable.permit();
        for (uid, handles) in durable.manifest().handles() {
            let takes = |(of, committer): &(OperatorUid, Committer)| of == uid && committer.takes_handles();
            if !handles.is_empty() && !self.0.iter().any(takes) {
                return Err(pending(durable, uid));
            }
        }
        for (uid, committer) in &self.0 {
            let handles = handles_of(durable, uid);
            committer.commit(&permit, &handles).await?;
        }
        Ok(())
    }

    /// Throws away what attempts before this one have prepared and `durable` doesn't name.
    ///
    /// # Errors
    /// When something can't be removed, or is in use by another run.
    pub(crate) async fn abort_others(&self, durable: Option<&DurableCheckpoint>) -> Result<()> {
        for (uid, committer) in &self.0 {
            let keep = durable.map(|durable| handles_of(durable, uid)).unwrap_or_default();
            committer.abort_others(&keep).await?;
        }
        Ok(())
    }

    /// Commits the output of a job without checkpoints.
    ///
    /// # Errors
    /// As [`Self::commit`].
    pub(crate) async fn commit_all(&self, permit: &CommitPermit, handles: &[(OperatorUid, Vec<Vec<u8>>)]) -> Result<()> {
        for (uid, committer) in &self.0 {
            let handles: Vec<Vec<u8>> = handles.iter().filter(|(of, _)| of == uid).flat_map(|(_, handles)| handles.iter().cloned()).collect();
            committer.commit(permit, &handles).await?;
        }
        Ok(())
    }

    /// The job has ended and everything is committed.
    ///
    /// # Errors
    /// When an end marker can't be written.
    pub(crate) async fn finish(&self, permit: &CommitPermit) -> Result<()> {
        for (_, committer) in &self.0 {
            committer.finish(permit).await?;
        }
        Ok(())
    }
}

/// The sink that the output belongs to isn't there to commit it.
fn pending(durable: &DurableCheckpoint, uid: &OperatorUid) -> Error {
    Error::incompatible(
        format!("the sink `{uid}` of {}", weir_checkpoint::paths::checkpoint(durable.checkpoint())),
        "the checkpoint holds output that is not committed yet, and the job has no such sink any more that could",
        format!("run the job once with `{uid}` as it was, stop it with Ctrl-C, and change the sink then"),
    )
}

fn handles_of(durable: &DurableCheckpoint, uid: &OperatorUid) -> Vec<Vec<u8>> {
    durable.manifest().handles().find(|(of, _)| *of == uid).map(|(_, handles)| handles).unwrap_or_default()
}
