//! Reads Kafka's primitives from borrowed bytes; every read is checked against what is left.

use super::{Array, DecodeError, Element, Form, Message, Records, Uuid, widen};
use std::borrow::Cow;

/// Longest string in bytes, in both forms: Kafka refuses more even where the length field could say more.
pub(super) const STRING_LENGTH_MAX: usize = 0x7fff;

/// A position in borrowed bytes.
#[derive(Debug, Clone)]
pub struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    /// Starts at the first of `bytes`.
    #[must_use]
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// Bytes read so far.
    #[must_use]
    pub const fn position(&self) -> usize {
        self.at
    }

    /// Bytes not read yet.
    #[must_use]
    pub const fn remaining(&self) -> usize {
        self.bytes.len() - self.at
    }

    /// Ends the reading where nothing may be left. Kafka's broker passes over what follows a request's body.
    ///
    /// # Errors
    /// [`DecodeError::TrailingBytes`] when something is left.
    pub fn finish(self) -> Result<(), DecodeError> {
        match self.remaining() {
            0 => Ok(()),
            left => Err(DecodeError::TrailingBytes { left }),
        }
    }

    /// Reads the next `count` bytes.
    ///
    /// # Errors
    /// [`DecodeError::Truncated`], as of every method that reads.
    pub fn take(&mut self, count: usize) -> Result<&'a [u8], DecodeError> {
        match self.bytes[self.at..].split_at_checked(count) {
            Some((taken, _)) => {
                self.at += count;
                Ok(taken)
            }
            None => Err(DecodeError::Truncated { at: self.at, needed: count, left: self.remaining() }),
        }
    }

    /// Passes over all that is left.
    pub fn skip_rest(&mut self) {
        self.at = self.bytes.len();
    }

    fn fixed<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        match self.bytes[self.at..].first_chunk::<N>() {
            Some(chunk) => {
                self.at += N;
                Ok(*chunk)
            }
            None => Err(DecodeError::Truncated { at: self.at, needed: N, left: self.remaining() }),
        }
    }
}

