//! The two ways to write a choice: a word alone, and `word: value`.

use serde::{
    Deserialize as _, Deserializer,
    de::{DeserializeSeed, EnumAccess, VariantAccess, Visitor},
};

use crate::manifest::complaint::Complaint;

/// A word alone.
pub(crate) struct Word<D>(pub(crate) D);

/// A word and its value.
pub(crate) struct Named<D> {
    pub(crate) word: D,
    pub(crate) value: D,
}

/// That nothing comes after the word.
pub(crate) struct Alone;

/// What comes after the word.
pub(crate) struct After<D>(D);

impl<'de, D: Deserializer<'de, Error = Complaint>> EnumAccess<'de> for Word<D> {
    type Error = Complaint;
    type Variant = Alone;

    fn variant_seed<V: DeserializeSeed<'de>>(
        self,
        seed: V,
    ) -> Result<(V::Value, Alone), Complaint> {
        Ok((seed.deserialize(self.0)?, Alone))
    }
}

impl<'de> VariantAccess<'de> for Alone {
    type Error = Complaint;

    fn unit_variant(self) -> Result<(), Complaint> {
        Ok(())
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, _: T) -> Result<T::Value, Complaint> {
        Err(Complaint::bare())
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, _: V) -> Result<V::Value, Complaint> {
        Err(Complaint::bare())
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, Complaint> {
        Err(Complaint::bare())
    }
}

impl<'de, D: Deserializer<'de, Error = Complaint>> EnumAccess<'de> for Named<D> {
    type Error = Complaint;
    type Variant = After<D>;

    fn variant_seed<V: DeserializeSeed<'de>>(
        self,
        seed: V,
    ) -> Result<(V::Value, After<D>), Complaint> {
        Ok((seed.deserialize(self.word)?, After(self.value)))
    }
}

impl<'de, D: Deserializer<'de, Error = Complaint>> VariantAccess<'de> for After<D> {
    type Error = Complaint;

    fn unit_variant(self) -> Result<(), Complaint> {
        <()>::deserialize(self.0)
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Complaint> {
        seed.deserialize(self.0)
    }

    fn tuple_variant<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, Complaint> {
        self.0.deserialize_tuple(len, visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Complaint> {
        self.0.deserialize_struct("", fields, visitor)
    }
}
