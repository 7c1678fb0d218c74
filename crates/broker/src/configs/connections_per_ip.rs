//! `max.connections.per.ip.overrides`: how many connections a host or an address may have, where that is another number than
//! all others have. Checks and texts are Kafka's.

/// The config's name.
pub(crate) const OVERRIDES: &str = "max.connections.per.ip.overrides";
/// The one of all others.
pub(crate) const OF_ALL: &str = "max.connections.per.ip";

/// The value is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum OverridesError {
    /// Something without a number behind it; Kafka's text is of a Java method that finds no colon.
    #[error("Error parsing configuration property '{OVERRIDES}': begin 0, end -1, length {utf16_units}")]
    NoNumber {
        /// As Java counts.
        utf16_units: usize,
    },
    /// The number is none, or has more than 32 bits.
    #[error("For input string: \"{0}\"")]
    Number(String),
    /// No host is called so.
    #[error("{OVERRIDES} contains invalid addresses : {}", .0.join(","))]
    Hosts(Vec<String>),
}

/// Hosts and how many connections they may have, of `host:number,host:number`; below 0 is none.
///
/// # Errors
/// [`OverridesError`].
pub(crate) fn read_overrides(text: &str) -> Result<Vec<(&str, usize)>, OverridesError> {
    // As Java splits: what is empty counts, but at the end.
    let text = text.trim().trim_end_matches(|c: char| c == ',' || c.is_whitespace());
    let parts = text.split(',').map(str::trim).filter(|_| !text.is_empty());
    let overrides: Vec<_> = parts.map(read_override).collect::<Result<_, _>>()?;
    let is_host =
        |host: &str| host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-%._:".contains(&byte));
    let wrong: Vec<_> = overrides.iter().map(|(host, _)| *host).filter(|host| !is_host(host)).collect();
    match wrong.is_empty() {
        true => Ok(overrides),
        false => Err(OverridesError::Hosts(wrong.into_iter().map(ToOwned::to_owned).collect())),
    }
}

fn read_override(part: &str) -> Result<(&str, usize), OverridesError> {
    // Of an address of version 6 the last colon is not its own.
    let Some((host, number)) = part.rsplit_once(':') else {
        return Err(OverridesError::NoNumber { utf16_units: part.encode_utf16().count() });
    };
    let number = number.trim();
    match number.parse::<i32>() {
        Ok(connections) => Ok((host.trim(), usize::try_from(connections).unwrap_or(0))),
        Err(_) => Err(OverridesError::Number(number.to_owned())),
    }
}

/// Whether a value is one.
#[must_use]
pub fn are_connection_overrides(text: &str) -> bool {
    read_overrides(text).is_ok()
}

/// Whether what all others may have goes together with the overrides: where it is nothing, somebody has to have more.
#[must_use]
pub fn may_be_together(of_all: &str, overrides: &str) -> bool {
    let is_zero = of_all.trim().parse::<i32>() == Ok(0);
    !is_zero || read_overrides(overrides).is_ok_and(|overrides| !overrides.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_and_numbers_are_read_as_kafka_reads_them() {
        // Tried against a running Kafka 4.3.1.
        let read = |text: &'static str| read_overrides(text).map_err(|error| error.to_string());
        assert_eq!(
            read("127.0.0.1:5, ::1 : +6,h:-1,:7"),
            Ok(vec![("127.0.0.1", 5), ("::1", 6), ("h", 0), ("", 7)])
        );
        for nothing in ["", " ", ",", ", ,"] {
            assert_eq!(read(nothing), Ok(Vec::new()), "{nothing:?}");
        }
        assert_eq!(read(" a:1 , "), Ok(vec![("a", 1)]));
        let no_number = |units| {
            let of = "Error parsing configuration property 'max.connections.per.ip.overrides'";
            Err(format!("{of}: begin 0, end -1, length {units}"))
        };
        assert_eq!(read("127.0.0.1"), no_number(9));
        assert_eq!(read("a:1,,b:2"), no_number(0));
        assert_eq!(read("\u{1d11e}"), no_number(2));
        for number in ["", "x", "1 2", "99999999999"] {
            let text = format!("c!:1,a:{number}");
            let said = read_overrides(&text).unwrap_err().to_string();
            assert_eq!(said, format!("For input string: \"{number}\""));
        }
        let wrong = "max.connections.per.ip.overrides contains invalid addresses : a!,[::1]";
        assert_eq!(read("a!:1,b:2,[::1]:3"), Err(wrong.to_owned()));
    }

    #[test]
    fn nobody_but_those_with_a_number_of_their_own_may_be_let_in() {
        for (of_all, overrides, is_legal) in
            [("0", "", false), (" 0 ", ",", false), ("0", "a:1", true), ("1", "", true)]
        {
            assert_eq!(may_be_together(of_all, overrides), is_legal, "{of_all:?} {overrides:?}");
        }
    }
}
