//! Text in bulk: what operators on text do for every record, without an allocation and without a call out of Wasm.

/// Appends `text` to `to` with its ASCII letters lower-cased; all other characters stay as they are.
///
/// The same as `to.push_str(&text.to_ascii_lowercase())`, in one pass that the compiler vectorizes.
#[inline]
pub fn push_ascii_lowercase(text: &str, to: &mut String) {
    crate::raw::push_ascii_lowercase(text, to);
}

/// Whether `text` is ASCII, by a loop that is fast on short texts in Wasm too.
#[inline]
#[must_use]
pub fn is_ascii(text: &str) -> bool {
    crate::raw::is_ascii(text.as_bytes())
}
