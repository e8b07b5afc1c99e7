//! The head of a task that reads a source.

use std::future::ready;
use std::sync::Arc;

use tokio::sync::watch;
use weir_connect::source::{BatchLimit, SourceReader, SourceStatus};
use weir_model::rows::BatchBuilder;

use crate::chain::Target;
use crate::command::{Link, next_command};
use crate::exchange::{BATCH_BYTES, BATCH_ROWS};
use crate::metrics::SubtaskMetrics;
use crate::task::{Event, LINGER, TaskError};

const LIMIT: BatchLimit = BatchLimit { rows: BATCH_ROWS, bytes: READ_BYTES };

/// Bytes that a source reads before its records go on.
const READ_BYTES: usize = BATCH_BYTES / 4;

/// A source at the head of a chain.
pub(crate) struct SourceHead {
    pub(crate) reader: Box<SourceReader>,
    pub(crate) targets: Vec<Target>,
    pub(crate) metrics: Arc<SubtaskMetrics>,
    /// The order to end, in a job without checkpoints; with them, the coordinator gives it.
    pub(crate) stop: watch::Receiver<bool>,
    /// The reader has said that there is no more, or the job stops.
    pub(crate) ended: bool,
}

impl SourceHead {
    /// What the source has without waiting; `None` when it would have to wait.
    pub(crate) async fn next_at_once(&mut self, has_link: bool) -> Result<Option<Event>, TaskError> {
        if self.ended {
            return Ok((!has_link).then_some(Event::End));
        }
        if !has_link && *self.stop.borrow() {
            return Ok(Some(Event::End));
        }
        let mut builder = BatchBuilder::with_capacity(READ_BYTES + READ_BYTES / 4);
        let status = tokio::select! {
            biased;
            status = self.reader.next(&mut builder, LIMIT) => Some(status?),
            () = ready(()) => None,
        };
        Ok(self.event(builder, status))
    }

    /// Waits for records, for a command or the order to stop, or, if there are partial batches, for the end of the linger time.
    pub(crate) async fn next(&mut self, partial: bool, mut link: Option<&mut Link>) -> Result<Event, TaskError> {
        let mut builder = BatchBuilder::default();
        let has_link = link.is_some();
        let mut command = None;
        let status = tokio::select! {
            biased;
            next = next_command(link.as_deref_mut()) => {
                command = Some(next?);
                None
            }
            status = self.reader.next(&mut builder, LIMIT), if !self.ended => Some(status?),
            changed = self.stop.changed(), if !has_link => match changed {
                Ok(()) => Some(SourceStatus::End),
                // Nobody holds the job any more: this is no end of the input.
                Err(_) => return Err(TaskError::Cancelled),
            },
            () = tokio::time::sleep(LINGER), if partial => None,
        };
        let event = self.event(builder, status);
        match (event, command) {
            (Some(event), Some(command)) => {
                // What the reader had given before the command came goes first.
                if let Some(link) = link {
                    link.stash(command);
                }
                Ok(event)
            }
            (Some(event), None) => Ok(event),
            (None, Some(command)) => Ok(Event::Command(command)),
            (None, None) => Ok(Event::Linger),
        }
    }

    /// What a read means. A reader that was interrupted has left what it had in the builder.
    fn event(&mut self, mut builder: BatchBuilder, status: Option<SourceStatus>) -> Option<Event> {
        let progress = self.reader.progress();
        self.metrics.skipped.set(progress.records_skipped);
        self.metrics.bytes_in.set(progress.bytes_read);
        if !builder.is_empty() {
            self.metrics.records_out.add(builder.len() as u64);
            self.metrics.bytes_out.add(builder.byte_len() as u64);
            return Some(Event::Read { batch: builder.take(), is_last: matches!(status, Some(SourceStatus::End)) });
        }
        match status {
            Some(SourceStatus::End) => Some(Event::End),
            Some(SourceStatus::More) | None => None,
        }
    }
}
