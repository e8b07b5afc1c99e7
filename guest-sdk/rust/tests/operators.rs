//! Operators of every kind over the harness: what they emit, what they hold, what they refuse.

use serde::{Deserialize, Serialize};
use weir_guest::native::{FunctionKind, StateKind};
use weir_guest::testing::Harness;
use weir_guest::{
    Bytes, Collector, Counter, Error, Filter, FlatMap, Json, KeyedContext, KeyedProcess, Level, ListState, Map, MapState, OpenContext, Postcard,
    Result, StateOptions, Utf8, ValueState,
};

weir_guest::export! {
    "trim" => Trim,
    "long" => Long,
    "keyed-long" => KeyedLong,
    "split" => Split,
    /// Keeps a history of each key.
    "history" => History,
    "configured" => Configured,
    "stateful-map" => StatefulMap,
    "repeat" => Repeat,
    "bytes" => Reverse,
}

/// Borrowed in and out.
#[derive(Default)]
struct Trim;

impl Map for Trim {
    type In = Utf8;
    type Out = Utf8;

    fn map<'a>(&'a mut self, line: &'a str) -> Result<&'a str> {
        Ok(line.trim())
    }
}

#[derive(Default)]
struct Long;

impl Filter for Long {
    type In = Utf8;

    fn filter(&mut self, line: &str) -> Result<bool> {
        Ok(line.len() > 3)
    }
}

#[derive(Default)]
struct KeyedLong;

impl Filter for KeyedLong {
    type In = (Utf8, Utf8);

    fn filter(&mut self, (key, line): (&str, &str)) -> Result<bool> {
        Ok(key.len() + line.len() > 3)
    }
}

/// Refuses what doesn't parse, after it has collected something.
#[derive(Default)]
struct Split;

impl FlatMap for Split {
    type In = String;
    type Out = (String, Json<Vec<i64>>);

    fn flat_map(&mut self, line: String, out: &mut Collector<Self::Out>) -> Result<()> {
        out.collect(("seen".to_owned(), vec![]));
        let numbers = line.split(',').map(str::parse).collect::<Result<Vec<i64>, _>>()?;
        out.collect((line.clone(), numbers));
        Ok(())
    }
}

#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
struct Visit {
    page: String,
    seconds: u32,
}

/// All kinds of state.
struct History {
    total: ValueState<u64>,
    text: ValueState<String>,
    visits: ListState<Postcard<Visit>>,
    pages: MapState<Utf8, u32>,
    forgotten: Counter,
}

impl KeyedProcess for History {
    type Key = Bytes;
    type In = Postcard<Visit>;
    type Out = (Bytes, String);

    fn open(ctx: &mut OpenContext) -> Self {
        Self {
            total: ctx.value_state_with("total", StateOptions::new().schema_version(3).ttl(std::time::Duration::from_secs(60))),
            visits: ctx.list_state("visits"),
            text: ctx.value_state("text"),
            pages: ctx.map_state("pages"),
            forgotten: ctx.counter("forgotten"),
        }
    }

    fn process(&mut self, key: &[u8], visit: Visit, ctx: &mut KeyedContext, out: &mut Collector<Self::Out>) -> Result<()> {
        let seconds = u64::from(visit.seconds);
        self.total.update(|total| *total = Some(total.unwrap_or(0) + seconds));
        self.visits.add(&visit);
        self.pages.insert(&visit.page, self.pages.get(&visit.page).unwrap_or(0) + 1);
        match visit.page.as_str() {
            "refuse" => return Err(Error::new("no such page")),
            "forget" => {
                self.total.clear();
                self.text.clear();
                self.visits.clear();
                self.pages.clear();
                self.pages.insert("forgotten", 1);
                self.forgotten.add(1);
                ctx.log(Level::Info, "forgotten");
            }
            page => self.text.set(page.to_owned()),
        }
        let pages: Vec<_> = self.pages.entries().map(|(page, times)| format!("{page}:{times}")).collect();
        let visits: Vec<_> = self.visits.items().iter().map(|visit| visit.page.clone()).collect();
        let summary = format!(
            "{} {} {}={} {} last {:?} at {:?}",
            self.total.get().unwrap_or(0),
            pages.join(","),
            self.visits.len(),
            visits.len(),
            self.text.with(|text| text.map_or(0, String::len)),
            self.visits.get(self.visits.len().saturating_sub(1)).map(|visit| visit.seconds),
            ctx.timestamp(),
        );
        out.collect((key, summary));
        Ok(())
    }
}

fn visit(harness: &mut Harness, key: &str, page: &str, seconds: u32) {
    harness.push_record::<(Utf8, Postcard<Visit>)>((key, Visit { page: page.to_owned(), seconds }));
}

/// Refuses a configuration.
#[derive(Default)]
struct Configured {
    limit: u32,
    name: String,
}

impl Map for Configured {
    type In = u32;
    type Out = String;

    fn open(ctx: &mut OpenContext) -> Self {
        let limit = ctx.config_or("limit", 10);
        if limit == 0 {
            ctx.refuse("config `limit` is 0");
        }
        Self { limit, name: ctx.config("name").unwrap_or("nobody").to_owned() }
    }

