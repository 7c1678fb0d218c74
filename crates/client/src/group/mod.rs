//! Consumer groups: looking after them, and being a member of one.
//!
//! A group's requests go to its coordinator, which is asked for and asked for anew when it says that it no longer is.
//! What is asked about many groups goes in one request to each coordinator, where the broker has such a request.

mod coordinator;
mod delete;
mod describe;
mod list;
mod member;
mod offsets;
mod protocol;
#[cfg(test)]
mod protocol_test;
mod range;
#[cfg(test)]
mod range_test;

pub use coordinator::ByGroup;
pub use describe::{GroupDescription, GroupMember};
pub use list::ListedGroup;
pub use member::{Member, MemberOptions, Standing};

use wire::ApiKey;

use crate::ClientError;

/// What a broker said about a group, unless the code is 0.
fn refusal(broker: &str, api: ApiKey, group: &str, code: i16) -> Result<(), ClientError> {
    if code == 0 {
        return Ok(());
    }
    let (broker, about) = (broker.to_owned(), format!("group {group}"));
    Err(ClientError::Refused { broker, api, about, code, message: None })
}

/// As above, about a partition's offset.
fn refusal_of_partition(
    broker: &str,
    api: ApiKey,
    (topic, partition): (&str, i32),
    code: i16,
) -> Result<(), ClientError> {
    if code == 0 {
        return Ok(());
    }
    let (broker, about) = (broker.to_owned(), format!("partition {topic}-{partition}"));
    Err(ClientError::Refused { broker, api, about, code, message: None })
}
