//! How far long work has come: a bar on standard error, when a person looks at that and at nothing that is printed meanwhile.

use std::fmt::Write;
use std::io::{self, IsTerminal};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};

/// What is counted.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Unit {
    Bytes,
    Records,
}

impl Unit {
    /// How far of how much; without a total only how far.
    fn template(self, has_total: bool) -> &'static str {
        match (self, has_total) {
            (Self::Bytes, true) => {
                "{msg} {wide_bar} {binary_bytes}/{binary_total_bytes} {binary_bytes_per_sec} {eta}"
            }
            (Self::Bytes, false) => "{msg} {binary_bytes} {binary_bytes_per_sec} {elapsed}",
            (Self::Records, true) => "{msg} {wide_bar} {human_pos}/{human_len} {rate} {eta}",
            (Self::Records, false) => "{msg} {human_pos} records {rate} {elapsed}",
        }
    }
}

/// How far long work has come. It goes away when it is dropped.
#[derive(Debug)]
pub(crate) struct Progress {
    bar: ProgressBar,
    unit: Unit,
}

impl Progress {
    /// Shown where standard error is a terminal, and standard output none if the work prints to it as it goes.
    pub(crate) fn new(what: &'static str, unit: Unit, prints: bool) -> Self {
        let is_shown = !(prints && io::stdout().is_terminal());
        let target = if is_shown { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(None, target).with_message(what);
        bar.set_style(style(unit, false));
        Self { bar, unit }
    }

    /// Never shown.
    pub(crate) fn hidden() -> Self {
        Self { bar: ProgressBar::hidden(), unit: Unit::Records }
    }

    /// How much there is of it, which may change.
    pub(crate) fn set_total(&self, total: u64) {
        if self.bar.length().is_none() {
            self.bar.set_style(style(self.unit, true));
        }
        self.bar.set_length(total);
    }

    /// It has come so far.
    pub(crate) fn set(&self, position: u64) {
        self.bar.set_position(position);
    }

    /// So much is still to be done of what there is.
    pub(crate) fn set_left(&self, left: u64) {
        self.set(self.bar.length().unwrap_or(left).saturating_sub(left));
    }

    /// So much is still to be done, and nobody knew of it: what is done stays done.
    pub(crate) fn begin(&self, left: u64) {
        self.set_total(self.bar.position() + left);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

fn style(unit: Unit, has_total: bool) -> ProgressStyle {
    let style = ProgressStyle::with_template(unit.template(has_total)).expect("a template that is right");
    style.with_key("rate", |state: &ProgressState, out: &mut dyn Write| {
        // Whoever draws it has nobody to tell.
        let _ = write!(out, "{:.0}/s", state.per_sec());
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_knows_how_far_it_is_though_the_total_changes() {
        let progress = Progress::new("reading", Unit::Bytes, true);
        progress.begin(100);
        progress.set_left(40);
        assert_eq!((progress.bar.position(), progress.bar.length()), (60, Some(100)));
        progress.begin(10);
        progress.set_left(0);
        assert_eq!((progress.bar.position(), progress.bar.length()), (70, Some(70)));
        for has_total in [false, true] {
            let _ = (style(Unit::Bytes, has_total), style(Unit::Records, has_total));
        }
    }
}
