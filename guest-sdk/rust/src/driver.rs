//! Runs a call over an author's operator: rows are decoded, states are lent, output and changes are handed to the host.

use std::rc::Rc;

use crate::codec::Codec;
use crate::collector::Collector;
use crate::context::{CounterCell, KeyedContext, OpenContext};
use crate::error::{Error, Result};
use crate::native::{Call, Column, Failure, Operator, OwnedColumn, Row, Rows, Services};
use crate::operator::{Filter, FlatMap, KeyedProcess, Map};
use crate::record::{Record, in_key, missing_key};
use crate::shared::{NO_SLOT, Shared, refuse, refuse_call};
use crate::state::{Migrations, StateCells, migrate};

/// What an operator does with each row.
pub(crate) trait Each {
    type Out: Record;
    fn each(&mut self, row: &Row<'_>, out: &mut Collector<Self::Out>) -> Result<()>;
}

pub(crate) struct MapEach<T>(pub(crate) T);
pub(crate) struct FilterEach<T>(pub(crate) T);
pub(crate) struct FlatMapEach<T>(pub(crate) T);

impl<T: Map> Each for MapEach<T> {
    type Out = T::Out;

    #[inline(always)]
    fn each(&mut self, row: &Row<'_>, out: &mut Collector<T::Out>) -> Result<()> {
        let mapped = self.0.map(T::In::decode(row)?)?;
        out.try_collect(mapped)
    }
}

impl<T: Filter> Each for FilterEach<T> {
    type Out = T::In;

    #[inline(always)]
    fn each(&mut self, row: &Row<'_>, out: &mut Collector<T::In>) -> Result<()> {
        if self.0.filter(T::In::decode(row)?)? { out.pass(row) } else { Ok(()) }
    }
}

impl<T: FlatMap> Each for FlatMapEach<T> {
    type Out = T::Out;

    #[inline(always)]
    fn each(&mut self, row: &Row<'_>, out: &mut Collector<T::Out>) -> Result<()> {
        self.0.flat_map(T::In::decode(row)?, out)
    }
}

/// An open operator without state.
pub(crate) struct Stateless<E: Each> {
    each: E,
    out: Collector<E::Out>,
    counters: Vec<Rc<CounterCell>>,
    shared: Rc<Shared>,
}

impl<E: Each> Stateless<E> {
    pub(crate) fn new(each: E, ctx: OpenContext) -> Self {
        Self { each, out: Collector::new(0, Rc::clone(&ctx.shared)), counters: ctx.counters, shared: ctx.shared }
    }
}

impl<E: Each> Operator for Stateless<E> {
    fn process(&mut self, call: &Call<'_>, services: &mut dyn Services) -> Result<(), Failure> {
        let Self { each, out, counters, shared } = self;
        check_input(call)?;
        begin(shared, counters);
        out.begin(call);
        shared.services.lend(services, || {
            for (i, row) in Rows::new(call.records).enumerate() {
                let row = row.map_err(refuse_call)?;
                out.at(&row);
                if let Err(error) = each.each(&row, out) {
                    return Err(refuse(i, error));
                }
                if let Err(error) = shared.check() {
                    return Err(refuse(i, error));
                }
            }
            out.flush();
            Ok(())
        })?;
        counters.iter().for_each(|counter| counter.flush(services));
        Ok(())
    }

    fn finish(&mut self, _: i64, _: i64, _: &mut dyn Services) -> Result<(), Failure> {
        Ok(())
    }
}

/// An open operator with state per key.
pub(crate) struct Keyed<T: KeyedProcess> {
    operator: T,
    out: Collector<T::Out>,
    ctx: KeyedContext,
    states: Vec<Rc<dyn StateCells>>,
    migrations: Vec<Migrations>,
    counters: Vec<Rc<CounterCell>>,
    shared: Rc<Shared>,
}

impl<T: KeyedProcess> Keyed<T> {
    pub(crate) fn new(operator: T, ctx: OpenContext) -> Self {
        ctx.shared.slot.set(NO_SLOT);
        let keyed = KeyedContext { shared: Rc::clone(&ctx.shared), timestamp: 0, watermark: i64::MIN, processing_time: 0 };
        let out = Collector::new(0, Rc::clone(&ctx.shared));
        Self { operator, out, ctx: keyed, states: ctx.cells, migrations: ctx.migrations, counters: ctx.counters, shared: ctx.shared }
    }

