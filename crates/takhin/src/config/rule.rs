//! What a key's value may be: the range, unit or choice, and the words an error says about it.

use std::fmt;

/// A value as it was written, before its key's rule has looked at it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Raw {
    /// One value; numbers and booleans of a file arrive as their text.
    Text(String),
    /// A list; the environment and the command line write it with commas.
    List(Vec<String>),
    /// A key of a file with nothing behind the colon.
    Missing,
}

impl Raw {
    /// The value as one text, whole.
    pub(crate) fn text(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::List(items) => items.join(","),
            Self::Missing => String::new(),
        }
    }

    /// The value on one line, shortened, for an error and for `config show`.
    pub(crate) fn shown(&self) -> String {
        one_line(&self.text())
    }
}

/// Longest value that an error repeats, in characters.
const SHOWN_CHARS_MAX: usize = 120;

fn one_line(text: &str) -> String {
    let mut shown: String = text.chars().take(SHOWN_CHARS_MAX).flat_map(char::escape_debug).collect();
    if text.chars().nth(SHOWN_CHARS_MAX).is_some() {
        shown.push('…');
    }
    shown
}

/// A word that stands in an integer's place, and what it means.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Word {
    pub(crate) text: &'static str,
    pub(crate) meaning: &'static str,
}

/// The values that one key accepts.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Rule {
    /// A whole number from `min` to `max`, or `word`.
    Integer { min: i64, max: i64, unit: &'static str, word: Option<Word> },
    /// `true` or `false`.
    Flag,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// Likewise, in small or capital letters.
    ChoiceInAnyCase(&'static [&'static str]),
    /// A text for which `fits` holds; `allowed` says it in words.
    Text { allowed: &'static str, fits: fn(&str) -> bool },
    /// A list of such texts.
    List { allowed: &'static str, fits: fn(&str) -> bool },
}

impl Rule {
    /// Brings a value into the shape of the rule, or `None` when it is not allowed.
    ///
    /// A list may be written as one text with commas; an empty text is an empty list.
    pub(crate) fn accept(&self, raw: &Raw) -> Option<Raw> {
        match (self, raw) {
            (Self::List { fits, .. }, _) => {
                let items: Vec<String> = match raw {
                    Raw::List(items) => items.iter().map(|item| item.trim().to_owned()).collect(),
                    Raw::Text(text) if text.trim().is_empty() => Vec::new(),
                    Raw::Text(text) => text.split(',').map(|item| item.trim().to_owned()).collect(),
                    Raw::Missing => return None,
                };
                items.iter().all(|item| fits(item)).then_some(Raw::List(items))
            }
            (Self::ChoiceInAnyCase(words), Raw::Text(text)) => {
                let word = words.iter().find(|word| word.eq_ignore_ascii_case(text.trim()))?;
                Some(Raw::Text((*word).to_owned()))
            }
            (_, Raw::Text(text)) => self.fits_text(text.trim()).then(|| Raw::Text(text.trim().to_owned())),
            _ => None,
        }
    }

    fn fits_text(&self, text: &str) -> bool {
        match self {
            Self::Integer { min, max, word, .. } => {
                word.is_some_and(|word| word.text == text)
                    || text.parse::<i64>().is_ok_and(|number| (*min..=*max).contains(&number))
            }
            Self::Flag => matches!(text, "true" | "false"),
            Self::Choice(words) => words.contains(&text),
            Self::Text { fits, .. } => fits(text),
            Self::ChoiceInAnyCase(_) | Self::List { .. } => false,
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Integer { min, max, unit, word } => {
                write!(f, "an integer from {min} to {max}")?;
                if !unit.is_empty() {
                    write!(f, " ({unit})")?;
                }
                match word {
                    Some(word) => write!(f, ", or {} ({})", word.text, word.meaning),
                    None => Ok(()),
                }
            }
            Self::Flag => f.write_str("true or false"),
            Self::Choice(words) => write!(f, "one of {}", words.join(", ")),
            Self::ChoiceInAnyCase(words) => write!(f, "one of {}, in any case", words.join(", ")),
            Self::Text { allowed, .. } => f.write_str(allowed),
            Self::List { allowed, .. } => write!(f, "a list of {allowed}"),
        }
    }
}
