//! A member of a group of the classic protocol.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::group::command::{Join, Protocol, Ticket};
use crate::group::session::Session;
use crate::record::MemberMetadata;

/// Who it is, what it can do, and what it waits for.
#[derive(Clone, Debug)]
pub(super) struct Member {
    pub(super) id: Arc<str>,
    pub(super) instance_id: Option<Arc<str>>,
    pub(super) client_id: Arc<str>,
    pub(super) client_host: Arc<str>,
    pub(super) rebalance_timeout_ms: i32,
    pub(super) session_timeout_ms: i32,
    /// Best first.
    pub(super) protocols: Vec<Protocol>,
    pub(super) assignment: Bytes,
    /// It has not seen a generation yet, so that it may expire while it joins.
    pub(super) is_new: bool,
    /// It waits for the generation that forms.
    pub(super) joining: Option<Ticket>,
    /// It waits for its assignment.
    pub(super) syncing: Option<Ticket>,
    pub(super) session: Session,
}

impl Member {
    pub(super) fn new(id: Arc<str>, join: Join) -> Self {
        Self {
            id,
            instance_id: join.instance_id,
            client_id: join.client_id,
            client_host: join.client_host,
            rebalance_timeout_ms: join.rebalance_timeout_ms,
            session_timeout_ms: join.session_timeout_ms,
            protocols: join.protocols,
            assignment: Bytes::new(),
            is_new: true,
            joining: None,
            syncing: None,
            session: Session::default(),
        }
    }

    /// A member of a generation that was agreed on before this coordinator was here.
    pub(super) fn remembered(of: MemberMetadata, protocol: Option<&Arc<str>>) -> Self {
        let protocols = protocol.map(|name| Protocol { name: name.clone(), metadata: of.subscription });
        Self {
            id: of.member_id,
            instance_id: of.instance_id,
            client_id: of.client_id,
            client_host: of.client_host,
            rebalance_timeout_ms: of.rebalance_timeout_ms,
            session_timeout_ms: of.session_timeout_ms,
            protocols: protocols.into_iter().collect(),
            assignment: of.assignment,
            is_new: false,
            joining: None,
            syncing: None,
            session: Session::default(),
        }
    }

    pub(super) fn remember(&self, protocol: Option<&str>) -> MemberMetadata {
        MemberMetadata {
            member_id: self.id.clone(),
            instance_id: self.instance_id.clone(),
            client_id: self.client_id.clone(),
            client_host: self.client_host.clone(),
            rebalance_timeout_ms: self.rebalance_timeout_ms,
            session_timeout_ms: self.session_timeout_ms,
            subscription: self.metadata(protocol),
            assignment: self.assignment.clone(),
        }
    }

    /// Its metadata of a protocol; empty when it has none.
    pub(super) fn metadata(&self, protocol: Option<&str>) -> Bytes {
        let is_it = |known: &&Protocol| Some(&*known.name) == protocol;
        self.protocols.iter().find(is_it).map(|known| known.metadata.clone()).unwrap_or_default()
    }

    pub(super) fn session_timeout(&self) -> Duration {
        millis(self.session_timeout_ms)
    }

    /// A member that waits for others is alive, unless it is new: then nobody can tell.
    pub(super) fn is_alive(&self) -> bool {
        !self.is_new && (self.joining.is_some() || self.syncing.is_some())
    }

    /// The first of its protocols that all members have.
    pub(super) fn vote(&self, is_candidate: impl Fn(&str) -> bool) -> Option<&Arc<str>> {
        self.protocols.iter().map(|protocol| &protocol.name).find(|name| is_candidate(name))
    }
}

/// A client's milliseconds; negative ones are none.
pub(in crate::group) fn millis(of: i32) -> Duration {
    Duration::from_millis(u64::try_from(of).unwrap_or(0))
}
