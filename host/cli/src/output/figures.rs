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

/// A whole number in at most seven characters, for figures that change faster than they can be read.
pub(crate) fn rough_count(number: u64) -> String {
    let (mut value, mut unit) = (number as f64, "");
    for larger in [" k", " M", " G", " T"] {
        // 9999.5 would be shown as 10000.
        if value < if unit.is_empty() { 10_000.0 } else { 999.95 } {
            break;
        }
        (value, unit) = (value / 1000.0, larger);
    }
    match unit {
        "" => count(number),
        unit if value < 9.995 => format!("{value:.2}{unit}"),
        unit => format!("{value:.1}{unit}"),
    }
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
        moment if moment < 0.9995 => format!("{:.0} ms", moment * 1e3),
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
    fn a_rough_figure_is_short() {
        let check = |number, expected: &str| assert_eq!(rough_count(number), expected);
        check(0, "0");
        check(9_999, "9,999");
        check(10_000, "10.0 k");
        check(999_949, "999.9 k");
        check(999_950, "1.00 M");
        check(2_168_576, "2.17 M");
        check(21_683_194, "21.7 M");
        check(1_234_567_890_123, "1.23 T");
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
    }

    #[test]
    fn seconds_have_the_digits_that_matter() {
        let check = |number, expected: &str| assert_eq!(seconds(number), expected);
        check(0.0, "0 ms");
        check(0.0123, "12 ms");
        check(0.9999, "1.00 s");
        check(1.234, "1.23 s");
        check(12.34, "12.3 s");
        check(125.9, "2 min 5 s");
    }
}
