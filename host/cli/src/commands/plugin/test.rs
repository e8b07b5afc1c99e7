//! `weir plugin test`: cases of a plugin are run, and what is not as expected is shown.

use std::path::Path;

use serde_json::{Value, json};
use weir_cases::{Case, CaseResult, ModeFailure, Plugins, Verdict, case_text, failure_text, junit, read};
use weir_model::time::{SharedClock, SystemClock};
use weir_model::{Error, Result};
use weir_plugin::Plugin;

use crate::args::{Global, TestArgs};
use crate::exit_code::ExitCode;
use crate::job::engine;
use crate::{atomic_file, output};

/// Runs all cases that are asked for.
///
/// # Errors
/// When a plugin or a file of cases can't be used, or a result can't be written.
pub(crate) fn run(args: &TestArgs, global: &Global) -> Result<ExitCode> {
    let mut cases = Vec::new();
    for file in &args.cases {
        cases.extend(read_cases(file)?);
    }
    if let Some(part) = &args.case {
        cases.retain(|case| case.name.contains(part.as_str()));
        if cases.is_empty() {
            return Err(Error::usage("no case is run", format!("no case's name contains \"{part}\""), "check the spelling, or leave `--case` out"));
        }
    }
    let engine = engine(global)?;
    let tested = Plugin::load(&engine, &args.file)?;
    let named = args.plugin.iter().map(|(name, file)| Ok((name.clone(), Plugin::load(&engine, Path::new(file))?)));
    let mut plugins = Plugins::new(tested, named.collect::<Result<_>>()?).that_may_lack_functions(args.skip_missing);
    if let Some(call_timeout) = args.call_timeout {
        plugins = plugins.with_call_timeout(call_timeout);
    }
    if let Some((given, lacking)) = plugins.mistaken_name(&cases) {
        let why = format!("no case has a plugin of that name, and one needs `{lacking}`");
        return Err(Error::usage(format!("--plugin {given}"), why, format!("write --plugin {lacking}=FILE.wasm")));
    }
    plugins.load_files(&engine, &cases)?;
    let clock: SharedClock = std::sync::Arc::new(SystemClock::new());
    let mut results = Vec::with_capacity(cases.len());
    for case in &cases {
        output::note_passing(&output::printable(&case.name));
        let result = weir_cases::run(case, &plugins, &clock);
        output::note_passing("");
        if !args.json {
            output::print(&output::printable(&format!("{}\n", case_text(&result))))?;
        }
        results.push(result);
    }
    let plugin = args.file.display().to_string();
    if let Some(path) = &args.junit {
        atomic_file::write(path, junit(&plugin, &results).as_bytes()).map_err(|error| {
            Error::usage(
                format!("{} can't be written", path.display()),
                error.to_string(),
                "name a file in a folder that is there and has room, by `--junit FILE.xml`",
            )
        })?;
    }
    if args.json {
        output::print_json(&json(&plugin, &results))?;
    } else {
        output::print(&output::printable(&summary(&results)))?;
    }
    let has_failed = results.iter().any(|result| matches!(result.verdict, Verdict::Failed(_)));
    Ok(if has_failed { ExitCode::Failed } else { ExitCode::Done })
}

fn read_cases(file: &Path) -> Result<Vec<Case>> {
    let name = file.display().to_string();
    let text = std::fs::read_to_string(file)
        .map_err(|error| Error::usage(format!("{name} can't be read"), error.to_string(), "check the path to the file of cases"))?;
    read(&name, &text, file.parent().unwrap_or(Path::new("")))
}

/// How many cases ended how.
struct Counts {
    passed: usize,
    failed: usize,
    skipped: usize,
    took_ns: u64,
}

fn count(results: &[CaseResult]) -> Counts {
    let of = |is: fn(&Verdict) -> bool| results.iter().filter(|result| is(&result.verdict)).count();
    Counts {
        passed: of(|verdict| *verdict == Verdict::Passed),
        failed: of(|verdict| matches!(verdict, Verdict::Failed(_))),
        skipped: of(|verdict| matches!(verdict, Verdict::Skipped(_))),
        took_ns: results.iter().map(|result| result.took_ns).sum(),
    }
}

fn summary(results: &[CaseResult]) -> String {
    let Counts { passed, failed, skipped, took_ns } = count(results);
    let failures: String = results.iter().map(failure_text).filter(|text| !text.is_empty()).map(|text| format!("\n{text}")).collect();
    let cases = if results.len() == 1 { "case" } else { "cases" };
    format!("{failures}\n{} {cases}: {passed} passed, {failed} failed, {skipped} skipped ({:.1} s)\n", results.len(), seconds(took_ns))
}

fn json(plugin: &str, results: &[CaseResult]) -> Value {
    let Counts { passed, failed, skipped, took_ns } = count(results);
    json!({
        "plugin": plugin,
        "passed": passed,
        "failed": failed,
        "skipped": skipped,
        "seconds": seconds(took_ns),
        "cases": results.iter().map(case_json).collect::<Vec<_>>(),
    })
}

fn case_json(result: &CaseResult) -> Value {
    let (status, why, failures) = match &result.verdict {
        Verdict::Passed => ("ok", None, Vec::new()),
        Verdict::Skipped(why) => ("skipped", Some(why.as_str()), Vec::new()),
        Verdict::Failed(failures) => ("failed", None, failures.iter().map(failure_json).collect()),
    };
    json!({
        "case": result.name,
        "file": result.file,
        "line": result.line,
        "function": result.function,
        "status": status,
        "why": why,
        "failures": failures,
        "seconds": seconds(result.took_ns),
    })
}

fn failure_json(failure: &ModeFailure) -> Value {
    let difference =
        |difference: &weir_cases::Difference| json!({ "what": difference.what, "expected": difference.expected, "found": difference.found });
    json!({
        "modes": failure.modes.iter().map(|mode| mode.name()).collect::<Vec<_>>(),
        "differences": failure.differences.iter().map(difference).collect::<Vec<_>>(),
    })
}

fn seconds(ns: u64) -> f64 {
    ns as f64 / 1e9
}
