//! What can be said of a state besides its name and type: how long it lives, and what it was before.

use std::rc::Rc;
use std::time::Duration;

use super::migration::{Migration, Migrations};
use crate::codec::StateCodec;
use crate::error::Result;

/// What can be said of a state besides its name, and of its history: what its values were in older versions of the operator.
///
/// ```
/// use serde::{Deserialize, Serialize};
/// # use weir_guest::{Collector, KeyedContext, KeyedProcess, Result, Utf8};
/// use weir_guest::{OpenContext, Postcard, StateOptions, ValueState};
///
/// /// What is kept of a word since version 2; before, it was its count alone.
/// #[derive(Clone, Serialize, Deserialize)]
/// struct Seen {
///     count: u64,
///     last_ms: Option<i64>,
/// }
///
/// struct Count {
///     seen: ValueState<Postcard<Seen>>,
/// }
///
/// # impl KeyedProcess for Count {
/// #     type Key = Utf8;
/// #     type In = u64;
/// #     type Out = (Utf8, u64);
/// fn open(ctx: &mut OpenContext) -> Self {
///     let options = StateOptions::<u64>::new().migrate_to(2, |count| Ok(Seen { count, last_ms: None }));
///     Self { seen: ctx.value_state_with("count", options) }
/// }
/// #     fn process(&mut self, _: &str, _: u64, _: &mut KeyedContext, _: &mut Collector<Self::Out>) -> Result<()> {
/// #         Ok(())
/// #     }
/// # }
/// # weir_guest::export! { "count" => Count }
/// # use weir_guest::native::{Column, Subtask};
/// # let mut open = plugin().open("count", &[], &Subtask::default()).unwrap();
/// # let migrated = open.migrate("count", 1, Column { lengths: &[8], data: &7u64.to_le_bytes() }).unwrap();
/// # assert_eq!(migrated.data, [7, 0]);
/// ```
pub struct StateOptions<V: StateCodec> {
    pub(crate) schema_version: u32,
    pub(crate) ttl_ms: u64,
    /// Oldest first.
    older: Vec<Older<V::Value>>,
}

/// How values of an older version become current ones.
struct Older<T> {
    version: u32,
    read: Read<T>,
}

/// Reads a value of an older version as what it is now.
type Read<T> = Box<dyn Fn(&[u8]) -> Result<T>>;

impl<V: StateCodec> StateOptions<V> {
    /// Schema version 1, never expiring.
    #[must_use]
    pub fn new() -> Self {
        Self { schema_version: 1, ttl_ms: 0, older: Vec::new() }
    }

    /// The version of the value's layout. With [`Self::migrate_to`]: the oldest version that can still be read.
    #[must_use]
    pub fn schema_version(mut self, version: u32) -> Self {
        self.schema_version = version;
        self
    }

    /// Entries expire this long after they were last written.
    #[must_use]
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.ttl_ms = u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX);
        self
    }

    /// From schema version `version` on, values are `W`, and this is how a value of the version before becomes one; of map and list states, the value of an entry.
    /// Steps follow each other: a value of version 1 goes through all of them.
    ///
    /// The step sees the value and nothing else, and gives the same result for the same value. When it refuses, the job's policy decides: it stops and names the
    /// key, or sets the value aside.
    #[must_use]
    pub fn migrate_to<W: StateCodec>(self, version: u32, step: impl Fn(V::Value) -> Result<W::Value> + 'static) -> StateOptions<W> {
        let step = Rc::new(step);
        let mut older: Vec<Older<W::Value>> = Vec::with_capacity(self.older.len() + 1);
        for Older { version, read } in self.older {
            let step = Rc::clone(&step);
            older.push(Older { version, read: Box::new(move |bytes| step(read(bytes)?)) });
        }
        older.push(Older { version: self.schema_version, read: Box::new(move |bytes| step(V::load(bytes)?)) });
        StateOptions { schema_version: version, ttl_ms: self.ttl_ms, older }
    }

    /// Whether each step leads to a newer version than the one before, so that each version is migrated in one way, to the current one.
    pub(crate) fn check(&self) -> std::result::Result<(), String> {
        let versions: Vec<u32> = self.older.iter().map(|older| older.version).chain([self.schema_version]).collect();
        if versions.is_sorted_by(|one, next| one < next) {
            return Ok(());
        }
        let versions: Vec<String> = versions.iter().map(u32::to_string).collect();
        Err(format!("its schema versions are {}, but each `migrate_to` must lead to a newer version than the one before", versions.join(", ")))
    }

    /// The same without the type.
    pub(crate) fn into_migrations(self, state: &str) -> Migrations {
        let older = self.older.into_iter().map(|Older { version, read }| Migration {
            from_version: version,
            item: Box::new(move |bytes, scratch, migrated| {
                scratch.clear();
                migrated.push(Some(V::encode(&V::lend_value(&read(bytes)?), scratch)?.as_ref()));
                Ok(())
            }),
        });
        Migrations { state: state.to_owned(), schema_version: self.schema_version, older: older.collect() }
    }
}

impl<V: StateCodec> Default for StateOptions<V> {
    fn default() -> Self {
        Self::new()
    }
}
