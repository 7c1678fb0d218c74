//! Rust names for Kafka's names.

/// `TopicId` and `topicId` as `topic_id`; a run of capitals is one word.
pub(crate) fn snake(name: &str) -> String {
    let chars: Vec<char> = name.chars().collect();
    let mut out = String::new();
    for (index, &c) in chars.iter().enumerate() {
        let after_lower = index > 0 && !chars[index - 1].is_uppercase();
        let before_lower = index > 0 && chars.get(index + 1).is_some_and(|next| next.is_lowercase());
        if c.is_uppercase() && (after_lower || before_lower) {
            out.push('_');
        }
        out.extend(c.to_lowercase());
    }
    out
}

/// The name of a struct's field.
pub(crate) fn field(name: &str) -> String {
    let name = snake(name);
    match name.as_str() {
        "match" | "type" | "ref" | "move" | "loop" | "use" => format!("r#{name}"),
        _ => name,
    }
}
