//! What an attempt goes on from, found and opened: a checkpoint of the job's own, a savepoint, or nothing.

use std::sync::Arc;

use weir_checkpoint::manifest::Manifest;
use weir_checkpoint::permit::DurableCheckpoint;
use weir_checkpoint::savepoint::Snapshot;
use weir_checkpoint::store::{StartedFrom, Store};
use weir_checkpoint::{paths, store::Start};
use weir_model::Result;

/// A snapshot that an attempt goes on from.
pub(crate) struct Origin {
    pub(crate) durable: Arc<DurableCheckpoint>,
    /// Where its files are.
    pub(crate) files: Arc<Store>,
    /// What messages call it.
    pub(crate) name: String,
    /// Where it is, as a user would name it.
    pub(crate) location: String,
    /// Whether it is one of the job's own checkpoints: the next ones can build on its files.
    pub(crate) is_own: bool,
    /// Whether the versions that wrote it go on, and not those that were swapped in at its barrier.
    pub(crate) returned: bool,
    /// The savepoint, if it is one.
    pub(crate) snapshot: Option<Snapshot>,
}

impl Origin {
    /// What `start` goes on from; `None`: the beginning.
    ///
    /// # Errors
    /// When a savepoint can't be opened.
    pub(crate) async fn open(start: &Start, store: &Arc<Store>) -> Result<Option<Self>> {
        Ok(match &start.from {
            StartedFrom::Start => None,
            StartedFrom::Checkpoint { durable, returned } => {
                let name = paths::checkpoint(durable.checkpoint());
                Some(Self {
                    durable: Arc::new(DurableCheckpoint::clone(durable)),
                    files: Arc::clone(store),
                    location: store.display(&name),
                    name,
                    is_own: true,
                    returned: *returned,
                    snapshot: None,
                })
            }
            StartedFrom::Savepoint { location } => {
                let snapshot = Snapshot::open(location).await?;
                let durable = Arc::new(snapshot.durable());
                let (files, location) = (Arc::new(snapshot.store().clone()), snapshot.location().to_owned());
                Some(Self { durable, files, name: location.clone(), location, is_own: false, returned: false, snapshot: Some(snapshot) })
            }
        })
    }

    pub(crate) fn manifest(&self) -> &Manifest {
        self.durable.manifest()
    }
}
