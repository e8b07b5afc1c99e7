//! A moment as a date.

const MS_PER_DAY: i64 = 24 * 60 * 60 * 1000;

/// A wall-clock time, milliseconds since 1970, as UTC: `2026-11-21 19:38:25 UTC`.
pub(super) fn utc(ms: i64) -> String {
    let (days, in_day_s) = (ms.div_euclid(MS_PER_DAY), ms.rem_euclid(MS_PER_DAY) / 1000);
    // Days since 0000-03-01, in eras of 400 years; years begin in March, so that the leap day is the last (Howard Hinnant, `civil_from_days`).
    let days = days + 719_468;
    let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * day_of_year + 2) / 153;
    let (day, month) = (day_of_year - (153 * from_march + 2) / 5 + 1, if from_march < 10 { from_march + 3 } else { from_march - 9 });
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02} {:02}:{:02}:{:02} UTC", in_day_s / 3600, in_day_s / 60 % 60, in_day_s % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_a_date() {
        let check = |ms, expected: &str| assert_eq!(utc(ms), format!("{expected} UTC"));
        check(0, "1970-01-01 00:00:00");
        check(-1, "1969-12-31 23:59:59");
        check(951_782_400_000, "2000-02-29 00:00:00");
        check(1_709_251_199_999, "2024-02-29 23:59:59");
        check(1_795_289_905_000, "2026-11-21 19:38:25");
    }
}
