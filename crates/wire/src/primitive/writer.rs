//! Appends Kafka's primitives to a `Vec<u8>`.

use super::reader::STRING_LENGTH_MAX;
use super::{Array, Element, Form, Message, Records, Uuid};

/// Bytes that are sent from elsewhere, between two bytes of the buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Splice {
    /// Where they belong: before the byte at this position of the buffer.
    pub position: usize,
    /// How many there are.
    pub length: usize,
}

/// Appends to a buffer, and remembers what is to be spliced in while sending and which errors were written.
#[derive(Debug)]
pub struct Writer<'b> {
    buffer: &'b mut Vec<u8>,
    /// Where [`Records::Spliced`] fields go, positions ascending.
    pub splices: Vec<Splice>,
    /// Error codes of the message but 0, each with how often it was written; for whoever counts what is answered.
    pub errors: Vec<(i16, u64)>,
}

impl<'b> Writer<'b> {
    /// Appends after what `buffer` has.
    #[must_use]
    pub const fn new(buffer: &'b mut Vec<u8>) -> Self {
        Self { buffer, splices: Vec::new(), errors: Vec::new() }
    }

    /// Appends bytes as they are.
    pub fn raw(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }
}

macro_rules! fixed_size_writes {
    ($($(#[$doc:meta])+ $method:ident($type:ty);)+) => {
        /// Numbers, big-endian.
        impl Writer<'_> {$(
            $(#[$doc])+
            pub fn $method(&mut self, value: $type) {
                self.raw(&value.to_be_bytes());
            }
        )+}
    };
}

fixed_size_writes! {
    /// One byte, signed.
    int8(i8);
    /// Two bytes, signed.
    int16(i16);
    /// Two bytes, unsigned.
    uint16(u16);
    /// Four bytes, signed.
    int32(i32);
    /// Four bytes, unsigned.
    uint32(u32);
    /// Eight bytes, signed.
    int64(i64);
    /// Eight bytes, IEEE 754.
    float64(f64);
}

/// Values of one fixed or self-delimiting size.
impl Writer<'_> {
    /// One byte, 0 or 1.
    pub fn bool(&mut self, value: bool) {
        self.buffer.push(u8::from(value));
    }

    /// What became of something that was asked for: two bytes, signed; 0 is no error.
    #[inline]
    pub fn error_code(&mut self, code: i16) {
        self.int16(code);
        if code != 0 {
            self.note_error(code);
        }
    }

    #[cold]
    fn note_error(&mut self, code: i16) {
        // There are few codes, however many of them a message has.
        match self.errors.iter_mut().find(|(noted, _)| *noted == code) {
            Some((_, count)) => *count += 1,
            None => self.errors.push((code, 1)),
        }
    }

    /// Sixteen bytes.
    pub fn uuid(&mut self, value: Uuid) {
        self.raw(&value.0);
    }

    /// Seven bits a byte, lowest first.
    pub fn unsigned_varint(&mut self, value: u32) {
        self.base128(u64::from(value));
    }

    /// A zigzag varint of 32 bits.
    pub fn varint(&mut self, value: i32) {
        self.unsigned_varint(((value << 1) ^ (value >> 31)).cast_unsigned());
    }

    /// A zigzag varint of 64 bits.
    pub fn varlong(&mut self, value: i64) {
        self.base128(((value << 1) ^ (value >> 63)).cast_unsigned());
    }

    fn base128(&mut self, mut value: u64) {
        loop {
            let [low, ..] = value.to_le_bytes();
            value >>= 7;
            if value == 0 {
                self.buffer.push(low);
                return;
            }
            self.buffer.push(low | 0x80);
        }
    }
}

