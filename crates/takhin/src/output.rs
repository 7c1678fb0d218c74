//! What is printed: results on standard output, as a table or as JSON; complaints on standard error.
//!
//! Nothing here panics when the reader has gone: a broken pipe is an error like others, which `main`
//! takes for "seen enough".

use std::io::{self, Write};

use serde_json::Value;

use crate::cli::{OutputArgs, OutputForm};

/// Prints results in the form that was asked for.
#[derive(Debug)]
pub(crate) struct Output {
    form: OutputForm,
}

impl Output {
    /// As `--output` says.
    pub(crate) fn new(arguments: &OutputArgs) -> Self {
        Self { form: arguments.output }
    }

    /// Prints one result: `json` as it is, or what `text` writes.
    ///
    /// # Errors
    /// Standard output can't be written.
    pub(crate) fn value(
        &self,
        json: &Value,
        text: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> io::Result<()> {
        let mut out = io::stdout().lock();
        match self.form {
            OutputForm::Table => text(&mut out),
            OutputForm::Json => {
                serde_json::to_writer_pretty(&mut out, json)?;
                writeln!(out)
            }
        }
    }
}

/// Prints a line as it is.
///
/// # Errors
/// Standard output can't be written.
pub(crate) fn line(text: &str) -> io::Result<()> {
    writeln!(io::stdout().lock(), "{text}")
}

/// Hands over what is still buffered; the last thing before success.
///
/// # Errors
/// Standard output can't be written.
pub(crate) fn finish() -> io::Result<()> {
    io::stdout().lock().flush()
}

/// Prints a line for people; a closed standard error is nobody's fault.
pub(crate) fn complain(text: &str) {
    let _ = writeln!(io::stderr().lock(), "takhin: {text}");
}

/// Whether an error only says that nobody reads our output any more.
pub(crate) fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error
        .chain()
        .any(|e| e.downcast_ref::<io::Error>().is_some_and(|e| e.kind() == io::ErrorKind::BrokenPipe))
}

/// Columns, each as wide as its widest cell.
#[derive(Debug)]
pub(crate) struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with these headings.
    pub(crate) fn new(headings: &[&str]) -> Self {
        Self { rows: vec![headings.iter().map(|heading| (*heading).to_owned()).collect()] }
    }

    /// Adds a row; control characters are shown escaped, so that no value moves the cursor.
    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        let escape = |cell: String| {
            if cell.chars().any(char::is_control) { cell.escape_debug().to_string() } else { cell }
        };
        self.rows.push(cells.into_iter().map(escape).collect());
    }

    /// Writes the rows.
    ///
    /// # Errors
    /// `out` can't be written.
    pub(crate) fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let width = |column: usize| {
            self.rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max()
        };
        let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or(0)).collect();
        for row in &self.rows {
            let mut text = String::new();
            for (cell, width) in row.iter().zip(&widths) {
                text.push_str(&format!("{cell:<width$}  "));
            }
            writeln!(out, "{}", text.trim_end())?;
        }
        Ok(())
    }
}