    fn records(&mut self, call: &Call<'_>) -> Result<(), Failure> {
        let Self { operator, out, ctx, shared, .. } = self;
        // A key is read once, for all its records in the call.
        let mut keys: Vec<Option<<T::Key as Codec>::View<'_>>> = Vec::new();
        let mut slots = call.slots.iter();
        for (i, row) in Rows::new(call.records).enumerate() {
            let row = row.map_err(refuse_call)?;
            let Some(&slot) = slots.next() else { return Err(refuse_call(Error::new("the call has fewer slots than records"))) };
            if slot as usize >= keys.len() {
                // Slots number the distinct keys of the call, so there can't be more than records.
                if slot as usize >= call.slots.len() {
                    return Err(refuse_call(Error::new("the call has a slot that is beyond its records")));
                }
                keys.resize_with(call.slots.len().min((slot as usize + 1).next_power_of_two()), || None);
            }
            let Some(place) = keys.get_mut(slot as usize) else { continue };
            let key = match place {
                Some(key) => &*key,
                None => &*place.insert(key_of::<T>(&row).map_err(|error| refuse(i, error))?),
            };
            shared.slot.set(slot);
            out.at(&row);
            ctx.timestamp = row.timestamp;
            let value = match <T::In as Codec>::decode(row.value) {
                Ok(value) => value,
                Err(error) => return Err(refuse(i, error)),
            };
            if let Err(error) = operator.process(<T::Key as Codec>::lend(key), value, ctx, out) {
                return Err(refuse(i, error));
            }
            if let Err(error) = shared.check() {
                return Err(refuse(i, error));
            }
        }
        Ok(())
    }
}

#[inline(always)]
fn key_of<'a, T: KeyedProcess>(row: &Row<'a>) -> Result<<T::Key as Codec>::View<'a>> {
    <T::Key as Codec>::decode(row.key.ok_or_else(missing_key)?).map_err(in_key)
}

impl<T: KeyedProcess> Operator for Keyed<T> {
    fn process(&mut self, call: &Call<'_>, services: &mut dyn Services) -> Result<(), Failure> {
        check_input(call)?;
        begin(&self.shared, &self.counters);
        self.out.begin(call);
        self.ctx.watermark = call.watermark;
        self.ctx.processing_time = call.processing_time;
        for (number, state) in self.states.iter().enumerate() {
            state.begin(call.values.get(number).copied().unwrap_or(Column { lengths: &[], data: &[] }));
        }
        let shared = Rc::clone(&self.shared);
        let result = shared.services.lend(services, || {
            self.records(call)?;
            self.out.flush();
            Ok(())
        });
        shared.slot.set(NO_SLOT);
        result?;
        self.states.iter().for_each(|state| state.flush(services));
        shared.check().map_err(refuse_call)?;
        self.counters.iter().for_each(|counter| counter.flush(services));
        Ok(())
    }

    fn finish(&mut self, _: i64, _: i64, _: &mut dyn Services) -> Result<(), Failure> {
        Ok(())
    }

    fn migrate(&mut self, state: &str, from_version: u32, values: Column<'_>) -> Result<OwnedColumn, Failure> {
        migrate(&self.migrations, state, from_version, values)
    }
}

/// Forgets what a failed call has left behind.
fn begin(shared: &Shared, counters: &[Rc<CounterCell>]) {
    drop(shared.check());
    counters.iter().for_each(|counter| counter.begin());
}

fn check_input(call: &Call<'_>) -> Result<(), Failure> {
    if call.input == 0 { Ok(()) } else { Err(refuse_call(Error::new(format!("there is no input {}", call.input)))) }
}
