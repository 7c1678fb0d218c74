//! Records as lines or as JSON objects.

use std::{
    collections::BTreeMap,
    io::{self, BufWriter, StdoutLock, Write},
    ops::ControlFlow,
};

use client::RecordOf;
use serde_json::{Map, Value, json};

use crate::cli::{ConsumeArgs, OutputForm};

/// Prints records until as many are printed as were asked for.
pub(super) struct Printer<'a> {
    arguments: &'a ConsumeArgs,
    out: BufWriter<StdoutLock<'static>>,
    left: Option<u64>,
}

impl<'a> Printer<'a> {
    pub(super) fn new(arguments: &'a ConsumeArgs) -> Self {
        Self { arguments, out: BufWriter::new(io::stdout().lock()), left: arguments.max_messages }
    }

    /// Whether as many were printed as were asked for.
    pub(super) fn is_done(&self) -> bool {
        self.left == Some(0)
    }

    /// Hands over what is still buffered.
    ///
    /// # Errors
    /// Standard output can't be written.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }

    /// Prints a record unless it came after the end; breaks off when no more are wanted or can be printed.
    pub(super) fn print_or_break(
        &mut self,
        record: &RecordOf<'_>,
        ends: Option<&BTreeMap<i32, i64>>,
    ) -> ControlFlow<io::Result<()>> {
        let is_beyond = ends
            .is_some_and(|ends| ends.get(&record.partition).is_some_and(|end| record.record.offset >= *end));
        if is_beyond {
            return ControlFlow::Continue(());
        }
        let printed = match self.arguments.output.output {
            OutputForm::Table => self.print_line(record),
            OutputForm::Json => self.print_json(record),
        };
        if let Err(e) = printed {
            return ControlFlow::Break(Err(e));
        }
        if let Some(left) = &mut self.left {
            *left -= 1;
            if *left == 0 {
                return ControlFlow::Break(Ok(()));
            }
        }
        ControlFlow::Continue(())
    }

    /// Keys and values as they are, byte for byte.
    fn print_line(&mut self, record: &RecordOf<'_>) -> io::Result<()> {
        let Self { arguments, out, .. } = self;
        let (separator, null) = (arguments.separator.as_bytes(), arguments.null.as_bytes());
        let record_fields = &record.record;
        if arguments.print_timestamp {
            write!(out, "{}", record_fields.timestamp)?;
            out.write_all(separator)?;
        }
        if arguments.print_offset {
            write!(out, "{}", record.partition)?;
            out.write_all(separator)?;
            write!(out, "{}", record_fields.offset)?;
            out.write_all(separator)?;
        }
        if arguments.print_headers {
            for (at, header) in record_fields.headers.enumerate() {
                if at > 0 {
                    out.write_all(b",")?;
                }
                out.write_all(header.key)?;
                out.write_all(b"=")?;
                out.write_all(header.value.unwrap_or(null))?;
            }
            out.write_all(separator)?;
        }
        if arguments.print_key {
            out.write_all(record_fields.key.unwrap_or(null))?;
            out.write_all(separator)?;
        }
        out.write_all(record_fields.value.unwrap_or(null))?;
        out.write_all(b"\n")
    }

    /// One object a line.
    fn print_json(&mut self, record: &RecordOf<'_>) -> io::Result<()> {
        let mut object = Map::new();
        object.insert("partition".to_owned(), json!(record.partition));
        object.insert("offset".to_owned(), json!(record.record.offset));
        object.insert("timestamp".to_owned(), json!(record.record.timestamp));
        insert(&mut object, "key", record.record.key);
        insert(&mut object, "value", record.record.value);
        let headers = record.record.headers.map(|header| {
            let mut object = Map::new();
            insert(&mut object, "key", Some(header.key));
            insert(&mut object, "value", header.value);
            Value::Object(object)
        });
        object.insert("headers".to_owned(), Value::Array(headers.collect()));
        serde_json::to_writer(&mut self.out, &object)?;
        self.out.write_all(b"\n")
    }
}

/// Text as text; other bytes in hexadecimal, under a name that says so.
fn insert(object: &mut Map<String, Value>, name: &str, bytes: Option<&[u8]>) {
    let (name, value) = match bytes.map(std::str::from_utf8) {
        None => (name.to_owned(), Value::Null),
        Some(Ok(text)) => (name.to_owned(), json!(text)),
        Some(Err(_)) => {
            let hex: String = bytes.unwrap_or_default().iter().map(|byte| format!("{byte:02x}")).collect();
            (format!("{name}Hex"), json!(hex))
        }
    };
    object.insert(name, value);
}
