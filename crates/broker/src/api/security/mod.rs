//! Who may do what. There is no authorizer and no login yet, and these APIs say so, as those of a Kafka without them do. Users'
//! credentials are kept all the same, as Kafka keeps them.

pub(crate) mod alter_user_scram_credentials;
pub(crate) mod create_acls;
pub(crate) mod create_delegation_token;
pub(crate) mod delete_acls;
pub(crate) mod describe_acls;
pub(crate) mod describe_delegation_token;
pub(crate) mod describe_user_scram_credentials;
pub(crate) mod expire_delegation_token;
pub(crate) mod renew_delegation_token;

/// What is said of every ACL that is to be created or deleted.
const NO_AUTHORIZER: &str = "No Authorizer is configured.";
/// The type of every client's principal.
const PRINCIPAL_TYPE: &str = "User";
/// The name of every client's principal.
const PRINCIPAL_NAME: &str = "ANONYMOUS";
/// A time that there is not.
const NO_TIME: i64 = -1;
