//! State of older schema versions: what each version of an operator makes of it, and what it refuses.

use serde::{Deserialize, Serialize};
use weir_guest::native::{Column, Failure, OwnedColumn, Subtask};
use weir_guest::testing::{Harness, Snapshot};
use weir_guest::{
    Collector, Error, Json, KeyedContext, KeyedProcess, ListState, MapState, OpenContext, Postcard, Result, StateCodec, StateOptions, Utf8,
    ValueState,
};

weir_guest::export! {
    plugin "versions";
    "first" => Versioned<First>,
    "second" => Versioned<Second>,
    "third" => Versioned<Third>,
    "third-of-second" => Versioned<ThirdOfSecond>,
    "other-codec" => Versioned<OtherCodec>,
    "other-kind" => OtherKind,
    "same-codec-other-type" => Versioned<Misread>,
    "backwards" => Versioned<Backwards>,
    "standing-still" => Versioned<StandingStill>,
}

/// Version 2.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Pair {
    sum: u64,
    times: Option<u32>,
}

/// Version 3, of another codec too.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Named {
    sum: i64,
    history: String,
}

/// What the states of one version hold, and how they came to it.
trait History: 'static {
    type Now: StateCodec;
    fn options() -> StateOptions<Self::Now>;
    fn of(n: u64) -> <Self::Now as StateCodec>::Value;
}

struct First;

impl History for First {
    type Now = u64;

    fn options() -> StateOptions<u64> {
        StateOptions::new()
    }

    fn of(n: u64) -> u64 {
        n
    }
}

struct Second;

impl History for Second {
    type Now = Postcard<Pair>;

    fn options() -> StateOptions<Self::Now> {
        First::options().migrate_to(2, |sum| if sum == 13 { Err(Error::new("13 is unlucky")) } else { Ok(Pair { sum, times: None }) })
    }

    fn of(sum: u64) -> Pair {
        Pair { sum, times: Some(1) }
    }
}

struct Third;

impl History for Third {
    type Now = Json<Named>;

    fn options() -> StateOptions<Self::Now> {
        Second::options().migrate_to(3, name_it)
    }

    fn of(n: u64) -> Named {
        Named { sum: n as i64, history: "new".to_owned() }
    }
}

fn name_it(pair: Pair) -> Result<Named> {
    Ok(Named { sum: pair.sum.try_into()?, history: format!("{:?}", pair.times) })
}

/// As [`Third`], but version 1 is too old for it.
struct ThirdOfSecond;

impl History for ThirdOfSecond {
    type Now = Json<Named>;

    fn options() -> StateOptions<Self::Now> {
        StateOptions::<Postcard<Pair>>::new().schema_version(2).migrate_to(3, name_it)
    }

    fn of(n: u64) -> Named {
        Third::of(n)
    }
}

struct OtherCodec;

impl History for OtherCodec {
    type Now = Json<u64>;

    fn options() -> StateOptions<Json<u64>> {
        StateOptions::new()
    }

    fn of(n: u64) -> u64 {
        n
    }
}

/// Of the same version and codec as [`Third`], but JSON of another shape.
struct Misread;

impl History for Misread {
    type Now = Json<u64>;

    fn options() -> StateOptions<Json<u64>> {
        StateOptions::new().schema_version(3)
    }

    fn of(n: u64) -> u64 {
        n
    }
}

struct Backwards;

impl History for Backwards {
    type Now = u64;

    fn options() -> StateOptions<u64> {
        Third::options().migrate_to(2, |named| Ok(named.sum.try_into()?))
    }

    fn of(n: u64) -> u64 {
        n
    }
}

struct StandingStill;

impl History for StandingStill {
    type Now = u64;

    fn options() -> StateOptions<u64> {
        First::options().migrate_to(1, |sum| Ok(sum * 2))
    }

    fn of(n: u64) -> u64 {
        n
    }
}

/// Keeps every number in a value, a list and a map; the value holds the last one.
struct Versioned<H: History> {
    value: ValueState<H::Now>,
    list: ListState<H::Now>,
    map: MapState<Utf8, H::Now>,
}

impl<H: History> KeyedProcess for Versioned<H> {
    type Key = Utf8;
    type In = u64;
    type Out = u64;

    fn open(ctx: &mut OpenContext) -> Self {
        Self {
            value: ctx.value_state_with("value", H::options()),
            list: ctx.list_state_with("list", H::options()),
            map: ctx.map_state_with("map", H::options()),
        }
    }

    fn process(&mut self, _: &str, n: u64, _: &mut KeyedContext, out: &mut Collector<u64>) -> Result<()> {
        let now = H::of(n);
        self.list.add(H::Now::lend_value(&now));
        // The empty sub-key of a map is an entry as any other.
        self.map.insert("", H::Now::lend_value(&now));
        self.map.insert(&n.to_string(), H::Now::lend_value(&now));
        let had_one = self.value.with(|value| value.is_some());
        self.value.set(now);
        out.collect(u64::from(had_one));
        Ok(())
    }
}

