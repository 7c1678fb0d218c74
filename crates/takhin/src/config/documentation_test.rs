//! docs/configuration.md lists what the table says: `UPDATE_DOCS=1 cargo test -p takhin documentation` writes it.
#![allow(clippy::disallowed_methods)] // reads and writes the document, as an editor would

use std::{fmt::Write, fs, path::Path};

use super::{KEYS, variable};

const BEGIN: &str = "<!-- Keys: written from the table in crates/takhin/src/config/table.rs -->\n";
const END: &str = "<!-- End of keys -->\n";

fn rendered() -> String {
    let mut text = String::new();
    for key in KEYS {
        let default = if key.default.is_empty() { "empty".to_owned() } else { format!("`{}`", key.default) };
        writeln!(text, "\n#### `{}`\n\n{}\n", key.path, key.doc).unwrap();
        writeln!(text, "- Allowed: {}.", key.rule).unwrap();
        writeln!(text, "- Default: {default}. Variable: `{}`.", variable(key.path)).unwrap();
        if !key.aliases.is_empty() {
            writeln!(text, "- Also: `{}`.", key.aliases.join("`, `")).unwrap();
        }
    }
    text.push('\n');
    text
}

#[test]
fn documentation_lists_every_key_as_the_table_has_it() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/configuration.md");
    let document = fs::read_to_string(&path).expect("docs/configuration.md");
    let (head, rest) = document.split_once(BEGIN).expect("the mark before the keys");
    let (keys, tail) = rest.split_once(END).expect("the mark after the keys");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, format!("{head}{BEGIN}{}{END}{tail}", rendered())).unwrap();
        return;
    }
    assert!(
        keys == rendered(),
        "docs/configuration.md is stale: UPDATE_DOCS=1 cargo test -p takhin documentation"
    );
}
