//! The name of a postcard codec: a type's own name and a fingerprint of its layout, by reading it from a source that records every question.

use std::fmt;

use serde::de::{self, DeserializeOwned, DeserializeSeed, IntoDeserializer, Visitor};

/// How deep types are followed; what lies deeper (a recursive type, most likely) doesn't count.
const DEPTH_MAX: u32 = 16;
/// How many times a type is read, each time with another variant of its enums.
const PASSES_MAX: u32 = 64;
/// How many questions are recorded in all: a type with more of them is told apart by the first ones.
const QUESTIONS_MAX: u32 = 100_000;

/// `postcard:<type>/<fingerprint>`.
pub(super) fn postcard_name<T: DeserializeOwned>() -> String {
    let mut trace = Trace { hash: 0xcbf2_9ce4_8422_2325, name: None, depth: 0, pass: 0, variants_max: 1, questions: 0 };
    while trace.pass < trace.variants_max.min(PASSES_MAX) {
        // A type that refuses zeros ends the pass early; what it asked until then counts.
        drop(T::deserialize(Recorder(&mut trace)));
        trace.pass += 1;
    }
    let name = trace.name.map_or_else(|| short_type_name(std::any::type_name::<T>()), str::to_owned);
    format!("postcard:{name}/{:016x}", trace.hash)
}

/// A type's name without the paths: `Vec<Visit>`.
fn short_type_name(full: &str) -> String {
    let mut short = String::new();
    let mut word = 0;
    for character in full.chars() {
        if character == ':' {
            short.truncate(word);
        } else {
            short.push(character);
            if !character.is_alphanumeric() && character != '_' {
                word = short.len();
            }
        }
    }
    short
}

struct Trace {
    hash: u64,
    /// The name of the outermost struct or enum, if the type is one.
    name: Option<&'static str>,
    depth: u32,
    pass: u32,
    variants_max: u32,
    questions: u32,
}

impl Trace {
    /// FNV-1a: short, fixed for ever, and nobody gains by colliding with himself.
    fn note(&mut self, word: &str) {
        for byte in word.bytes().chain([0]) {
            self.hash = (self.hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    fn enter(&mut self, kind: &str) -> Result<(), Stop> {
        if self.questions == QUESTIONS_MAX {
            return Err(Stop);
        }
        self.questions += 1;
        self.note(kind);
        Ok(())
    }

    fn named(&mut self, kind: &str, name: &'static str) -> Result<(), Stop> {
        if self.questions == 0 {
            self.name = Some(name);
        }
        self.enter(kind)?;
        self.note(name);
        Ok(())
    }
}

/// Ends a pass.
#[derive(Debug)]
struct Stop;

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("stopped")
    }
}

impl std::error::Error for Stop {}

impl de::Error for Stop {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self
    }
}

struct Recorder<'t>(&'t mut Trace);

impl<'t> Recorder<'t> {
    /// Runs `f` one level deeper; `count` items are offered to it.
    fn nested<'de, V: Visitor<'de>>(self, visitor: V, count: usize) -> Result<V::Value, Stop> {
        self.0.depth += 1;
        let trace = &mut *self.0;
        let offered = if trace.depth > DEPTH_MAX { 0 } else { count };
        let value = visitor.visit_seq(Items { trace: &mut *trace, left: offered });
        self.0.depth -= 1;
        self.0.note(")");
        value
    }
}

macro_rules! answer_scalars {
    ($($method:ident, $visit:ident, $value:expr;)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
            self.0.enter(stringify!($method))?;
            visitor.$visit($value)
        }
    )*};
}

