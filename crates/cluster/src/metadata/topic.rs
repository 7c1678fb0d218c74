//! Which names a topic may have: Kafka's rules.

/// The longest topic name, in bytes: a file name of 255 less a partition's suffix.
pub const TOPIC_NAME_BYTES_MAX: usize = 249;

/// Why a name can't be a topic's; the texts are those of Kafka's `Topic.validate`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Nothing there.
    #[error("Topic name is invalid: the empty string is not allowed")]
    Empty,
    /// `.` or `..`.
    #[error("Topic name is invalid: '{0}' is not allowed")]
    Dots(String),
    /// Above [`TOPIC_NAME_BYTES_MAX`].
    #[error(
        "Topic name is invalid: the length of '{0}' is longer than the max allowed length {TOPIC_NAME_BYTES_MAX}"
    )]
    TooLong(String),
    /// Something other than ASCII letters, digits, `.`, `_` and `-`.
    #[error(
        "Topic name is invalid: '{0}' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'"
    )]
    Characters(String),
}

/// Checks a topic's name.
///
/// # Errors
/// The first rule that the name breaks, in Kafka's order.
pub fn check_topic_name(name: &str) -> Result<(), NameError> {
    let is_legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    match name {
        "" => Err(NameError::Empty),
        "." | ".." => Err(NameError::Dots(name.to_owned())),
        _ if name.len() > TOPIC_NAME_BYTES_MAX => Err(NameError::TooLong(name.to_owned())),
        _ if !name.bytes().all(is_legal) => Err(NameError::Characters(name.to_owned())),
        _ => Ok(()),
    }
}

/// The name as metrics would show it, where `.` and `_` are the same: two topics must not share it.
pub(super) fn collision_key(name: &str) -> String {
    name.replace('.', "_")
}
