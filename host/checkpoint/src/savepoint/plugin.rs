//! The plugins that lie beside state, for a job whose own files are gone.

use bytes::Bytes;
use weir_model::id::{OperatorUid, PluginDigest};
use weir_model::{Error, Result};

use super::Snapshot;
use crate::manifest::OperatorSnapshot;
use crate::paths;
use crate::store::Store;

impl Snapshot {
    /// The newest checkpoint that can be read of a job in `dir`, a path or URL; `None`: it has none.
    ///
    /// # Errors
    /// When the store doesn't answer.
    pub async fn newest(dir: &str, job: &str) -> Result<Option<Self>> {
        let store = Store::open(dir, &paths::job_id(job))?;
        store.reach().await?;
        let found = store.survey().await?;
        match found.iter().filter(|found| found.manifest.is_ok()).max_by_key(|found| found.checkpoint) {
            None => Ok(None),
            Some(found) => Self::open(&found.location).await.map(Some),
        }
    }

    /// The one plugin that the job file named for all of these nodes, as far as they are in it, whatever they were swapped to since. A node is known by its UID, or
    /// by the one that it had before. `None`: the plugin isn't kept.
    ///
    /// # Errors
    /// When the nodes ran different ones, or the store doesn't answer.
    pub async fn plugin_of(&self, nodes: &[(&OperatorUid, Option<&OperatorUid>)]) -> Result<Option<(PluginDigest, Bytes)>> {
        let mut kept: Option<(&OperatorUid, PluginDigest, Bytes)> = None;
        for (uid, renamed_from) in nodes {
            let find = |uid: &OperatorUid| self.manifest.operators.iter().find(|operator| operator.uid == *uid);
            let Some(operator) = find(uid).or_else(|| find((*renamed_from)?)) else { continue };
            let Some((digest, bytes)) = self.component_of(operator).await? else { continue };
            match &kept {
                Some((other, known, _)) if *known != digest => {
                    let why = format!(
                        "`{other}` was of sha256:{} and `{uid}` of sha256:{} when {} was taken",
                        known.short(),
                        digest.short(),
                        self.location
                    );
                    return Err(Error::usage(
                        "the file is gone, and it is not clear which plugin it was",
                        why,
                        format!("copy the one that is meant from {}, and name it in the job file", self.store.display("plugins")),
                    ));
                }
                _ => kept = Some((uid, digest, bytes)),
            }
        }
        Ok(kept.map(|(_, digest, bytes)| (digest, bytes)))
    }

    async fn component_of(&self, operator: &OperatorSnapshot) -> Result<Option<(PluginDigest, Bytes)>> {
        let Some(digest) = operator.file_digest else { return Ok(None) };
        Ok(self.store.get_component(digest).await?.map(|bytes| (digest, bytes)))
    }
}
