//! What every generated message can do, and what can be an element of an array.

use super::{DecodeError, Form, Reader, Uuid, Writer};
use crate::api::ApiKey;
use std::borrow::Cow;

/// A generated struct: a request, a response, a header or a part of one.
pub trait Message<'a>: Sized {
    /// Fewest bytes that any version of it takes; bounds the element counts that are believed.
    const SIZE_MIN: usize;

    /// Reads the fields that `version` has and gives the others their defaults.
    ///
    /// Tagged fields that this version does not know are skipped. Allocates nothing, unless a string is not UTF-8.
    ///
    /// # Errors
    /// The bytes end early, a length lies, a null is where none may be; for requests and responses also
    /// [`DecodeError::UnsupportedVersion`].
    fn decode(r: &mut Reader<'a>, version: i16) -> Result<Self, DecodeError>;

    /// Appends the fields that `version` has, and leaves the others out.
    ///
    /// A null that the version cannot express is written as empty.
    fn encode(&self, w: &mut Writer<'_>, version: i16);
}

/// A request: it names its API and the response it is answered with.
pub trait Request<'a>: Message<'a> {
    /// The API that the request belongs to.
    const KEY: ApiKey;
    /// What answers it, in the same version.
    type Response<'b>: Message<'b>;
}

/// What an [`Array`](super::Array) can hold: generated structs and Kafka's primitives.
pub trait Element<'a>: Sized + Clone {
    /// Fewest bytes of an element, at least 1.
    const SIZE_MIN: usize;

    /// Reads one element.
    ///
    /// # Errors
    /// As [`Message::decode`].
    fn decode_element(r: &mut Reader<'a>, version: i16, form: Form) -> Result<Self, DecodeError>;

    /// Appends one element.
    fn encode_element(&self, w: &mut Writer<'_>, version: i16, form: Form);
}

impl<'a, T: Message<'a> + Clone> Element<'a> for T {
    const SIZE_MIN: usize = <T as Message<'a>>::SIZE_MIN;

    fn decode_element(r: &mut Reader<'a>, version: i16, _form: Form) -> Result<Self, DecodeError> {
        T::decode(r, version)
    }

    fn encode_element(&self, w: &mut Writer<'_>, version: i16, _form: Form) {
        self.encode(w, version);
    }
}

macro_rules! fixed_size_element {
    ($($type:ty, $method:ident);+) => {$(
        impl<'a> Element<'a> for $type {
            const SIZE_MIN: usize = size_of::<$type>();

            fn decode_element(r: &mut Reader<'a>, _version: i16, _form: Form) -> Result<Self, DecodeError> {
                r.$method()
            }

            fn encode_element(&self, w: &mut Writer<'_>, _version: i16, _form: Form) {
                w.$method(*self);
            }
        }
    )+};
}

fixed_size_element!(i8, int8; i16, int16; i32, int32; i64, int64; Uuid, uuid);

impl<'a> Element<'a> for Cow<'a, str> {
    const SIZE_MIN: usize = 1;

    fn decode_element(r: &mut Reader<'a>, _version: i16, form: Form) -> Result<Self, DecodeError> {
        r.string(form)
    }

    fn encode_element(&self, w: &mut Writer<'_>, _version: i16, form: Form) {
        w.string(self, form);
    }
}