    fn map(&mut self, number: u32) -> Result<String> {
        Ok(format!("{} {}", self.name, number.min(self.limit)))
    }
}

/// Declares state without keys.
#[derive(Default)]
struct StatefulMap;

impl Map for StatefulMap {
    type In = u32;
    type Out = u32;

    fn open(ctx: &mut OpenContext) -> Self {
        let _: ValueState<u32> = ctx.value_state("count");
        Self
    }

    fn map(&mut self, number: u32) -> Result<u32> {
        Ok(number)
    }
}

/// Emits more than one piece.
#[derive(Default)]
struct Repeat;

impl FlatMap for Repeat {
    type In = u64;
    type Out = (u64, f64);

    fn flat_map(&mut self, times: u64, out: &mut Collector<Self::Out>) -> Result<()> {
        (0..times).for_each(|i| out.collect((i, i as f64 / 2.0)));
        if times == 0 { Err(Error::new("none")) } else { Ok(()) }
    }
}

#[derive(Default)]
struct Reverse {
    scratch: Vec<u8>,
}

impl Map for Reverse {
    type In = Bytes;
    type Out = Bytes;

    fn map<'a>(&'a mut self, bytes: &'a [u8]) -> Result<&'a [u8]> {
        self.scratch.clear();
        self.scratch.extend(bytes.iter().rev());
        Ok(&self.scratch)
    }
}

#[test]
fn a_map_emits_one_record_with_the_timestamp_of_its_input() {
    let mut harness = Harness::new::<Trim>();
    harness.timestamp(7).push_value(" a ").timestamp(-1).push_value("straße ").push_value([0xffu8].as_slice());
    harness.process_at_every_batch_size();
    assert_eq!(harness.records::<Utf8>(), ["a", "straße"]);
    assert_eq!(harness.rows().iter().map(|row| (row.key, row.timestamp)).collect::<Vec<_>>(), [(None, 7), (None, -1)]);
    assert_eq!(harness.failures().len(), 1);
    assert!(harness.failures()[0].message.starts_with("not UTF-8"), "{:?}", harness.failures());

    let mut harness = Harness::new::<Reverse>();
    harness.push_value(vec![1u8, 2]).push_value(vec![]).process_at_every_batch_size();
    assert_eq!(harness.records::<Bytes>(), [&[2u8, 1][..], &[]]);
}

#[test]
fn a_filter_passes_rows_as_they_came() {
    let mut harness = Harness::new::<KeyedLong>();
    harness.timestamp(5).push("k", "no").push("key", "yes").push("", "long").push_value("no key").process_at_every_batch_size();
    assert_eq!(harness.records::<(Utf8, Utf8)>(), [("key", "yes"), ("", "long")]);
    assert_eq!(harness.rows()[0].timestamp, 5);
    assert_eq!(harness.failures()[0].message, "the record has no key");

    let mut harness = Harness::new::<Long>();
    harness.push("key", "no").push("key", "long").push_value("long too").process_at_every_batch_size();
    assert_eq!(harness.rows().iter().map(|row| (row.key, row.value)).collect::<Vec<_>>(), [(None, &b"long"[..]), (None, b"long too")]);
}

#[test]
fn nothing_of_a_refused_record_is_seen() {
    let mut harness = Harness::new::<Split>();
    harness.push_value("1,2").push_value("x").push_value("-3").process_at_every_batch_size();
    let records = harness.records::<(Utf8, Json<Vec<i64>>)>();
    assert_eq!(records, [("seen", vec![]), ("1,2", vec![1, 2]), ("seen", vec![]), ("-3", vec![-3])]);
    assert_eq!(harness.failures().iter().map(|f| f.record).collect::<Vec<_>>(), [Some(1)]);

    let mut harness = Harness::new::<History>();
    visit(&mut harness, "a", "x", 1);
    visit(&mut harness, "a", "refuse", 100);
    visit(&mut harness, "a", "y", 2);
    harness.process_at_every_batch_size();
    assert_eq!(harness.value::<u64>("total", "a"), Some(3));
    assert_eq!(harness.map_entries::<Utf8, u32>("pages", "a"), [("x".to_owned(), 1), ("y".to_owned(), 1)]);
    assert_eq!(harness.failures()[0].message, "no such page");
}

