//! Codecs of fixed width: numbers, little-endian, and booleans.

use super::{Codec, StateCodec};
use crate::error::{Error, Result};

macro_rules! number_codecs {
    ($($number:ty, $name:literal, $bytes:literal;)*) => {$(
        impl Codec for $number {
            type View<'a> = $number;
            type Ref<'a> = $number;
            type Encoded<'a> = [u8; $bytes];

            fn name() -> String {
                $name.to_owned()
            }

            #[inline(always)]
            fn decode(bytes: &[u8]) -> Result<$number> {
                match bytes.first_chunk::<$bytes>() {
                    Some(all) if bytes.len() == $bytes => Ok(<$number>::from_le_bytes(*all)),
                    _ => Err(wrong_length($name, $bytes, bytes.len())),
                }
            }

            #[inline(always)]
            fn lend(view: &$number) -> $number {
                *view
            }

            #[inline(always)]
            fn encode<'s>(value: &'s $number, _scratch: &'s mut Vec<u8>) -> Result<[u8; $bytes]> {
                Ok(value.to_le_bytes())
            }
        }

        impl StateCodec for $number {
            type Value = $number;

            #[inline(always)]
            fn load(bytes: &[u8]) -> Result<$number> {
                Self::decode(bytes)
            }

            #[inline(always)]
            fn lend_value(value: &$number) -> $number {
                *value
            }
        }
    )*};
}

number_codecs! {
    u32, "u32-le", 4;
    u64, "u64-le", 8;
    i32, "i32-le", 4;
    i64, "i64-le", 8;
    f64, "f64-le", 8;
}

#[cold]
fn wrong_length(name: &str, expected: usize, found: usize) -> Error {
    Error::new(format!("not {name}: {found} bytes instead of {expected}"))
}

impl Codec for bool {
    type View<'a> = bool;
    type Ref<'a> = bool;
    type Encoded<'a> = [u8; 1];

    fn name() -> String {
        "bool".to_owned()
    }

    #[inline]
    fn decode(bytes: &[u8]) -> Result<bool> {
        match bytes {
            [0] => Ok(false),
            [1] => Ok(true),
            _ => Err(Error::new("not bool: one byte, 0 or 1, is expected")),
        }
    }

    #[inline]
    fn lend(view: &bool) -> bool {
        *view
    }

    #[inline]
    fn encode<'s>(value: &'s bool, _scratch: &'s mut Vec<u8>) -> Result<[u8; 1]> {
        Ok([u8::from(*value)])
    }
}

impl StateCodec for bool {
    type Value = bool;

    fn load(bytes: &[u8]) -> Result<bool> {
        Self::decode(bytes)
    }

    fn lend_value(value: &bool) -> bool {
        *value
    }
}
