//! Figures: medians with their spread, and one line each against a goal.

use serde_json::{Value, json};

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

/// A measured figure and what it should at most be.
#[derive(Debug, Clone)]
pub(crate) struct Figure {
    pub(crate) name: String,
    pub(crate) spread: Spread,
    pub(crate) unit: &'static str,
    pub(crate) at_most: f64,
}

impl Figure {
    pub(crate) fn is_met(&self) -> bool {
        self.spread.median <= self.at_most
    }

    /// `figure NAME VALUE UNIT goal OP LIMIT met|short`.
    pub(crate) fn line(&self) -> String {
        let verdict = if self.is_met() { "met" } else { "short" };
        format!("figure {} {:.3} {} goal <= {} {verdict}", self.name, self.spread.median, self.unit, self.at_most)
    }

    pub(crate) fn json(&self) -> Value {
        json!({ "name": self.name, "value": self.spread.median, "spread": self.spread.json(), "unit": self.unit,
                "goal": { "op": "<=", "limit": self.at_most }, "met": self.is_met() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_is_a_line_with_its_goal() {
        let figure = |median| Figure { name: "x".to_owned(), spread: Spread { min: 1.0, median, max: 3.0 }, unit: "ratio", at_most: 1.6 };
        assert_eq!(figure(1.5).line(), "figure x 1.500 ratio goal <= 1.6 met");
        assert_eq!(figure(1.7).line(), "figure x 1.700 ratio goal <= 1.6 short");
    }

    #[test]
    fn the_median_is_the_middle_one() {
        let spread = Spread::of(vec![3.0, 1.0, 2.0]).unwrap();
        assert_eq!((spread.min, spread.median, spread.max), (1.0, 2.0, 3.0));
        assert!(Spread::of(Vec::new()).is_none());
    }
}