impl<'de> de::Deserializer<'de> for Recorder<'_> {
    type Error = Stop;

    answer_scalars! {
        deserialize_bool, visit_bool, false;
        deserialize_i8, visit_i8, 0;
        deserialize_i16, visit_i16, 0;
        deserialize_i32, visit_i32, 0;
        deserialize_i64, visit_i64, 0;
        deserialize_i128, visit_i128, 0;
        deserialize_u8, visit_u8, 0;
        deserialize_u16, visit_u16, 0;
        deserialize_u32, visit_u32, 0;
        deserialize_u64, visit_u64, 0;
        deserialize_u128, visit_u128, 0;
        deserialize_f32, visit_f32, 0.0;
        deserialize_f64, visit_f64, 0.0;
        deserialize_char, visit_char, 'a';
        deserialize_str, visit_borrowed_str, "";
        deserialize_string, visit_borrowed_str, "";
        deserialize_bytes, visit_borrowed_bytes, b"";
        deserialize_byte_buf, visit_borrowed_bytes, b"";
        deserialize_identifier, visit_u64, 0;
    }

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Stop> {
        Err(Stop)
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Stop> {
        Err(Stop)
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        self.0.enter("unit")?;
        visitor.visit_unit()
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(self, name: &'static str, visitor: V) -> Result<V::Value, Stop> {
        self.0.named("unit struct", name)?;
        visitor.visit_unit()
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        self.0.enter("option")?;
        if self.0.depth >= DEPTH_MAX {
            return visitor.visit_none();
        }
        self.0.depth += 1;
        let value = visitor.visit_some(Recorder(&mut *self.0));
        self.0.depth -= 1;
        value
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, name: &'static str, visitor: V) -> Result<V::Value, Stop> {
        self.0.named("newtype", name)?;
        if self.0.depth > DEPTH_MAX {
            return Err(Stop);
        }
        self.0.depth += 1;
        let value = visitor.visit_newtype_struct(Recorder(&mut *self.0));
        self.0.depth -= 1;
        value
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        self.0.enter("seq")?;
        self.nested(visitor, 1)
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, items: usize, visitor: V) -> Result<V::Value, Stop> {
        self.0.enter("tuple")?;
        self.nested(visitor, items)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(self, name: &'static str, items: usize, visitor: V) -> Result<V::Value, Stop> {
        self.0.named("tuple struct", name)?;
        self.nested(visitor, items)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        self.0.enter("map")?;
        self.0.depth += 1;
        let left = usize::from(self.0.depth <= DEPTH_MAX);
        let value = visitor.visit_map(Items { trace: &mut *self.0, left });
        self.0.depth -= 1;
        self.0.note(")");
        value
    }

    fn deserialize_struct<V: Visitor<'de>>(self, name: &'static str, fields: &'static [&'static str], visitor: V) -> Result<V::Value, Stop> {
        self.0.named("struct", name)?;
        for field in fields {
            self.0.note(field);
        }
        self.nested(visitor, fields.len())
    }

    fn deserialize_enum<V: Visitor<'de>>(self, name: &'static str, variants: &'static [&'static str], visitor: V) -> Result<V::Value, Stop> {
        self.0.named("enum", name)?;
        for variant in variants {
            self.0.note(variant);
        }
        let count = u32::try_from(variants.len()).unwrap_or(u32::MAX);
        self.0.variants_max = self.0.variants_max.max(count);
        // Deep inside a recursive type, the first variant is the likeliest to end it.
        let variant = if count == 0 || self.0.depth > DEPTH_MAX { 0 } else { self.0.pass % count };
        self.0.depth += 1;
        let value = if self.0.depth > 2 * DEPTH_MAX { Err(Stop) } else { visitor.visit_enum(Variant { trace: &mut *self.0, index: variant }) };
        self.0.depth -= 1;
        value
    }

    fn is_human_readable(&self) -> bool {
        false
    }
}

/// The items of a sequence, or one entry of a map.
struct Items<'t> {
    trace: &'t mut Trace,
    left: usize,
}

impl<'de> de::SeqAccess<'de> for Items<'_> {
    type Error = Stop;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Stop> {
        let Some(left) = self.left.checked_sub(1) else { return Ok(None) };
        self.left = left;
        seed.deserialize(Recorder(&mut *self.trace)).map(Some)
    }
}

impl<'de> de::MapAccess<'de> for Items<'_> {
    type Error = Stop;

    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Stop> {
        de::SeqAccess::next_element_seed(self, seed)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Stop> {
        seed.deserialize(Recorder(&mut *self.trace))
    }
}

/// One variant of an enum.
struct Variant<'t> {
    trace: &'t mut Trace,
    index: u32,
}

impl<'de, 't> de::EnumAccess<'de> for Variant<'t> {
    type Error = Stop;
    type Variant = Recorder<'t>;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Recorder<'t>), Stop> {
        let index: de::value::U32Deserializer<Stop> = self.index.into_deserializer();
        Ok((seed.deserialize(index)?, Recorder(self.trace)))
    }
}

impl<'de> de::VariantAccess<'de> for Recorder<'_> {
    type Error = Stop;

    fn unit_variant(self) -> Result<(), Stop> {
        self.0.enter("unit variant")
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, Stop> {
        self.0.enter("newtype variant")?;
        seed.deserialize(self)
    }

    fn tuple_variant<V: Visitor<'de>>(self, items: usize, visitor: V) -> Result<V::Value, Stop> {
        self.0.enter("tuple variant")?;
        self.nested(visitor, items)
    }

    fn struct_variant<V: Visitor<'de>>(self, fields: &'static [&'static str], visitor: V) -> Result<V::Value, Stop> {
        self.0.enter("struct variant")?;
        for field in fields {
            self.0.note(field);
        }
        self.nested(visitor, fields.len())
    }
}

#[cfg(test)]
#[path = "fingerprint/tests.rs"]
mod tests;
