//! The options of a benchmark.

use std::path::PathBuf;

/// Options that every benchmark takes.
#[derive(Debug, Clone)]
pub(crate) struct Arguments {
    /// Bytes of input.
    pub(crate) bytes: u64,
    /// Counted runs of each variant; one more of each warms up.
    pub(crate) runs: usize,
    /// Print one JSON object instead of text.
    pub(crate) json: bool,
    /// Append the JSON object to this file.
    pub(crate) record: Option<PathBuf>,
    /// The folder in which the Java twin was set up.
    pub(crate) flink: Option<PathBuf>,
    /// Leave out all but the first cases.
    pub(crate) quick: bool,
    /// Seconds that are measured of each run of `checkpoint`.
    pub(crate) seconds: u64,
    /// The parts of `checkpoint` or `swap` to run; all, if none is named.
    pub(crate) only: Vec<String>,
    /// One run over a little text: are all variants there, and do they count the same? Says no figures.
    pub(crate) check: bool,
}

pub(crate) const USAGE: &str =
    "options: [--bytes N] [--runs N] [--quick] [--check] [--json] [--record FILE] [--flink DIR] [--seconds N] [--only PART]";

impl Arguments {
    pub(crate) fn parse(words: &[&str]) -> Result<Self, String> {
        let mut arguments =
            Self { bytes: 200_000_000, runs: 5, json: false, record: None, flink: None, quick: false, seconds: 20, only: Vec::new(), check: false };
        let mut words = words.iter().copied();
        while let Some(word) = words.next() {
            let mut value = || words.next().ok_or_else(|| format!("{word} needs a value; {USAGE}"));
            let number = |text: &str| {
                text.replace('_', "").parse::<u64>().ok().filter(|n| *n > 0).ok_or_else(|| format!("{word} {text}: write a number above 0"))
            };
            match word {
                "--bytes" => arguments.bytes = number(value()?)?,
                "--runs" => arguments.runs = usize::try_from(number(value()?)?).map_err(|error| error.to_string())?,
                "--seconds" => arguments.seconds = number(value()?)?,
                "--only" => arguments.only.push(value()?.to_owned()),
                "--record" => arguments.record = Some(value()?.into()),
                "--flink" => arguments.flink = Some(value()?.into()),
                "--json" => arguments.json = true,
                "--quick" => arguments.quick = true,
                "--check" => (arguments.check, arguments.bytes, arguments.runs) = (true, 1_000_000, 1),
                _ => return Err(format!("there is no option {word}; {USAGE}")),
            }
        }
        Ok(arguments)
    }
}
