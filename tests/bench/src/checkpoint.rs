//! Checkpoints: what they cost a running job, and how soon a killed one goes on.

pub(crate) mod spread;
pub(crate) mod watched;
mod folder;
mod keyed;
mod steady;
mod bare;
mod recovery;

use serde_json::{Value, json};

use crate::arguments::Arguments;
use crate::figure::{Figure, conclude};
use crate::usage::{load, machine};

pub(crate) use bare::{CHUNK_BYTES, done, restore_bare, restore_raw};
pub(crate) use keyed::run_keyed;
pub(crate) use recovery::first_line;
pub(crate) use steady::show_keys;

/// What can be named by `--only`.
const PARTS: [&str; 2] = ["steady", "recovery"];

/// `checkpoint [options]`.
pub(crate) fn bench(words: &[&str]) -> Result<(), String> {
    let arguments = Arguments::parse(words)?;
    if let Some(unknown) = arguments.only.iter().find(|part| !PARTS.contains(&part.as_str())) {
        return Err(format!("there is no part {unknown}; there are: {}", PARTS.join(", ")));
    }
    let is_wanted = |part: &str| arguments.only.is_empty() || arguments.only.iter().any(|only| only == part);
    let load_before = load();
    let (mut steady, mut recovery, mut figures): (Vec<Value>, Value, Vec<Figure>) = Default::default();
    if is_wanted("steady") {
        let (results, of_steady) = steady::bench(&arguments)?;
        steady = results;
        figures.extend(of_steady);
    }
    if is_wanted("recovery") {
        let (results, of_recovery) = recovery::bench(&arguments)?;
        recovery = results;
        figures.extend(of_recovery);
    }
    if arguments.check {
        return Ok(());
    }
    let document = json!({ "bench": "checkpoint", "runs": arguments.runs, "seconds": arguments.seconds, "machine": machine(), "load_before": load_before,
                           "steady": steady, "recovery": recovery, "figures": figures.iter().map(Figure::json).collect::<Vec<_>>() });
    conclude(&arguments, &document, &figures)
}

/// Waits for something that a folder is asked for.
pub(crate) fn block_on<T>(work: impl Future<Output = T>) -> Result<T, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| error.to_string())?;
    Ok(runtime.block_on(work))
}
