//! Another process of this same executable, for measurements that need several brokers one after the other.

use std::io::{self, BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

/// A process that was started here; it is stopped with its owner.
#[derive(Debug)]
pub struct OwnChild {
    child: Child,
}

impl OwnChild {
    /// Starts this executable with `arguments` and without the environment's variables that begin with `TAKHIN_`, and waits for
    /// the line of its output that begins with `awaited`; gives the child and what follows in that line.
    ///
    /// # Errors
    /// It can't be started, or ended before that line; what it said on standard error went where ours goes.
    pub fn start(arguments: &[String], awaited: &str) -> io::Result<(Self, String)> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped());
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("TAKHIN_") {
                command.env_remove(name);
            }
        }
        let mut child = Self { child: command.spawn()? };
        let Some(output) = child.child.stdout.take() else {
            return Err(io::Error::other("the child has no output"));
        };
        for line in BufReader::new(output).lines() {
            if let Some(rest) = line?.strip_prefix(awaited) {
                return Ok((child, rest.to_owned()));
            }
        }
        Err(io::Error::other(format!("it ended without the line {awaited:?}")))
    }

    /// Stops it where it stands (SIGSTOP), until [`OwnChild::resume`].
    ///
    /// # Errors
    /// It can't be told.
    pub fn pause(&self) -> io::Result<()> {
        self.tell(Signal::STOP)
    }

    /// Lets it go on (SIGCONT).
    ///
    /// # Errors
    /// It can't be told.
    pub fn resume(&self) -> io::Result<()> {
        self.tell(Signal::CONT)
    }

    fn tell(&self, signal: Signal) -> io::Result<()> {
        let Some(pid) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) else { return Ok(()) };
        Ok(kill_process(pid, signal)?)
    }

    /// Asks it to end in order (SIGTERM), and waits until it has.
    ///
    /// # Errors
    /// It can't be told or waited for.
    pub fn stop(&mut self) -> io::Result<()> {
        if self.child.try_wait()?.is_none() {
            self.tell(Signal::TERM)?;
            // What is paused hears it only now.
            self.resume()?;
            self.child.wait()?;
        }
        Ok(())
    }
}

impl Drop for OwnChild {
    fn drop(&mut self) {
        // Whoever wanted to know how it went has called `stop`.
        let _ = self.stop();
    }
}
