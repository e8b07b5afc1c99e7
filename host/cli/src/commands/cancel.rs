//! `weir cancel`: the end of a job without its last output, at once or with a savepoint.

use weir_model::Result;

use super::take::{ended, take};
use crate::args::CancelArgs;
use crate::exit_code::ExitCode;
use crate::machine::{self, Machine};
use crate::reach::{self, Answer, Ask, SavepointAsk, Then};

/// Cancels the job, and waits until it has ended.
///
/// # Errors
/// When there is no such job, its savepoint can't be taken, or it has ended already.
pub(crate) fn run(args: &CancelArgs, machine: &Machine) -> Result<ExitCode> {
    let dir = args.with_savepoint.as_ref().map(|dir| dir.as_deref().map(machine::absolute));
    reach::run(async {
        let (found, mut client) = reach::running(&args.job, machine).await?;
        let savepoint = match dir {
            Some(dir) => Some(take(&mut client, SavepointAsk { dir, then: Then::Cancel, include_plugins: false }).await?),
            None => {
                client.ask(&Ask::Cancel).await;
                client.answer(|_, _, _| (), |answer| (answer == Answer::Cancelled).then_some(())).await?;
                None
            }
        };
        ended(args.json, &mut client, &found, savepoint.as_ref(), machine).await
    })?;
    Ok(ExitCode::Done)
}
