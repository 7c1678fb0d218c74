//! A timer that ends when it should, for those who measure: the event loop's own timers count milliseconds.
//!
//! `unsafe` for the registration alone: the descriptor is owned by what is registered, is never lent out, and lives as long.
#![allow(unsafe_code)]

use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::time::{Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec};
use tokio::io::{Interest, unix::AsyncFd};

use crate::Instant;

/// A timer of the operating system's, watched by this thread's event loop.
#[derive(Debug)]
pub struct Alarm {
    timer: AsyncFd<OwnedFd>,
}

impl Alarm {
    /// Asks for a timer; must be called on an event loop.
    ///
    /// # Errors
    /// The operating system has none left, or the loop can't watch it.
    pub fn new() -> io::Result<Self> {
        let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
        let timer = rustix::time::timerfd_create(TimerfdClockId::Monotonic, flags)?;
        // SAFETY: the descriptor is open, is this timer's, and is closed with it.
        let timer = unsafe { AsyncFd::register_with_interest(timer, Interest::READABLE) };
        Ok(Self { timer: timer.map_err(|e| e.into_parts().1)? })
    }

    /// Waits until `due`, to some microseconds; not at all when it is past.
    ///
    /// # Errors
    /// The operating system refuses the timer.
    pub async fn wait_until(&mut self, due: Instant) -> io::Result<()> {
        let left = due.since(Instant::now());
        if left.is_zero() {
            return Ok(());
        }
        rustix::time::timerfd_settime(self.timer.get_ref(), TimerfdTimerFlags::empty(), &once_after(left))?;
        loop {
            let mut ready = self.timer.readable().await?;
            let mut expirations = [0; 8];
            if let Ok(read) = ready.try_io(|timer| Ok(rustix::io::read(timer.get_ref(), &mut expirations)?)) {
                return read.map(|_| ());
            }
        }
    }
}

fn once_after(left: Duration) -> Itimerspec {
    let zero = Timespec { tv_sec: 0, tv_nsec: 0 };
    let tv_sec = i64::try_from(left.as_secs()).unwrap_or(i64::MAX);
    Itimerspec { it_interval: zero, it_value: Timespec { tv_sec, tv_nsec: left.subsec_nanos().into() } }
}
