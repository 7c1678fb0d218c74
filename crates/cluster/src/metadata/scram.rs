//! Credentials of SCRAM users (KIP-554, RFC 5802), and their bytes in a record.

use std::fmt;

use wire::primitive::{Form, Reader, Writer};

use super::record::RecordError;

/// How a password is hashed, by Kafka's numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(i8)]
pub enum ScramMechanism {
    /// SCRAM-SHA-256.
    Sha256 = 1,
    /// SCRAM-SHA-512.
    Sha512 = 2,
}

impl ScramMechanism {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Sha256, Self::Sha512];

    /// The mechanism of this number.
    #[must_use]
    pub fn of(number: i8) -> Option<Self> {
        Self::ALL.into_iter().find(|mechanism| *mechanism as i8 == number)
    }
}

/// What tells whether somebody knows a password. It is not the password, but good enough to guess at one: never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct ScramCredential {
    /// How often the password was hashed; above 0.
    pub iterations: i32,
    /// What it was hashed with.
    pub salt: Vec<u8>,
    /// The hash of the client's key.
    pub stored_key: Vec<u8>,
    /// The key by which a server proves that it knows the user.
    pub server_key: Vec<u8>,
}

impl fmt::Debug for ScramCredential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScramCredential").field("iterations", &self.iterations).finish_non_exhaustive()
    }
}

/// Iterations 0 stand for a credential that is gone.
pub(super) fn write(credential: Option<&ScramCredential>, writer: &mut Writer<'_>) {
    let Some(credential) = credential else {
        return writer.int32(0);
    };
    writer.int32(credential.iterations);
    for bytes in [&credential.salt, &credential.stored_key, &credential.server_key] {
        writer.bytes(bytes, Form::Compact);
    }
}

pub(super) fn read(reader: &mut Reader<'_>) -> Result<Option<ScramCredential>, RecordError> {
    let iterations = reader.int32()?;
    if iterations == 0 {
        return Ok(None);
    }
    Ok(Some(ScramCredential {
        iterations,
        salt: reader.bytes(Form::Compact)?.into_owned(),
        stored_key: reader.bytes(Form::Compact)?.into_owned(),
        server_key: reader.bytes(Form::Compact)?.into_owned(),
    }))
}

pub(super) fn read_mechanism(reader: &mut Reader<'_>) -> Result<ScramMechanism, RecordError> {
    let number = reader.int8()?;
    ScramMechanism::of(number).ok_or(RecordError::UnknownScramMechanism(number))
}
