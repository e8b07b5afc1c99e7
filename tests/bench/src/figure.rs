//! Figures: medians with their spread, and one line each against a goal.

use std::fs::File;
use std::io::Write;

use serde_json::{Value, json};

use crate::arguments::Arguments;
use crate::usage::print;

/// Minimum, median and maximum of some runs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Spread {
    pub(crate) min: f64,
    pub(crate) median: f64,
    pub(crate) max: f64,
}

impl Spread {
    pub(crate) fn of(mut values: Vec<f64>) -> Option<Self> {
        values.sort_by(f64::total_cmp);
        Some(Self { min: *values.first()?, median: *values.get(values.len() / 2)?, max: *values.last()? })
    }

    pub(crate) fn show(self, digits: usize) -> String {
        format!("{:.digits$} / {:.digits$} / {:.digits$}", self.min, self.median, self.max)
    }

    pub(crate) fn json(self) -> Value {
        json!({ "min": self.min, "median": self.median, "max": self.max })
    }
}

/// What a figure should be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Goal {
    /// No more than this.
    AtMost(f64),
    /// No less than this.
    AtLeast(f64),
    /// Nothing is asked of it: it is told beside others.
    Nothing,
}

/// A measured figure.
#[derive(Debug, Clone)]
pub(crate) struct Figure {
    pub(crate) name: String,
    /// What is held against the goal.
    pub(crate) value: f64,
    pub(crate) spread: Spread,
    pub(crate) unit: &'static str,
    pub(crate) goal: Goal,
}

impl Figure {
    /// The median of some runs.
    pub(crate) fn median(name: String, spread: Spread, unit: &'static str, goal: Goal) -> Self {
        Self { name, value: spread.median, spread, unit, goal }
    }

    /// The value that so many of a hundred don't exceed.
    pub(crate) fn percentile(name: String, mut values: Vec<f64>, percent: usize, unit: &'static str, goal: Goal) -> Option<Self> {
        values.sort_by(f64::total_cmp);
        let value = *values.get((values.len() * percent).div_ceil(100).checked_sub(1)?)?;
        Some(Self { name, value, spread: Spread::of(values)?, unit, goal })
    }

    /// The goal's operator and limit, and whether it is met.
    fn verdict(&self) -> Option<(&'static str, f64, bool)> {
        match self.goal {
            Goal::AtMost(limit) => Some(("<=", limit, self.value <= limit)),
            Goal::AtLeast(limit) => Some((">=", limit, self.value >= limit)),
            Goal::Nothing => None,
        }
    }

    /// `figure NAME VALUE UNIT goal OP LIMIT met|short`, without a goal up to the unit.
    pub(crate) fn line(&self) -> String {
        let Self { name, value, unit, .. } = self;
        match self.verdict() {
            Some((op, limit, met)) => format!("figure {name} {value:.3} {unit} goal {op} {limit} {}", if met { "met" } else { "short" }),
            None => format!("figure {name} {value:.3} {unit}"),
        }
    }

    pub(crate) fn json(&self) -> Value {
        let mut json = json!({ "name": self.name, "value": self.value, "spread": self.spread.json(), "unit": self.unit });
        if let (Some((op, limit, met)), Some(map)) = (self.verdict(), json.as_object_mut()) {
            map.insert("goal".to_owned(), json!({ "op": op, "limit": limit }));
            map.insert("met".to_owned(), json!(met));
        }
        json
    }
}

/// Ends a benchmark: its document goes to the record and, if asked for, to the screen; else one line a figure.
pub(crate) fn conclude(arguments: &Arguments, document: &Value, figures: &[Figure]) -> Result<(), String> {
    if let Some(path) = &arguments.record {
        let failed = |error: std::io::Error| format!("{}: {error}", path.display());
        let mut file = File::options().create(true).append(true).open(path).map_err(failed)?;
        writeln!(file, "{document}").map_err(failed)?;
    }
    if arguments.json {
        print(&document.to_string());
    } else {
        figures.iter().for_each(|figure| print(&figure.line()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_is_a_line_with_its_goal() {
        let check = |median, goal, line: &str| {
            assert_eq!(Figure::median("x".to_owned(), Spread { min: 1.0, median, max: 3.0 }, "ratio", goal).line(), line);
        };
        check(1.5, Goal::AtMost(1.6), "figure x 1.500 ratio goal <= 1.6 met");
        check(1.7, Goal::AtMost(1.6), "figure x 1.700 ratio goal <= 1.6 short");
        check(1.5, Goal::AtLeast(1.6), "figure x 1.500 ratio goal >= 1.6 short");
        check(1.7, Goal::AtLeast(1.6), "figure x 1.700 ratio goal >= 1.6 met");
        check(1.7, Goal::Nothing, "figure x 1.700 ratio");
    }

    #[test]
    fn of_a_hundred_values_one_may_be_larger_than_the_99th() {
        let of = |percent, values: Vec<f64>| Some(Figure::percentile("p".to_owned(), values, percent, "ms", Goal::Nothing)?.value);
        let hundred: Vec<f64> = (1..=100).map(f64::from).collect();
        assert_eq!((of(99, hundred.clone()), of(50, hundred)), (Some(99.0), Some(50.0)));
        assert_eq!((of(99, vec![3.0, 9.0, 1.0]), of(99, vec![7.0]), of(99, Vec::new())), (Some(9.0), Some(7.0), None));
    }

    #[test]
    fn the_median_is_the_middle_one() {
        let spread = Spread::of(vec![3.0, 1.0, 2.0]).unwrap();
        assert_eq!((spread.min, spread.median, spread.max), (1.0, 2.0, 3.0));
        assert!(Spread::of(Vec::new()).is_none());
    }
}
