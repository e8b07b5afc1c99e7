//! Codecs of text and opaque bytes, owned and borrowed.

use super::{Codec, StateCodec};
use crate::error::Result;

/// Text, borrowed from the record: `&str`.
#[derive(Debug, Clone, Copy)]
pub struct Utf8;

/// Opaque bytes, borrowed from the record: `&[u8]`.
#[derive(Debug, Clone, Copy)]
pub struct Bytes;

macro_rules! byte_codecs {
    ($($codec:ty, $name:literal, view $view:ty, lent $lent:ty, state $state:ty, $lifetime:lifetime,
       decode $decode:expr, load $load:expr, lend $lend:expr, bytes $bytes:expr;)*) => {$(
        impl Codec for $codec {
            type View<$lifetime> = $view;
            type Ref<$lifetime> = $lent;
            type Encoded<$lifetime> = &$lifetime [u8];

            fn name() -> String {
                $name.to_owned()
            }

            #[inline(always)]
            fn decode<$lifetime>(bytes: &$lifetime [u8]) -> Result<$view> {
                let decode: fn(&$lifetime [u8]) -> Result<$view> = $decode;
                decode(bytes)
            }

            #[inline(always)]
            fn lend<'s>(view: &'s Self::View<'_>) -> Self::Ref<'s> {
                view
            }

            #[inline(always)]
            fn encode<'s>(value: &'s Self::Ref<'_>, _scratch: &'s mut Vec<u8>) -> Result<&'s [u8]> {
                let bytes: fn(Self::Ref<'s>) -> &'s [u8] = $bytes;
                Ok(bytes(value))
            }
        }

        impl StateCodec for $codec {
            type Value = $state;

            #[inline]
            fn load(bytes: &[u8]) -> Result<$state> {
                let load: fn(&[u8]) -> Result<$state> = $load;
                load(bytes)
            }

            #[inline]
            fn lend_value(value: &$state) -> Self::Ref<'_> {
                let lend: fn(&$state) -> Self::Ref<'_> = $lend;
                lend(value)
            }
        }
    )*};
}

byte_codecs! {
    Utf8, "utf8", view &'a str, lent &'a str, state String, 'a,
        decode crate::raw::utf8, load |bytes| crate::raw::utf8(bytes).map(str::to_owned), lend |value| value, bytes |value| value.as_bytes();
    String, "utf8", view String, lent &'a String, state String, 'a,
        decode |bytes| crate::raw::utf8(bytes).map(str::to_owned), load |bytes| crate::raw::utf8(bytes).map(str::to_owned), lend |value| value,
        bytes |value| value.as_bytes();
    Bytes, "bytes", view &'a [u8], lent &'a [u8], state Vec<u8>, 'a,
        decode |bytes| Ok(bytes), load |bytes| Ok(bytes.to_vec()), lend |value| value, bytes |value| value;
    Vec<u8>, "bytes", view Vec<u8>, lent &'a Vec<u8>, state Vec<u8>, 'a,
        decode |bytes| Ok(bytes.to_vec()), load |bytes| Ok(bytes.to_vec()), lend |value| value, bytes |value| value;
}
