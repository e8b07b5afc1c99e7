//! Objects: when they can be seen, what is done about a store that fails, and what is given up.

use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};

use object_store::multipart::{MultipartStore, PartId};
use object_store::{Error as StoreError, GetOptions, MultipartId, ObjectStore, ObjectStoreExt, PutPayload, PutResult};
use weir_model::codec::Codec;
use weir_model::describe::Port;
use weir_model::id::{CheckpointId, Parallelism};
use weir_model::rows::{Batch, BatchBuilder, NO_TIMESTAMP};
use weir_model::time::SharedClock;

use super::super::PreparedState;
use super::super::parts::PartsWriter;
use super::*;
use crate::test_support::{ManualClock, block_on, permit, section};

impl ObjectSinkConfig {
    pub(in crate::sink) fn bucket(&self) -> &Bucket {
        &self.bucket
    }
}

/// A store that fails as often as it is told to.
#[derive(Default)]
struct Faulty {
    store: InMemory,
    /// Blocks that are refused.
    blocks: AtomicUsize,
    /// Completions that are done, but whose answers are lost.
    answers: AtomicUsize,
    /// Completions that are refused.
    completions: AtomicUsize,
    aborted: AtomicUsize,
}

type Answer<'a, T> = Pin<Box<dyn Future<Output = object_store::Result<T>> + Send + 'a>>;

fn refused() -> StoreError {
    StoreError::Generic { store: "faulty", source: "503".into() }
}

fn takes_one(counter: &AtomicUsize) -> bool {
    counter.try_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok()
}

impl MultipartStore for Faulty {
    fn create_multipart<'a, 'b, 'c>(&'a self, path: &'b ObjectPath) -> Answer<'c, MultipartId>
    where
        'a: 'c,
        'b: 'c,
    {
        Box::pin(async { self.store.create_multipart(path).await })
    }

