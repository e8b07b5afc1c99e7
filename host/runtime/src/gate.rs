//! The input of a task: one bounded channel per producing subtask, read in turn.

use std::future::poll_fn;
use std::task::{Context, Poll};

use tokio::sync::mpsc::{Receiver, Sender, channel};
use weir_model::element::Element;

/// Batches that may wait in one channel: the credit of its producer.
const CHANNEL_BATCHES: usize = 4;

/// One end of a channel.
pub(crate) type ElementSender = Sender<Element>;

/// A channel of the job.
pub(crate) fn element_channel() -> (ElementSender, Receiver<Element>) {
    channel(CHANNEL_BATCHES)
}

/// The channels into one task.
#[derive(Debug, Default)]
pub(crate) struct InputGate {
    channels: Vec<InputChannel>,
    next: usize,
}

#[derive(Debug)]
struct InputChannel {
    receiver: Receiver<Element>,
    /// The input port of the chain's head.
    input: u32,
    ended: bool,
}

/// What a gate gives.
#[derive(Debug)]
pub(crate) enum Arrival {
    /// An element for an input port.
    Batch(u32, weir_model::rows::Batch),
    /// All producers have ended.
    End,
    /// A producer went away without ending: the job is being cancelled.
    Cancelled,
}

impl InputGate {
    pub(crate) fn add(&mut self, receiver: Receiver<Element>, input: u32) {
        self.channels.push(InputChannel { receiver, input, ended: false });
    }

    /// The next element of any channel. Losing the future loses nothing.
    pub(crate) async fn next(&mut self) -> Arrival {
        poll_fn(|context| self.poll_next(context)).await
    }

    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Arrival> {
        let count = self.channels.len();
        let start = self.next;
        for at in (start..count).chain(0..start) {
            let Some(channel) = self.channels.get_mut(at).filter(|channel| !channel.ended) else { continue };
            match channel.receiver.poll_recv(context) {
                Poll::Ready(Some(Element::Batch(batch))) => {
                    self.next = (at + 1) % count;
                    return Poll::Ready(Arrival::Batch(channel.input, batch));
                }
                Poll::Ready(Some(Element::End)) => channel.ended = true,
                Poll::Ready(None) => return Poll::Ready(Arrival::Cancelled),
                Poll::Pending => {}
            }
        }
        if self.channels.iter().all(|channel| channel.ended) { Poll::Ready(Arrival::End) } else { Poll::Pending }
    }
}
