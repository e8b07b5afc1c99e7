//! Swaps of a running job over millions of keys: how long nothing comes out, beside stopping it and running it again; and savepoints of those keys.

mod job;
mod live;
mod bare;
mod rounds;

use serde_json::json;

use crate::arguments::Arguments;
use crate::figure::{Figure, conclude};
use crate::usage::{load, machine, print, tell};
use rounds::Rounds;

pub(crate) use bare::{copy_bare, load_bare};
pub(crate) use live::run_swaps;

/// What can be named by `--only`.
const PARTS: [&str; 2] = ["swap", "savepoint"];

/// `swap [options]`.
pub(crate) fn bench(words: &[&str]) -> Result<(), String> {
    let arguments = Arguments::parse(words)?;
    if let Some(unknown) = arguments.only.iter().find(|part| !PARTS.contains(&part.as_str())) {
        return Err(format!("there is no part {unknown}; there are: {}", PARTS.join(", ")));
    }
    let load_before = load();
    let rounds = Rounds::run(&arguments)?;
    if arguments.check {
        tell("swap: every swap, return, migration and savepoint was taken, and every record is counted once");
        return Ok(());
    }
    let figures = rounds.figures();
    figures.iter().for_each(|figure| print(&format!("{}: {} {}", figure.name, figure.spread.show(3), figure.unit)));
    let document = json!({ "bench": "swap", "runs": arguments.runs, "machine": machine(), "load_before": load_before, "load_after": load(),
                           "rounds": rounds.results, "figures": figures.iter().map(Figure::json).collect::<Vec<_>>() });
    conclude(&arguments, &document, &figures)
}
