//! A value as any `Deserialize` type, and every mistake in it: read, note the first complaint,
//! dig a hole there, read again.

use serde::{
    Deserializer,
    de::{
        DeserializeOwned, DeserializeSeed, MapAccess, SeqAccess, Visitor, value::StrDeserializer,
    },
    forward_to_deserialize_any,
};

use crate::manifest::{
    complaint::{Complaint, What},
    diagnostic::Diagnostic,
    hole::{Hole, Holes},
    node::{Doc, Id, Plain, Value},
    place::Place,
    unread::{PLACED, UNREAD},
    variant::{Named, Word},
    words::list,
};

/// So many mistakes are looked for in one value.
const MISTAKES_MAX: usize = 100;

/// Reads the value `id` as a `T` and adds all complaints to `out`; `at` is where to point when a
/// mapping as a whole is meant, such as the key it stands under.
///
/// A `T` may come back beside complaints: mistaken values are then replaced by stand-ins, so that
/// the caller can look further into what is right. Nothing comes back, and nothing is told, for
/// `Id::NOWHERE`.
pub fn read<T: DeserializeOwned>(
    doc: &Doc,
    id: Id,
    at: Place,
    out: &mut Vec<Diagnostic>,
) -> Option<T> {
    doc.value(id)?;
    let mut holes = Holes::default();
    for _ in 0..=MISTAKES_MAX {
        let why = match T::deserialize(Reader { doc, id, holes: &holes }) {
            Ok(it) => return Some(it),
            Err(why) => why,
        };
        let whose = why.at.unwrap_or(id);
        if !holes.dig(whose, &why.what) {
            return None; // Its stand-in was refused: it has been told, and no more can be learnt.
        }
        if !matches!(why.what, What::Missing(field) if holes.misspelt(doc, whose, field)) {
            out.push(why.tell(doc, (id, at)));
        }
    }
    None
}

/// A value, and what is known to be wrong with it.
#[derive(Clone, Copy)]
struct Reader<'a> {
    doc: &'a Doc,
    id: Id,
    holes: &'a Holes,
}

impl Reader<'_> {
    fn of(self, id: Id) -> Self {
        Self { id, ..self }
    }

    fn is_hole(self) -> bool {
        self.holes.replaces(self.id) || self.doc.node(self.id).is_none_or(|it| it.spoilt)
    }

    /// Lets the visitor have what the value is by itself.
    fn show<'de, V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Complaint> {
        match self.doc.value(self.id) {
            None => visitor.visit_unit(),
            Some(Value::Scalar { text, plain: true }) => match Plain::of(text) {
                Plain::Nothing => visitor.visit_unit(),
                Plain::Bool(it) => visitor.visit_bool(it),
                Plain::Natural(it) => visitor.visit_u64(it),
                Plain::Integer(it) => visitor.visit_i64(it),
                Plain::Real(it) => visitor.visit_f64(it),
                Plain::Text => visitor.visit_str(text),
            },
            Some(Value::Scalar { text, plain: false }) => visitor.visit_str(text),
            Some(Value::List(items)) => {
                visitor.visit_seq(Items { reader: self, left: items.iter() })
            }
            Some(Value::Map(_)) => self.show_map(&[], visitor),
        }
        .map_err(|it: Complaint| it.at(self.id))
    }

    fn show_map<'de, V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Complaint> {
        let left = self.doc.pairs(self.id).unwrap_or(&[]).iter();
        visitor
            .visit_map(Pairs { reader: self, left, value: None, fields: fields.iter() })
            .map_err(|it: Complaint| it.at(self.id))
    }

    /// As `show`, but text where text is wanted: `version: 1.10` is what was written, not 1.1.
    fn show_text<'de, V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Complaint> {
        match self.doc.text(self.id) {
            Some(text) => visitor.visit_str(text).map_err(|it: Complaint| it.at(self.id)),
            None => self.show(visitor),
        }
    }
}

macro_rules! show {
    ($($name:ident)*) => { $(
        fn $name<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Complaint> {
            if self.is_hole() {
                return Hole.$name(visitor).map_err(|it| it.at(self.id));
            }
            self.show(visitor)
        }
    )* };
}

