//! Codecs of any type that serde knows: JSON and postcard.

use std::marker::PhantomData;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Codec, StateCodec, fingerprint};
use crate::error::{Error, Result};

/// `T` as one JSON value: readable anywhere, and fields may be added with `#[serde(default)]`.
#[derive(Debug)]
pub struct Json<T>(PhantomData<T>);

/// `T` in postcard's compact format, for operators that are built together.
///
/// The name is `postcard:<type>/<fingerprint>`. The fingerprint is taken from what `T` asks of serde: the names and order of structs, fields and
/// variants and the kinds of their values. It is the same in every build of the same source, and changes when a field is added, removed, renamed, reordered or
/// given another kind of type. What it can't see: the meaning of a value (seconds or milliseconds), limits that a hand-written
/// `Deserialize` checks, and what lies deeper than 16 levels or behind a value that refuses to be read from zeros. Types that look at their
/// data to know what follows (`#[serde(flatten)]`, `untagged`) don't work with postcard at all.
#[derive(Debug)]
pub struct Postcard<T>(PhantomData<T>);

impl<T: Serialize + DeserializeOwned + 'static> Codec for Json<T> {
    type View<'a> = T;
    type Ref<'a> = &'a T;
    type Encoded<'a> = &'a [u8];

    fn name() -> String {
        "json".to_owned()
    }

    fn decode(bytes: &[u8]) -> Result<T> {
        serde_json::from_slice(bytes).map_err(|error| Error::new(format!("not the JSON that is expected: {error}")))
    }

    fn lend(view: &T) -> &T {
        view
    }

    fn encode<'s>(value: &'s &T, scratch: &'s mut Vec<u8>) -> Result<&'s [u8]> {
        serde_json::to_writer(&mut *scratch, *value).map_err(|error| Error::new(format!("can't be written as JSON: {error}")))?;
        Ok(scratch)
    }
}

impl<T: Serialize + DeserializeOwned + Clone + 'static> StateCodec for Json<T> {
    type Value = T;

    fn load(bytes: &[u8]) -> Result<T> {
        Self::decode(bytes)
    }

    fn lend_value(value: &T) -> &T {
        value
    }
}

impl<T: Serialize + DeserializeOwned + 'static> Codec for Postcard<T> {
    type View<'a> = T;
    type Ref<'a> = &'a T;
    type Encoded<'a> = &'a [u8];

    fn name() -> String {
        fingerprint::postcard_name::<T>()
    }

    fn decode(bytes: &[u8]) -> Result<T> {
        match postcard::take_from_bytes(bytes) {
            Ok((value, [])) => Ok(value),
            Ok((_, rest)) => Err(Error::new(format!("not the postcard value that is expected: {} bytes are left over", rest.len()))),
            Err(error) => Err(Error::new(format!("not the postcard value that is expected: {error}"))),
        }
    }

    fn lend(view: &T) -> &T {
        view
    }

    fn encode<'s>(value: &'s &T, scratch: &'s mut Vec<u8>) -> Result<&'s [u8]> {
        // The writer is taken by value; a failed write loses no more than the room.
        let written = postcard::to_extend(*value, std::mem::take(scratch));
        *scratch = written.map_err(|error| Error::new(format!("can't be written as postcard: {error}")))?;
        Ok(scratch)
    }
}

impl<T: Serialize + DeserializeOwned + Clone + 'static> StateCodec for Postcard<T> {
    type Value = T;

    fn load(bytes: &[u8]) -> Result<T> {
        Self::decode(bytes)
    }

    fn lend_value(value: &T) -> &T {
        value
    }
}
