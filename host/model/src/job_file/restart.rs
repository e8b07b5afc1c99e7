//! The table `[restart]`.

use std::sync::Arc;
use std::time::Duration;

use crate::error::Result;
use crate::section::{Section, ValueKind};
use crate::settings::RestartStrategy;

use super::document::Table;
use super::flink::Aliases;
use super::tables::{is_overruled, single};

/// The strategies, by whose keys they are configured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Strategy {
    None,
    FixedDelay,
    FailureRate,
    ExponentialDelay,
}

/// The names, weir's and Flink's.
const STRATEGIES: &[(&str, Strategy)] = &[
    ("none", Strategy::None),
    ("fixed-delay", Strategy::FixedDelay),
    ("failure-rate", Strategy::FailureRate),
    ("exponential-delay", Strategy::ExponentialDelay),
];
/// Flink's other names.
const OTHER_NAMES: &[(&str, Strategy)] = &[
    ("off", Strategy::None),
    ("disable", Strategy::None),
    ("fixeddelay", Strategy::FixedDelay),
    ("failurerate", Strategy::FailureRate),
    ("exponentialdelay", Strategy::ExponentialDelay),
];

impl Strategy {
    /// The strategy's name in a job file.
    fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::FixedDelay => "fixed-delay",
            Self::FailureRate => "failure-rate",
            Self::ExponentialDelay => "exponential-delay",
        }
    }

    /// The keys that belong to it.
    fn keys(self) -> &'static [&'static str] {
        match self {
            Self::None => &[],
            Self::FixedDelay => &["attempts", "delay"],
            Self::FailureRate => &["max-failures-per-interval", "failure-rate-interval", "delay"],
            Self::ExponentialDelay => {
                &["initial-backoff", "max-backoff", "backoff-multiplier", "reset-backoff-threshold", "jitter-factor", "attempts-before-reset-backoff"]
            }
        }
    }
}

const ALL: &[Strategy] = &[Strategy::FixedDelay, Strategy::FailureRate, Strategy::ExponentialDelay];

/// Reads `[restart]`. Without a strategy it is Flink's: exponential delays when there are checkpoints, else none.
///
/// # Errors
/// A usage error for a value that is wrong, or that belongs to another strategy.
pub(super) fn read(root: &mut Table, file: &Arc<str>, aliases: &Aliases, has_checkpoints: bool) -> Result<RestartStrategy> {
    let mut section = single(root, "restart", file, aliases).unwrap_or_else(|| Section::new(Arc::clone(file), "restart", 0, Table::new()));
    let asked = section.take_flink_choice("strategy", STRATEGIES, OTHER_NAMES)?;
    let strategy = asked.map_or(Strategy::ExponentialDelay, |(strategy, _)| strategy);
    refuse_others(&mut section, strategy, asked.map(|(_, line)| line))?;
    let read = of(strategy, &mut section)?;
    section.finish()?;
    Ok(if asked.is_none() && !has_checkpoints { RestartStrategy::None } else { read })
}

/// Refuses keys that belong to another strategy, unless it is the command line that chose this one.
fn refuse_others(section: &mut Section, strategy: Strategy, chosen_line: Option<usize>) -> Result<()> {
    for other in ALL.iter().filter(|other| **other != strategy) {
        for key in other.keys() {
            // `delay` belongs to two; a name of Flink's says to which.
            let is_other = match section.alias(key) {
                Some(alias) => alias.contains(&format!(".{}.", other.name())),
                None => !strategy.keys().contains(key),
            };
            let Some(line) = section.line_of(key).filter(|_| is_other) else { continue };
            if chosen_line.is_some_and(|by_line| is_overruled(by_line, line)) {
                section.take(key);
                continue;
            }
            let why = match chosen_line {
                Some(_) => format!("it belongs to the strategy \"{}\", and the strategy is \"{}\"", other.name(), strategy.name()),
                None => format!("it belongs to the strategy \"{}\", which nothing asks for", other.name()),
            };
            let remedy = format!("set `strategy` to \"{}\", or remove `{}`", other.name(), section.alias(key).unwrap_or(key));
            return Err(section.key_error(line, key, why, remedy));
        }
    }
    Ok(())
}