/// Values with a length in front.
impl Writer<'_> {
    /// A string.
    ///
    /// One of more than 32,767 bytes, which Kafka would refuse to send, is cut at a character's end. Only texts
    /// that this side made can be so long: decoding refuses them.
    pub fn string(&mut self, value: &str, form: Form) {
        let value = &value[..value.floor_char_boundary(STRING_LENGTH_MAX)];
        match form {
            Form::Classic => self.int16(i16::try_from(value.len()).expect("cut to i16::MAX")),
            Form::Compact => self.compact_length(value.len()),
        }
        self.raw(value.as_bytes());
    }

    /// A string or null.
    pub fn nullable_string(&mut self, value: Option<&str>, form: Form) {
        match (value, form) {
            (Some(value), _) => self.string(value, form),
            (None, Form::Classic) => self.int16(-1),
            (None, Form::Compact) => self.unsigned_varint(0),
        }
    }

    /// Bytes.
    pub fn bytes(&mut self, value: &[u8], form: Form) {
        self.length(value.len(), form);
        self.raw(value);
    }

    /// Bytes or null.
    pub fn nullable_bytes(&mut self, value: Option<&[u8]>, form: Form) {
        match value {
            Some(value) => self.bytes(value, form),
            None => self.null(form),
        }
    }

    /// Record batches; null becomes empty.
    pub fn records(&mut self, value: &Records<'_>, form: Form) {
        self.length(value.len(), form);
        match value {
            Records::Null => {}
            Records::Slice(bytes) => self.raw(bytes),
            Records::Parts(parts) => parts.iter().for_each(|part| self.raw(part)),
            Records::Spliced(length) => {
                self.splices.push(Splice { position: self.buffer.len(), length: *length });
            }
        }
    }

    /// Record batches or null.
    pub fn nullable_records(&mut self, value: &Records<'_>, form: Form) {
        match value {
            Records::Null => self.null(form),
            value => self.records(value, form),
        }
    }

    /// An array.
    pub fn array<'a, T: Element<'a>>(&mut self, value: &Array<'a, T>, version: i16, form: Form) {
        self.length(value.len(), form);
        match value.built() {
            Some(elements) => elements.iter().for_each(|element| element.encode_element(self, version, form)),
            None => value.iter().for_each(|element| element.encode_element(self, version, form)),
        }
    }

    /// An array or null.
    pub fn nullable_array<'a, T: Element<'a>>(
        &mut self,
        value: Option<&Array<'a, T>>,
        version: i16,
        form: Form,
    ) {
        match value {
            Some(value) => self.array(value, version, form),
            None => self.null(form),
        }
    }

    /// An array in a version that cannot say null: null becomes empty.
    pub fn array_or_empty<'a, T: Element<'a>>(
        &mut self,
        value: Option<&Array<'a, T>>,
        version: i16,
        form: Form,
    ) {
        match value {
            Some(value) => self.array(value, version, form),
            None => self.length(0, form),
        }
    }

    /// A struct or null: one byte says which.
    pub fn nullable_struct<'a, T: Message<'a>>(&mut self, value: Option<&T>, version: i16) {
        match value {
            Some(value) => {
                self.int8(1);
                value.encode(self, version);
            }
            None => self.int8(-1),
        }
    }

    /// A struct or null as a tagged field has it: a variable-length number says which.
    pub fn tagged_nullable_struct<'a, T: Message<'a>>(&mut self, value: Option<&T>, version: i16) {
        self.unsigned_varint(u32::from(value.is_some()));
        if let Some(value) = value {
            value.encode(self, version);
        }
    }

    /// The count of tagged fields that follow, which must then be written with ascending tags.
    pub fn tagged_count(&mut self, form: Form, count: u32) {
        if form == Form::Compact {
            self.unsigned_varint(count);
        }
    }

    /// One tagged field; `value` writes what it holds, which must not be records.
    pub fn tagged(&mut self, tag: u32, value: impl FnOnce(&mut Self)) {
        self.unsigned_varint(tag);
        let start = self.buffer.len();
        value(self);
        let end = self.buffer.len();
        // The length is known only now: it is written behind the value and turned to the front.
        self.unsigned_varint(u32::try_from(end - start).expect("a frame is shorter than 2 GiB"));
        let length_size = self.buffer.len() - end;
        self.buffer[start..].rotate_right(length_size);
    }

    fn length(&mut self, length: usize, form: Form) {
        match form {
            Form::Classic => self.int32(i32::try_from(length).expect("a frame is shorter than 2 GiB")),
            Form::Compact => self.compact_length(length),
        }
    }

    fn compact_length(&mut self, length: usize) {
        self.unsigned_varint(u32::try_from(length + 1).expect("a frame is shorter than 2 GiB"));
    }

    fn null(&mut self, form: Form) {
        match form {
            Form::Classic => self.int32(-1),
            Form::Compact => self.unsigned_varint(0),
        }
    }
}
