//! Figures as people read them.

/// A whole number with a comma between its thousands.
pub(crate) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Bytes in the largest unit that leaves at least 1.
pub(crate) fn bytes(number: u64) -> String {
    let (mut value, mut unit) = (number as f64, "B");
    for larger in ["KiB", "MiB", "GiB", "TiB"] {
        // 1023.95 would be shown as 1024.0.
        if value < 1023.95 {
            break;
        }
        (value, unit) = (value / 1024.0, larger);
    }
    if unit == "B" { format!("{number} B") } else { format!("{value:.1} {unit}") }
}

/// A share in whole percent; a little is not nothing.
pub(crate) fn percent(share: f64) -> String {
    match share {
        share if share <= 0.0 => "0%".to_owned(),
        share if share < 0.01 => "<1%".to_owned(),
        share => format!("{:.0}%", (share * 100.0).min(100.0)),
    }
}

/// Seconds with as many digits as matter.
pub(crate) fn seconds(seconds: f64) -> String {
    match seconds {
        short if short < 10.0 => format!("{short:.2} s"),
        middle if middle < 120.0 => format!("{middle:.1} s"),
        long => format!("{} min {:.0} s", (long / 60.0).floor(), (long % 60.0).floor()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_set_apart() {
        let check = |number, expected: &str| assert_eq!(count(number), expected);
        check(0, "0");
        check(999, "999");
        check(1_000, "1,000");
        check(1_234_567, "1,234,567");
    }

    #[test]
    fn bytes_take_the_largest_unit() {
        let check = |number, expected: &str| assert_eq!(bytes(number), expected);
        check(0, "0 B");
        check(1023, "1023 B");
        check(1024, "1.0 KiB");
        check(1024 * 1024 - 1, "1.0 MiB");
        check(5 * 1024 * 1024 + 300_000, "5.3 MiB");
        check(u64::MAX, "16777216.0 TiB");
    }

    #[test]
    fn shares_are_whole_percent() {
        let check = |share, expected: &str| assert_eq!(percent(share), expected);
        check(0.0, "0%");
        check(0.001, "<1%");
        check(0.456, "46%");
        check(1.01, "100%");
        check(f64::NAN, "NaN%");
    }

    #[test]
    fn seconds_have_the_digits_that_matter() {
        let check = |number, expected: &str| assert_eq!(seconds(number), expected);
        check(0.0123, "0.01 s");
        check(12.34, "12.3 s");
        check(125.9, "2 min 5 s");
    }
}
