//! Arrays that are decoded while they are iterated.
//!
//! Decoding a message checks every element of its arrays and keeps none: an [`Array`] is then a slice of the frame
//! and a count. So a count cannot make anybody allocate, and a request is decoded without one allocation. The price:
//! an element at depth d is decoded d + 1 times when all levels are iterated, and never more.
//!
//! Invariant: a decoded array's bytes were decoded once without an error, in the same version and form.

use super::{Element, Form, Reader};
use std::fmt;

/// An array of a message: decoded (borrowed from the frame) or built (to be encoded).
#[derive(Clone)]
pub struct Array<'a, T>(Source<'a, T>);

#[derive(Clone)]
enum Source<'a, T> {
    Decoded { bytes: &'a [u8], count: usize, version: i16, form: Form },
    Built(Vec<T>),
}

impl<'a, T> Array<'a, T> {
    /// An array without elements.
    #[must_use]
    pub const fn new() -> Self {
        Self(Source::Built(Vec::new()))
    }

    /// `bytes` hold exactly `count` elements that have been decoded once.
    pub(super) const fn decoded(bytes: &'a [u8], count: usize, version: i16, form: Form) -> Self {
        Self(Source::Decoded { bytes, count, version, form })
    }

    /// Number of elements.
    #[must_use]
    pub const fn len(&self) -> usize {
        match &self.0 {
            Source::Decoded { count, .. } => *count,
            Source::Built(elements) => elements.len(),
        }
    }

    /// Whether there are no elements.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The elements of a built array.
    pub(super) fn built(&self) -> Option<&[T]> {
        match &self.0 {
            Source::Built(elements) => Some(elements),
            Source::Decoded { .. } => None,
        }
    }
}

impl<'a, T: Element<'a>> Array<'a, T> {
    /// The elements in order; a decoded array decodes each anew, a built one clones.
    #[must_use]
    pub fn iter(&self) -> Iter<'_, 'a, T> {
        match &self.0 {
            Source::Decoded { bytes, count, version, form } => Iter(Cursor::Decoded {
                reader: Reader::new(bytes),
                left: *count,
                version: *version,
                form: *form,
            }),
            Source::Built(elements) => Iter(Cursor::Built(elements.iter())),
        }
    }
}

/// Iterates over the elements of an [`Array`], by value.
#[derive(Debug, Clone)]
pub struct Iter<'s, 'a, T>(Cursor<'s, 'a, T>);

#[derive(Debug, Clone)]
enum Cursor<'s, 'a, T> {
    Decoded { reader: Reader<'a>, left: usize, version: i16, form: Form },
    Built(std::slice::Iter<'s, T>),
}

impl<'a, T: Element<'a>> Iterator for Iter<'_, 'a, T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        match &mut self.0 {
            Cursor::Decoded { left: 0, .. } => None,
            Cursor::Decoded { reader, left, version, form } => {
                *left -= 1;
                Some(T::decode_element(reader, *version, *form).expect("decoded once without an error"))
            }
            Cursor::Built(elements) => elements.next().cloned(),
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = match &self.0 {
            Cursor::Decoded { left, .. } => *left,
            Cursor::Built(elements) => elements.len(),
        };
        (left, Some(left))
    }
}

impl<'a, T: Element<'a>> ExactSizeIterator for Iter<'_, 'a, T> {}

impl<'s, 'a, T: Element<'a>> IntoIterator for &'s Array<'a, T> {
    type Item = T;
    type IntoIter = Iter<'s, 'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<T> From<Vec<T>> for Array<'_, T> {
    fn from(elements: Vec<T>) -> Self {
        Self(Source::Built(elements))
    }
}

impl<T> FromIterator<T> for Array<'_, T> {
    fn from_iter<I: IntoIterator<Item = T>>(elements: I) -> Self {
        Self(Source::Built(elements.into_iter().collect()))
    }
}

impl<T> Default for Array<'_, T> {
    fn default() -> Self {
        Self::new()
    }
}

/// Equal elements in the same order, however the arrays came to be.
impl<'a, T: Element<'a> + PartialEq> PartialEq for Array<'a, T> {
    fn eq(&self, other: &Self) -> bool {
        self.len() == other.len() && self.iter().eq(other.iter())
    }
}

impl<'a, T: Element<'a> + fmt::Debug> fmt::Debug for Array<'a, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}
