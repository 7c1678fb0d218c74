//! Times as people write them: RFC 3339, or milliseconds since 1970.

const DAY_MS: i64 = 86_400_000;
const HOUR_MS: i64 = 3_600_000;
const MINUTE_MS: i64 = 60_000;

/// Milliseconds since 1970-01-01 UTC.
///
/// # Errors
/// What is expected, for whoever typed it.
pub(super) fn milliseconds(text: &str) -> Result<i64, String> {
    let number = text.parse().ok().filter(|ms| *ms >= 0);
    let ms = if text.bytes().all(|byte| byte.is_ascii_digit()) { number } else { rfc3339(text) };
    ms.ok_or_else(|| {
        "a time from 1970 on such as 2026-05-17T08:30:00Z, or milliseconds, is expected".to_owned()
    })
}

/// `2026-05-17T08:30:00.250+02:00`; what is finer than a millisecond is cut off.
fn rfc3339(text: &str) -> Option<i64> {
    let (date, rest) = text.split_at_checked("2026-05-17".len())?;
    let (clock, rest) = rest.strip_prefix(['T', 't', ' '])?.split_at_checked("08:30:00".len())?;
    let zone_at = rest.find(['Z', 'z', '+', '-'])?;
    let (fraction, zone) = rest.split_at(zone_at);
    let [year, month, day] = numbers(date, '-', ["2026".len(), 2, 2])?;
    let [hour, minute, second] = numbers(clock, ':', [2, 2, 2])?;
    let is_date = (1..=12).contains(&month) && (1..=days_in(year, month)).contains(&day);
    // A leap second counts as the one behind it.
    if !is_date || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let clock_ms = hour * HOUR_MS + minute * MINUTE_MS + second * 1000;
    let ms = days_since_1970(year, month, day) * DAY_MS + clock_ms + fraction_ms(fraction)? - zone_ms(zone)?;
    Some(ms).filter(|ms| *ms >= 0)
}

/// Three numbers of so many digits.
fn numbers(text: &str, separator: char, widths: [usize; 3]) -> Option<[i64; 3]> {
    let mut parts = text.split(separator);
    let mut next = |width| {
        let digits = parts.next()?;
        let is_number = digits.len() == width && digits.bytes().all(|byte| byte.is_ascii_digit());
        if is_number { digits.parse().ok() } else { None }
    };
    Some([next(widths[0])?, next(widths[1])?, next(widths[2])?])
}

/// `` or `.25`
fn fraction_ms(text: &str) -> Option<i64> {
    if text.is_empty() {
        return Some(0);
    }
    let digits = text.strip_prefix('.').filter(|digits| !digits.is_empty())?;
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    format!("{digits:0<3}")[..3].parse().ok()
}

/// `Z` or `+02:00`
fn zone_ms(text: &str) -> Option<i64> {
    let (sign, clock) = match text.split_at_checked(1)? {
        ("Z" | "z", "") => return Some(0),
        ("+", clock) => (1, clock),
        ("-", clock) => (-1, clock),
        _ => return None,
    };
    let [hour, minute, _] = numbers(&format!("{clock}:00"), ':', [2, 2, 2])?;
    if clock.len() != "02:00".len() || hour > 23 || minute > 59 {
        return None;
    }
    Some(sign * (hour * HOUR_MS + minute * MINUTE_MS))
}

fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

fn days_in(year: i64, month: i64) -> i64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let leap_days_before = |year: i64| (year - 1) / 4 - (year - 1) / 100 + (year - 1) / 400;
    let years = (year - 1970) * 365 + leap_days_before(year) - leap_days_before(1970);
    let months: i64 = (1..month).map(|month| days_in(year, month)).sum();
    years + months + day - 1
}
