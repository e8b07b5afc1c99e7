//! Where an operator puts its records.

use std::marker::PhantomData;
use std::rc::Rc;

use crate::error::Result;
use crate::native::Call;
use crate::record::{Record, RowBuffer};
use crate::rows::{NO_TIMESTAMP, Row};
use crate::shared::Shared;

/// Rows are handed to the host in pieces of about this size, and at the end of a call.
const EMIT_BYTES: usize = 256 * 1024;

/// Takes the records that an operator emits. They get the timestamp of the record that is being processed.
pub struct Collector<R: Record> {
    buffer: RowBuffer,
    timestamp: i64,
    watermark: i64,
    processing_time: i64,
    output: u32,
    shared: Rc<Shared>,
    record: PhantomData<fn(R)>,
}

impl<R: Record> Collector<R> {
    pub(crate) fn new(output: u32, shared: Rc<Shared>) -> Self {
        Self { buffer: RowBuffer::default(), timestamp: NO_TIMESTAMP, watermark: i64::MIN, processing_time: 0, output, shared, record: PhantomData }
    }

    /// Emits a record.
    ///
    /// A record that can't be encoded refuses the record that is being processed.
    #[inline(always)]
    pub fn collect(&mut self, record: R::View<'_>) {
        if let Err(error) = self.try_collect(record) {
            self.shared.fail(error);
        }
    }

    #[inline(always)]
    pub(crate) fn try_collect(&mut self, record: R::View<'_>) -> Result<()> {
        R::write(record, self.timestamp, &mut self.buffer)?;
        if self.buffer.rows.len() >= EMIT_BYTES {
            self.flush();
        }
        Ok(())
    }

    /// The event time of the record that is being processed, and of what it emits: milliseconds since the Unix epoch.
    #[must_use]
    pub fn timestamp(&self) -> Option<i64> {
        (self.timestamp != NO_TIMESTAMP).then_some(self.timestamp)
    }

    /// Event time up to which all records have been seen, milliseconds since the Unix epoch; the smallest value: unknown.
    #[must_use]
    pub fn watermark(&self) -> i64 {
        self.watermark
    }

    /// Wall-clock time of the call, milliseconds since the Unix epoch.
    #[must_use]
    pub fn processing_time(&self) -> i64 {
        self.processing_time
    }

    /// Takes the time of a call, and drops what a failed one has left behind.
    pub(crate) fn begin(&mut self, call: &Call<'_>) {
        self.buffer.rows.clear();
        self.watermark = call.watermark;
        self.processing_time = call.processing_time;
    }

    #[inline(always)]
    pub(crate) fn at(&mut self, row: &Row<'_>) {
        self.timestamp = row.timestamp;
    }

    /// Emits the row itself; without its key if the records of this output have none.
    #[inline(always)]
    pub(crate) fn pass(&mut self, row: &Row<'_>) -> Result<()> {
        if R::KEYED || row.key.is_none() {
            crate::raw::push_bytes(&mut self.buffer.rows, row.bytes);
        } else {
            crate::raw::push_row(&mut self.buffer.rows, None, row.value, row.timestamp)?;
        }
        if self.buffer.rows.len() >= EMIT_BYTES {
            self.flush();
        }
        Ok(())
    }

    /// Hands the rows so far to the host.
    #[inline(never)]
    pub(crate) fn flush(&mut self) {
        let rows = &self.buffer.rows;
        if !rows.is_empty() {
            self.shared.services.with(|services| services.emit(self.output, rows));
        }
        self.buffer.rows.clear();
    }
}
