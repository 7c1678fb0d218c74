//! Random messages, written without the crate's own writer.
//!
//! `table` says what the fields of each message are; [`random_message`] writes one from a seed, byte by byte as
//! Kafka's protocol guide says, and notes where the lengths are, so that tests can make them lie.
// Each test file uses its part of it.
#![allow(dead_code, clippy::cast_possible_truncation)]

mod table;

pub(crate) use table::{APIS, with_all_messages};

/// An API with its two messages.
pub(crate) struct Api {
    pub(crate) key: i16,
    pub(crate) request: Message,
    pub(crate) response: Message,
}

/// A request or response. Pairs are first and last version; none when first > last.
pub(crate) struct Message {
    pub(crate) name: &'static str,
    pub(crate) versions: (i16, i16),
    pub(crate) flexible: (i16, i16),
    pub(crate) fields: &'static [Field],
}

pub(crate) struct Field {
    pub(crate) name: &'static str,
    ty: Type,
    versions: (i16, i16),
    nullable: (i16, i16),
    tag: Option<u32>,
}

pub(crate) enum Type {
    Bool,
    /// A number of so many bytes.
    Int(usize),
    Float,
    Uuid,
    String,
    Bytes,
    Records,
    Array(&'static Type),
    Struct(&'static [Field]),
}

const NONE: (i16, i16) = (0, -1);

const fn field(name: &'static str, ty: Type, versions: (i16, i16)) -> Field {
    Field { name, ty, versions, nullable: NONE, tag: None }
}

impl Field {
    const fn nullable(mut self, first: i16, last: i16) -> Self {
        self.nullable = (first, last);
        self
    }

    const fn tag(mut self, tag: u32) -> Self {
        self.tag = Some(tag);
        self
    }
}

fn contains((first, last): (i16, i16), version: i16) -> bool {
    (first..=last).contains(&version)
}

/// All messages with all their versions.
pub(crate) fn all_versions() -> impl Iterator<Item = (&'static Message, i16)> {
    let messages = APIS.iter().flat_map(|api| [&api.request, &api.response]);
    messages
        .flat_map(|message| (message.versions.0..=message.versions.1).map(move |version| (message, version)))
}

/// A generator that a failure can be repeated with (SplitMix64).
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }
}

/// Where a length, a count or a tag stands in the bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Mark {
    pub(crate) at: usize,
    /// Bytes that it takes.
    pub(crate) size: usize,
    /// Whether it is an unsigned varint, and not a number of fixed size.
    pub(crate) varint: bool,
}

pub(crate) struct RandomMessage {
    pub(crate) bytes: Vec<u8>,
    pub(crate) marks: Vec<Mark>,
}

/// A message of `version` from `seed`; with `unknown_tags`, the same with tagged fields that nobody knows.
pub(crate) fn random_message(
    message: &Message,
    version: i16,
    seed: u64,
    unknown_tags: bool,
) -> RandomMessage {
    let mut build = Build {
        random: Random(seed),
        unknown: unknown_tags.then_some(Random(!seed)),
        version,
        compact: contains(message.flexible, version),
        bytes: Vec::new(),
        marks: Vec::new(),
    };
    build.fields(message.fields, false);
    RandomMessage { bytes: build.bytes, marks: build.marks }
}

struct Build {
    random: Random,
    unknown: Option<Random>,
    version: i16,
    compact: bool,
    bytes: Vec<u8>,
    marks: Vec<Mark>,
}

impl Build {
    /// `distinct` keeps every value away from every default, for tagged fields are only sent if they differ.
    fn fields(&mut self, fields: &[Field], distinct: bool) {
        let version = self.version;
        let present = || fields.iter().filter(move |field| contains(field.versions, version));
        for field in present().filter(|field| field.tag.is_none()) {
            self.field(field, distinct);
        }
        if self.compact {
            let mut tagged: Vec<_> = present().filter_map(|field| Some((field.tag?, field))).collect();
            tagged.sort_by_key(|(tag, _)| *tag);
            tagged.retain(|_| self.random.below(2) == 0);
            self.tagged_fields(&tagged);
        }
    }

    fn tagged_fields(&mut self, tagged: &[(u32, &Field)]) {
        let unknown = self.unknown.as_mut().map_or(0, |random| random.below(3) as u32);
        self.length_varint(tagged.len() as u32 + unknown);
        for (tag, field) in tagged {
            self.varint(*tag);
            // The length is known when the value is written: write it aside first.
            let (bytes, marks) = (std::mem::take(&mut self.bytes), std::mem::take(&mut self.marks));
            self.field(field, true);
            let value = std::mem::replace(&mut self.bytes, bytes);
            let value_marks = std::mem::replace(&mut self.marks, marks);
            self.length_varint(value.len() as u32);
            let start = self.bytes.len();
            self.marks.extend(value_marks.iter().map(|mark| Mark { at: mark.at + start, ..*mark }));
            self.bytes.extend(value);
        }
        for index in 0..unknown {
            let length = self.unknown.as_mut().map_or(0, |random| random.below(200) as u32);
            self.varint(1_000 + index);
            self.length_varint(length);
            self.bytes.extend((0..length).map(|byte| byte as u8));
        }
    }

