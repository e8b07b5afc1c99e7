//! An object store as a sink: each part appears when the checkpoint that names it is complete.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use object_store::memory::InMemory;
use object_store::path::Path as ObjectPath;
use weir_checkpoint::permit::CommitPermit;
use weir_model::Result;
use weir_model::fail_point::{FailPoint, pass};
use weir_model::id::OperatorUid;

use super::SinkStart;
use super::bucket::Bucket;
use super::destination::Destination;
use super::on_disk::{Counters, ObjectHandle, Record, handles_by_name};
use super::part::{END_MARKER, PartName};
use super::parts::Taken;
use super::settings::PartSettings;

/// A prefix in an object store as the job file says it. Its copies share what they know of uploads.
#[derive(Debug, Clone)]
pub struct ObjectSinkConfig {
    settings: Arc<PartSettings>,
    bucket: Arc<Bucket>,
}

impl ObjectSinkConfig {
    pub(super) fn new(settings: PartSettings, url: &str) -> Result<Self> {
        let bucket = Arc::new(bucket(&settings, url)?);
        Ok(Self { settings: Arc::new(settings), bucket })
    }

    pub(super) fn folder(&self) -> &Path {
        Path::new(self.bucket.url())
    }

    /// Takes the prefix for the writers of this job.
    pub(super) async fn take(&self, uid: &OperatorUid, start: SinkStart<'_>) -> Result<Taken> {
        let counters = Counters::read(uid, start.states())?;
        let names = self.bucket.names(uid).await?;
        for name in self.settings.in_the_way(self.bucket.url(), &names, start, &counters, &BTreeSet::new())? {
            self.bucket.remove(uid, name).await?;
        }
        let destination = Destination::Bucket(Arc::clone(&self.bucket));
        Ok(Taken { settings: Arc::clone(&self.settings), destination, counter_next: counters.above() })
    }

    pub(super) fn committer(&self, uid: &OperatorUid) -> ObjectCommitter {
        let (settings, bucket) = (Arc::clone(&self.settings), Arc::clone(&self.bucket));
        ObjectCommitter { uid: uid.clone(), settings, bucket, committed: Mutex::default() }
    }
}

/// Opens the store of a URL. Credentials come from the environment, under the store's usual names.
fn bucket(settings: &PartSettings, url: &str) -> Result<Bucket> {
    let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
    let (name, prefix) = rest.split_once('/').unwrap_or((rest, ""));
    let refuse = |why: String| settings.refuse(why, "write a folder, or a URL such as \"s3://bucket/prefix\"");
    if name.is_empty() && scheme != "memory" {
        return Err(refuse(format!("`{url}` names no bucket")));
    }
    let prefix = ObjectPath::parse(prefix.trim_end_matches('/')).map_err(|error| refuse(format!("`{url}` is no place for objects: {error}")))?;
    #[cfg(any(feature = "s3", feature = "gcs", feature = "azure"))]
    let failed =
        |error: object_store::Error| settings.refuse(format!("`{url}` can't be opened: {error}"), "set the store's variables in the environment");
    #[cfg(not(all(feature = "s3", feature = "gcs", feature = "azure")))]
    let left_out = |feature: &str| {
        let remedy = format!("build it with `cargo build --release --workspace --features weir/{feature}`, or use another store");
        settings.refuse(format!("this weir was built without the store of `{scheme}://`"), remedy)
    };
    macro_rules! over {
        ($store:expr) => {{
            let store = Arc::new($store);
            Ok(Bucket::new(url, prefix, Arc::clone(&store) as _, store))
        }};
    }
    match scheme {
        "memory" => over!(InMemory::new()),
        #[cfg(feature = "s3")]
        "s3" | "s3a" => over!(object_store::aws::AmazonS3Builder::from_env().with_bucket_name(name).build().map_err(failed)?),
        #[cfg(feature = "gcs")]
        "gs" => over!(object_store::gcp::GoogleCloudStorageBuilder::from_env().with_bucket_name(name).build().map_err(failed)?),
        #[cfg(feature = "azure")]
        "az" => over!(object_store::azure::MicrosoftAzureBuilder::from_env().with_container_name(name).build().map_err(failed)?),
        #[cfg(not(feature = "s3"))]
        "s3" | "s3a" => Err(left_out("s3")),
        #[cfg(not(feature = "gcs"))]
        "gs" => Err(left_out("gcs")),
        #[cfg(not(feature = "azure"))]
        "az" => Err(left_out("azure")),
        _ => Err(refuse(format!("`{scheme}://` is not a store that weir knows"))),
    }
}

/// Commits the parts under one prefix.
#[derive(Debug)]
pub(super) struct ObjectCommitter {
    uid: OperatorUid,
    settings: Arc<PartSettings>,
    bucket: Arc<Bucket>,
    /// What was committed at the end of a job without checkpoints: all that is not to be replaced.
    committed: Mutex<Vec<PartName>>,
}

impl ObjectCommitter {
    pub(super) async fn commit(&self, permit: &CommitPermit, handles: &[Vec<u8>]) -> Result<()> {
        let handles = self.decode(handles)?;
        let at_end = permit.checkpoint().is_none();
        if at_end && self.settings.overwrite {
            self.bucket.remove(&self.uid, END_MARKER).await?;
        }
        let last = handles.len().saturating_sub(1);
        for (number, (name, handle)) in handles.iter().enumerate() {
            if at_end && self.settings.overwrite && !self.is_committed(name) {
                // An earlier object must not be taken for this one when an answer is lost.
                self.bucket.remove(&self.uid, name.as_str()).await?;
            }
            self.bucket.complete(&self.uid, name, handle).await?;
            if at_end {
                self.committed.lock().unwrap_or_else(PoisonError::into_inner).push(name.clone());
            }
            if number < last {
                pass(FailPoint::SomeRenamed)?;
            }
        }
        Ok(())
    }

    pub(super) async fn abort_others(&self, keep: &[Vec<u8>]) -> Result<()> {
        let keep: Vec<_> = self.decode(keep)?.into_values().collect();
        self.bucket.abort_others(&keep).await;
        Ok(())
    }

    pub(super) async fn finish(&self, permit: &CommitPermit) -> Result<()> {
        if self.settings.overwrite && permit.checkpoint().is_none() {
            for name in self.bucket.names(&self.uid).await? {
                if !PartName::parse(&name).is_some_and(|part| self.is_committed(&part)) {
                    self.bucket.remove(&self.uid, &name).await?;
                }
            }
        }
        if self.settings.end_marker { self.bucket.put_empty(&self.uid, END_MARKER).await } else { Ok(()) }
    }

    fn is_committed(&self, name: &PartName) -> bool {
        self.committed.lock().unwrap_or_else(PoisonError::into_inner).contains(name)
    }

    /// The handles by the names of their parts.
    fn decode(&self, handles: &[Vec<u8>]) -> Result<BTreeMap<PartName, ObjectHandle>> {
        handles_by_name(&self.uid, handles, |record| match record {
            Record::Object(handle) => Some((handle.name.clone(), handle)),
            _ => None,
        })
    }
}

#[cfg(test)]
mod tests;
