//! The way to the store: every operation is written down, may meet a fault, arrive late, or be the one at which the process dies.

use std::fmt;
use std::future::pending;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, ObjectStoreExt, PutMode, PutMultipartOptions,
    PutOptions, PutPayload, PutResult, Result,
};
use weir_checkpoint::faulty::{Faulty, Rates};
use weir_connect::random::Random;

use super::case::below;
use super::trace::Count;
use super::world::{Request, World};

/// What the way to the store is like for one process.
#[derive(Debug, Clone, Default)]
pub struct Weather {
    /// How often single operations go wrong.
    pub rates: Rates,
    /// In a thousand writes and deletions: the answer never comes, and the operation is done later, at most [`Self::late_max`].
    pub late: u32,
    /// See [`Self::late`].
    pub late_max: Duration,
    /// Times since the start of the process in which nothing works.
    pub outages: Vec<Range<Duration>>,
    /// All this lasts so long; then everything works.
    pub until: Duration,
}

/// Where among its operations a process dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Death {
    /// When it is about to do this one.
    Before(u64),
    /// When this one is done, before its answer.
    After(u64),
}

/// An object store as one process sees it. Cloning is cheap.
#[derive(Debug, Clone)]
pub(super) struct Network(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    world: Arc<World>,
    weather: Weather,
    faulty: Arc<Faulty>,
    death: Option<Death>,
    random: Mutex<Random>,
}

/// One operation under way.
struct Ticket {
    network: Network,
    number: u64,
    what: &'static str,
    path: String,
    began: Duration,
    store: Arc<dyn ObjectStore>,
    told: bool,
}

impl Network {
    pub(super) fn new(world: &Arc<World>, weather: Weather, death: Option<Death>, seed: u64) -> Self {
        let faulty = Arc::new(Faulty::new(Arc::clone(&world.objects) as _, weather.rates, seed));
        Self(Arc::new(Inner { world: Arc::clone(world), weather, faulty, death, random: Mutex::new(Random::new(!seed)) }))
    }

    fn random(&self, end: u64) -> u64 {
        below(&mut self.0.random.lock().unwrap_or_else(PoisonError::into_inner), end)
    }

    /// An operation begins.
    async fn enter(&self, what: &'static str, path: impl fmt::Display) -> Result<Ticket> {
        let Inner { world, weather, faulty, death, .. } = &*self.0;
        let number = world.operation();
        let now = world.process_time();
        world.count(Count::Operations);
        let path = path.to_string();
        if *death == Some(Death::Before(number)) {
            world.kill(&format!("before {what} {path}"));
            pending::<()>().await;
        }
        if weather.outages.iter().any(|outage| outage.contains(&now)) {
            world.say(&format!("{what} {path} -> outage"));
            world.count(Count::Outages);
            return Err(Error::Generic { store: "network", source: "the store is out of reach".into() });
        }
        let store = if now < weather.until { Arc::clone(faulty) as Arc<dyn ObjectStore> } else { Arc::clone(&world.objects) as _ };
        Ok(Ticket { network: self.clone(), number, what, path, began: world.now(), store, told: false })
    }

    async fn listing(&self, prefix: Option<&Path>) -> Result<Vec<Result<ObjectMeta>>> {
        let ticket = self.enter("list", prefix.cloned().unwrap_or_default()).await?;
        let listed: Vec<_> = ticket.store.list(prefix).collect().await;
        // What the caller hears is the listing, with the error in its place.
        let text = listed.iter().find_map(|one| one.as_ref().err()).map(|error| match error {
            Error::Generic { source, .. } => source.to_string(),
            error => error.to_string(),
        });
        let outcome = text.map_or(Ok(()), |text| Err(Error::Generic { store: "network", source: text.into() }));
        drop(ticket.leave(outcome).await);
        Ok(listed)
    }

    /// Whether a request is to be done later, without an answer.
    fn is_late(&self) -> bool {
        let weather = &self.0.weather;
        weather.late > 0 && self.0.world.process_time() < weather.until && self.random(1000) < u64::from(weather.late)
    }

