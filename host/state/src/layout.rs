//! Which states a table holds: those of its function, and of each the versions that values may still have.
//!
//! Each version of a state is a *stored state*. Stored states are numbered as they come, and a number is never used again: rows of snapshots, files
//! and disks carry it. A state of the function is a family of stored states with one place in the table.

use weir_model::describe::{StateDescriptor, StateKind};
use weir_model::key_group::KeyGroup;

use crate::file::{Incompatible, StateMatch, match_states};
use crate::row::StateRow;
use crate::saved_states::SavedStates;

/// Where a state's data lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Place {
    /// In the entry itself.
    First,
    /// In a column of its own.
    Column(usize),
    /// Among the maps and lists.
    SubKeys(usize),
}

/// A state in all versions that its values may have.
#[derive(Debug, Clone)]
pub(crate) struct Family {
    pub(crate) place: Place,
    /// The function's number of it. `None`: the function has it no more, and what lies there is to be cleared.
    pub(crate) state: Option<usize>,
    /// The stored states that its values may be of; the position is what [`crate::marks::Marks`] has.
    pub(crate) numbers: Vec<usize>,
    /// The position of the function's version.
    pub(crate) current: u8,
    /// Whether clearing it has begun: nobody may see its data any more.
    pub(crate) is_clearing: bool,
}

impl Family {
    /// The stored state that is written.
    pub(crate) fn current_number(&self) -> usize {
        self.number(self.current)
    }

    /// The stored state with a position.
    #[inline]
    pub(crate) fn number(&self, version: u8) -> usize {
        self.numbers.get(usize::from(version)).copied().unwrap_or_default()
    }

    /// Whether values may have other versions than the current one.
    pub(crate) fn has_older(&self) -> bool {
        self.numbers.len() > 1
    }
}

#[derive(Debug, Clone)]
struct Stored {
    descriptor: StateDescriptor,
    /// Of state on disk: rows there may carry this number.
    may_be_on_disk: bool,
}

/// The stored states and what the function has of them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Layout {
    stored: Vec<Stored>,
    pub(crate) families: Vec<Family>,
    /// By stored number: the family and the position in it.
    by_number: Vec<Option<(usize, u8)>>,
}

/// How many versions of one state a table can hold at once.
const VERSIONS_MAX: usize = u8::MAX as usize + 1;

impl Layout {
    /// The states of a function, and nothing else.
    pub(crate) fn new(states: &[StateDescriptor]) -> Self {
        let mut layout = Self::default();
        states.iter().enumerate().for_each(|(state, descriptor)| layout.add_family(state, descriptor));
        layout.number_again();
        layout
    }

    fn add_stored(&mut self, descriptor: &StateDescriptor) -> usize {
        self.stored.push(Stored { descriptor: descriptor.clone(), may_be_on_disk: true });
        self.stored.len() - 1
    }

    fn add_family(&mut self, state: usize, descriptor: &StateDescriptor) {
        let (place, number) = (self.free_place(descriptor.kind), self.add_stored(descriptor));
        self.families.push(Family { place, state: Some(state), numbers: vec![number], current: 0, is_clearing: false });
    }

    /// The first place of a kind that no family has.
    fn free_place(&self, kind: StateKind) -> Place {
        let is_free = |place: &Place| self.families.iter().all(|family| family.place != *place);
        // One of so many places must be free.
        let some = 0..=self.families.len();
        let free = match kind {
            StateKind::Value => std::iter::once(Place::First).chain(some.map(Place::Column)).find(is_free),
            StateKind::List | StateKind::Map => some.map(Place::SubKeys).find(is_free),
        };
        free.unwrap_or(Place::First)
    }

    fn number_again(&mut self) {
        self.by_number = vec![None; self.stored.len()];
        for (at, family) in self.families.iter().enumerate() {
            for (version, number) in family.numbers.iter().enumerate() {
                if let Some(place) = self.by_number.get_mut(*number) {
                    *place = Some((at, version as u8));
                }
            }
        }
    }

