//! Typed state per key: handles that an operator declares in `open` and uses while it processes a record of the key.
//!
//! A handle always means the key of the record that is being processed. State comes from the host with each call and goes back at its end in one
//! piece; nothing is kept in between. Outside of a record (in `open`, in a thread of thought) there is no key: reads give nothing and
//! writes refuse the next record.

mod list;
mod map;
mod migration;
mod options;
mod sub_keys;
mod value;

pub use list::ListState;
pub use map::{Entries, MapState};
pub(crate) use migration::{Migrations, migrate};
pub use options::StateOptions;
pub use value::ValueState;

use crate::native::{Column, Services};

/// What the driver does with every state of an operator.
pub(crate) trait StateCells {
    /// A call begins: forget the last one. `column` holds the values of a value state.
    fn begin(&self, column: Column<'_>);
    /// The call ends well: hand all changes to the host.
    fn flush(&self, services: &mut dyn Services);
}