    fn put_part<'a, 'b, 'i, 'c>(&'a self, path: &'b ObjectPath, id: &'i MultipartId, index: usize, data: PutPayload) -> Answer<'c, PartId>
    where
        'a: 'c,
        'b: 'c,
        'i: 'c,
    {
        Box::pin(async move { if takes_one(&self.blocks) { Err(refused()) } else { self.store.put_part(path, id, index, data).await } })
    }

    fn complete_multipart<'a, 'b, 'i, 'c>(&'a self, path: &'b ObjectPath, id: &'i MultipartId, parts: Vec<PartId>) -> Answer<'c, PutResult>
    where
        'a: 'c,
        'b: 'c,
        'i: 'c,
    {
        Box::pin(async move {
            if takes_one(&self.completions) {
                return Err(refused());
            }
            let answer = self.store.complete_multipart(path, id, parts).await;
            if takes_one(&self.answers) { Err(refused()) } else { answer }
        })
    }

    fn abort_multipart<'a, 'b, 'i, 'c>(&'a self, path: &'b ObjectPath, id: &'i MultipartId) -> Answer<'c, ()>
    where
        'a: 'c,
        'b: 'c,
        'i: 'c,
    {
        self.aborted.fetch_add(1, Ordering::Relaxed);
        Box::pin(async { self.store.abort_multipart(path, id).await })
    }
}

struct Sink {
    store: Arc<Faulty>,
    config: ObjectSinkConfig,
}

impl Sink {
    fn new(lines: &str) -> Self {
        let store = Arc::new(Faulty::default());
        let (settings, url) = PartSettings::parse(section("sinks.out", &format!("path = \"memory://b/out/\"\n{lines}"))).unwrap();
        let objects = Arc::new(store.store.clone()) as Arc<dyn ObjectStore>;
        let bucket = Bucket::new(&url, ObjectPath::from("out"), objects, Arc::clone(&store) as Arc<dyn MultipartStore>);
        Self { store, config: ObjectSinkConfig { settings: Arc::new(settings), bucket: Arc::new(bucket) } }
    }

    fn uid() -> OperatorUid {
        OperatorUid::new("out").unwrap()
    }

    fn open(&self, start: SinkStart<'_>) -> Result<PartsWriter> {
        let input = Port { name: "out".into(), key: Codec::None, value: Codec::Utf8 };
        let clock = Arc::new(ManualClock::default()) as SharedClock;
        let taken = block_on(self.config.take(&Self::uid(), start))?;
        Ok(taken.open(&Self::uid(), Parallelism::ONE, &input, &clock).remove(0))
    }

    fn commit(&self, handles: &[Vec<u8>]) -> Result<()> {
        block_on(self.config.committer(&Self::uid()).commit(&permit(), handles))
    }

    /// The objects under the prefix, with their lengths.
    fn objects(&self) -> Vec<(String, u64)> {
        let listed = block_on(self.store.store.list_with_delimiter(Some(&ObjectPath::from("out")))).unwrap();
        listed.objects.iter().map(|object| (object.location.filename().unwrap().to_owned(), object.size)).collect()
    }

    fn put(&self, name: &str, text: &'static str) {
        block_on(self.store.store.put(&ObjectPath::from(format!("out/{name}")), text.into())).unwrap();
    }
}

impl Bucket {
    pub(in crate::sink) async fn read(&self, name: &str) -> String {
        let found = self.objects().get_opts(&ObjectPath::parse(format!("out/{name}")).unwrap(), GetOptions::default()).await.unwrap();
        String::from_utf8(found.bytes().await.unwrap().to_vec()).unwrap()
    }
}

fn batch(text: &str) -> Batch {
    let mut batch = BatchBuilder::default();
    batch.push(None, text.as_bytes(), NO_TIMESTAMP).unwrap();
    batch.take()
}

fn prepare(writer: &mut PartsWriter, checkpoint: u64) -> Result<PreparedState> {
    block_on(writer.prepare(CheckpointId(checkpoint)).unwrap().make_durable())
}

fn names(names: &[(&str, u64)]) -> Vec<(String, u64)> {
    names.iter().map(|(name, length)| ((*name).to_owned(), *length)).collect()
}

const FRESH: SinkStart<'_> = SinkStart::Fresh { checkpoints: true };
const AT_END: CommitPermit = CommitPermit::at_end_of_job_without_checkpoints();

#[test]
fn an_object_of_several_blocks_appears_with_its_commit() {
    let sink = Sink::new("");
    let mut writer = sink.open(FRESH).unwrap();
    let line: String = ('a'..='y').cycle().take(999_999).collect();
    for _ in 0..20 {
        writer.write(&batch(&line)).unwrap();
    }
    let prepared = prepare(&mut writer, 1).unwrap();
    assert_eq!(sink.objects(), names(&[]));
    let Record::Object(handle) = Record::decode(&Sink::uid(), &prepared.handles[0]).unwrap() else { panic!() };
    assert_eq!(handle.blocks.len(), 3);
    sink.commit(&prepared.handles).unwrap();
    assert_eq!(sink.objects(), names(&[("part-0-0.txt", 20_000_000)]));
    assert_eq!(block_on(sink.config.bucket.read("part-0-0.txt")), format!("{line}\n").repeat(20));
    sink.commit(&prepared.handles).unwrap();
    assert_eq!(sink.objects(), names(&[("part-0-0.txt", 20_000_000)]), "again: nothing more");
}

#[test]
fn a_lost_answer_is_looked_up_and_a_refusal_is_an_error() {
    let sink = Sink::new("");
    let mut writer = sink.open(FRESH).unwrap();
    writer.write(&batch("one")).unwrap();
    let prepared = prepare(&mut writer, 1).unwrap();
    sink.store.completions.store(1, Ordering::Relaxed);
    let error = sink.commit(&prepared.handles).unwrap_err();
    assert!(error.what == "sink `out`: memory://b/out/part-0-0.txt" && error.why.contains("503"), "{error}");
    assert_eq!(sink.objects(), names(&[]));
    sink.store.answers.store(1, Ordering::Relaxed);
    sink.commit(&prepared.handles).unwrap();
    assert_eq!(sink.objects(), names(&[("part-0-0.txt", 4)]));
    // Something else in its place isn't taken for it.
    sink.put("part-0-0.txt", "longer");
    assert!(sink.commit(&prepared.handles).is_err());
}

#[test]
fn what_could_not_be_uploaded_is_uploaded_for_the_next_checkpoint() {
    let sink = Sink::new("");
    let mut writer = sink.open(FRESH).unwrap();
    writer.write(&batch("one")).unwrap();
    sink.store.blocks.store(1, Ordering::Relaxed);
    assert!(prepare(&mut writer, 1).unwrap_err().why.contains("503"));
    assert_eq!(sink.store.aborted.load(Ordering::Relaxed), 1);
    writer.write(&batch("two")).unwrap();
    let prepared = prepare(&mut writer, 2).unwrap();
    assert_eq!(prepared.handles.len(), 2);
    sink.commit(&prepared.handles).unwrap();
    writer.completed(CheckpointId(2));
    assert_eq!(sink.objects(), names(&[("part-0-0.txt", 4), ("part-0-1.txt", 4)]));
    assert_eq!(prepare(&mut writer, 3).unwrap().handles.len(), 0);
}

#[test]
fn a_restore_gives_up_what_no_checkpoint_names() {
    let sink = Sink::new("");
    let mut writer = sink.open(FRESH).unwrap();
    writer.write(&batch("one")).unwrap();
    let kept = prepare(&mut writer, 1).unwrap();
    writer.write(&batch("two")).unwrap();
    let given_up = prepare(&mut writer, 2).unwrap();
    assert_eq!(given_up.handles[..1], kept.handles, "a part is uploaded once");
    let committer = sink.config.committer(&Sink::uid());
    block_on(committer.abort_others(&kept.handles)).unwrap();
    assert_eq!(sink.store.aborted.load(Ordering::Relaxed), 1);
    sink.commit(&kept.handles).unwrap();
    assert!(sink.commit(&given_up.handles[1..]).is_err());
    assert_eq!(sink.objects(), names(&[("part-0-0.txt", 4)]));
    assert!(sink.open(FRESH).unwrap_err().why.contains("`memory://b/out` holds `part-0-0.txt` already"));
    assert!(sink.open(SinkStart::Restored(&[kept.state])).is_ok());
}

#[test]
fn earlier_objects_are_replaced_at_the_end_or_with_checkpoints_at_once() {
    let sink = Sink::new("overwrite = true\nend-marker = true");
    let earlier = [("_SUCCESS", 0), ("part-0-0.txt", 4), ("part-7-0.csv", 3)];
    sink.put("_SUCCESS", "");
    sink.put("part-0-0.txt", "old\n");
    sink.put("part-7-0.csv", "old");
    let mut writer = sink.open(SinkStart::Fresh { checkpoints: false }).unwrap();
    writer.write(&batch("new")).unwrap();
    let handles = prepare(&mut writer, 1).unwrap().handles;
    assert_eq!(sink.objects(), names(&earlier));
    let committer = sink.config.committer(&Sink::uid());
    sink.store.answers.store(1, Ordering::Relaxed);
    block_on(committer.commit(&AT_END, &handles)).unwrap();
    block_on(committer.commit(&AT_END, &handles)).unwrap();
    assert_eq!(block_on(sink.config.bucket.read("part-0-0.txt")), "new\n");
    block_on(committer.finish(&AT_END)).unwrap();
    assert_eq!(sink.objects(), names(&[("_SUCCESS", 0), ("part-0-0.txt", 4)]));
    sink.open(FRESH).unwrap();
    assert_eq!(sink.objects(), names(&[]));
}
