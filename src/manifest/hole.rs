//! What stands in for a mistaken value: something that every visitor can live with.

use std::collections::{BTreeMap, BTreeSet};

use serde::{
    Deserializer,
    de::{
        IntoDeserializer, Visitor,
        value::{MapDeserializer, SeqDeserializer, StrDeserializer},
    },
    forward_to_deserialize_any,
};

use crate::{
    manifest::{
        complaint::{Complaint, What},
        node::{Doc, Id},
        unread::{PLACED, UNREAD},
        words::nearest,
    },
    units::HOLE,
};

/// The mistakes that were told, to be passed over when the value is read again.
#[derive(Debug, Default)]
pub(crate) struct Holes {
    /// Keys that nobody reads, and what may have been meant: left out.
    keys: BTreeMap<Id, Option<&'static str>>,
    /// Values that do not fit: replaced.
    values: BTreeSet<Id>,
    /// Keys that must be there: put in.
    missing: BTreeSet<(Id, &'static str)>,
}

impl Holes {
    /// Remembers a mistake. False if it was known: its stand-in was refused.
    pub(crate) fn dig(&mut self, id: Id, what: &What) -> bool {
        match what {
            What::UnknownKey { word, known } => {
                self.keys.insert(id, nearest(word, known)).is_none()
            }
            What::Missing(field) => self.missing.insert((id, field)),
            What::NoneOf { .. } | What::Wrong { .. } | What::Bare | What::Other(_) => {
                self.values.insert(id)
            }
        }
    }

    pub(crate) fn leaves_out(&self, key: Id) -> bool {
        self.keys.contains_key(&key)
    }

    /// Whether the complaint about an unknown key has told of this missing one, too.
    pub(crate) fn misspelt(&self, doc: &Doc, mapping: Id, field: &'static str) -> bool {
        let mut keys = doc.pairs(mapping).unwrap_or(&[]).iter();
        keys.any(|it| self.keys.get(&it.0) == Some(&Some(field)))
    }

    pub(crate) fn replaces(&self, value: Id) -> bool {
        self.values.contains(&value)
    }

    pub(crate) fn puts_in(&self, mapping: Id, field: &'static str) -> bool {
        self.missing.contains(&(mapping, field))
    }
}

/// The stand-in.
pub(crate) struct Hole;

impl IntoDeserializer<'_, Complaint> for Hole {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

macro_rules! stand_in {
    ($($name:ident => $visit:ident($value:expr),)*) => { $(
        fn $name<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Complaint> {
            visitor.$visit($value)
        }
    )* };
}

impl<'de> Deserializer<'de> for Hole {
    type Error = Complaint;

    // One, not zero: a setting that must not be zero takes it.
    stand_in! {
        deserialize_any => visit_str(HOLE),
        deserialize_bool => visit_bool(false),
        deserialize_i8 => visit_i8(1),
        deserialize_i16 => visit_i16(1),
        deserialize_i32 => visit_i32(1),
        deserialize_i64 => visit_i64(1),
        deserialize_u8 => visit_u8(1),
        deserialize_u16 => visit_u16(1),
        deserialize_u32 => visit_u32(1),
        deserialize_u64 => visit_u64(1),
        deserialize_f32 => visit_f32(1.0),
        deserialize_f64 => visit_f64(1.0),
        deserialize_char => visit_char('_'),
        deserialize_bytes => visit_bytes(&[]),
        deserialize_byte_buf => visit_bytes(&[]),
    }

    forward_to_deserialize_any! { str string identifier }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Complaint> {
        visitor.visit_none()
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Complaint> {
        visitor.visit_unit()
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Complaint> {
        visitor.visit_unit()
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Complaint> {
        visitor.visit_unit()
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Complaint> {
        match name {
            UNREAD => visitor.visit_u32(Id::NOWHERE.number()),
            PLACED => self.deserialize_tuple(3, visitor),
            _ => visitor.visit_newtype_struct(self),
        }
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Complaint> {
        visitor.visit_seq(SeqDeserializer::new(std::iter::empty::<Self>()))
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Complaint> {
        visitor.visit_map(MapDeserializer::new(std::iter::empty::<(&str, Self)>()))
    }

    fn deserialize_tuple<V: Visitor<'de>>(
        self,
        len: usize,
        visitor: V,
    ) -> Result<V::Value, Complaint> {
        visitor.visit_seq(SeqDeserializer::new((0..len).map(|_| Self)))
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        len: usize,
        visitor: V,
    ) -> Result<V::Value, Complaint> {
        self.deserialize_tuple(len, visitor)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Complaint> {
        visitor.visit_map(MapDeserializer::new(fields.iter().map(|it| (*it, Self))))
    }

    // The first variant by its name alone: with a value, a recursive type would never end.
    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        known: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Complaint> {
        visitor.visit_enum(StrDeserializer::new(known.first().copied().unwrap_or("")))
    }
}