impl<'de> Deserializer<'de> for Reader<'_> {
    type Error = Complaint;

    show! {
        deserialize_any deserialize_bool
        deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64
        deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64
        deserialize_f32 deserialize_f64 deserialize_bytes deserialize_byte_buf
        deserialize_unit deserialize_seq deserialize_map
    }

    forward_to_deserialize_any! { i128 u128 }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Complaint> {
        if self.is_hole() {
            return Hole.deserialize_str(visitor).map_err(|it| it.at(self.id));
        }
        if self.doc.is_null(self.id) { self.show(visitor) } else { self.show_text(visitor) }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Complaint> {
        self.deserialize_str(visitor)
    }

    fn deserialize_char<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Complaint> {
        if self.is_hole() {
            return Hole.deserialize_char(visitor).map_err(|it| it.at(self.id));
        }
        self.show_text(visitor)
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Complaint> {
        self.show_text(visitor)
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Complaint> {
        visitor.visit_unit()
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Complaint> {
        if self.is_hole() || self.doc.is_null(self.id) {
            visitor.visit_none()
        } else {
            visitor.visit_some(self)
        }
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Complaint> {
        self.deserialize_unit(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Complaint> {
        match name {
            UNREAD => visitor.visit_u32(self.id.number()),
            PLACED => visitor.visit_seq(Parts { reader: self, next: 0 }),
            _ => visitor.visit_newtype_struct(self),
        }
        .map_err(|it: Complaint| it.at(self.id))
    }

    fn deserialize_tuple<V: Visitor<'de>>(
        self,
        len: usize,
        visitor: V,
    ) -> Result<V::Value, Complaint> {
        if self.is_hole() {
            return Hole.deserialize_tuple(len, visitor).map_err(|it| it.at(self.id));
        }
        // serde's visitors take what they need and leave the rest unsaid.
        match self.doc.list(self.id) {
            Some(items) if items.len() == len => self.show(visitor),
            _ => Err(Complaint::wanted(format!("a list of {len}")).at(self.id)),
        }
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
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Complaint> {
        if self.is_hole() {
            return Hole.deserialize_struct(name, fields, visitor).map_err(|it| it.at(self.id));
        }
        // A mapping left empty is one without keys; a list is none, whatever serde makes of it.
        match self.doc.value(self.id) {
            Some(Value::Map(_)) => self.show_map(fields, visitor),
            _ if self.doc.is_null(self.id) => self.show_map(fields, visitor),
            _ => Err(Complaint::wanted("a mapping").at(self.id)),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        known: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Complaint> {
        let named = match self.doc.pairs(self.id) {
            Some(&[(key, value)]) => Some((key, value)),
            _ => None,
        };
        if self.is_hole() || named.is_some_and(|it| self.of(it.0).is_hole()) {
            return Hole.deserialize_enum(name, known, visitor).map_err(|it| it.at(self.id));
        }
        match (self.doc.text(self.id), named) {
            (Some(_), _) => visitor.visit_enum(Word(self)),
            (None, Some((key, value))) => {
                visitor.visit_enum(Named { word: self.of(key), value: self.of(value) })
            }
            (None, None) => Err(Complaint::wanted(format!("one of {}", list(known)))),
        }
        .map_err(|it| it.at(self.id))
    }
}

struct Items<'a> {
    reader: Reader<'a>,
    left: std::slice::Iter<'a, Id>,
}

impl<'de> SeqAccess<'de> for Items<'_> {
    type Error = Complaint;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Complaint> {
        self.left.next().map(|id| seed.deserialize(self.reader.of(*id))).transpose()
    }
}

/// A `Placed` value: the two ends of its place, then the value.
struct Parts<'a> {
    reader: Reader<'a>,
    next: usize,
}

impl<'de> SeqAccess<'de> for Parts<'_> {
    type Error = Complaint;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Complaint> {
        use serde::de::value::U64Deserializer;

        let place = self.reader.doc.place(self.reader.id);
        let byte = |it: usize| U64Deserializer::new(u64::try_from(it).unwrap_or(u64::MAX));
        self.next += 1;
        match self.next {
            1 => seed.deserialize(byte(place.start)).map(Some),
            2 => seed.deserialize(byte(place.end)).map(Some),
            3 => seed.deserialize(self.reader).map(Some),
            _ => Ok(None),
        }
    }
}

struct Pairs<'a> {
    reader: Reader<'a>,
    left: std::slice::Iter<'a, (Id, Id)>,
    value: Option<Id>,
    /// The keys that the type has, where it is a struct.
    fields: std::slice::Iter<'static, &'static str>,
}

impl<'de> MapAccess<'de> for Pairs<'_> {
    type Error = Complaint;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Complaint> {
        let Reader { holes, id, .. } = self.reader;
        if let Some(&(key, value)) = self.left.find(|it| !holes.leaves_out(it.0)) {
            self.value = Some(value);
            return seed.deserialize(self.reader.of(key)).map(Some);
        }
        // What was told to be missing comes after the end, so that the next mistake is found.
        self.value = None;
        let missing = self.fields.find(|it| holes.puts_in(id, it));
        missing.map(|it| seed.deserialize(StrDeserializer::new(it))).transpose()
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Complaint> {
        match self.value {
            Some(id) => seed.deserialize(self.reader.of(id)).map_err(|it| it.at(id)),
            None => seed.deserialize(Hole),
        }
    }
}