macro_rules! fixed_size_reads {
    ($($(#[$doc:meta])+ $method:ident -> $type:ty;)+) => {
        /// Numbers, big-endian. They fail only with [`DecodeError::Truncated`].
        #[allow(clippy::missing_errors_doc)]
        impl Reader<'_> {$(
            $(#[$doc])+
            pub fn $method(&mut self) -> Result<$type, DecodeError> {
                self.fixed().map(<$type>::from_be_bytes)
            }
        )+}
    };
}

fixed_size_reads! {
    /// One byte, signed.
    int8 -> i8;
    /// Two bytes, signed.
    int16 -> i16;
    /// Two bytes, unsigned.
    uint16 -> u16;
    /// Four bytes, signed.
    int32 -> i32;
    /// Four bytes, unsigned.
    uint32 -> u32;
    /// Eight bytes, signed.
    int64 -> i64;
    /// Eight bytes, IEEE 754.
    float64 -> f64;
}

/// Values of one fixed or self-delimiting size.
impl Reader<'_> {
    /// One byte; everything but 0 is true, as Kafka reads it.
    ///
    /// # Errors
    /// [`DecodeError::Truncated`].
    pub fn bool(&mut self) -> Result<bool, DecodeError> {
        self.int8().map(|byte| byte != 0)
    }

    /// Sixteen bytes.
    ///
    /// # Errors
    /// [`DecodeError::Truncated`].
    pub fn uuid(&mut self) -> Result<Uuid, DecodeError> {
        self.fixed().map(Uuid)
    }

    /// Seven bits a byte, lowest first; at most five bytes.
    ///
    /// # Errors
    /// [`DecodeError::VarintTooLong`] when it does not fit 32 bits.
    pub fn unsigned_varint(&mut self) -> Result<u32, DecodeError> {
        let long = self.base128(32)?;
        u32::try_from(long).map_err(|_| DecodeError::VarintTooLong { at: self.at, bits: 32 })
    }

    /// A zigzag varint of 32 bits.
    ///
    /// # Errors
    /// [`DecodeError::VarintTooLong`].
    pub fn varint(&mut self) -> Result<i32, DecodeError> {
        let raw = self.unsigned_varint()?;
        Ok((raw >> 1).cast_signed() ^ -(raw & 1).cast_signed())
    }

    /// A zigzag varint of 64 bits.
    ///
    /// # Errors
    /// [`DecodeError::VarintTooLong`].
    pub fn varlong(&mut self) -> Result<i64, DecodeError> {
        let raw = self.base128(64)?;
        Ok((raw >> 1).cast_signed() ^ -(raw & 1).cast_signed())
    }

    /// At most as many bytes as `bits` take; bits above the 64th make it too long.
    fn base128(&mut self, bits: u32) -> Result<u64, DecodeError> {
        let at = self.at;
        let mut value = 0_u64;
        for shift in (0..bits).step_by(7) {
            let [byte] = self.fixed()?;
            let part = u64::from(byte & 0x7f);
            if part << shift >> shift != part {
                break;
            }
            value |= part << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(DecodeError::VarintTooLong { at, bits })
    }
}

/// Values with a length in front.
impl<'a> Reader<'a> {
    /// A string that is never null, borrowed if it is UTF-8.
    ///
    /// What is not UTF-8 is replaced by U+FFFD, as Kafka does: its clients may send names in other encodings, and
    /// are told that they are invalid. Only then memory is taken, at most four times the string's bytes.
    ///
    /// # Errors
    /// [`DecodeError::Null`], or its length is wrong.
    pub fn string(&mut self, form: Form) -> Result<Cow<'a, str>, DecodeError> {
        self.nullable_string(form)?.ok_or(DecodeError::Null { at: self.at })
    }

    /// A string or null; as [`string`](Self::string).
    ///
    /// # Errors
    /// Its length is wrong.
    pub fn nullable_string(&mut self, form: Form) -> Result<Option<Cow<'a, str>>, DecodeError> {
        Ok(self.nullable_string_bytes(form)?.map(|bytes| match std::str::from_utf8(bytes) {
            Ok(text) => Cow::Borrowed(text),
            Err(_) => String::from_utf8_lossy(bytes),
        }))
    }

    /// The bytes of a string or null, UTF-8 or not.
    ///
    /// # Errors
    /// Its length is wrong.
    pub fn nullable_string_bytes(&mut self, form: Form) -> Result<Option<&'a [u8]>, DecodeError> {
        let length = match form {
            Form::Classic => u16::try_from(self.int16()?).ok().map(usize::from),
            Form::Compact => self.compact_length()?,
        };
        match length {
            Some(length) if length > STRING_LENGTH_MAX => {
                Err(DecodeError::StringTooLong { at: self.at, length, length_max: STRING_LENGTH_MAX })
            }
            Some(length) => self.take(length).map(Some),
            None => Ok(None),
        }
    }

    /// Bytes that are never null.
    ///
    /// # Errors
    /// [`DecodeError::Null`], or its length is wrong.
    pub fn bytes(&mut self, form: Form) -> Result<Cow<'a, [u8]>, DecodeError> {
        self.nullable_slice(form)?.map(Cow::Borrowed).ok_or(DecodeError::Null { at: self.at })
    }

    /// Bytes or null.
    ///
    /// # Errors
    /// Its length is wrong.
    pub fn nullable_bytes(&mut self, form: Form) -> Result<Option<Cow<'a, [u8]>>, DecodeError> {
        Ok(self.nullable_slice(form)?.map(Cow::Borrowed))
    }

    /// Record batches that are never null, not looked into.
    ///
    /// # Errors
    /// [`DecodeError::Null`], or its length is wrong.
    pub fn records(&mut self, form: Form) -> Result<Records<'a>, DecodeError> {
        self.nullable_slice(form)?.map(Records::Slice).ok_or(DecodeError::Null { at: self.at })
    }

    /// Record batches or null, not looked into.
    ///
    /// # Errors
    /// Its length is wrong.
    pub fn nullable_records(&mut self, form: Form) -> Result<Records<'a>, DecodeError> {
        Ok(self.nullable_slice(form)?.map_or(Records::Null, Records::Slice))
    }

    /// An array that is never null. Its elements are checked here and decoded again by [`Array::iter`].
    ///
    /// # Errors
    /// [`DecodeError::Null`], [`DecodeError::ArrayTooLong`], or what an element fails with.
    pub fn array<T: Element<'a>>(&mut self, version: i16, form: Form) -> Result<Array<'a, T>, DecodeError> {
        self.nullable_array(version, form)?.ok_or(DecodeError::Null { at: self.at })
    }

    /// An array or null.
    ///
    /// # Errors
    /// [`DecodeError::ArrayTooLong`], or what an element fails with.
    pub fn nullable_array<T: Element<'a>>(
        &mut self,
        version: i16,
        form: Form,
    ) -> Result<Option<Array<'a, T>>, DecodeError> {
        let Some(count) = self.length(form)? else { return Ok(None) };
        let at = self.at;
        if count > self.remaining() / T::SIZE_MIN {
            return Err(DecodeError::ArrayTooLong { at, count, left: self.remaining() });
        }
        for _ in 0..count {
            T::decode_element(self, version, form)?;
        }
        Ok(Some(Array::decoded(&self.bytes[at..self.at], count, version, form)))
    }

    /// A struct or null: one byte says which, negative is null.
    ///
    /// # Errors
    /// What the struct fails with.
    pub fn nullable_struct<T: Message<'a>>(&mut self, version: i16) -> Result<Option<T>, DecodeError> {
        if self.int8()? < 0 { Ok(None) } else { T::decode(self, version).map(Some) }
    }

    /// A struct or null as a tagged field has it: a variable-length number says which, 0 is null.
    ///
    /// # Errors
    /// What the struct fails with.
    pub fn tagged_nullable_struct<T: Message<'a>>(&mut self, version: i16) -> Result<Option<T>, DecodeError> {
        if self.unsigned_varint()? == 0 { Ok(None) } else { T::decode(self, version).map(Some) }
    }

    /// The tagged fields that end a struct; in the classic form there are none.
    ///
    /// `each` gets a reader over exactly one field and its tag, and reads all of it or skips it.
    ///
    /// # Errors
    /// [`DecodeError::TaggedFieldTooLong`], or what `each` fails with.
    pub fn tagged_fields(
        &mut self,
        form: Form,
        mut each: impl FnMut(&mut Reader<'a>, u32) -> Result<(), DecodeError>,
    ) -> Result<(), DecodeError> {
        if form == Form::Classic {
            return Ok(());
        }
        // No check of the count: each field takes at least two bytes, so the bytes bound the loop.
        for _ in 0..self.unsigned_varint()? {
            let tag = self.unsigned_varint()?;
            let length = widen(self.unsigned_varint()?);
            self.take(length)?;
            let mut field = Self { bytes: &self.bytes[..self.at], at: self.at - length };
            each(&mut field, tag)?;
            if field.remaining() > 0 {
                return Err(DecodeError::TaggedFieldTooLong { at: self.at, tag, left: field.remaining() });
            }
        }
        Ok(())
    }

    /// Passes over tagged fields of which this version knows none.
    ///
    /// # Errors
    /// A length is wrong.
    pub fn skip_tagged_fields(&mut self, form: Form) -> Result<(), DecodeError> {
        self.tagged_fields(form, |field, _| {
            field.skip_rest();
            Ok(())
        })
    }

    fn nullable_slice(&mut self, form: Form) -> Result<Option<&'a [u8]>, DecodeError> {
        match self.length(form)? {
            Some(length) => self.take(length).map(Some),
            None => Ok(None),
        }
    }

    /// The length of anything but a string. Every negative number is null, as Kafka reads it.
    fn length(&mut self, form: Form) -> Result<Option<usize>, DecodeError> {
        match form {
            Form::Classic => Ok(u32::try_from(self.int32()?).ok().map(widen)),
            Form::Compact => self.compact_length(),
        }
    }

    fn compact_length(&mut self) -> Result<Option<usize>, DecodeError> {
        Ok(self.unsigned_varint()?.checked_sub(1).map(widen))
    }
}
