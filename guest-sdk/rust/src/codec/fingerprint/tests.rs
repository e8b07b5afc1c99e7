//! The fingerprint is the same for the same layout, and another for every other.

use serde::Deserialize;

use super::*;

#[derive(Deserialize)]
#[expect(dead_code, reason = "only its layout matters")]
struct Visit {
    user: String,
    count: u64,
}

mod renamed_field {
    #[derive(super::Deserialize)]
    #[expect(dead_code, reason = "only its layout matters")]
    pub(super) struct Visit {
        name: String,
        count: u64,
    }
}

mod other_number {
    #[derive(super::Deserialize)]
    #[expect(dead_code, reason = "only its layout matters")]
    pub(super) struct Visit {
        user: String,
        count: i64,
    }
}

mod reordered {
    #[derive(super::Deserialize)]
    #[expect(dead_code, reason = "only its layout matters")]
    pub(super) struct Visit {
        count: u64,
        user: String,
    }
}

mod same {
    #[derive(super::Deserialize)]
    #[expect(dead_code, reason = "only its layout matters")]
    pub(super) struct Visit {
        user: String,
        count: u64,
    }
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "only its layout matters")]
enum Event {
    Nothing,
    Seen(Visit),
    Moved { from: (u8, u8), to: Option<Box<Event>> },
    Many(Vec<Event>),
}

mod other_variant {
    use super::Visit;

    #[derive(super::Deserialize)]
    #[expect(dead_code, reason = "only its layout matters")]
    pub(super) enum Event {
        Nothing,
        Seen(Visit),
        Moved { from: (u8, u16), to: Option<Box<Event>> },
        Many(Vec<Event>),
    }
}

#[test]
fn each_change_of_layout_changes_the_fingerprint() {
    let names = [
        postcard_name::<Visit>(),
        postcard_name::<renamed_field::Visit>(),
        postcard_name::<other_number::Visit>(),
        postcard_name::<reordered::Visit>(),
    ];
    for (i, name) in names.iter().enumerate() {
        assert!(name.starts_with("postcard:Visit/"), "{name}");
        assert!(!names[..i].contains(name), "{name} twice");
    }
    assert_eq!(postcard_name::<same::Visit>(), names[0]);
    assert_ne!(postcard_name::<Event>(), postcard_name::<other_variant::Event>());
}

#[test]
fn the_fingerprint_is_fixed_for_ever() {
    // Names are in savepoints: a change of these is a change of format.
    assert_eq!(postcard_name::<u64>(), "postcard:u64/1274e486d68e33ee");
    assert_eq!(postcard_name::<Visit>(), "postcard:Visit/44161301a4540f6c");
}

#[test]
fn types_without_a_name_of_their_own_are_called_as_in_source() {
    for (name, start) in
        [(postcard_name::<Vec<Visit>>(), "postcard:Vec<Visit>/"), (postcard_name::<(String, Option<u8>)>(), "postcard:(String, Option<u8>)/")]
    {
        assert!(name.starts_with(start), "{name}");
    }
}

#[test]
fn recursive_types_end() {
    #[derive(Deserialize)]
    #[expect(dead_code, reason = "only its layout matters")]
    struct List(Box<Node>);
    #[derive(Deserialize)]
    #[expect(dead_code, reason = "only its layout matters")]
    struct Node {
        next: Vec<List>,
        other: Option<Box<List>>,
    }
    #[derive(Deserialize)]
    #[expect(dead_code, reason = "only its layout matters")]
    enum Endless {
        Again(Box<Endless>, Box<Endless>),
    }
    assert!(postcard_name::<List>().starts_with("postcard:List/"));
    assert!(postcard_name::<Endless>().starts_with("postcard:Endless/"));
}
