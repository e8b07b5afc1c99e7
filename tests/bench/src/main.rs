//! `weir-bench`: whole jobs against what the same work costs without weir, in interleaved runs of CPU time.

mod arguments;
mod bare;
mod checkpoint;
mod disk;
mod figure;
mod job;
mod languages;
mod native;
mod plan;
mod run;
mod start;
mod stateless;
mod swap;
mod usage;
mod word_count;

use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let result = match words.split_first() {
        Some((&"word-count", rest)) => word_count::bench(rest),
        Some((&"start", rest)) => start::bench(rest),
        Some((&"checkpoint", rest)) => checkpoint::bench(rest),
        Some((&"disk", rest)) => disk::bench(rest),
        Some((&"swap", rest)) => swap::bench(rest),
        Some((&"languages", rest)) => languages::bench(rest),
        Some((&"run-swaps", rest)) => swap::run_swaps(rest),
        Some((&"copy-bare", rest)) => swap::copy_bare(rest),
        Some((&"load-bare", rest)) => swap::load_bare(rest),
        Some((&"run-one", rest)) => run::run_one(rest),
        Some((&"run-keyed", rest)) => checkpoint::run_keyed(rest),
        Some((&"restore-bare", rest)) => checkpoint::restore_bare(rest),
        Some((&"restore-raw", rest)) => checkpoint::restore_raw(rest),
        Some((name, _)) => Err(format!("there is no benchmark `{name}`; there are: word-count, start, checkpoint, disk, swap, languages")),
        None => Err("name a benchmark: word-count, start, checkpoint, disk, swap or languages".to_owned()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            usage::tell(&format!("error: {error}"));
            ExitCode::from(2)
        }
    }
}
