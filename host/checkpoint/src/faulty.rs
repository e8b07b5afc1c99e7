//! An object store that fails as real ones do, by a seed: errors, lost answers, slowness, silence, listings that break off. For tests only.

use std::fmt;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, PutMultipartOptions, PutOptions, PutPayload,
    PutResult, Result,
};

/// How often each fault happens, in a thousand operations.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Rates {
    /// The operation isn't done, and says so.
    pub errors: u32,
    /// The operation is done, and says that it failed.
    pub lost_responses: u32,
    /// The operation is not done, and never says anything.
    pub silences: u32,
    /// The operation takes up to `slow_ms_max` longer.
    pub slow: u32,
    /// The longest delay of a slow operation, milliseconds.
    pub slow_ms_max: u64,
    /// A listing breaks off with an error.
    pub broken_lists: u32,
    /// A listing lacks some of its entries and doesn't say so, which no store should do.
    pub partial_lists: u32,
}

/// The store: another one behind faults.
#[derive(Debug, Clone)]
pub struct Faulty {
    inner: Arc<dyn ObjectStore>,
    rates: Rates,
    random: Arc<Mutex<u64>>,
}

/// What happens to one operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Well,
    Lost,
}

impl Faulty {
    /// `inner` behind faults; one seed gives one sequence of faults.
    #[must_use]
    pub fn new(inner: Arc<dyn ObjectStore>, rates: Rates, seed: u64) -> Self {
        Self { inner, rates, random: Arc::new(Mutex::new(seed)) }
    }

    /// A number below `below`: SplitMix64.
    fn random(&self, below: u64) -> u64 {
        let mut state = self.random.lock().unwrap_or_else(PoisonError::into_inner);
        *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = *state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % below.max(1)
    }

    fn happens(&self, rate: u32) -> bool {
        rate > 0 && self.random(1000) < u64::from(rate)
    }

    /// What happens before an operation is done.
    async fn fate(&self) -> Result<Fate> {
        if self.happens(self.rates.slow) {
            tokio::time::sleep(Duration::from_millis(self.random(self.rates.slow_ms_max + 1))).await;
        }
        if self.happens(self.rates.silences) {
            std::future::pending::<()>().await;
        }
        if self.happens(self.rates.errors) {
            return Err(fault("500, nothing was done"));
        }
        Ok(if self.happens(self.rates.lost_responses) { Fate::Lost } else { Fate::Well })
    }

    /// What the caller hears of an operation that was done.
    fn answer<T>(fate: Fate, result: Result<T>) -> Result<T> {
        if fate == Fate::Lost { Err(fault("the connection broke")) } else { result }
    }

    fn thin(&self, listing: Vec<Result<ObjectMeta>>) -> Vec<Result<ObjectMeta>> {
        let mut listing = listing;
        if self.happens(self.rates.partial_lists) {
            listing.retain(|_| self.random(2) == 0);
        }
        if self.happens(self.rates.broken_lists) {
            listing.truncate(usize::try_from(self.random(listing.len() as u64 + 1)).unwrap_or(0));
            listing.push(Err(fault("the listing broke off")));
        }
        listing
    }
}

fn fault(what: &'static str) -> Error {
    Error::Generic { store: "faulty", source: what.into() }
}

impl fmt::Display for Faulty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "faulty {}", self.inner)
    }
}

#[async_trait]
impl ObjectStore for Faulty {
    async fn put_opts(&self, location: &Path, payload: PutPayload, opts: PutOptions) -> Result<PutResult> {
        let fate = self.fate().await?;
        Self::answer(fate, self.inner.put_opts(location, payload, opts).await)
    }

    async fn put_multipart_opts(&self, location: &Path, opts: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        let fate = self.fate().await?;
        Self::answer(fate, self.inner.put_multipart_opts(location, opts).await)
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        let fate = self.fate().await?;
        Self::answer(fate, self.inner.get_opts(location, options).await)
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        let fate = self.fate().await?;
        Self::answer(fate, self.inner.get_ranges(location, ranges).await)
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        let this = self.clone();
        locations
            .then(move |location| {
                let this = this.clone();
                async move {
                    let fate = this.fate().await?;
                    let gone = this.inner.delete_stream(stream::iter([location]).boxed()).next().await;
                    Self::answer(fate, gone.unwrap_or_else(|| Err(fault("nothing was deleted"))))
                }
            })
            .boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        let (this, inner) = (self.clone(), self.inner.list(prefix));
        let listing = async move {
            match this.fate().await {
                Ok(Fate::Well) => this.thin(inner.collect().await),
                Ok(Fate::Lost) => vec![Err(fault("the connection broke"))],
                Err(error) => vec![Err(error)],
            }
        };
        stream::once(listing).flat_map(stream::iter).boxed()
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        let fate = self.fate().await?;
        Self::answer(fate, self.inner.list_with_delimiter(prefix).await)
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        let fate = self.fate().await?;
        Self::answer(fate, self.inner.copy_opts(from, to, options).await)
    }
}
