//! `weir plan`: what a job would run, without running it.

mod json;
mod text;
mod upgrade;

use weir_model::Result;

use crate::args::{Global, PlanArgs};
use crate::exit_code::ExitCode;
use crate::job::PlannedJob;
use crate::machine::{self, Machine};
use crate::output;

/// Plans the job and shows the plan.
///
/// # Errors
/// When the job couldn't start.
pub(crate) fn run(args: &PlanArgs, global: &Global, machine: &Machine) -> Result<ExitCode> {
    let job = PlannedJob::load(&args.job, global, machine)?;
    let columns = machine::terminal_columns(&std::io::stdout());
    let compared = args.from_savepoint.as_deref().map(|location| upgrade::compare(args, &job, location)).transpose()?;
    if args.json {
        let mut plan = json::plan(&job);
        if let (Some((snapshot, compared)), Some(fields)) = (&compared, plan.as_object_mut()) {
            fields.insert("upgrade".to_owned(), upgrade::json(snapshot, compared));
        }
        output::print_json(&plan)?;
    } else {
        let upgrade = compared.as_ref().map(|(snapshot, compared)| upgrade::text(snapshot, compared, columns));
        output::print(&(text::plan(&job, columns) + &upgrade.unwrap_or_default()))?;
    }
    let is_possible = compared.is_none_or(|(_, compared)| compared.check().is_ok());
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
