//! Durations and sizes as people write them: `"10s"`, `"64MiB"`, and every form that Flink takes.

use std::time::Duration;

/// Units of time and their nanoseconds: weir's forms and those of Flink's `TimeUtils`.
const TIME_UNITS: &[(&[&str], u64)] = &[
    (&["ns", "nano", "nanos", "nanosecond", "nanoseconds"], 1),
    (&["us", "µs", "micro", "micros", "microsecond", "microseconds"], 1_000),
    (&["ms", "milli", "millis", "millisecond", "milliseconds"], 1_000_000),
    (&["s", "sec", "secs", "second", "seconds"], 1_000_000_000),
    (&["min", "m", "minute", "minutes"], 60_000_000_000),
    (&["h", "hour", "hours"], 3_600_000_000_000),
    (&["d", "day", "days"], 86_400_000_000_000),
];

/// Units of size and their bytes. `kb`, `mb`, `gb` and `tb` are binary, as in Flink's `MemorySize`.
const SIZE_UNITS: &[(&[&str], u64)] = &[
    (&["", "b", "byte", "bytes"], 1),
    (&["k", "kb", "kib", "kibibytes"], 1 << 10),
    (&["m", "mb", "mib", "mebibytes"], 1 << 20),
    (&["g", "gb", "gib", "gibibytes"], 1 << 30),
    (&["t", "tb", "tib", "tebibytes"], 1 << 40),
];

const TIME_REMEDY: &str = "write a whole number and one of ns, us, ms, s, min, h, d, such as \"500ms\" or \"10s\"";
const SIZE_REMEDY: &str = "write a whole number and one of b, kb, mb, gb, tb (1kb = 1KiB = 1024 bytes), such as \"64MiB\"";

/// Why a text is not a duration or a size, and which forms are: the second and third part of an [`crate::Error`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuantityError {
    /// What is wrong with the text.
    pub why: String,
    /// The forms that are right.
    pub remedy: &'static str,
}

/// Reads a duration: a whole number, perhaps a space, and a unit, in any case: `500ms`, `10s`, `1 min`, `1h`, `2d`.
///
/// # Errors
/// When it is anything else, has no unit, or is longer than 584 years.
pub fn parse_duration(text: &str) -> Result<Duration, QuantityError> {
    parse_quantity(text, TIME_UNITS, "time", TIME_REMEDY).map(Duration::from_nanos)
}

/// Reads a duration as Flink's keys take it: as [`parse_duration`] does, and a number without a unit counts milliseconds.
///
/// # Errors
/// As [`parse_duration`].
pub fn parse_flink_duration(text: &str) -> Result<Duration, QuantityError> {
    let is_number = !text.trim().is_empty() && text.trim().bytes().all(|byte| byte.is_ascii_digit());
    if is_number { parse_duration(&format!("{}ms", text.trim())) } else { parse_duration(text) }
}

/// Reads a size in bytes: a whole number, perhaps a space, and a unit, in any case: `64MiB`, `5mb`, `128 kb`, `1g`, `4096`.
///
/// As in Flink, `kb`, `mb`, `gb` and `tb` are the same as `KiB`, `MiB`, `GiB` and `TiB`: 1,024 of the next smaller unit. A number
/// without a unit counts bytes.
///
/// # Errors
/// When it is anything else, or 16 EiB or more.
pub fn parse_size(text: &str) -> Result<u64, QuantityError> {
    parse_quantity(text, SIZE_UNITS, "size", SIZE_REMEDY)
}

