//! Quantities on the command line, in the notation of the job file.

use std::time::Duration;

use weir_model::quantity::{QuantityError, parse_duration};
use weir_runtime::savepoint::Samples;

/// A duration of at least a millisecond.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let told = |error: QuantityError| format!("{}; {}", error.why, error.remedy);
    parse_duration(text)
        .map_err(told)
        .and_then(|duration| if duration < Duration::from_millis(1) { Err("it is less than a millisecond".to_owned()) } else { Ok(duration) })
}

/// A share, from 0 to 1: `0.01` or `1%`.
pub(super) fn share(text: &str) -> Result<f64, String> {
    let number = |text: &str, of: f64| text.trim().parse::<f64>().ok().map(|number| number / of);
    let share = text.trim().strip_suffix('%').map_or_else(|| number(text, 1.0), |percent| number(percent, 100.0));
    share
        .filter(|share| (0.0..=1.0).contains(share))
        .ok_or_else(|| "write a share from 0 to 1, such as `0.01`, or a percentage, such as `1%`".to_owned())
}

/// How many values of each state are tried: `all`, or a number.
pub(super) fn samples(text: &str) -> Result<Samples, String> {
    let number = || text.parse().ok().filter(|values| *values > 0).map(Samples::First);
    let samples = if text == "all" { Some(Samples::All) } else { number() };
    samples.ok_or_else(|| "write a number of values, from 1 on, or `all`".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_all_or_some() {
        let check = |text: &str, expected: Option<Samples>| assert_eq!(samples(text).ok(), expected, "{text}");
        check("all", Some(Samples::All));
        check("1", Some(Samples::First(1)));
        check("0", None);
        check("", None);
        check("1e6", None);
        check("-1", None);
    }

    #[test]
    fn a_share_is_a_number_or_a_percentage() {
        let check = |text: &str, expected: Option<f64>| assert_eq!(share(text).ok(), expected, "{text}");
        check("0", Some(0.0));
        check("0.25", Some(0.25));
        check("25%", Some(0.25));
        check("100 %", Some(1.0));
        check("1", Some(1.0));
        check("1.01", None);
        check("101%", None);
        check("-1%", None);
        check("NaN", None);
        check("%", None);
        check("", None);
    }

    #[test]
    fn a_duration_is_as_in_the_job_file() {
        let check = |text: &str, expected: Option<u128>| assert_eq!(duration(text).ok().map(|duration| duration.as_millis()), expected, "{text}");
        check("60s", Some(60_000));
        check("1 min", Some(60_000));
        check("10us", None);
        check("60", None);
    }
}
