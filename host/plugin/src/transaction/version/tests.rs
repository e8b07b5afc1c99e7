//! One version takes another's place, or is refused.

use weir_model::ErrorKind;
use weir_model::codec::Codec;
use weir_model::describe::{FunctionDescription, FunctionKind, StateDescriptor};
use weir_model::graph::OnError;

use crate::NewVersion;
use crate::transaction::tests::{Scripted, feed, function, identity, kept, new_version, subtask_of};

#[test]
fn another_version_goes_on_where_the_one_before_was() {
    let mut subtask = subtask_of(OnError::Fail, Scripted::default());
    feed(&mut subtask, "a:1 b:2").unwrap();
    subtask.replace(new_version(Scripted { wrong_from: 2, ..Scripted::default() })).unwrap();
    assert_eq!(feed(&mut subtask, "a:1 c:1").unwrap().0, "a=1002 c=1");
    assert_eq!(kept(&mut subtask), "a=2v1 b=2v1 c=1v1");
    let error = feed(&mut subtask, "a:refuse").unwrap_err();
    assert!(error.what.contains("plugin sha256:fedcba987654"), "{error}");
}

#[test]
fn a_version_that_cannot_take_over_the_state_is_refused_and_nothing_changes() {
    let check = |change: &dyn Fn(&mut FunctionDescription), dropped: &[&str], why: Option<&str>| {
        let mut subtask = subtask_of(OnError::Fail, Scripted::default());
        feed(&mut subtask, "a:1 b:2").unwrap();
        let mut function = function(1);
        change(&mut function);
        let dropped_states = dropped.iter().map(|state| (*state).to_owned()).collect();
        let version = NewVersion { identity: identity("fedcba9876543210"), function, guest: Box::new(Scripted::default()), dropped_states };
        match (subtask.replace(version), why) {
            (Ok(()), None) => {}
            (Err(error), Some(why)) => {
                assert_eq!(error.kind, ErrorKind::Incompatible);
                assert!(error.what.contains("sha256:fedcba987654") && error.why.contains(why) && !error.remedy.is_empty(), "{error}");
                assert_eq!(feed(&mut subtask, "a:1").unwrap().0, "a=2");
                let error = feed(&mut subtask, "a:refuse").unwrap_err();
                assert!(error.what.contains("sha256:0123456789ab"), "{error}");
            }
            (result, why) => panic!("{result:?}, expected {why:?}"),
        }
    };
    let other = || StateDescriptor { name: "other".to_owned(), ..function(1).states.remove(0) };
    check(&|_| {}, &[], None);
    check(&|function| function.states.push(other()), &[], None);
    check(&|function| function.states.insert(0, other()), &[], None);
    check(&|function| function.states = vec![other()], &["n"], None);
    check(&|function| function.states = vec![other()], &["m"], Some("no state n"));
    check(&|function| function.states[0].value = Codec::Utf8, &[], Some("both have schema version 1"));
    check(&|function| function.states[0].schema_version = 0, &[], Some("newer"));
    check(&|function| function.kind = FunctionKind::Stateless, &["n"], Some("stateless now"));
}

#[test]
fn the_state_outlives_the_subtask() {
    let mut subtask = subtask_of(OnError::Fail, Scripted::default());
    feed(&mut subtask, "a:1 b:2").unwrap();
    let state = subtask.into_state().unwrap();
    assert_eq!(state.len(), 2);
}
