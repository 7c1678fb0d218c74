//! What is to be done, checked: who sends what, and when it ends.

use std::time::Duration;

use client::Acks;
use serde_json::{Map, Value, json};
use wire::record::Codec;

use super::{
    args::{LengthArgs, LoadArgs},
    payload::Payload,
    schedule::{Schedule, float},
};
use crate::command::UsageError;

/// Largest batch before compression, in bytes of values: as much as a broker takes in one request by default.
const BATCH_BYTES_MAX: u64 = 100 << 20;
/// A broker remembers so many batches of an idempotent producer: with more under way it can't tell repetitions.
const IDEMPOTENT_IN_FLIGHT_MAX: u64 = 5;
/// What is measured unless somebody says otherwise.
const DURATION: Duration = Duration::from_secs(10);
/// What goes before.
const WARM_UP: Duration = Duration::from_secs(2);

/// Who sends what.
#[derive(Debug, Clone)]
pub(crate) struct Load {
    pub(crate) connections: u64,
    /// Requests of one connection.
    pub(crate) in_flight: u64,
    /// Records of one request.
    pub(crate) batch: u64,
    /// Bytes of one value.
    pub(crate) record_bytes: u64,
    pub(crate) payload: Payload,
    /// Records/s of all connections; `None` is a closed loop.
    pub(crate) rate: Option<f64>,
    pub(crate) acks: Acks,
    pub(crate) is_idempotent: bool,
    pub(crate) codec: Codec,
}

impl Load {
    /// As the command line says.
    ///
    /// # Errors
    /// Options that don't go together.
    pub(crate) fn new(arguments: &LoadArgs, batch: u64, rate: Option<f64>) -> Result<Self, UsageError> {
        let LoadArgs { connections, in_flight, record_bytes, payload, acks, idempotent, compression } =
            *arguments;
        let refuse = |text: String| Err(UsageError(text));
        if idempotent && acks != Acks::All {
            let acks = acks.code();
            return refuse(format!("--acks {acks} with --idempotent: all is expected"));
        }
        if idempotent && in_flight > IDEMPOTENT_IN_FLIGHT_MAX {
            let range = format!("1 to {IDEMPOTENT_IN_FLIGHT_MAX}");
            return refuse(format!("--in-flight {in_flight} with --idempotent: {range} is expected"));
        }
        if batch.saturating_mul(record_bytes) > BATCH_BYTES_MAX {
            let most = BATCH_BYTES_MAX / record_bytes;
            return refuse(format!(
                "--batch {batch} with --record-bytes {record_bytes}: 1 to {most} is expected"
            ));
        }
        let (is_idempotent, codec) = (idempotent, compression);
        Ok(Self { connections, in_flight, batch, record_bytes, payload, rate, acks, is_idempotent, codec })
    }

    /// When requests are due, in an open loop.
    pub(crate) fn schedule(&self) -> Option<Schedule> {
        self.rate.map(|rate| Schedule::new(rate, self.batch, self.connections))
    }

    /// In words.
    pub(crate) fn in_words(&self) -> String {
        let Self { connections, in_flight, batch, record_bytes, payload, .. } = self;
        let rate = self.rate.map_or("closed loop".to_owned(), |rate| format!("{rate} records/s"));
        let idempotent = if self.is_idempotent { ", idempotent" } else { "" };
        format!(
            "{connections} connections x {in_flight} in flight, batches of {batch} x {record_bytes} B of {}, {rate}, acks {}{idempotent}, compression {}",
            payload.name(),
            self.acks.code(),
            self.codec.name(),
        )
    }

    /// For programs.
    pub(crate) fn json(&self) -> Map<String, Value> {
        let fields = json!({
            "connections": self.connections,
            "in_flight": self.in_flight,
            "batch_records": self.batch,
            "record_bytes": self.record_bytes,
            "payload": self.payload.name(),
            "rate_records_per_s": self.rate,
            "acks": self.acks.code(),
            "idempotent": self.is_idempotent,
            "compression": self.codec.name(),
        });
        if let Value::Object(fields) = fields { fields } else { Map::new() }
    }
}

/// When a run ends.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Length {
    pub(crate) warm_up: Duration,
    /// How long is measured; `None` until the requests are used up.
    pub(crate) measured: Option<Duration>,
    /// Requests in all, those of the warm-up too.
    pub(crate) requests: Option<u64>,
}

impl Length {
    /// As the command line says, in requests of `batch` records.
    ///
    /// # Errors
    /// The number of records can't be sent in such batches.
    pub(crate) fn new(arguments: &LengthArgs, batch: u64) -> Result<Self, UsageError> {
        let LengthArgs { duration, records, warm_up } = *arguments;
        if let Some(records) = records.filter(|records| records % batch != 0) {
            let text = format!("--records {records} with --batch {batch}: a multiple of {batch} is expected");
            return Err(UsageError(text));
        }
        let unless_said = if records.is_some() { Duration::ZERO } else { WARM_UP };
        Ok(Self {
            warm_up: warm_up.map_or(unless_said, Duration::from_secs_f64),
            measured: match (duration, records) {
                (Some(seconds), _) => Some(Duration::from_secs_f64(seconds)),
                (None, Some(_)) => None,
                (None, None) => Some(DURATION),
            },
            requests: records.map(|records| records / batch),
        })
    }
}

/// A rate; 0 where no time has passed.
pub(crate) fn per_s(count: u64, seconds: f64) -> f64 {
    if seconds > 0.0 { float(count) / seconds } else { 0.0 }
}

#[cfg(test)]
#[path = "load_test.rs"]
mod load_test;