/// Its `value` is a list.
struct OtherKind;

impl KeyedProcess for OtherKind {
    type Key = Utf8;
    type In = u64;
    type Out = u64;

    fn open(ctx: &mut OpenContext) -> Self {
        let _: ListState<u64> = ctx.list_state("value");
        Self
    }

    fn process(&mut self, _: &str, _: u64, _: &mut KeyedContext, _: &mut Collector<u64>) -> Result<()> {
        Ok(())
    }
}

/// What `function` makes of values of its state `value`.
fn migrate(function: &str, from_version: u32, values: Column<'_>) -> Result<OwnedColumn, Failure> {
    let mut operator = plugin().open(function, &[], &Subtask::default()).unwrap_or_else(|why| panic!("{function}: {why}"));
    operator.migrate("value", from_version, values)
}

fn column<V: StateCodec>(values: &[Option<V::Value>]) -> OwnedColumn {
    let (mut column, mut scratch) = (OwnedColumn::default(), Vec::new());
    for value in values {
        scratch.clear();
        let lent = value.as_ref().map(V::lend_value);
        let bytes = lent.as_ref().map(|lent| whole(V::encode(lent, &mut scratch)));
        column.push(bytes.as_ref().map(AsRef::as_ref));
    }
    column
}

fn values<V: StateCodec>(column: &OwnedColumn) -> Vec<Option<V::Value>> {
    column.as_column().iter().map(|value| value.map(|bytes| whole(V::load(bytes)))).collect()
}

fn whole<T>(result: Result<T>) -> T {
    result.unwrap_or_else(|error| panic!("{error}"))
}

fn named(sum: i64, history: &str) -> Option<Named> {
    Some(Named { sum, history: history.to_owned() })
}

/// The state of an operator of `H` that has seen these numbers of a key.
fn snapshot<H: History>(numbers: &[(&str, u64)]) -> Snapshot
where
    Versioned<H>: weir_guest::Export,
{
    let mut harness = Harness::new::<Versioned<H>>();
    for (key, n) in numbers {
        harness.push(*key, *n);
    }
    harness.process(1024).snapshot()
}

#[test]
fn a_value_goes_through_every_step_from_its_own_version_on() {
    let first = column::<u64>(&[Some(7), None, Some(9)]);
    let second = migrate("second", 1, first.as_column()).unwrap();
    let pair = |sum| Some(Pair { sum, times: None });
    assert_eq!(values::<Postcard<Pair>>(&second), [pair(7), None, pair(9)]);

    let third = migrate("third", 1, first.as_column()).unwrap();
    assert_eq!(values::<Json<Named>>(&third), [named(7, "None"), None, named(9, "None")]);
    assert_eq!(migrate("third", 2, second.as_column()).unwrap(), third, "by way of version 2 as in one go");
    assert_eq!(migrate("third-of-second", 2, second.as_column()).unwrap(), third);
}

#[test]
fn a_plugin_may_have_another_name_than_its_crate() {
    assert_eq!(plugin().describe().name, "versions");
}

#[test]
fn an_empty_column_asks_whether_there_is_a_migration() {
    let check = |function: &str, from_version: u32, expect: Result<(), &str>| {
        let answer = migrate(function, from_version, Column::default());
        let expect = expect.map(|()| OwnedColumn::default()).map_err(|message| Failure { row: None, message: message.to_owned() });
        assert_eq!(answer, expect, "{function} from {from_version}");
    };
    check("second", 1, Ok(()));
    check("third", 1, Ok(()));
    check("third", 2, Ok(()));
    check("third-of-second", 2, Ok(()));
    check("first", 1, Err("state `value` has no migration from schema version 1: this function keeps version 1"));
    check("second", 2, Err("state `value` has no migration from schema version 2: this function keeps version 2 and can read 1"));
    check("third", 4, Err("state `value` has no migration from schema version 4: this function keeps version 3 and can read 1, 2"));
    check("third-of-second", 1, Err("state `value` has no migration from schema version 1: this function keeps version 3 and can read 2"));
    let nothing = plugin().open("third", &[], &Subtask::default()).unwrap().migrate("nothing", 1, Column::default());
    assert_eq!(nothing.unwrap_err().message, "this function has no state `nothing`");
}

