//! The keyed state of one subtask: which keys there are, their values, and the staged writes of the call that is running.
//!
//! Entries are addressed by state name and key (the descriptor's number stands for the name while a job runs). Nothing here
//! knows who calls it, where bytes are stored, or what they mean.

mod column;
mod small_bytes;
mod prefetch;
mod huge_pages;
mod varint;
mod bitmap;
mod paged;
mod index;
mod expiry;
mod row;
mod saved_states;
mod layout;
mod marks;
mod sub_keys;
mod cells;
mod disk;
mod backing;
mod captured;
mod tracker;
mod keyed;
mod writes;
mod staged;
mod snapshot;
mod load;
mod migration;
mod undo;
mod function;
mod file;
#[cfg(test)]
mod world;

pub use captured::Captured;
pub use column::{Column, MISSING, OwnedColumn, StateError};
pub use disk::DiskError;
pub use file::{FileError, Incompatible, RestoreError, StateFile, StateFileIndex, StateFileInfo};
pub use file::{MergeError, MergeStep, MergedRows, RowSorter, StateFilesWriter};
pub use keyed::{KeyTable, KeyedState};
pub use migration::Stale;
pub use row::{SnapshotScope, StateRow};
pub use staged::{Page, Scope, Staged};
