//! Things as bytes of a D-Bus message.

/// Puts things into bytes, one after the other, with the least byte first.
#[derive(Debug, Default)]
pub struct Writer {
    /// What was put in so far.
    pub bytes: Vec<u8>,
}

impl Writer {
    /// Goes on to a multiple of so many bytes.
    pub fn align(&mut self, to: usize) {
        self.bytes.resize(self.bytes.len().next_multiple_of(to.max(1)), 0);
    }

    /// A number of 32 bits.
    pub fn number(&mut self, number: u32) {
        self.align(4);
        self.bytes.extend(number.to_le_bytes());
    }

    /// A number of 64 bits.
    pub fn long(&mut self, number: u64) {
        self.align(8);
        self.bytes.extend(number.to_le_bytes());
    }

    /// A text, or an object's path.
    pub fn text(&mut self, text: &str) {
        self.number(length(text.len()));
        self.bytes.extend(text.as_bytes());
        self.bytes.push(0);
    }

    /// Types; at most 255 of them.
    pub fn signature(&mut self, types: &str) {
        self.bytes.push(u8::try_from(types.len()).unwrap_or(u8::MAX));
        self.bytes.extend(types.as_bytes());
        self.bytes.push(0);
    }

    /// A list whose things begin at multiples of `to`.
    pub fn array(&mut self, to: usize, things: impl FnOnce(&mut Self)) {
        self.number(0);
        let at = self.bytes.len() - 4;
        self.align(to);
        let begin = self.bytes.len();
        things(self);
        let filled = length(self.bytes.len() - begin).to_le_bytes();
        if let Some(place) = self.bytes.get_mut(at..at + 4) {
            place.copy_from_slice(&filled);
        }
    }

    /// The beginning of a field of a message's header.
    pub(super) fn field(&mut self, code: u8, types: &str) -> &mut Self {
        self.align(8);
        self.bytes.push(code);
        self.signature(types);
        self
    }
}

/// A number of bytes, as messages say it.
pub(super) fn length(bytes: usize) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX)
}
