//! Field types for those who read a manifest: a value kept for later, and a value with its place.

use std::{borrow::Cow, fmt, marker::PhantomData};

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{
    Deserialize, Deserializer,
    de::{Error, SeqAccess, Visitor},
};

use crate::manifest::{node::Id, place::Place};

/// The names by which the reader knows the two types; no type of a user's crate has such a name.
pub(crate) const UNREAD: &str = "$unread";
pub(crate) const PLACED: &str = "$placed";

/// A value kept for later, unread. Only `read` can make one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unread(pub Id);

impl<'de> Deserialize<'de> for Unread {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Number;

        impl Visitor<'_> for Number {
            type Value = Unread;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a value of a manifest")
            }

            fn visit_u32<E: Error>(self, number: u32) -> Result<Unread, E> {
                Ok(Unread(Id::from_number(number)))
            }
        }

        from.deserialize_newtype_struct(UNREAD, Number)
    }
}

/// A value with its place, for complaints that come later, such as a name that refers to nothing.
/// Only `read` can make one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Placed<T> {
    /// Where it stands. Empty, at the file's start, where the value is missing.
    pub place: Place,
    /// The value.
    pub value: T,
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Placed<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Parts<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for Parts<T> {
            type Value = Placed<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a value of a manifest")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut parts: A) -> Result<Placed<T>, A::Error> {
                let absent = || Error::custom("a value of a manifest is wanted here");
                let start: u64 = parts.next_element()?.ok_or_else(absent)?;
                let end: u64 = parts.next_element()?.ok_or_else(absent)?;
                let value = parts.next_element()?.ok_or_else(absent)?;
                let byte = |it| usize::try_from(it).unwrap_or(usize::MAX);
                Ok(Placed { place: Place::new(byte(start), byte(end)), value })
            }
        }

        from.deserialize_newtype_struct(PLACED, Parts(PhantomData))
    }
}

impl<T: JsonSchema> JsonSchema for Placed<T> {
    fn inline_schema() -> bool {
        T::inline_schema()
    }

    fn schema_name() -> Cow<'static, str> {
        T::schema_name()
    }

    fn schema_id() -> Cow<'static, str> {
        T::schema_id()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        T::json_schema(generator)
    }
}
