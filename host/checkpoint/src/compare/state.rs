//! One state before and now.

use weir_model::describe::StateDescriptor;

use super::{Verdict, kind_word};

/// A state before and now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateComparison {
    /// Its name.
    pub name: String,
    /// What becomes of it.
    pub verdict: Verdict,
    /// What it was: several, if values of several schema versions are in the snapshot, the newest first.
    pub before: Vec<StateDescriptor>,
    /// What it is.
    pub now: Option<StateDescriptor>,
    /// Why it can't go on; empty if it can.
    pub why: String,
    /// What to do about that, besides giving it up.
    pub(super) remedy: Option<String>,
}

impl StateComparison {
    fn of(name: &str, verdict: Verdict, before: Vec<StateDescriptor>, now: Option<&StateDescriptor>) -> Self {
        Self { name: name.to_owned(), verdict, before, now: now.cloned(), why: String::new(), remedy: None }
    }

    /// A state that the snapshot doesn't know.
    pub(super) fn new(now: &StateDescriptor) -> Self {
        Self::of(&now.name, Verdict::New, Vec::new(), Some(now))
    }

    /// A state that is given up.
    pub(super) fn dropped(before: &StateDescriptor) -> Self {
        Self::of(&before.name, Verdict::Dropped, vec![before.clone()], None)
    }

    fn refused(self, why: String, remedy: Option<String>) -> Self {
        Self { verdict: Verdict::Incompatible, why, remedy, ..self }
    }
}

/// Holds saved states against those of a function, by name. `is_dropped` says which are given up, whatever they are now; `is_empty` that nothing is in them, so that
/// what doesn't fit is no loss; `has_migration` from which schema version a state can be brought to the function's, or why not.
pub fn compare_states(
    saved: &[StateDescriptor],
    now: &[StateDescriptor],
    is_dropped: &dyn Fn(&str) -> bool,
    is_empty: bool,
    has_migration: &dyn Fn(&str, u32) -> Result<(), String>,
) -> Vec<StateComparison> {
    let compare = |now: &StateDescriptor| one(saved, now, is_dropped(&now.name), is_empty, has_migration);
    let mut compared: Vec<_> = now.iter().map(compare).collect();
    let mut gone: Vec<&StateDescriptor> = Vec::new();
    for old in saved {
        if now.iter().all(|now| now.name != old.name) && gone.iter().all(|other| other.name != old.name) {
            gone.push(old);
        }
    }
    compared.extend(gone.into_iter().map(|old| {
        let dropped = StateComparison::dropped(old);
        if is_empty || is_dropped(&old.name) {
            return dropped;
        }
        dropped.refused(format!("the function has no state `{}` any more, and what is in it would be lost", old.name), None)
    }));
    compared
}

fn one(
    saved: &[StateDescriptor],
    now: &StateDescriptor,
    is_dropped: bool,
    is_empty: bool,
    has_migration: &dyn Fn(&str, u32) -> Result<(), String>,
) -> StateComparison {
    let name = &now.name;
    let mut before: Vec<_> = saved.iter().filter(|old| old.name == *name).cloned().collect();
    before.sort_by_key(|old| std::cmp::Reverse(old.schema_version));
    if is_dropped && !before.is_empty() {
        return StateComparison::of(name, Verdict::Dropped, before, Some(now));
    }
    let mut verdict = if before.is_empty() { Verdict::New } else { Verdict::Kept };
    let mut refusal = None;
    for old in &before {
        let (was, is) = (old.schema_version, now.schema_version);
        let found = if old.kind != now.kind {
            Err((
                format!("state `{name}` was a {} and is a {} now", kind_word(old.kind), kind_word(now.kind)),
                Some("give the new state another name"),
            ))
        } else if was > is {
            let why = format!("the values of state `{name}` have schema version {was}, and the function is older: it knows version {is}");
            Err((why, Some("use a version of the plugin that knows it")))
        } else if was < is {
            has_migration(name, was).map(|()| Verdict::Migrated).map_err(|why| {
                let why = format!("the values of state `{name}` have schema version {was} and the function's {is}, and there is no migration: {why}");
                (why, Some("add a migration to the function (see the SDK's guide)"))
            })
        } else if old.value != now.value {
            let why = format!("the values of state `{name}` were {} and are {} now, under the same schema version {is}", old.value, now.value);
            Err((why, Some("raise the schema version and add a migration")))
        } else {
            Ok(Verdict::Kept)
        };
        match found {
            Ok(better) => verdict = verdict.max(better),
            Err((why, remedy)) => refusal = refusal.or(Some((why, remedy.map(str::to_owned)))),
        }
    }
    let compared = StateComparison::of(name, verdict, before, Some(now));
    match refusal {
        None => compared,
        Some(_) if is_empty => StateComparison { verdict: Verdict::Dropped, ..compared },
        Some((why, remedy)) => compared.refused(why, remedy),
    }
}
