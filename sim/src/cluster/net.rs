//! The network between the nodes: every message has a fate of its own.

use std::cell::{Cell, RefCell};
use std::time::Duration;

use crate::dice::Dice;

/// Links and their present state; nodes count from 0.
pub(super) struct Net {
    dice: RefCell<Dice>,
    /// From, to.
    cut: RefCell<[[bool; 3]; 3]>,
    lost_percent: Cell<u64>,
    repeated_percent: Cell<u64>,
    delay_us_max: Cell<u64>,
    pub(super) lost: Cell<u64>,
}

impl Net {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            dice: RefCell::new(Dice::new(seed)),
            cut: RefCell::default(),
            lost_percent: Cell::new(0),
            repeated_percent: Cell::new(1),
            delay_us_max: Cell::new(2000),
            lost: Cell::new(0),
        }
    }

    /// How long a message takes that is sent now; `None` when it is lost.
    pub(super) fn send(&self, from: usize, to: usize) -> Option<Duration> {
        let mut dice = self.dice.borrow_mut();
        if self.is_cut(from, to) || dice.chance(self.lost_percent.get()) {
            self.lost.set(self.lost.get() + 1);
            return None;
        }
        Some(Duration::from_micros(50 + dice.below(self.delay_us_max.get())))
    }

    /// Whether a message comes twice.
    pub(super) fn is_repeated(&self) -> bool {
        self.dice.borrow_mut().chance(self.repeated_percent.get())
    }

    /// Whether nothing arrives that is under way.
    pub(super) fn is_cut(&self, from: usize, to: usize) -> bool {
        self.cut.borrow()[from][to]
    }

    /// Cuts a link, in one direction.
    pub(super) fn cut(&self, from: usize, to: usize) {
        self.cut.borrow_mut()[from][to] = true;
    }

    /// Cuts all links of a node.
    pub(super) fn isolate(&self, node: usize) {
        for other in 0..3 {
            self.cut(node, other);
            self.cut(other, node);
        }
    }

    /// Mends all links.
    pub(super) fn heal(&self) {
        *self.cut.borrow_mut() = Default::default();
    }

    /// How much is lost, and how slow it is.
    pub(super) fn set_quality(&self, lost_percent: u64, delay_us_max: u64) {
        self.lost_percent.set(lost_percent);
        self.delay_us_max.set(delay_us_max);
    }
}