    async fn send_late<T>(&self, mut ticket: Ticket, path: &Path, request: Request) -> T {
        let late_ms = self.0.weather.late_max.as_millis() as u64;
        ticket.told = true;
        ticket.say("on its way");
        self.0.world.count(Count::Late);
        self.0.world.send(path, request, Duration::from_millis(1 + self.random(late_ms)));
        pending().await
    }
}

impl Ticket {
    /// The operation was done, or wasn't; gives what its caller hears.
    async fn leave<T>(mut self, result: Result<T>) -> Result<T> {
        self.told = true;
        let world = &self.network.0.world;
        let outcome = match &result {
            Ok(_) => "ok".to_owned(),
            Err(Error::NotFound { .. }) => "none there".to_owned(),
            Err(Error::AlreadyExists { .. } | Error::Precondition { .. }) => "there already".to_owned(),
            Err(Error::Generic { source, .. }) => {
                world.count(match source.to_string().as_str() {
                    "the connection broke" => Count::LostResponses,
                    "the listing broke off" => Count::BrokenLists,
                    _ => Count::Errors,
                });
                source.to_string()
            }
            Err(error) => error.to_string(),
        };
        let took = world.now().saturating_sub(self.began);
        if !took.is_zero() {
            world.count(Count::Slow);
        }
        self.say(&format!("{outcome} after {} ms", took.as_millis()));
        if self.network.0.death == Some(Death::After(self.number)) {
            world.kill(&format!("after {} {}", self.what, self.path));
            pending::<()>().await;
        }
        result
    }

    fn say(&self, outcome: &str) {
        self.network.0.world.say(&format!("{} {} -> {outcome}", self.what, self.path));
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if !self.told && self.network.0.world.is_alive() {
            self.say("no answer");
            self.network.0.world.count(Count::Silences);
        }
    }
}

/// Whether something was done, whatever its caller heard.
fn is_done<T>(result: &Result<T>) -> bool {
    match result {
        Ok(_) => true,
        Err(Error::Generic { source, .. }) => source.to_string() == "the connection broke",
        Err(_) => false,
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("simulated network")
    }
}

#[async_trait]
impl ObjectStore for Network {
    async fn put_opts(&self, location: &Path, payload: PutPayload, opts: PutOptions) -> Result<PutResult> {
        let ticket = self.enter(if opts.mode == PutMode::Create { "create" } else { "put" }, location).await?;
        if self.is_late() {
            return self.send_late(ticket, location, Request::Put(payload, opts)).await;
        }
        let replaces = opts.mode == PutMode::Overwrite;
        let result = ticket.store.put_opts(location, payload, opts).await;
        if is_done(&result) {
            self.0.world.written(location, replaces);
        }
        ticket.leave(result).await
    }

    async fn put_multipart_opts(&self, location: &Path, opts: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        let ticket = self.enter("upload", location).await?;
        let result = ticket.store.put_multipart_opts(location, opts).await;
        ticket.leave(result).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        let ticket = self.enter(if options.head { "head" } else { "get" }, location).await?;
        let result = ticket.store.get_opts(location, options).await;
        ticket.leave(result).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        let this = self.clone();
        let delete = move |location: Result<Path>| {
            let this = this.clone();
            async move {
                let location = location?;
                let ticket = this.enter("delete", &location).await?;
                if this.is_late() {
                    return this.send_late(ticket, &location, Request::Delete).await;
                }
                let result = ticket.store.delete(&location).await;
                ticket.leave(result).await.map(|()| location)
            }
        };
        locations.then(delete).boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        let (this, prefix) = (self.clone(), prefix.cloned());
        let listing = async move { this.listing(prefix.as_ref()).await.unwrap_or_else(|error| vec![Err(error)]) };
        stream::once(listing).flat_map(stream::iter).boxed()
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        let ticket = self.enter("list", prefix.cloned().unwrap_or_default()).await?;
        let result = ticket.store.list_with_delimiter(prefix).await;
        ticket.leave(result).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        let ticket = self.enter("copy", from).await?;
        let result = ticket.store.copy_opts(from, to, options).await;
        ticket.leave(result).await
    }
}
