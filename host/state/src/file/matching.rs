//! Whether saved state fits the states that a function has now.

use thiserror::Error;
use weir_model::describe::{StateDescriptor, StateKind};

/// A saved state that a function can't take over.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Incompatible {
    /// The function has no state of that name.
    #[error("the function has no state {name}, which the checkpoint has")]
    Missing {
        /// The state's name.
        name: String,
    },
    /// It has another shape.
    #[error("state {name} was a {} and is a {} now", kind_word(*.saved), kind_word(*.now))]
    Kind {
        /// The state's name.
        name: String,
        /// Its shape in the checkpoint.
        saved: StateKind,
        /// Its shape in the function.
        now: StateKind,
    },
    /// Its values are read in another way.
    #[error("the values of state {name} were {saved} and are {now} now")]
    Codec {
        /// The state's name.
        name: String,
        /// The codec in the checkpoint.
        saved: String,
        /// The codec in the function.
        now: String,
    },
    /// Its values have another layout.
    #[error("the values of state {name} had schema version {saved} and have {now} now")]
    SchemaVersion {
        /// The state's name.
        name: String,
        /// The version in the checkpoint.
        saved: u32,
        /// The version in the function.
        now: u32,
    },
}

fn kind_word(kind: StateKind) -> &'static str {
    match kind {
        StateKind::Value => "value",
        StateKind::List => "list",
        StateKind::Map => "map",
    }
}

/// For each saved state the number of the function's state with that name. A state that the function has and the file hasn't starts empty; a time to
/// live may differ.
///
/// # Errors
/// The first saved state that the function doesn't have as it was.
pub fn match_states(saved: &[StateDescriptor], function: &[StateDescriptor]) -> Result<Vec<usize>, Incompatible> {
    let number = |saved: &StateDescriptor| {
        let name = saved.name.clone();
        let Some((number, now)) = function.iter().enumerate().find(|(_, now)| now.name == name) else { return Err(Incompatible::Missing { name }) };
        if saved.kind != now.kind {
            return Err(Incompatible::Kind { name, saved: saved.kind, now: now.kind });
        }
        if saved.value != now.value {
            return Err(Incompatible::Codec { name, saved: saved.value.name().to_owned(), now: now.value.name().to_owned() });
        }
        if saved.schema_version != now.schema_version {
            return Err(Incompatible::SchemaVersion { name, saved: saved.schema_version, now: now.schema_version });
        }
        Ok(number)
    };
    saved.iter().map(number).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use weir_model::codec::Codec;

    #[test]
    fn saved_states_are_found_by_name_and_must_be_as_they_were() {
        let state = |name: &str| StateDescriptor { name: name.to_owned(), kind: StateKind::Value, value: Codec::Utf8, schema_version: 1, ttl_ms: 0 };
        let check = |saved: StateDescriptor, expected: Result<usize, &str>| {
            let now = [state("new"), StateDescriptor { ttl_ms: 5, ..state("a") }];
            let found = match_states(std::slice::from_ref(&saved), &now).map(|numbers| numbers[0]).map_err(|error| error.to_string());
            assert_eq!(found, expected.map_err(str::to_owned));
        };
        check(state("a"), Ok(1));
        check(state("gone"), Err("the function has no state gone, which the checkpoint has"));
        check(StateDescriptor { kind: StateKind::Map, ..state("a") }, Err("state a was a map and is a value now"));
        check(StateDescriptor { value: Codec::Json, ..state("a") }, Err("the values of state a were json and are utf8 now"));
        check(StateDescriptor { schema_version: 2, ..state("a") }, Err("the values of state a had schema version 2 and have 1 now"));
        assert_eq!(match_states(&[state("b"), state("a")], &[state("a"), state("b")]), Ok(vec![1, 0]));
    }
}
