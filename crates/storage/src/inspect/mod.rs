//! Looking at a data directory that no broker uses: whether all is as it was written, and what is in it.
//!
//! Reads only, and believes nothing: where a start refuses at the first thing that is wrong, this goes on and names them
//! all. Whoever calls it holds the directory's lock; of a directory in use it would tell what is under way as damage.
//!
//! | file | what |
//! |---|---|
//! | `report` | what was looked at, what is damaged, what is worth knowing |
//! | `verify` | a whole data directory |
//! | `segments`, `walk` | segments and their indexes against the checkpoint |
//! | `dump`, `line` | one file, a line for each thing in it |

mod dump;
mod line;
mod report;
mod segments;
mod verify;
mod walk;

pub use dump::{DumpError, dump};
pub use line::{Line, Value};
pub use report::{Finding, Part, Report};
pub use verify::{EntryCheck, LookedAt, verify};
