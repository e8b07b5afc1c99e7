//! Functions that decode a value and encode it again.

use weir_guest::{Bytes, Map, Result, Utf8};

/// A map that gives back what it got: `$view` is the codec's type on the way.
macro_rules! pass {
    ($name:ident $(<$lent:lifetime>)?, $codec:ty, $view:ty) => {
        #[derive(Default)]
        pub(crate) struct $name;

        impl Map for $name {
            type In = $codec;
            type Out = $codec;

            fn map$(<$lent>)?(&$($lent)? mut self, value: $view) -> Result<$view> {
                Ok(value)
            }
        }
    };
}

pass!(PassBytes<'a>, Bytes, &'a [u8]);
pass!(PassUtf8<'a>, Utf8, &'a str);
pass!(PassU32, u32, u32);
pass!(PassU64, u64, u64);
pass!(PassI32, i32, i32);
pass!(PassI64, i64, i64);
pass!(PassF64, f64, f64);
pass!(PassBool, bool, bool);
