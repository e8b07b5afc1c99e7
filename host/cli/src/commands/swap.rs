//! `weir swap`: another version of a running job's operators, and what was swapped so far.

mod history;

use std::path::Path;

use serde_json::json;
use weir_checkpoint::manifest::Thresholds;
use weir_model::{Error, Result};
use weir_plugin::Plugin;

use crate::args::{Global, SwapArgs};
use crate::exit_code::ExitCode;
use crate::job::engine;
use crate::machine::Machine;
use crate::output::{self, count};
use crate::reach::{self, Answer, Ask, Client, Found, SwapAsk, SwapDone};
use crate::registry::Wanted;

/// Digits of a digest that are shown.
const DIGEST_DIGITS: usize = 12;

/// Swaps, or shows the history.
///
/// # Errors
/// When there is no such job, the plugin can't be used, or the job refuses it.
pub(crate) fn run(args: &SwapArgs, global: &Global, machine: &Machine) -> Result<ExitCode> {
    reach::run(async {
        if args.history {
            let found = Found::look(&args.job, Wanted::Any, machine).await?;
            return history::show(&found.record, args.json, machine).await;
        }
        let (uids, file) = args.parts();
        if args.function.is_some() && uids.len() != 1 {
            return Err(Error::usage("--function", "several operators are named, and each has its own function", "swap them one at a time"));
        }
        let found = Found::look(&args.job, Wanted::Running, machine).await?;
        // Away from the job: what can't be used is refused here, and what can is compiled for the job too, through the cache.
        let plugin = Plugin::load(&engine(global)?, &file)?;
        // A job hangs up on whoever connects and says nothing for long, as while a plugin is compiled.
        let mut client = Client::connect(&found.folder, &found.record).await?;
        client.ask(&Ask::Swap(request(args, uids, &file, plugin.digest().to_string())?)).await;
        let mut shown = None;
        let show = |_, _, phase: Option<&str>| {
            if phase.is_some() && phase != shown.as_deref() {
                shown = phase.map(str::to_owned);
                output::note(phase.unwrap_or_default());
            }
        };
        let done = client.answer(show, |answer| if let Answer::Swap(done) = answer { Some(*done) } else { None }).await?;
        if args.json {
            output::print_json(&json!({"job": found.record.id, "name": found.record.name, "swap": done}))
        } else {
            output::print(&output::printable(&report(&done)))
        }
    })?;
    Ok(ExitCode::Done)
}

fn request(args: &SwapArgs, uids: &[String], file: &Path, digest: String) -> Result<SwapAsk> {
    let failed = |error: std::io::Error| Error::usage(file.display().to_string(), error.to_string(), "name the plugin's file");
    let ms = |duration: std::time::Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let default = Thresholds::default();
    Ok(SwapAsk {
        uids: uids.to_vec(),
        file: std::path::absolute(file).map_err(failed)?,
        digest,
        function: args.function.clone(),
        dropped_states: args.drop_state.clone(),
        shadow_ms: args.shadow.map(ms),
        diff_max: args.max_diff.unwrap_or_default(),
        probation: args.probation.unwrap_or_default(),
        traps_max: args.max_traps.unwrap_or(default.traps_max),
        errors_ppm_max: args.max_error_ratio.map_or(default.errors_ppm_max, |share| (share * 1e6).round() as u32),
        call_ms_max: args.max_latency.map(ms).or(default.call_ms_max),
    })
}

/// The report for a person.
fn report(done: &SwapDone) -> String {
    let mut text = String::new();
    for before in &done.before {
        text += &format!("{}: {} runs instead of {} since checkpoint {}\n", before.uid, short(&done.digest), short(&before.digest), done.checkpoint);
    }
    text += &format!("held up at most {:.1} ms a subtask\n", done.held_us as f64 / 1e3);
    if done.probation > 0 {
        text += &format!("on trial for {} checkpoints: `weir info` shows how many are left\n", done.probation);
    }
    if let Some(shadow) = &done.shadow {
        let (records, differing, keys, failed) = (count(shadow.records), count(shadow.differing), count(shadow.keys), count(shadow.failed));
        text += &format!("shadow run: {records} records; {differing} differ, of {keys} keys; {failed} that only the new version failed on\n");
        for example in &shadow.examples {
            let said = |text: &Option<String>| text.clone().unwrap_or_else(|| "nothing".to_owned());
            text += &format!("  {}, key {}: {} before, {} now\n", example.uid, example.key, said(&example.old), said(&example.new));
        }
    }
    text
}

fn short(digest: &str) -> &str {
    digest.get(..DIGEST_DIGITS).unwrap_or(digest)
}

#[cfg(test)]
mod tests;
