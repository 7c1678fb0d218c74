//! The known key that somebody who wrote an unknown one most likely meant.

use super::table::{KEYS, Key};

/// Longest part of an unknown key that is compared: a file may hold any nonsense.
const COMPARED_CHARS_MAX: usize = 80;

/// The nearest key, by its name or an alias.
///
/// Letters count, not how words are joined: `kafka.maxMessageBytes` is near. A key's end alone
/// (`data.dir`) counts as the key.
pub(crate) fn key(unknown: &str) -> &'static Key {
    let unknown = letters(unknown);
    KEYS.iter()
        .min_by_key(|key| {
            let names = std::iter::once(&key.path).chain(key.aliases);
            names.map(|name| distance_of_key(&unknown, &letters(name))).min()
        })
        .expect("the table has keys")
}

fn letters(text: &str) -> Vec<char> {
    text.chars()
        .filter(|c| c.is_alphanumeric())
        .take(COMPARED_CHARS_MAX)
        .flat_map(char::to_lowercase)
        .collect()
}

fn distance_of_key(unknown: &[char], known: &[char]) -> usize {
    if unknown.len() >= 4 && known.ends_with(unknown) { 0 } else { distance(unknown, known) }
}

/// Edits (Levenshtein) from one text to the other.
fn distance(from: &[char], to: &[char]) -> usize {
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (i, a) in from.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in to.iter().enumerate() {
            let replaced = diagonal + usize::from(a != b);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[to.len()]
}