fn parse_quantity(text: &str, units: &[(&[&str], u64)], of: &str, remedy: &'static str) -> Result<u64, QuantityError> {
    let refuse = |why: String| Err(QuantityError { why, remedy });
    let trimmed = text.trim();
    let digits = trimmed.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = trimmed.split_at(digits);
    if trimmed.is_empty() {
        return refuse("it is empty".to_owned());
    }
    if trimmed.starts_with('-') {
        return refuse(format!("`{text}` is negative"));
    }
    if number.is_empty() {
        return refuse(format!("`{text}` does not start with a number"));
    }
    if unit.starts_with(['.', ',', '_']) {
        return refuse(format!("`{text}` is not a whole number of one unit"));
    }
    let unit = unit.trim_start().to_lowercase();
    let Some((_, factor)) = units.iter().find(|(names, _)| names.contains(&unit.as_str())) else {
        return refuse(if unit.is_empty() { format!("`{text}` has no unit") } else { format!("`{unit}` is not a unit of {of}") });
    };
    match number.parse::<u64>().ok().and_then(|number| number.checked_mul(*factor)) {
        Some(quantity) => Ok(quantity),
        None => refuse(format!("`{text}` is too large")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_as_weir_and_flink_write_them() {
        let check = |text: &str, expected: Result<u128, &str>| {
            let read = parse_duration(text);
            assert_eq!(read.as_ref().map(Duration::as_nanos).map_err(|error| error.why.as_str()), expected, "{text:?}");
        };
        check("500ms", Ok(500_000_000));
        check("100 ms", Ok(100_000_000));
        check("10s", Ok(10_000_000_000));
        check(" 10 S ", Ok(10_000_000_000));
        check("1 min", Ok(60_000_000_000));
        check("1m", Ok(60_000_000_000));
        check("2 minutes", Ok(120_000_000_000));
        check("1h", Ok(3_600_000_000_000));
        check("2d", Ok(172_800_000_000_000));
        check("7µs", Ok(7_000));
        check("0s", Ok(0));
        check("", Err("it is empty"));
        check("10", Err("`10` has no unit"));
        check("s", Err("`s` does not start with a number"));
        check("-5s", Err("`-5s` is negative"));
        check("1.5s", Err("`1.5s` is not a whole number of one unit"));
        check("5 parsecs", Err("`parsecs` is not a unit of time"));
        check("1h30min", Err("`h30min` is not a unit of time"));
        check("99999999999h", Err("`99999999999h` is too large"));
        check("99999999999999999999s", Err("`99999999999999999999s` is too large"));
    }

    #[test]
    fn a_number_alone_counts_milliseconds_in_flinks_keys() {
        let check = |text: &str, expected: Result<u128, &str>| {
            let read = parse_flink_duration(text);
            assert_eq!(read.as_ref().map(Duration::as_millis).map_err(|error| error.why.as_str()), expected, "{text:?}");
        };
        check("500", Ok(500));
        check(" 0 ", Ok(0));
        check("10 s", Ok(10_000));
        check("-1", Err("`-1` is negative"));
        check("", Err("it is empty"));
        check("99999999999999999999", Err("`99999999999999999999ms` is too large"));
    }

    #[test]
    fn sizes_read_as_weir_and_flink_write_them() {
        let check = |text: &str, expected: Result<u64, &str>| {
            let read = parse_size(text);
            assert_eq!(read.as_ref().copied().map_err(|error| error.why.as_str()), expected, "{text:?}");
        };
        check("64MiB", Ok(64 << 20));
        check("5mb", Ok(5 << 20));
        check("64 mb", Ok(64 << 20));
        check("128kb", Ok(128 << 10));
        check("128 KiB", Ok(128 << 10));
        check("1g", Ok(1 << 30));
        check("2TB", Ok(2 << 40));
        check("4096", Ok(4096));
        check("10 bytes", Ok(10));
        check("MiB", Err("`MiB` does not start with a number"));
        check("1.5g", Err("`1.5g` is not a whole number of one unit"));
        check("5s", Err("`s` is not a unit of size"));
        check("99999999tb", Err("`99999999tb` is too large"));
    }

    #[test]
    fn every_refusal_says_which_forms_are_right() {
        assert!(parse_duration("10").unwrap_err().remedy.contains("\"10s\""));
        assert!(parse_size("ten").unwrap_err().remedy.contains("\"64MiB\""));
    }
}
