//! What travels between operators: a value alone, or a value with a key.

use crate::codec::Codec;
use crate::error::{Error, Result};
use crate::raw;
use crate::rows::Row;

/// A record as an operator sees it: a codec `V` is a record without a key, a pair `(K, V)` one with a key.
///
/// An input without a key takes records of any key and doesn't see it.
pub trait Record: 'static {
    /// What an operator is given and gives: the codec's view, or a pair of views.
    type View<'a>;
    /// Whether records have a key.
    const KEYED: bool;

    /// The name of the key's codec; `None` without a key.
    fn key_codec() -> Option<String>;

    /// The name of the value's codec.
    fn value_codec() -> String;

    /// Reads a row.
    ///
    /// # Errors
    /// When the row has no key but should have one, or its bytes are not of these codecs.
    fn decode<'a>(row: &Row<'a>) -> Result<Self::View<'a>>;

    /// Appends a record as a row.
    ///
    /// # Errors
    /// When the record has no bytes in these codecs.
    fn write(view: Self::View<'_>, timestamp: i64, rows: &mut RowBuffer) -> Result<()>;
}

/// Rows that are being written, and room for encoding.
#[derive(Debug, Default)]
pub struct RowBuffer {
    pub(crate) rows: Vec<u8>,
    key: Vec<u8>,
    value: Vec<u8>,
}

impl<V: Codec> Record for V {
    type View<'a> = <V as Codec>::View<'a>;
    const KEYED: bool = false;

    fn key_codec() -> Option<String> {
        None
    }

    fn value_codec() -> String {
        V::name()
    }

    #[inline(always)]
    fn decode<'a>(row: &Row<'a>) -> Result<Self::View<'a>> {
        <V as Codec>::decode(row.value)
    }

    #[inline(always)]
    fn write(view: Self::View<'_>, timestamp: i64, buffer: &mut RowBuffer) -> Result<()> {
        buffer.value.clear();
        let value = V::lend(&view);
        let value = V::encode(&value, &mut buffer.value)?;
        raw::push_row(&mut buffer.rows, None, value.as_ref(), timestamp)
    }
}

impl<K: Codec, V: Codec> Record for (K, V) {
    type View<'a> = (<K as Codec>::View<'a>, <V as Codec>::View<'a>);
    const KEYED: bool = true;

    fn key_codec() -> Option<String> {
        Some(K::name())
    }

    fn value_codec() -> String {
        V::name()
    }

    #[inline(always)]
    fn decode<'a>(row: &Row<'a>) -> Result<Self::View<'a>> {
        let key = row.key.ok_or_else(missing_key)?;
        Ok((K::decode(key).map_err(in_key)?, V::decode(row.value)?))
    }

    #[inline(always)]
    fn write((key, value): Self::View<'_>, timestamp: i64, buffer: &mut RowBuffer) -> Result<()> {
        buffer.key.clear();
        buffer.value.clear();
        let (key, value) = (K::lend(&key), V::lend(&value));
        let (key, value) = (K::encode(&key, &mut buffer.key)?, V::encode(&value, &mut buffer.value)?);
        raw::push_row(&mut buffer.rows, Some(key.as_ref()), value.as_ref(), timestamp)
    }
}

#[cold]
pub(crate) fn missing_key() -> Error {
    Error::new("the record has no key")
}

#[cold]
pub(crate) fn in_key(error: Error) -> Error {
    Error::new(format!("the key is {}", error.into_message()))
}
