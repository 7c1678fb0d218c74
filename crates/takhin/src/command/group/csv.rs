//! Offsets as lines `topic,partition,offset`, as kafka-consumer-groups exports and imports them.

use anyhow::{Context, Result, bail};
use client::Offsets;

/// One line.
pub(super) fn line(topic: &str, partition: i32, offset: i64) -> String {
    // No topic's name has a character that would need quotes.
    format!("{topic},{partition},{offset}")
}

/// Reads lines; Java's writer puts quotes around long names.
///
/// # Errors
/// The first line that is none, or that names a partition again.
pub(super) fn read(text: &str) -> Result<Offsets> {
    let mut offsets = Offsets::new();
    for (at, line) in (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty()) {
        let (topic, partition, offset) =
            fields(line).with_context(|| format!("line {at}: topic,partition,offset is expected"))?;
        if offsets.entry(topic.to_owned()).or_default().insert(partition, offset).is_some() {
            bail!("line {at}: partition {topic}-{partition} for the second time");
        }
    }
    Ok(offsets)
}

fn fields(line: &str) -> Option<(&str, i32, i64)> {
    let mut fields = line.split(',').map(|field| {
        let field = field.trim();
        field.strip_prefix('"').and_then(|field| field.strip_suffix('"')).unwrap_or(field)
    });
    let topic = fields.next().filter(|topic| !topic.is_empty())?;
    let partition = fields.next()?.parse().ok().filter(|partition| *partition >= 0)?;
    let offset = fields.next()?.parse().ok().filter(|offset| *offset >= 0)?;
    if fields.next().is_some() { None } else { Some((topic, partition, offset)) }
}