#[test]
fn the_item_that_cant_be_migrated_is_named() {
    let check = |function: &str, from_version: u32, values: &OwnedColumn, row: Option<u32>, message: &str| {
        let failure = migrate(function, from_version, values.as_column()).unwrap_err();
        assert_eq!((failure.row, failure.message.as_str()), (row, message), "{function}");
    };
    check("second", 1, &column::<u64>(&[Some(1), None, Some(13), Some(13)]), Some(2), "13 is unlucky");
    check("third", 1, &column::<u64>(&[Some(13)]), Some(0), "13 is unlucky");
    let too_large = column::<Postcard<Pair>>(&[Some(Pair { sum: 1, times: None }), Some(Pair { sum: u64::MAX, times: None })]);
    check("third", 2, &too_large, Some(1), "out of range integral type conversion attempted");
    check("third", 1, &column::<u32>(&[Some(1)]), Some(0), "not u64-le: 4 bytes instead of 8");
    let mut cut_off = column::<u64>(&[Some(1), Some(2), None]);
    cut_off.data.pop();
    check("second", 1, &cut_off, None, "the column of values is cut off at item 1");
}

#[test]
fn versions_that_dont_rise_refuse_to_open() {
    let check = |function: &str, versions: &str| {
        let message = plugin().open(function, &[], &Subtask::default()).err().unwrap();
        let why =
            format!("state `value`: its schema versions are {versions}, but each `migrate_to` must lead to a newer version than the one before");
        assert!(message.starts_with(&why), "{message}");
    };
    check("backwards", "1, 2, 3, 2");
    check("standing-still", "1, 1");
}

#[test]
fn a_snapshot_of_an_older_version_is_migrated_when_it_is_restored() {
    let old = snapshot::<First>(&[("a", 1), ("a", 2), ("b", 3)]);
    let check = |third: &Harness| {
        assert_eq!(third.value::<Json<Named>>("value", "a"), named(2, "None"));
        assert_eq!(third.list_items::<Json<Named>>("list", "a"), [named(1, "None").unwrap(), named(2, "None").unwrap()]);
        let entries = [("", 2), ("1", 1), ("2", 2)].map(|(sub_key, n)| (sub_key.to_owned(), named(n, "None").unwrap()));
        assert_eq!(third.map_entries::<Utf8, Json<Named>>("map", "a"), entries);
        assert_eq!(third.value::<Json<Named>>("value", "b"), named(3, "None"));
    };
    let mut at_once = Harness::new::<Versioned<Third>>();
    check(at_once.restore(&old));
    let between = Harness::new::<Versioned<Second>>().restore(&old).snapshot();
    let mut by_steps = Harness::new::<Versioned<Third>>();
    check(by_steps.restore(&between));

    by_steps.push("a", 4u64).push("c", 5u64).process_at_every_batch_size();
    assert_eq!(by_steps.records::<u64>(), [1, 0]);
    let items = by_steps.list_items::<Json<Named>>("list", "a");
    assert_eq!(items.iter().map(|item| item.history.as_str()).collect::<Vec<_>>(), ["None", "None", "new"]);
    let again = by_steps.snapshot();
    assert_eq!(Harness::new::<Versioned<Third>>().restore(&again).snapshot(), again, "what is of the current version stays as it is");
}

#[test]
#[should_panic(expected = "the snapshot can't be restored: state `value` of key `bad`, schema version 1: 13 is unlucky")]
fn a_value_that_cant_be_migrated_fails_the_test_and_names_the_key() {
    Harness::new::<Versioned<Second>>().restore(&snapshot::<First>(&[("a", 1), ("bad", 13)]));
}

#[test]
#[should_panic(expected = "state `value` has no migration from schema version 2: this function keeps version 1")]
fn a_snapshot_of_a_newer_version_fails_the_test() {
    Harness::new::<Versioned<First>>().restore(&snapshot::<Second>(&[("a", 1)]));
}

#[test]
#[should_panic(expected = "no migration from schema version 1: this function keeps version 3 and can read 2")]
fn a_missing_migration_fails_the_test_although_there_is_no_value_yet() {
    Harness::new::<Versioned<ThirdOfSecond>>().restore(&snapshot::<First>(&[]));
}

#[test]
#[should_panic(expected = "state `value` is u64-le in it and json here, both as schema version 1: raise the version")]
fn another_codec_of_the_same_version_fails_the_test() {
    Harness::new::<Versioned<OtherCodec>>().restore(&snapshot::<First>(&[("a", 1)]));
}

#[test]
#[should_panic(expected = "state `value` is another kind of state in it")]
fn another_kind_of_state_fails_the_test() {
    Harness::new::<OtherKind>().restore(&snapshot::<First>(&[("a", 1)]));
}

#[test]
fn a_value_that_doesnt_decode_refuses_the_record() {
    let mut misread = Harness::new::<Versioned<Misread>>();
    misread.restore(&snapshot::<Third>(&[("a", 1)])).push("a", 1u64).push("b", 1u64).process(7);
    assert_eq!(misread.failures().len(), 1);
    assert!(misread.failures()[0].message.starts_with("state `value`: not the JSON that is expected"), "{:?}", misread.failures());
    assert_eq!(misread.value::<Json<u64>>("value", "b"), Some(1));
}
