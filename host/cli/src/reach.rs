//! From one terminal to a job in another: requests and answers through the job's socket, one JSON object a line.

mod message;
mod form;
mod lines;
mod server;
mod client;

pub(crate) use client::{Client, Found, known_jobs, run, running};
#[cfg(test)]
pub(crate) use form::{Before, Shadow, ShadowExample, Swap};
pub(crate) use form::{Node, SavepointAsk, SavepointTaken, Status, SwapAsk, SwapDone, Then};
pub(crate) use message::{Answer, Ask};
pub(crate) use server::{Desk, EndedBy, serve};
