//! The project's text files, and Rust code without its comments and strings.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, ensure};

/// One text file.
#[derive(Debug)]
pub(crate) struct File {
    /// From the workspace's root, with `/`.
    pub(crate) path: String,
    pub(crate) text: String,
    /// For Rust: the text with comments and the insides of strings blanked, line by line the same; else empty.
    pub(crate) code: String,
}

/// What git knows or would add, so that a file is checked before it is committed and ignored ones never.
#[derive(Debug, Default)]
pub(crate) struct Tree {
    files: Vec<File>,
}

impl Tree {
    /// Reads the files at `root`.
    ///
    /// # Errors
    /// When git cannot list the files or one cannot be read.
    pub(crate) fn read(root: &Path) -> anyhow::Result<Tree> {
        let output = Command::new("git")
            .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
            .current_dir(root)
            .output()
            .context("git ls-files")?;
        ensure!(output.status.success(), "git ls-files: {}", String::from_utf8_lossy(&output.stderr));
        let listed = String::from_utf8(output.stdout).context("git lists a path that is not UTF-8")?;
        let mut tree = Tree::default();
        for path in listed.split('\0').filter(|path| !path.is_empty()) {
            let full = root.join(path);
            // Listed but not there: removed in the work tree. A link is checked where it points.
            if !full.is_file() || full.is_symlink() {
                continue;
            }
            let bytes = fs::read(&full).with_context(|| format!("reading {path}"))?;
            // What is no text is there to be linked to, and says nothing.
            tree.add(path, String::from_utf8(bytes).unwrap_or_default());
        }
        Ok(tree)
    }

    /// A tree for tests.
    #[cfg(test)]
    pub(crate) fn planted(files: &[(&str, &str)]) -> Tree {
        let mut tree = Tree::default();
        for (path, text) in files {
            tree.add(path, (*text).to_owned());
        }
        tree
    }

    fn add(&mut self, path: &str, text: String) {
        let code = if path.ends_with(".rs") { code_of(&text) } else { String::new() };
        self.files.push(File { path: path.to_owned(), text, code });
    }

    pub(crate) fn files(&self) -> &[File] {
        &self.files
    }

    /// Whether there is a file, or a directory with files in it.
    pub(crate) fn contains(&self, path: &str) -> bool {
        let within = |file: &File| {
            file.path.strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        self.files.iter().any(within)
    }
}

impl File {
    pub(crate) fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }

    /// Code that only tests run.
    pub(crate) fn is_test(&self) -> bool {
        self.path.ends_with("_test.rs")
            || self.path.split('/').any(|part| matches!(part, "tests" | "benches" | "examples"))
    }

    /// The crate of the workspace's stack it belongs to.
    pub(crate) fn room(&self) -> Option<&str> {
        self.path.strip_prefix("crates/")?.split('/').next()
    }

    /// What the module's head says: its `//!` lines.
    pub(crate) fn head(&self) -> String {
        let lines = self.text.lines().skip_while(|line| line.starts_with("// ") || line.is_empty());
        lines.map_while(|line| line.strip_prefix("//!")).collect::<Vec<_>>().join("\n")
    }
}

/// Blanks comments and what strings hold. Quotes stay, and every line keeps its number.
///
/// Knows line and nested block comments, strings, raw strings and character literals; it need not know more, because what
/// it reads has been compiled.
fn code_of(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while !rest.is_empty() {
        let (kept, blanked) = token(rest, out.chars().next_back());
        out.push_str(&rest[..kept]);
        let hidden = &rest[kept..kept + blanked];
        out.extend(hidden.chars().map(|c| if c == '\n' { '\n' } else { ' ' }));
        rest = &rest[kept + blanked..];
    }
    out
}

/// How many bytes at the front of `rest` are kept, and how many after those are blanked.
fn token(rest: &str, before: Option<char>) -> (usize, usize) {
    let first = rest.chars().next().map_or(1, char::len_utf8);
    if rest.starts_with("//") {
        return (0, rest.find('\n').unwrap_or(rest.len()));
    }
    if rest.starts_with("/*") {
        return (0, block_comment_len(rest));
    }
    let in_word = before.is_some_and(|c| c.is_alphanumeric() || c == '_');
    if let Some(opening) = raw_string_opening(rest).filter(|_| !in_word) {
        let closing = format!("\"{}", "#".repeat(opening.bytes().filter(|b| *b == b'#').count()));
        let inside = rest[opening.len()..].find(&closing).unwrap_or(rest.len() - opening.len());
        return (opening.len(), inside + closing.len().min(rest.len() - opening.len() - inside));
    }
    match rest.as_bytes()[0] {
        b'"' => (1, quoted_len(&rest[1..], '"')),
        // A lifetime has no closing quote two characters on.
        b'\'' if rest[1..].starts_with('\\') => (1, quoted_len(&rest[1..], '\'')),
        b'\'' if rest.chars().nth(2) == Some('\'') => {
            (1, rest[1..].chars().next().map_or(0, char::len_utf8) + 1)
        }
        _ => (first, 0),
    }
}

/// `r"`, `r#"`, `br#"` and so on.
fn raw_string_opening(rest: &str) -> Option<&str> {
    let marks =
        rest.strip_prefix("br").or_else(|| rest.strip_prefix("cr")).or_else(|| rest.strip_prefix('r'))?;
    let quote = marks.trim_start_matches('#').strip_prefix('"')?;
    Some(&rest[..rest.len() - quote.len()])
}

/// Bytes up to and with the closing quote; a backslash takes the next character with it.
fn quoted_len(inside: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in inside.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if c == quote => return at + c.len_utf8(),
            _ => {}
        }
    }
    inside.len()
}

fn block_comment_len(rest: &str) -> usize {
    let (mut depth, mut at) = (0_usize, 0);
    while at < rest.len() {
        match &rest.as_bytes()[at..] {
            [b'/', b'*', ..] => (depth, at) = (depth + 1, at + 2),
            [b'*', b'/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            return at;
        }
    }
    rest.len()
}