#[test]
fn states_hold_what_was_written_whatever_the_batches_and_instances() {
    let mut harness = Harness::new::<History>();
    harness.timestamp(9);
    for (key, page, seconds) in [("a", "x", 1), ("b", "x", 10), ("a", "y", 2), ("a", "forget", 0), ("a", "z", 5), ("a", "z", 6), ("b", "forget", 1)] {
        visit(&mut harness, key, page, seconds);
        if seconds == 5 {
            harness.new_instance();
        }
    }
    harness.process_at_every_batch_size();
    assert_eq!(
        harness.records::<(Utf8, Utf8)>(),
        [
            ("a", "1 x:1 1=1 1 last Some(1) at Some(9)"),
            ("b", "10 x:1 1=1 1 last Some(10) at Some(9)"),
            ("a", "3 x:1,y:1 2=2 1 last Some(2) at Some(9)"),
            ("a", "0 forgotten:1 0=0 0 last None at Some(9)"),
            ("a", "5 forgotten:1,z:1 1=1 1 last Some(5) at Some(9)"),
            ("a", "11 forgotten:1,z:2 2=2 1 last Some(6) at Some(9)"),
            ("b", "0 forgotten:1 0=0 0 last None at Some(9)"),
        ]
    );
    assert_eq!(harness.value::<u64>("total", "b"), None);
    assert_eq!(harness.list_items::<Postcard<Visit>>("visits", "a").len(), 2);
    assert_eq!((harness.counter("forgotten"), harness.log().len()), (2, 2));

    let saved = harness.snapshot();
    harness.forget_output();
    visit(&mut harness, "a", "w", 1);
    harness.process(1);
    let after: Vec<_> = harness.rows().iter().map(|row| row.value.to_vec()).collect();
    let mut other = Harness::new::<History>();
    visit(other.timestamp(9).restore(&saved), "a", "w", 1);
    other.process(1);
    assert_eq!(after, other.rows().iter().map(|row| row.value.to_vec()).collect::<Vec<_>>());
}

#[test]
fn long_lists_and_maps_are_read_page_by_page() {
    let mut harness = Harness::new::<History>();
    for i in 0..700u32 {
        visit(&mut harness, "a", &format!("page {i:03}"), i);
    }
    harness.process(usize::MAX);
    let summary = harness.records::<(Utf8, Utf8)>().pop().unwrap().1;
    assert!(summary.contains(" 700=700 "), "{}", &summary[summary.len() - 100..]);
    assert_eq!(harness.map_entries::<Utf8, u32>("pages", "a").len(), 700);
    let seconds: Vec<_> = harness.list_items::<Postcard<Visit>>("visits", "a").iter().map(|visit| visit.seconds).collect();
    assert_eq!(seconds, (0..700).collect::<Vec<_>>());
}

#[test]
fn output_beyond_a_piece_is_whole_and_an_error_voids_all_of_it() {
    let mut harness = Harness::new::<Repeat>();
    harness.push_value(50_000u64).push_value(0u64).push_value(1u64).process_at_every_batch_size();
    let records = harness.records::<(u64, f64)>();
    assert_eq!(records.len(), 50_001);
    assert_eq!(records[49_999], (49_999, 24_999.5));
    assert_eq!(records[50_000], (0, 0.0));
    assert_eq!(harness.failures().len(), 1);
}

#[test]
fn configuration_is_read_and_refused_at_open() {
    let mut harness = Harness::with_config::<Configured>(&[("limit", "3"), ("name", "ada")]);
    assert_eq!(harness.push_value(2u32).push_value(9u32).process(7).records::<Utf8>(), ["ada 2", "ada 3"]);

    let subtask = weir_guest::native::Subtask::default();
    let check = |function: &str, config: &[(&str, &str)], message: &str| {
        let config: Vec<_> = config.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        assert_eq!(plugin().open(function, &config, &subtask).err().as_deref(), Some(message));
    };
    check("configured", &[("limit", "many")], "config `limit` = `many`: invalid digit found in string");
    check("configured", &[("limit", "0")], "config `limit` is 0");
    check("stateful-map", &[], "state `count` is declared by an operator without keys: implement KeyedProcess");
    let names = "trim, long, keyed-long, split, history, configured, stateful-map, repeat, bytes";
    check("nothing", &[], &format!("plugin `weir-guest` has no function `nothing`; it has: {names}"));
}

#[test]
fn a_plugin_describes_its_functions() {
    let description = plugin().describe();
    assert_eq!(description, plugin().describe());
    assert_eq!((description.name.as_str(), description.sdk.as_str()), ("weir-guest", "rust weir-guest 0.1.0"));
    let ports: Vec<_> = description
        .functions
        .iter()
        .map(|function| {
            let (input, output) = (&function.inputs[0], &function.outputs[0]);
            format!("{} {}/{} -> {}/{}", function.name, input.key_codec, input.value_codec, output.key_codec, output.value_codec)
        })
        .collect();
    assert_eq!(ports[0], "trim any/utf8 -> none/utf8");
    assert_eq!(ports[2], "keyed-long utf8/utf8 -> utf8/utf8");
    assert_eq!(ports[3], "split any/utf8 -> utf8/json");
    assert_eq!(ports[7], "repeat any/u64-le -> u64-le/f64-le");
    let history = &description.functions[4];
    assert_eq!((history.kind, history.doc.as_str()), (FunctionKind::Keyed, "Keeps a history of each key."));
    let states: Vec<_> = history.states.iter().map(|s| (s.name.as_str(), s.kind, s.schema_version, s.ttl_ms)).collect();
    let expected = [
        ("total", StateKind::Value, 3, 60_000),
        ("visits", StateKind::List, 1, 0),
        ("text", StateKind::Value, 1, 0),
        ("pages", StateKind::Map, 1, 0),
    ];
    assert_eq!(states, expected);
    assert!(history.states[1].value_codec.starts_with("postcard:Visit/"));
}
