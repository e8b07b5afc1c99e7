//! A guest whose instance can be taken away from outside.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use weir_plugin::{Breakage, Call, CallError, Guest, Migrate, Services};
use weir_state::OwnedColumn;

/// Counts as worn when it is told so, and is replaced then as any worn instance is.
pub(super) struct Replaceable {
    pub(super) guest: Box<dyn Guest>,
    pub(super) lost: Arc<AtomicBool>,
}

impl Guest for Replaceable {
    fn call(&mut self, call: &Call<'_>, services: Box<Services>) -> (Box<Services>, Result<(), CallError>) {
        self.guest.call(call, services)
    }

    fn migrate(&mut self, migrate: &Migrate<'_>) -> Result<OwnedColumn, CallError> {
        self.guest.migrate(migrate)
    }

    fn renew(&mut self) -> Result<(), Breakage> {
        self.lost.store(false, Ordering::Relaxed);
        self.guest.renew()
    }

    fn is_worn(&self) -> bool {
        self.lost.load(Ordering::Relaxed) || self.guest.is_worn()
    }
}