/// The strategy with its keys, Flink's defaults where there are none.
fn of(strategy: Strategy, section: &mut Section) -> Result<RestartStrategy> {
    Ok(match strategy {
        Strategy::None => RestartStrategy::None,
        Strategy::FixedDelay => RestartStrategy::FixedDelay {
            attempts: section.take_u64("attempts")?.map_or(1, |(attempts, _)| attempts),
            delay: duration(section, "delay", Duration::from_secs(1))?,
        },
        Strategy::FailureRate => RestartStrategy::FailureRate {
            max_failures: positive(section, "max-failures-per-interval")?.unwrap_or(1),
            interval: positive_duration(section, "failure-rate-interval", Duration::from_mins(1))?,
            delay: duration(section, "delay", Duration::from_secs(1))?,
        },
        Strategy::ExponentialDelay => exponential(section)?,
    })
}

fn exponential(section: &mut Section) -> Result<RestartStrategy> {
    let given = ["initial-backoff", "max-backoff"].iter().find_map(|key| Some((*key, section.line_of(key)?)));
    let initial = positive_duration(section, "initial-backoff", Duration::from_secs(1))?;
    let max = positive_duration(section, "max-backoff", Duration::from_mins(1))?;
    if let Some((key, line)) = given
        && initial > max
    {
        let why = format!("initial-backoff is {initial:?}, longer than max-backoff, {max:?}");
        return Err(section.key_error(line, key, why, "raise `max-backoff` or lower `initial-backoff`"));
    }
    let multiplier = match section.take_positive_f64("backoff-multiplier")? {
        Some((multiplier, line)) if multiplier <= 1.0 => {
            let remedy = "write a number above 1, or take the strategy \"fixed-delay\"";
            return Err(section.key_error(line, "backoff-multiplier", "delays would not grow", remedy));
        }
        multiplier => multiplier.map_or(1.5, |(multiplier, _)| multiplier),
    };
    Ok(RestartStrategy::ExponentialDelay {
        initial,
        max,
        multiplier,
        reset_after: positive_duration(section, "reset-backoff-threshold", Duration::from_hours(1))?,
        jitter: jitter(section)?,
        attempts: positive(section, "attempts-before-reset-backoff")?.filter(|attempts| *attempts < NO_LIMIT),
    })
}

/// What Flink's users write where they mean no limit: the largest number of Java's `int`.
const NO_LIMIT: u64 = 2_147_483_647;

fn duration(section: &mut Section, key: &'static str, default: Duration) -> Result<Duration> {
    Ok(section.take_duration(key)?.map_or(default, |(duration, _)| duration))
}

fn positive_duration(section: &mut Section, key: &'static str, default: Duration) -> Result<Duration> {
    match section.take_duration(key)? {
        Some((duration, line)) if duration < Duration::from_millis(1) => {
            Err(section.key_error(line, key, "it is shorter than 1 ms", format!("write a longer one, such as `{key} = \"1s\"`")))
        }
        duration => Ok(duration.map_or(default, |(duration, _)| duration)),
    }
}

fn positive(section: &mut Section, key: &'static str) -> Result<Option<u64>> {
    match section.take_u64(key)? {
        Some((0, line)) => {
            let remedy = "write a whole number from 1 on, or set `strategy` to \"none\"";
            Err(section.key_error(line, key, "the job would never be restarted", remedy))
        }
        number => Ok(number.map(|(number, _)| number)),
    }
}

fn jitter(section: &mut Section) -> Result<f64> {
    let read = section.take_as("jitter-factor", "a number from 0 to 1", |kind| {
        let number = match kind {
            ValueKind::Integer(number) => Some(number as f64),
            ValueKind::Float(number) => Some(number),
            ValueKind::String(text) => text.parse().ok(),
            _ => None,
        };
        number.filter(|number| (0.0..=1.0).contains(number))
    })?;
    Ok(read.map_or(0.1, |(jitter, _)| jitter))
}
