//! Consumer groups while the broker dies: its coordinators, as the broker hosts them, over the product's log, store and consensus of
//! one voter, on a simulated disk. No socket, no request's bytes: clients are tasks that ask in `coordinator`'s own words.
//!
//! Members of both protocols join, commit, give up, leave and vanish, others commit without being members, offsets, groups and topics are deleted,
//! logs of `__consumer_offsets` are rewritten every few seconds, the disk stops at any operation or fails, and the broker comes back.
//! A run is a function of its seed.
//!
//! | file | what |
//! |---|---|
//! | `run` | a run: the schedule of what goes wrong, and the end, when everything is read again |
//! | `host` | the broker's lives: its disk, its process, its inbox |
//! | `classic`, `consumer` | a member of either protocol |
//! | `others` | who commits without being a member, deletes, and looks |
//! | `offsets` | what must hold of committed offsets |
//! | `members` | what must hold of members |

mod classic;
mod consumer;
mod host;
mod members;
mod offsets;
mod others;
mod run;

pub use run::{Mistake, Outcome, run, run_stopping_at};
