//! Whether there are still rows of older versions on disk.

use crate::column::StateError;
use crate::keyed::KeyedState;
use crate::layout::Layout;

impl KeyedState {
    /// Finds out which stored states that are in no use any more have no rows on disk, and whether none of an older version has.
    pub(crate) fn look_for_older_on_disk(&mut self) -> Result<bool, StateError> {
        let Some(backing) = &mut self.backing else { return Ok(true) };
        let mut layout = Layout::clone(&self.cells.layout);
        let mut none_is_older = true;
        for number in self.cells.layout.on_disk() {
            let family = layout.family_of(number).map(|(family, version)| (family.state.is_some(), version == family.current));
            if family == Some((true, true)) {
                continue;
            }
            match backing.store.scan(&(number as u32).to_be_bytes()).next() {
                Some(row) => {
                    row.map_err(|error| backing.fail(error))?;
                    none_is_older &= family != Some((true, false));
                }
                None if family.is_none() => layout.gone_from_disk(number),
                None => {}
            }
        }
        self.cells.follow(layout);
        Ok(none_is_older)
    }
}
