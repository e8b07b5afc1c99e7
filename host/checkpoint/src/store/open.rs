//! From a location, as a job file says it, to an open store.

use std::collections::BTreeMap;
use std::path::{Path as FilePath, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use object_store::ObjectStore;
use object_store::local::LocalFileSystem;
use object_store::memory::InMemory;
use object_store::path::Path;

use super::{Error, Patience, Result, Store, local};

/// What a checkpoint in memory may have a file: Flink's default for its `JobManagerCheckpointStorage`.
const MEMORY_FILE_BYTES_MAX: u64 = 5 << 20;

/// The stores in memory of this process, by name, so that a job that starts again finds its checkpoints.
static IN_MEMORY: Mutex<BTreeMap<String, Arc<InMemory>>> = Mutex::new(BTreeMap::new());

pub(super) fn open(location: &str, job_id: &str) -> Result<Store> {
    let Some((scheme, rest)) = location.split_once("://") else { return folder(location, FilePath::new(location), job_id) };
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    let objects: Arc<dyn ObjectStore> = match scheme {
        "file" => return folder(location, FilePath::new(rest), job_id),
        "memory" => IN_MEMORY.lock().unwrap_or_else(PoisonError::into_inner).entry(host.to_owned()).or_default().clone(),
        "s3" | "s3a" => s3(location)?,
        "gs" => gcs(location)?,
        "az" | "abfs" | "abfss" | "azure" | "adl" => azure(location)?,
        other => {
            let why = format!("weir doesn't know `{other}://`");
            return Err(refuse(location, why, "use a path, file://, s3://, gs://, az:// or memory://"));
        }
    };
    let file_bytes_max = (scheme == "memory").then_some(MEMORY_FILE_BYTES_MAX);
    let store = Store::over(objects, &format!("{}/{job_id}", path.trim_end_matches('/')))?;
    Ok(Store { location: format!("{}/{job_id}", location.trim_end_matches('/')), file_bytes_max, ..store })
}

fn folder(location: &str, path: &FilePath, job_id: &str) -> Result<Store> {
    let because =
        |error: &dyn std::fmt::Display| refuse(location, error.to_string(), "set `dir` in [checkpointing] to a folder that weir may write to");
    let path = &std::path::absolute(path).map_err(|error| because(&error))?;
    local::make_folders(path).map_err(|error| because(&error))?;
    let objects = LocalFileSystem::new_with_prefix(path).map_err(|error| because(&error))?;
    let local: PathBuf = path.join(job_id);
    let store = Store::over(Arc::new(objects.with_fsync(true).with_automatic_cleanup(true)), job_id)?;
    Ok(Store { location: local.display().to_string(), local: Some(local), patience: Patience::local(), ..store })
}

#[cfg(feature = "s3")]
fn s3(location: &str) -> Result<Arc<dyn ObjectStore>> {
    let built = object_store::aws::AmazonS3Builder::from_env().with_url(location).with_retry(brief()).build();
    built
        .map(|store| Arc::new(store) as _)
        .map_err(|error| refuse(location, error.to_string(), "see AWS_ENDPOINT, AWS_REGION, AWS_ACCESS_KEY_ID and the like"))
}

#[cfg(not(feature = "s3"))]
fn s3(location: &str) -> Result<Arc<dyn ObjectStore>> {
    Err(built_without(location, "s3"))
}

#[cfg(feature = "gcs")]
fn gcs(location: &str) -> Result<Arc<dyn ObjectStore>> {
    let built = object_store::gcp::GoogleCloudStorageBuilder::from_env().with_url(location).with_retry(brief()).build();
    built.map(|store| Arc::new(store) as _).map_err(|error| refuse(location, error.to_string(), "see GOOGLE_SERVICE_ACCOUNT and the like"))
}

#[cfg(not(feature = "gcs"))]
fn gcs(location: &str) -> Result<Arc<dyn ObjectStore>> {
    Err(built_without(location, "gcs"))
}

#[cfg(feature = "azure")]
fn azure(location: &str) -> Result<Arc<dyn ObjectStore>> {
    let built = object_store::azure::MicrosoftAzureBuilder::from_env().with_url(location).with_retry(brief()).build();
    built.map(|store| Arc::new(store) as _).map_err(|error| refuse(location, error.to_string(), "see AZURE_STORAGE_ACCOUNT_NAME and the like"))
}

#[cfg(not(feature = "azure"))]
fn azure(location: &str) -> Result<Arc<dyn ObjectStore>> {
    Err(built_without(location, "azure"))
}

/// The client's own retries: a few quick ones, for single requests and parts. [`Patience`] does the rest.
#[cfg(any(feature = "s3", feature = "gcs", feature = "azure"))]
fn brief() -> object_store::RetryConfig {
    object_store::RetryConfig { max_retries: 3, retry_timeout: std::time::Duration::from_secs(20), ..object_store::RetryConfig::default() }
}

#[cfg(not(all(feature = "s3", feature = "gcs", feature = "azure")))]
fn built_without(location: &str, feature: &str) -> Error {
    refuse(
        location,
        format!("this weir was built without {feature}"),
        format!("build it with `cargo build --release --workspace --features weir/{feature}`, or use another store"),
    )
}

fn refuse(location: &str, why: impl Into<String>, remedy: impl Into<String>) -> Error {
    Error::usage(format!("checkpoints can't be kept in `{location}`"), why, remedy)
}

/// A path inside an object store.
pub(super) fn object_path(path: &str) -> Result<Path> {
    Path::parse(path)
        .map_err(|error| Error::usage(format!("`{path}` can't be a path in an object store"), error.to_string(), "use another path or name"))
}
