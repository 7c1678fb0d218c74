//! The log behind its handle without threads: a simulation decides when a group is written, and when that is told.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use env::disk::Disk;

use super::error::WalError;
use super::handle::{Aside, SPACE_RETRY, Shared, Turns, Waker, Wal, WalListener};
use super::options::WalOptions;
use super::recovery::Recovered;
use super::writer::{Step, WalCore};

/// The writing side of a [`Wal`] that was opened by [`WalSteps::open`].
pub struct WalSteps {
    turns: Turns,
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    options: WalOptions,
}

impl WalSteps {
    /// As [`Wal::open`], but nothing is written before [`WalSteps::turn`]; `wake` is called when a turn is worth it.
    ///
    /// # Errors
    /// As [`Wal::open`].
    pub fn open(
        disk: Arc<dyn Disk>,
        dir: &Path,
        options: WalOptions,
        wake: Box<dyn Fn() + Send + Sync>,
    ) -> Result<(Wal, Self, Recovered), WalError> {
        let (core, recovered) = WalCore::open(disk.clone(), dir, options.clone())?;
        let shared = Shared::new(&core, &recovered, &options);
        shared.set_waker(Waker::Call(wake));
        shared.fall_asleep();
        let wal = Wal::without_threads(shared.clone());
        Ok((wal, Self { turns: Turns::new(shared, core), disk, dir: dir.to_owned(), options }, recovered))
    }

    /// Writes one group of what was submitted and tells `listener`; then does what the threads would do beside it. True when
    /// there may be more to do at once, else the next wake says so.
    pub fn turn(&mut self, listener: &dyn WalListener) -> bool {
        let (step, _) = self.turns.turn(listener);
        while let Some(aside) = self.turns.shared.take_aside() {
            match aside {
                Aside::Read(read) => read.run(&*self.disk, &self.dir, &self.options),
                Aside::Upkeep(upkeep) => {
                    let done = upkeep.run(&*self.disk, &self.dir);
                    self.turns.shared.upkeep_done(done);
                }
            }
        }
        step == Step::Wrote || !self.turns.shared.fall_asleep()
    }

    /// When a turn is worth it though nobody wakes: while there is no space, it is asked for again now and then.
    #[must_use]
    pub fn next_turn(&self) -> Option<Duration> {
        self.turns.waits_for_space().then_some(SPACE_RETRY)
    }
}
