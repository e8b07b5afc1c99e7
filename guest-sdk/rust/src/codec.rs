//! Codecs: how the bytes of keys, values and states are read and written, and under which name the host compares them.

mod fingerprint;
mod scalar;
mod serde;
mod text;

pub use self::serde::{Json, Postcard};
pub use text::{Bytes, Utf8};

use crate::error::Result;

/// How bytes are read and written. A codec is a type that is only named, as in `type In = Utf8`.
///
/// | codec | name | given as | as a key | in state |
/// |---|---|---|---|---|
/// | [`String`] | `utf8` | `String` | `&String` | `String` |
/// | [`Utf8`] | `utf8` | `&str` | `&str` | `String` |
/// | [`Vec<u8>`] | `bytes` | `Vec<u8>` | `&Vec<u8>` | `Vec<u8>` |
/// | [`Bytes`] | `bytes` | `&[u8]` | `&[u8]` | `Vec<u8>` |
/// | `u32`, `u64`, `i32`, `i64`, `f64` | `u32-le` … | the number | the number | the number |
/// | `bool` | `bool` | `bool` | `bool` | `bool` |
/// | [`Json<T>`] | `json` | `T` | `&T` | `T` |
/// | [`Postcard<T>`] | `postcard:<type>/<fingerprint>` | `T` | `&T` | `T` |
///
/// The borrowing ones (`Utf8`, `Bytes`) allocate nothing; they and their owned twins have the same name and bytes, so the two sides of a
/// connection may differ.
pub trait Codec: 'static {
    /// What an operator is given and gives.
    type View<'a>;
    /// A view that is only lent, as keys are to every record of the key.
    type Ref<'a>: Copy;
    /// The bytes of a value: an array where the length is fixed, else a slice.
    type Encoded<'a>: AsRef<[u8]>;

    /// The name that the host compares: two connected ports have the same.
    fn name() -> String;

    /// Reads a value.
    ///
    /// # Errors
    /// When the bytes are not of this codec; the host is told which record they are in.
    fn decode(bytes: &[u8]) -> Result<Self::View<'_>>;

    /// Lends a view.
    fn lend<'s>(view: &'s Self::View<'_>) -> Self::Ref<'s>;

    /// The bytes of a value, written to `scratch` unless they lie somewhere already. `scratch` comes empty.
    ///
    /// # Errors
    /// When the value has no bytes in this codec.
    fn encode<'s>(value: &'s Self::Ref<'_>, scratch: &'s mut Vec<u8>) -> Result<Self::Encoded<'s>>;
}

/// A codec whose values can be held in state: they borrow nothing.
pub trait StateCodec: Codec {
    /// What the state holds.
    type Value: Clone + 'static;

    /// Reads a value.
    ///
    /// # Errors
    /// As [`Codec::decode`].
    fn load(bytes: &[u8]) -> Result<Self::Value>;

    /// Lends a value, to be encoded.
    fn lend_value(value: &Self::Value) -> Self::Ref<'_>;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check<C: StateCodec>(name: &str, value: C::Value, bytes: &[u8], broken: &[u8])
    where
        C::Value: PartialEq + std::fmt::Debug,
    {
        assert_eq!(C::name(), name);
        let mut scratch = Vec::new();
        assert_eq!(C::encode(&C::lend_value(&value), &mut scratch).unwrap().as_ref(), bytes, "{name}");
        assert_eq!(C::load(bytes).unwrap(), value, "{name}");
        let view = C::decode(bytes).unwrap();
        let mut scratch = Vec::new();
        assert_eq!(C::encode(&C::lend(&view), &mut scratch).unwrap().as_ref(), bytes, "{name}");
        if !name.starts_with("bytes") {
            assert!(C::decode(broken).is_err(), "{name}");
            assert!(C::load(broken).is_err(), "{name}");
        }
    }

    #[test]
    fn values_survive_a_round_trip_and_broken_bytes_are_refused() {
        check::<String>("utf8", "Straße".to_owned(), "Straße".as_bytes(), &[0xff]);
        check::<Utf8>("utf8", "Straße".to_owned(), "Straße".as_bytes(), &[b'a', 0xc3]);
        check::<Vec<u8>>("bytes", vec![0, 255], &[0, 255], &[]);
        check::<Bytes>("bytes", vec![0, 255], &[0, 255], &[]);
        check::<u32>("u32-le", 7, &[7, 0, 0, 0], &[7]);
        check::<u64>("u64-le", 1 << 56, &[0, 0, 0, 0, 0, 0, 0, 1], &[0; 9]);
        check::<i32>("i32-le", -2, &[0xfe, 0xff, 0xff, 0xff], &[]);
        check::<i64>("i64-le", -2, &[0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], &[0; 4]);
        check::<f64>("f64-le", 1.0, &[0, 0, 0, 0, 0, 0, 0xf0, 0x3f], &[0; 4]);
        check::<bool>("bool", true, &[1], &[2]);
        check::<Json<Vec<u32>>>("json", vec![1, 2], b"[1,2]", b"[1,2");
    }

    #[test]
    fn postcard_names_carry_the_type_and_change_with_its_layout() {
        #[derive(::serde::Serialize, ::serde::Deserialize, Clone, Debug, PartialEq)]
        struct Visit {
            user: String,
            times: Vec<u64>,
        }
        let name = Postcard::<Visit>::name();
        assert!(name.starts_with("postcard:Visit/"), "{name}");
        check::<Postcard<Visit>>(&name, Visit { user: "a".to_owned(), times: vec![300] }, &[1, b'a', 1, 0xac, 2], &[9]);
        assert!(Postcard::<Visit>::decode(&[1, b'a', 0, 0]).is_err(), "bytes left over");
    }
}
