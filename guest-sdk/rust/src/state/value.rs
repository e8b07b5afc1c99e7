//! One value a key.

use std::cell::{RefCell, RefMut};
use std::rc::Rc;

use super::StateCells;
use crate::codec::StateCodec;
use crate::error::Error;
use crate::native::{Column, OwnedColumn, Services};
use crate::shared::Shared;

/// One value a key. Declared by [`crate::OpenContext::value_state`].
pub struct ValueState<V: StateCodec>(Rc<ValueCells<V>>);

pub(crate) struct ValueCells<V: StateCodec> {
    number: u32,
    name: String,
    shared: Rc<Shared>,
    call: RefCell<Values<V::Value>>,
}

/// The values of one call, by slot.
struct Values<T> {
    /// The host's column: its bytes, and where the next slot after `cells` starts in them.
    cells: Vec<Cell<T>>,
    data: Vec<u8>,
    /// What is written back, kept for its room.
    slots: Vec<u32>,
    column: OwnedColumn,
    scratch: Vec<u8>,
}

enum Cell<T> {
    /// Not looked at yet: where it lies in the host's bytes.
    Unread { start: u32, length: u32 },
    /// As the host has it.
    Clean(Option<T>),
    /// Changed by this call.
    Dirty(Option<T>),
}

impl<V: StateCodec> ValueState<V> {
    pub(crate) fn new(number: u32, name: &str, shared: Rc<Shared>) -> (Self, Rc<dyn StateCells>) {
        let call = Values { cells: Vec::new(), data: Vec::new(), slots: Vec::new(), column: OwnedColumn::default(), scratch: Vec::new() };
        let cells = Rc::new(ValueCells { number, name: name.to_owned(), shared, call: RefCell::new(call) });
        (Self(Rc::clone(&cells)), cells)
    }

    /// The key's value.
    #[inline]
    #[must_use]
    pub fn get(&self) -> Option<V::Value> {
        self.with(|value| value.cloned())
    }

    /// Lends the key's value to `read`: no copy of a long value is made.
    #[inline]
    pub fn with<R>(&self, read: impl FnOnce(Option<&V::Value>) -> R) -> R {
        match self.0.cell() {
            Some(cell) => match &*cell {
                Cell::Clean(value) | Cell::Dirty(value) => read(value.as_ref()),
                Cell::Unread { .. } => read(None),
            },
            None => read(None),
        }
    }

    /// Sets the key's value.
    #[inline]
    pub fn set(&mut self, value: V::Value) {
        if let Some(mut cell) = self.0.slot() {
            *cell = Cell::Dirty(Some(value));
        }
    }

    /// Deletes the key's value.
    #[inline]
    pub fn clear(&mut self) {
        if let Some(mut cell) = self.0.slot() {
            *cell = Cell::Dirty(None);
        }
    }

    /// Changes the key's value in place; `None` deletes it.
    #[inline]
    pub fn update<R>(&mut self, change: impl FnOnce(&mut Option<V::Value>) -> R) -> R {
        match self.0.cell() {
            Some(mut cell) => {
                let mut value = match std::mem::replace(&mut *cell, Cell::Clean(None)) {
                    Cell::Clean(value) | Cell::Dirty(value) => value,
                    Cell::Unread { .. } => None,
                };
                let result = change(&mut value);
                *cell = Cell::Dirty(value);
                result
            }
            None => change(&mut None),
        }
    }
}

impl<V: StateCodec> ValueCells<V> {
    /// The cell of the current slot; `None`, and the record is refused, where there is none.
    #[inline(always)]
    fn slot(&self) -> Option<RefMut<'_, Cell<V::Value>>> {
        self.find(|_, _| ())
    }

    /// As [`Self::slot`], with the host's value decoded.
    #[inline(always)]
    fn cell(&self) -> Option<RefMut<'_, Cell<V::Value>>> {
        self.find(|cell, data| {
            if matches!(cell, Cell::Unread { .. }) {
                self.decode(cell, data);
            }
        })
    }

    #[inline(always)]
    fn find(&self, prepare: impl FnOnce(&mut Cell<V::Value>, &[u8])) -> Option<RefMut<'_, Cell<V::Value>>> {
        let slot = self.shared.slot.get() as usize;
        let found = RefMut::filter_map(self.call.borrow_mut(), |call| {
            let Values { cells, data, .. } = call;
            let cell = cells.get_mut(slot)?;
            prepare(cell, data);
            Some(cell)
        });
        if found.is_err() {
            self.refuse("there is no value of the key: either no record is being processed, or the host passed none");
        }
        found.ok()
    }

    #[inline(always)]
    fn decode(&self, cell: &mut Cell<V::Value>, data: &[u8]) {
        let Cell::Unread { start, length } = *cell else { return };
        let bytes = data.get(start as usize..(start as usize).saturating_add(length as usize));
        let loaded = bytes.ok_or_else(|| Error::new("the host's values are cut off")).and_then(V::load);
        *cell = Cell::Clean(match loaded {
            Ok(value) => Some(value),
            Err(error) => {
                self.refuse(error.message());
                None
            }
        });
    }

    #[cold]
    fn refuse(&self, why: &str) {
        self.shared.fail(Error::new(format!("state `{}`: {why}", self.name)));
    }
}

impl<V: StateCodec> StateCells for ValueCells<V> {
    fn begin(&self, column: Column<'_>) {
        let mut call = self.call.borrow_mut();
        let Values { cells, data, .. } = &mut *call;
        data.clear();
        crate::raw::push_bytes(data, column.data);
        cells.clear();
        let mut start = 0u32;
        cells.extend(column.lengths.iter().map(|&length| {
            if length == u32::MAX {
                return Cell::Clean(None);
            }
            let cell = Cell::Unread { start, length };
            start = start.saturating_add(length);
            cell
        }));
    }

    fn flush(&self, services: &mut dyn Services) {
        let mut call = self.call.borrow_mut();
        let Values { cells, slots, column, scratch, .. } = &mut *call;
        slots.clear();
        column.clear();
        for (slot, cell) in cells.iter().enumerate() {
            let Cell::Dirty(value) = cell else { continue };
            slots.push(slot as u32);
            let Some(value) = value else {
                column.push(None);
                continue;
            };
            scratch.clear();
            match V::encode(&V::lend_value(value), scratch) {
                Ok(bytes) => column.push(Some(bytes.as_ref())),
                Err(error) => return self.refuse(error.message()),
            }
        }
        if !slots.is_empty() {
            services.put(self.number, slots, column.as_column());
        }
    }
}