    fn field(&mut self, field: &Field, distinct: bool) {
        let null = !distinct && contains(field.nullable, self.version) && self.random.below(3) == 0;
        match (&field.ty, null) {
            (Type::Struct(_), true) => self.bytes.push(0xff),
            (Type::String, true) => self.length(None, 2),
            (_, true) => self.length(None, 4),
            (Type::Struct(_), false) if contains(field.nullable, self.version) => {
                self.bytes.push(1);
                self.value(&field.ty, distinct);
            }
            (ty, false) => self.value(ty, distinct),
        }
    }

    fn value(&mut self, ty: &Type, distinct: bool) {
        match ty {
            Type::Bool => {
                let value = distinct || self.random.below(2) == 0;
                self.bytes.push(u8::from(value));
            }
            Type::Int(size) if distinct => {
                let value = self.random.below(80) + 20;
                self.bytes.extend_from_slice(&value.to_be_bytes()[8 - size..]);
            }
            Type::Int(size) => {
                let value = self.random.next() >> self.random.below(64);
                self.bytes.extend_from_slice(&value.to_be_bytes()[8 - size..]);
            }
            Type::Float => {
                let value = self.random.next() as u32;
                self.bytes.extend_from_slice(&f64::from(value).to_be_bytes());
            }
            Type::Uuid => {
                let value = u128::from(self.random.next()) << 64 | 1;
                self.bytes.extend_from_slice(&value.to_be_bytes());
            }
            Type::String => {
                let length = self.random_length(distinct);
                let text: String = (0..length)
                    .map(|_| ['a', 'Z', '.', 'ü', '€', '🦀'][self.random.below(6) as usize])
                    .collect();
                self.length(Some(text.len()), 2);
                self.bytes.extend_from_slice(text.as_bytes());
            }
            Type::Bytes | Type::Records => {
                let length = self.random_length(distinct);
                self.length(Some(length), 4);
                self.bytes.extend((0..length).map(|byte| byte as u8));
            }
            Type::Array(element) => {
                let count = self.random.below(3) as usize + usize::from(distinct);
                self.length(Some(count), 4);
                (0..count).for_each(|_| self.value(element, distinct));
            }
            Type::Struct(fields) => self.fields(fields, distinct),
        }
    }

    /// Mostly short, now and then beyond what one byte of a varint says.
    fn random_length(&mut self, distinct: bool) -> usize {
        let bound = if self.random.below(8) == 0 { 200 } else { 6 };
        self.random.below(bound) as usize + usize::from(distinct)
    }

    /// A length or count; `classic_size` is what it takes in versions that are not flexible.
    fn length(&mut self, length: Option<usize>, classic_size: usize) {
        if self.compact {
            self.length_varint(length.map_or(0, |length| length as u32 + 1));
            return;
        }
        let value = length.map_or(u64::MAX, |length| length as u64);
        self.marks.push(Mark { at: self.bytes.len(), size: classic_size, varint: false });
        self.bytes.extend_from_slice(&value.to_be_bytes()[8 - classic_size..]);
    }

    fn length_varint(&mut self, value: u32) {
        let at = self.bytes.len();
        self.varint(value);
        self.marks.push(Mark { at, size: self.bytes.len() - at, varint: true });
    }

    fn varint(&mut self, value: u32) {
        self.bytes.extend(varint(value));
    }
}

/// An unsigned varint's bytes.
pub(crate) fn varint(mut value: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
    bytes
}

/// Declares `recode(name, bytes, version)`: what the crate writes after it has read all of `bytes`.
macro_rules! declare_recode {
    ($(($key:literal, $request:ident, $response:ident),)+) => {
        pub(crate) fn recode(name: &str, bytes: &[u8], version: i16) -> Result<Vec<u8>, wire::DecodeError> {
            match name {
                $(
                    stringify!($request) => recode_as::<wire::message::$request>(bytes, version),
                    stringify!($response) => recode_as::<wire::message::$response>(bytes, version),
                )+
                _ => unreachable!("{name} is in the table"),
            }
        }

        /// Decodes and drops.
        pub(crate) fn decode(name: &str, bytes: &[u8], version: i16) -> Result<(), wire::DecodeError> {
            match name {
                $(
                    stringify!($request) => decode_as::<wire::message::$request>(bytes, version).map(drop),
                    stringify!($response) => decode_as::<wire::message::$response>(bytes, version).map(drop),
                )+
                _ => unreachable!("{name} is in the table"),
            }
        }
    };
}

with_all_messages!(declare_recode);

fn recode_as<'a, M: wire::Message<'a>>(bytes: &'a [u8], version: i16) -> Result<Vec<u8>, wire::DecodeError> {
    let message: M = decode_as(bytes, version)?;
    let mut buffer = Vec::new();
    message.encode(&mut wire::primitive::Writer::new(&mut buffer), version);
    Ok(buffer)
}

fn decode_as<'a, M: wire::Message<'a>>(bytes: &'a [u8], version: i16) -> Result<M, wire::DecodeError> {
    let mut r = wire::primitive::Reader::new(bytes);
    let message = M::decode(&mut r, version)?;
    r.finish()?;
    Ok(message)
}
