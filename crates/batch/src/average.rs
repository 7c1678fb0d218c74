//! Exponential moving averages.

/// The first sample counts whole, each later one `alpha`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Average {
    alpha: f64,
    value: Option<f64>,
}

impl Average {
    pub(crate) fn new(alpha: f64) -> Self {
        Self { alpha, value: None }
    }

    pub(crate) fn take(&mut self, sample: f64) {
        self.value = Some(self.value.map_or(sample, |average| average + self.alpha * (sample - average)));
    }

    pub(crate) fn get(&self) -> Option<f64> {
        self.value
    }
}
