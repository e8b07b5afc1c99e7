//! Whether saved state fits the states that a function has now.

use thiserror::Error;
use weir_model::describe::{StateDescriptor, StateKind};

/// What becomes of a saved state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StateMatch {
    /// The function's state with this number has the same values.
    Same(usize),
    /// The function's state with this number has a newer schema version: the values are to be migrated.
    Older(usize),
    /// The function doesn't have it, and it is given up.
    GivenUp,
}

/// A saved state that a function can't take over.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Incompatible {
    /// The function has no state of that name, and nobody gave it up.
    #[error("the function has no state {name}, which was saved: it would be lost")]
    Missing {
        /// The state's name.
        name: String,
    },
    /// It has another shape.
    #[error("state {name} was a {} and is a {} now", kind_word(*.saved), kind_word(*.now))]
    Kind {
        /// The state's name.
        name: String,
        /// Its shape as it was saved.
        saved: StateKind,
        /// Its shape in the function.
        now: StateKind,
    },
    /// Its values are read in another way, though they say they are of the same version.
    #[error("the values of state {name} were {saved} and are {now} now, and both have schema version {version}")]
    Codec {
        /// The state's name.
        name: String,
        /// The codec as it was saved.
        saved: String,
        /// The codec in the function.
        now: String,
        /// The schema version of both.
        version: u32,
    },
    /// Its values have a newer layout.
    #[error("the values of state {name} have schema version {saved}, which is newer than {now}, the function's")]
    Newer {
        /// The state's name.
        name: String,
        /// The version as it was saved.
        saved: u32,
        /// The version in the function.
        now: u32,
    },
    /// One state has values of more versions than can be told apart.
    #[error("state {name} still has values of 255 older schema versions, and no more can be kept: migrate some of them first")]
    TooManyVersions {
        /// The state's name.
        name: String,
    },
}

impl Incompatible {
    pub(crate) fn codec(saved: &StateDescriptor, now: &StateDescriptor) -> Self {
        let (name, version) = (saved.name.clone(), saved.schema_version);
        Self::Codec { name, saved: saved.value.name().to_owned(), now: now.value.name().to_owned(), version }
    }
}

fn kind_word(kind: StateKind) -> &'static str {
    match kind {
        StateKind::Value => "value",
        StateKind::List => "list",
        StateKind::Map => "map",
    }
}

/// What becomes of each saved state in a function with the states `function`. They are found by name; a time to live may differ; a state that only the
/// function has starts empty. `given_up` says of a name that its state is to be lost, whatever the function has.
///
/// # Errors
/// The first saved state that the function can't take over.
pub(crate) fn match_states(
    saved: &[StateDescriptor],
    function: &[StateDescriptor],
    given_up: &dyn Fn(&str) -> bool,
) -> Result<Vec<StateMatch>, Incompatible> {
    let matched = |saved: &StateDescriptor| {
        let name = || saved.name.clone();
        if given_up(&saved.name) {
            return Ok(StateMatch::GivenUp);
        }
        let Some((number, now)) = function.iter().enumerate().find(|(_, now)| now.name == saved.name) else {
            return Err(Incompatible::Missing { name: name() });
        };
        if saved.kind != now.kind {
            return Err(Incompatible::Kind { name: name(), saved: saved.kind, now: now.kind });
        }
        if saved.schema_version > now.schema_version {
            return Err(Incompatible::Newer { name: name(), saved: saved.schema_version, now: now.schema_version });
        }
        if saved.schema_version < now.schema_version {
            return Ok(StateMatch::Older(number));
        }
        if saved.value == now.value { Ok(StateMatch::Same(number)) } else { Err(Incompatible::codec(saved, now)) }
    };
    saved.iter().map(matched).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use weir_model::codec::Codec;

    #[test]
    fn saved_states_are_found_by_name_and_taken_over_or_refused() {
        let state = |name: &str| StateDescriptor { name: name.to_owned(), kind: StateKind::Value, value: Codec::Utf8, schema_version: 2, ttl_ms: 0 };
        let now = [state("new"), StateDescriptor { ttl_ms: 5, ..state("a") }, state("given")];
        let check = |saved: StateDescriptor, expected: Result<StateMatch, &str>| {
            let found = match_states(std::slice::from_ref(&saved), &now, &|name| matches!(name, "unwanted" | "given")).map(|matches| matches[0]);
            assert_eq!(found.map_err(|error| error.to_string()), expected.map_err(str::to_owned));
        };
        check(state("a"), Ok(StateMatch::Same(1)));
        check(StateDescriptor { schema_version: 1, ..state("a") }, Ok(StateMatch::Older(1)));
        check(StateDescriptor { schema_version: 1, value: Codec::Json, ..state("new") }, Ok(StateMatch::Older(0)));
        check(state("unwanted"), Ok(StateMatch::GivenUp));
        check(StateDescriptor { kind: StateKind::Map, ..state("given") }, Ok(StateMatch::GivenUp));
        check(state("gone"), Err("the function has no state gone, which was saved: it would be lost"));
        check(StateDescriptor { kind: StateKind::Map, schema_version: 1, ..state("a") }, Err("state a was a map and is a value now"));
        let codec = "the values of state a were json and are utf8 now, and both have schema version 2";
        check(StateDescriptor { value: Codec::Json, ..state("a") }, Err(codec));
        let newer = "the values of state a have schema version 3, which is newer than 2, the function's";
        check(StateDescriptor { schema_version: 3, ..state("a") }, Err(newer));
    }
}
