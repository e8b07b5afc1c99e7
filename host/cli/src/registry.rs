//! The jobs of this user: a folder that nobody else may look into, with a file for each job and a socket for each that runs.

mod record;
mod folder;
mod process;
mod socket;
mod sweep;
mod find;
mod registration;

pub(crate) use find::{Wanted, find};
pub(crate) use folder::{RunFolder, place};
pub(crate) use record::{CheckpointPlace, Ended, Failure, JobId, Outcome, Record};
pub(crate) use registration::Registration;
pub(crate) use socket::connect;
pub(crate) use sweep::jobs;
