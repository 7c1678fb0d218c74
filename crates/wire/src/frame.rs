//! What is around a message on a connection: a length, a header, the body.
//!
//! A frame is four bytes of length, not counting themselves, and that many bytes. Whoever reads from a socket checks
//! the length against its limit first; here a frame is a slice without its length when it is read, and the length is
//! filled in when the frame is finished.

use crate::api::ApiKey;
use crate::message::{RequestHeader, ResponseHeader};
use crate::primitive::{DecodeError, Form, Message, Reader, Splice, Writer};
use std::borrow::Cow;

/// Bytes of the length in front of a frame.
pub const LENGTH_SIZE: usize = 4;

/// A request whose header has been read.
#[derive(Debug, Clone)]
pub struct RequestFrame<'a> {
    /// The API.
    pub key: ApiKey,
    /// The version as it was sent: the caller compares it with what it serves.
    pub version: i16,
    /// What the response must repeat.
    pub correlation_id: i32,
    /// What the client calls itself, as far as it is UTF-8.
    pub client_id: Option<&'a str>,
    /// The body, not read yet.
    pub body: Reader<'a>,
}

/// Reads the header of a request; `frame` is without its length. Allocates nothing.
///
/// The header of a version that does not exist is read in the form that the version would have, because ApiVersions
/// must be answered whatever its version is.
///
/// # Errors
/// [`DecodeError::UnknownApiKey`], or the header is broken.
pub fn read_request(frame: &[u8]) -> Result<RequestFrame<'_>, DecodeError> {
    let mut r = Reader::new(frame);
    let key = ApiKey::try_from(r.int16()?)?;
    let version = r.int16()?;
    let correlation_id = r.int32()?;
    // Always in the classic form, so that a broker can read it in headers that it does not know (KIP-482).
    let client_id = r.nullable_string_bytes(Form::Classic)?.map(utf8_prefix);
    r.skip_tagged_fields(key.form(version))?;
    Ok(RequestFrame { key, version, correlation_id, client_id, body: r })
}

/// A name for quotas and traces is not worth a refusal, and cutting it needs no memory.
fn utf8_prefix(bytes: &[u8]) -> &str {
    bytes.utf8_chunks().next().map_or("", |chunk| chunk.valid())
}

/// Reads the header of a response; `frame` is without its length. Returns the correlation id and the body.
///
/// # Errors
/// The header is broken.
pub fn read_response(frame: &[u8], key: ApiKey, version: i16) -> Result<(i32, Reader<'_>), DecodeError> {
    let mut r = Reader::new(frame);
    let header = ResponseHeader::decode(&mut r, key.response_header_version(version))?;
    Ok((header.correlation_id, r))
}

/// A frame that has been started and not finished.
#[derive(Debug)]
#[must_use = "the frame's length is written by `finish`"]
pub struct Unfinished {
    start: usize,
}

/// A frame whose length does not fit its field.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a frame of {length} bytes is longer than {} bytes", i32::MAX)]
pub struct FrameTooLong {
    /// Bytes of header and body.
    pub length: usize,
}

/// Starts a request at the end of `buffer`: room for the length, and the header.
pub fn start_request(
    buffer: &mut Vec<u8>,
    key: ApiKey,
    version: i16,
    correlation_id: i32,
    client_id: Option<&str>,
) -> Unfinished {
    let header = RequestHeader {
        request_api_key: key.code(),
        request_api_version: version,
        correlation_id,
        client_id: client_id.map(Cow::Borrowed),
    };
    start(buffer, &header, key.request_header_version(version))
}

/// Starts a response at the end of `buffer`: room for the length, and the header.
pub fn start_response(buffer: &mut Vec<u8>, key: ApiKey, version: i16, correlation_id: i32) -> Unfinished {
    start(buffer, &ResponseHeader { correlation_id }, key.response_header_version(version))
}

fn start<'m>(buffer: &mut Vec<u8>, header: &impl Message<'m>, header_version: i16) -> Unfinished {
    let start = buffer.len();
    buffer.extend_from_slice(&[0; LENGTH_SIZE]);
    header.encode(&mut Writer::new(buffer), header_version);
    Unfinished { start }
}

impl Unfinished {
    /// Ends the frame at the end of `buffer`, of which `splices` will be sent in between, and writes its length.
    ///
    /// # Errors
    /// [`FrameTooLong`]; the buffer is then as it was before the frame was started.
    pub fn finish(self, buffer: &mut Vec<u8>, splices: &[Splice]) -> Result<(), FrameTooLong> {
        let spliced: usize = splices.iter().map(|splice| splice.length).sum();
        let body = self.start + LENGTH_SIZE;
        let length = buffer.len() - body + spliced;
        let Ok(length) = i32::try_from(length) else {
            buffer.truncate(self.start);
            return Err(FrameTooLong { length });
        };
        buffer[self.start..body].copy_from_slice(&length.to_be_bytes());
        Ok(())
    }
}

/// What was written beside the bytes.
#[derive(Debug, Default)]
pub struct Written {
    /// To be spliced in; positions are in the buffer.
    pub splices: Vec<Splice>,
    /// Error codes but 0, each with how often it was written.
    pub errors: Vec<(i16, u64)>,
}

/// Appends a whole request to `buffer`.
///
/// # Errors
/// [`FrameTooLong`].
pub fn write_request<'m>(
    buffer: &mut Vec<u8>,
    version: i16,
    correlation_id: i32,
    client_id: Option<&str>,
    request: &impl crate::Request<'m>,
) -> Result<Written, FrameTooLong> {
    let frame = start_request(buffer, key_of(request), version, correlation_id, client_id);
    write_body(frame, buffer, version, request)
}

/// Appends a whole response to `buffer`.
///
/// # Errors
/// [`FrameTooLong`].
pub fn write_response<'m>(
    buffer: &mut Vec<u8>,
    key: ApiKey,
    version: i16,
    correlation_id: i32,
    response: &impl Message<'m>,
) -> Result<Written, FrameTooLong> {
    let frame = start_response(buffer, key, version, correlation_id);
    write_body(frame, buffer, version, response)
}

fn key_of<'m, R: crate::Request<'m>>(_: &R) -> ApiKey {
    R::KEY
}

fn write_body<'m>(
    frame: Unfinished,
    buffer: &mut Vec<u8>,
    version: i16,
    message: &impl Message<'m>,
) -> Result<Written, FrameTooLong> {
    let mut w = Writer::new(buffer);
    message.encode(&mut w, version);
    let Writer { splices, errors, .. } = w;
    frame.finish(buffer, &splices)?;
    Ok(Written { splices, errors })
}
