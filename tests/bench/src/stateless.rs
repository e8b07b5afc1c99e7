//! A native operator that keeps nothing, as a function.

use weir_plugin::{Breakage, Call, CallError, Guest, Migrate, Services};
use weir_state::OwnedColumn;

/// Runs its function for each call.
pub(crate) struct Stateless<F>(pub(crate) F);

impl<F: FnMut(&Call<'_>, &mut Services) -> Result<(), Breakage> + Send> Guest for Stateless<F> {
    fn call(&mut self, call: &Call<'_>, mut services: Box<Services>) -> (Box<Services>, Result<(), CallError>) {
        let result = (self.0)(call, &mut services);
        (services, result.map_err(CallError::from))
    }

    fn migrate(&mut self, _: &Migrate<'_>) -> Result<OwnedColumn, CallError> {
        Err(CallError::Refused { row: None, message: "it keeps nothing".to_owned() })
    }

    fn renew(&mut self) -> Result<(), Breakage> {
        Ok(())
    }

    fn is_worn(&self) -> bool {
        false
    }
}
