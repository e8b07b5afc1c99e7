//! `weir plan`: what a job would run, without running it.

mod json;
mod text;
mod upgrade;
mod migrations;

use weir_model::Result;
use weir_runtime::StartFrom;

use crate::args::{Global, PlanArgs};
use crate::exit_code::ExitCode;
use crate::job::PlannedJob;
use crate::machine::{self, Machine};
use crate::output;

use upgrade::Upgrade;

/// Plans the job and shows the plan.
///
/// # Errors
/// When the job couldn't start.
pub(crate) fn run(args: &PlanArgs, global: &Global, machine: &Machine) -> Result<ExitCode> {
    let start = args.from_savepoint.clone().map_or(StartFrom::Newest, StartFrom::Savepoint);
    let job = PlannedJob::load(&args.job, global, machine, &start)?;
    let columns = machine::terminal_columns(&std::io::stdout());
    let upgrade = args.from_savepoint.as_deref().map(|location| Upgrade::find(args, &job, location, machine)).transpose()?;
    if args.json {
        let mut plan = json::plan(&job);
        if let (Some(upgrade), Some(fields)) = (&upgrade, plan.as_object_mut()) {
            fields.insert("upgrade".to_owned(), upgrade.json());
        }
        output::print_json(&plan)?;
    } else {
        let upgrade = upgrade.as_ref().map(|upgrade| upgrade.text(columns));
        output::print(&(text::plan(&job, columns) + &upgrade.unwrap_or_default()))?;
    }
    let is_possible = upgrade.is_none_or(|upgrade| upgrade.is_possible());
    Ok(if is_possible { ExitCode::Done } else { ExitCode::Incompatible })
}

/// How many tasks the job would run as: one for each subtask of each chain.
fn tasks(job: &PlannedJob) -> u64 {
    let subtasks = |chain: &Vec<_>| chain.first().and_then(|head| job.plan.node(*head).ok()).map_or(0, |node| u64::from(node.parallelism.get()));
    job.plan.chains.iter().map(subtasks).sum()
}

/// The number of a node's chain, from 1.
fn chain_number(job: &PlannedJob, node: usize) -> usize {
    job.plan.chains.iter().position(|chain| chain.iter().any(|member| member.0 == node)).map_or(0, |at| at + 1)
}

#[cfg(test)]
mod tests;
