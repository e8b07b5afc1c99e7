//! A place in an object store: parts are uploads that stay invisible until they are completed.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use object_store::multipart::{MultipartStore, PartId};
use object_store::path::Path;
use object_store::{MultipartId, ObjectStore, ObjectStoreExt};
use weir_model::fail_point::{FailPoint, pass};
use weir_model::id::OperatorUid;
use weir_model::{Error, Result};
use xxhash_rust::xxh3::Xxh3Default;

use super::destination::file_error;
use super::on_disk::{ObjectHandle, Record};
use super::part::{PartName, is_finished};
use super::parts::WholePart;

/// What is uploaded at once, and so held in memory. Stores take 10,000 blocks an object, and none below 5 MiB but the last.
const BLOCK_BYTES: u64 = 8 << 20;

/// A prefix in an object store.
pub(super) struct Bucket {
    /// As the job file names it, without a slash at the end.
    url: String,
    prefix: Path,
    objects: Arc<dyn ObjectStore>,
    /// The same store.
    uploads: Arc<dyn MultipartStore>,
    /// Uploads of this process that are neither completed nor aborted.
    open: Mutex<BTreeMap<MultipartId, Path>>,
}

impl Bucket {
    /// A prefix of a store, which is given twice: as what objects are in, and as what takes uploads.
    pub(super) fn new(url: &str, prefix: Path, objects: Arc<dyn ObjectStore>, uploads: Arc<dyn MultipartStore>) -> Self {
        Self { url: url.trim_end_matches('/').to_owned(), prefix, objects, uploads, open: Mutex::default() }
    }

    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// The URL of what is called `name`.
    pub(super) fn location(&self, name: &dyn fmt::Display) -> String {
        format!("{}/{name}", self.url)
    }

    /// Uploads a part.
    pub(super) async fn secure(&self, uid: &OperatorUid, part: &WholePart, file: &File) -> Result<Vec<u8>> {
        let path = self.path(part.name.as_str());
        let upload = self.uploads.create_multipart(&path).await.map_err(|error| self.error(uid, &part.name, &error))?;
        self.open().insert(upload.clone(), path.clone());
        match self.upload(uid, part, file, &path, &upload).await {
            Ok(blocks) => Record::Object(ObjectHandle { name: part.name.to_string(), length: part.length, upload, blocks }).encode(uid),
            Err(error) => {
                self.abort(&upload).await;
                Err(error)
            }
        }
    }

    async fn upload(&self, uid: &OperatorUid, part: &WholePart, file: &File, path: &Path, upload: &MultipartId) -> Result<Vec<String>> {
        let temporary = || format!("the temporary file for {}", self.location(&part.name));
        let (mut blocks, mut hash) = (Vec::new(), Xxh3Default::new());
        for start in (0..part.length).step_by(BLOCK_BYTES as usize) {
            let mut block = vec![0; (part.length - start).min(BLOCK_BYTES) as usize];
            file.read_exact_at(&mut block, start).map_err(|error| file_error(uid, &temporary(), &error))?;
            hash.update(&block);
            let sent = self.uploads.put_part(path, upload, blocks.len(), Bytes::from(block).into()).await;
            blocks.push(sent.map_err(|error| self.error(uid, &part.name, &error))?.content_id);
        }
        if hash.digest() == part.checksum {
            return Ok(blocks);
        }
        Err(Error::job(
            format!("sink `{uid}`: {}", temporary()),
            "its content is not what was written",
            "check the disk that the system's temporary folder is on",
        ))
    }

    /// Makes a part visible, unless that was done already.
    pub(super) async fn complete(&self, uid: &OperatorUid, name: &PartName, handle: &ObjectHandle) -> Result<()> {
        let path = self.path(name.as_str());
        let blocks = handle.blocks.iter().map(|block| PartId { content_id: block.clone() }).collect();
        let completed = self.uploads.complete_multipart(&path, &handle.upload, blocks).await;
        let completed = completed.map_err(|error| self.error(uid, name, &error)).and_then(|_| pass(FailPoint::CommitSentResponseLost));
        if let Err(error) = completed {
            // The upload of a part that is there already is gone, and an answer may have been lost on its way.
            let length = self.length_of(uid, name).await?;
            if length != Some(handle.length) {
                return Err(error);
            }
        }
        self.open().remove(&handle.upload);
        Ok(())
    }

    async fn length_of(&self, uid: &OperatorUid, name: &PartName) -> Result<Option<u64>> {
        match self.objects.head(&self.path(name.as_str())).await {
            Ok(found) => Ok(Some(found.size)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(self.error(uid, name, &error)),
        }
    }

    /// Gives up what was uploaded by this process and is not to be kept. What an earlier one left stays invisible; a rule of the bucket can
    /// remove it.
    pub(super) async fn abort_others(&self, keep: &[ObjectHandle]) {
        let others: Vec<_> = self.open().keys().filter(|upload| !keep.iter().any(|handle| handle.upload == **upload)).cloned().collect();
        for upload in &others {
            self.abort(upload).await;
        }
    }

    async fn abort(&self, upload: &MultipartId) {
        let path = self.open().remove(upload);
        if let Some(path) = path {
            // Nobody will ever see it; it only costs room until the bucket's own rules remove it.
            drop(self.uploads.abort_multipart(&path, upload).await);
        }
    }

    /// The names under the prefix that a sink gives, sorted.
    pub(super) async fn names(&self, uid: &OperatorUid) -> Result<Vec<String>> {
        let listed = self.objects.list_with_delimiter(Some(&self.prefix)).await.map_err(|error| self.error(uid, &"", &error))?;
        let names = listed.objects.iter().filter_map(|object| object.location.filename()).filter(|name| is_finished(name)).map(str::to_owned);
        let mut names: Vec<_> = names.collect();
        names.sort_unstable();
        Ok(names)
    }

    pub(super) async fn remove(&self, uid: &OperatorUid, name: &str) -> Result<()> {
        match self.objects.delete(&self.path(name)).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(self.error(uid, &name, &error)),
        }
    }

    pub(super) async fn put_empty(&self, uid: &OperatorUid, name: &str) -> Result<()> {
        let put = self.objects.put(&self.path(name), Bytes::new().into()).await;
        put.map(drop).map_err(|error| self.error(uid, &name, &error))
    }

    #[cfg(test)]
    pub(super) fn objects(&self) -> &dyn ObjectStore {
        &*self.objects
    }

    fn path(&self, name: &str) -> Path {
        self.prefix.clone().join(name)
    }

    fn open(&self) -> MutexGuard<'_, BTreeMap<MultipartId, Path>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn error(&self, uid: &OperatorUid, name: &dyn fmt::Display, error: &object_store::Error) -> Error {
        Error::job(
            format!("sink `{uid}`: {}", self.location(name)),
            format!("the store refuses it: {error}"),
            "check the bucket, the network, and that the credentials in the environment may write there",
        )
    }
}

impl fmt::Debug for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bucket").field("url", &self.url).finish_non_exhaustive()
    }
}