    /// The family of a stored state, and its position there; `None` when nothing in the table can be of it.
    #[inline]
    pub(crate) fn family_of(&self, number: usize) -> Option<(&Family, u8)> {
        let (family, version) = self.by_number.get(number).copied().flatten()?;
        Some((self.families.get(family)?, version))
    }

    /// The families of the function's states, with its number of each.
    pub(crate) fn live(&self) -> impl Iterator<Item = (usize, &Family)> {
        self.families.iter().filter_map(|family| Some((family.state?, family)))
    }

    /// The number of stored states there ever were.
    pub(crate) fn stored_count(&self) -> usize {
        self.stored.len()
    }

    pub(crate) fn descriptor(&self, number: usize) -> Option<&StateDescriptor> {
        self.stored.get(number).map(|stored| &stored.descriptor)
    }

    /// The states of the function, in its order.
    pub(crate) fn function(&self) -> Vec<StateDescriptor> {
        let mut states: Vec<_> = self.live().filter_map(|(state, family)| Some((state, self.descriptor(family.current_number())?))).collect();
        states.sort_unstable_by_key(|(state, _)| *state);
        states.into_iter().map(|(_, descriptor)| descriptor.clone()).collect()
    }

    /// The deletion of all under a key, a row for each of the function's states.
    pub(crate) fn deletions(&self, key_group: KeyGroup, key: &[u8], mut each: impl FnMut(StateRow<'_>)) {
        let row = |state| StateRow { state, key_group, key, sub_key: None, value: None, written_s: 0 };
        self.live().for_each(|(_, family)| each(row(family.current_number())));
    }

    /// The states that a snapshot now is made of.
    pub(crate) fn saved(&self) -> SavedStates {
        let families = self.live().map(|(state, family)| {
            let versions = family.numbers.iter().filter_map(|number| Some((*number, self.descriptor(*number)?.clone())));
            (state, versions.collect())
        });
        SavedStates::new(families)
    }

    /// See [`crate::KeyedState::accept`].
    pub(crate) fn accept(&mut self, saved: &[StateDescriptor], given_up: &dyn Fn(&str) -> bool) -> Result<Vec<Option<usize>>, Incompatible> {
        let matches = match_states(saved, &self.function(), given_up)?;
        // On a copy: either all are accepted, or nothing is changed.
        let mut layout = self.clone();
        let mut numbers = Vec::with_capacity(saved.len());
        for (saved, matched) in saved.iter().zip(matches) {
            numbers.push(match matched {
                StateMatch::GivenUp => None,
                StateMatch::Same(state) => layout.live().find(|(other, _)| *other == state).map(|(_, family)| family.current_number()),
                StateMatch::Older(state) => Some(layout.accept_older(saved, state)?),
            });
        }
        layout.number_again();
        *self = layout;
        Ok(numbers)
    }

    /// The number of an older version of a state, which need not be there yet.
    fn accept_older(&mut self, saved: &StateDescriptor, state: usize) -> Result<usize, Incompatible> {
        let Some(at) = self.families.iter().position(|family| family.state == Some(state)) else {
            return Err(Incompatible::Missing { name: saved.name.clone() });
        };
        let numbers = self.families.get(at).map(|family| family.numbers.clone()).unwrap_or_default();
        let known = numbers.iter().filter_map(|number| Some((*number, self.descriptor(*number)?)));
        if let Some((number, known)) = known.into_iter().find(|(_, known)| known.schema_version == saved.schema_version) {
            return match known.value == saved.value {
                true => Ok(number),
                false => Err(Incompatible::codec(saved, known)),
            };
        }
        self.add_version(at, saved)
    }

    fn add_version(&mut self, family: usize, descriptor: &StateDescriptor) -> Result<usize, Incompatible> {
        let number = self.add_stored(descriptor);
        let numbers = self.families.get_mut(family).map(|family| &mut family.numbers).filter(|numbers| numbers.len() < VERSIONS_MAX);
        numbers.ok_or_else(|| Incompatible::TooManyVersions { name: descriptor.name.clone() })?.push(number);
        Ok(number)
    }

    /// Gives the table to a function with these states; see [`crate::KeyedState::adopt`]. Says whether a state was given up.
    pub(crate) fn adopt(&mut self, states: &[StateDescriptor], given_up: &dyn Fn(&str) -> bool) -> Result<bool, Incompatible> {
        let matches = match_states(&self.function(), states, given_up)?;
        let mut layout = self.clone();
        for family in &mut layout.families {
            family.state = family.state.and_then(|state| match matches.get(state) {
                Some(StateMatch::Same(state) | StateMatch::Older(state)) => Some(*state),
                Some(StateMatch::GivenUp) | None => None,
            });
        }
        for (state, descriptor) in states.iter().enumerate() {
            let Some(at) = layout.families.iter().position(|family| family.state == Some(state)) else {
                layout.add_family(state, descriptor);
                continue;
            };
            if matches.contains(&StateMatch::Older(state)) {
                layout.add_version(at, descriptor)?;
                let Some(family) = layout.families.get_mut(at) else { continue };
                family.current = (family.numbers.len() - 1) as u8;
            } else if let Some(stored) = layout.families.get(at).and_then(|family| layout.stored.get_mut(family.current_number())) {
                stored.descriptor.ttl_ms = descriptor.ttl_ms;
            }
        }
        layout.number_again();
        *self = layout;
        Ok(matches.contains(&StateMatch::GivenUp))
    }

    /// Makes an earlier layout the present one. Numbers given out since stay taken.
    pub(crate) fn revert(&mut self, earlier: &Self) {
        self.families.clone_from(&earlier.families);
        self.stored.iter_mut().zip(&earlier.stored).for_each(|(stored, then)| stored.descriptor.ttl_ms = then.descriptor.ttl_ms);
        self.number_again();
    }

    /// Whether values may have an older version than the function's.
    pub(crate) fn has_older(&self) -> bool {
        self.live().any(|(_, family)| family.has_older())
    }

    /// Forgets older versions: no value has one any more.
    pub(crate) fn drop_older(&mut self) {
        for family in self.families.iter_mut().filter(|family| family.state.is_some()) {
            family.numbers = vec![family.current_number()];
            family.current = 0;
        }
        self.number_again();
    }

    /// From now on, nobody may see what the states held that were given up.
    pub(crate) fn begin_clearing(&mut self) {
        self.families.iter_mut().filter(|family| family.state.is_none()).for_each(|family| family.is_clearing = true);
    }

    /// Forgets the states that were cleared: their places are free.
    pub(crate) fn cleared(&mut self) {
        self.families.retain(|family| !family.is_clearing);
        self.number_again();
    }

    /// The stored states of which rows may be on disk.
    pub(crate) fn on_disk(&self) -> impl Iterator<Item = usize> {
        self.stored.iter().enumerate().filter(|(_, stored)| stored.may_be_on_disk).map(|(number, _)| number)
    }

    /// Notes that no row on disk is of a stored state, and none will be.
    pub(crate) fn gone_from_disk(&mut self, number: usize) {
        if let Some(stored) = self.stored.get_mut(number) {
            stored.may_be_on_disk = false;
        }
    }

    /// Whether a stored state is a map or list state.
    pub(crate) fn is_sub_keyed(&self, number: usize) -> bool {
        self.stored.get(number).is_some_and(|stored| stored.descriptor.kind != StateKind::Value)
    }

    /// By stored number, whether it is a map or list state.
    pub(crate) fn has_sub_keys(&self) -> Vec<bool> {
        self.stored.iter().map(|stored| stored.descriptor.kind != StateKind::Value).collect()
    }
}
