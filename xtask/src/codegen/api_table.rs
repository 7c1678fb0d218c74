//! Emits the table of APIs: keys, versions, first flexible versions.

use super::Source;
use std::fmt::Write;

/// `api/table.rs`.
pub(crate) fn file(source: &Source) -> String {
    let mut keys = String::new();
    let mut all = String::new();
    let mut rows = String::new();
    for api in &source.apis {
        let (name, valid) = (api.name(), api.request.valid);
        let last = if api.request.last_unstable { valid.last - 1 } else { valid.last };
        let flexible = match api.request.flexible {
            flexible if flexible.is_none() => "None".to_owned(),
            flexible => format!("Some({})", flexible.first),
        };
        let _ = writeln!(keys, "/// Key {}.\n{name} = {},", api.key, api.key);
        let _ = writeln!(all, "Self::{name},");
        let _ = writeln!(rows, "Self::{name} => row(\"{name}\", {}, {last}, {flexible}),", valid.first);
    }
    format!(
        "//! The APIs that a Kafka 4.3 broker serves to clients: keys, stable versions, first flexible versions.\n\n\
         use super::{{Row, row}};\n\n\
         /// An API of the Kafka protocol, by its key.\n\
         #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]\n#[repr(i16)]\n\
         pub enum ApiKey {{\n{keys}}}\n\n\
         impl ApiKey {{\n/// All of them, keys ascending.\npub const ALL: [Self; {}] = [\n{all}];\n\n\
         pub(super) const fn row(self) -> Row {{\nmatch self {{\n{rows}}}\n}}\n}}\n",
        source.apis.len()
    )
}
