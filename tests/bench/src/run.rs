//! One run of one variant, in a process of its own, so that runs can't warm each other up.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use crate::job::Stage;
use crate::usage::{cpu_ns, print};
use crate::{bare, job};

/// What runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Variant {
    /// The job, its operators in WebAssembly.
    Wasm,
    /// The job, the same operators native.
    Native,
    /// One Rust function.
    Bare,
}

impl Variant {
    pub(crate) const ALL: [Self; 3] = [Self::Wasm, Self::Native, Self::Bare];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Wasm => "wasm",
            Self::Native => "native",
            Self::Bare => "bare",
        }
    }
}

impl Stage {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Tokenize => "tokenize",
            Self::Count => "count",
        }
    }
}

/// What a run measured.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Measured {
    pub(crate) words: u64,
    pub(crate) cpu: Duration,
}

impl Measured {
    pub(crate) fn ns_per_word(self) -> f64 {
        self.cpu.as_nanos() as f64 / self.words.max(1) as f64
    }
}

/// `run-one VARIANT STAGE PARALLELISM TEXT`: the child's side.
pub(crate) fn run_one(words: &[&str]) -> Result<(), String> {
    let [variant, stage, parallelism, text] = words else {
        return Err("run-one takes VARIANT STAGE PARALLELISM TEXT".to_owned());
    };
    let variant = Variant::ALL.into_iter().find(|v| v.name() == *variant).ok_or("unknown variant")?;
    let stage = [Stage::Tokenize, Stage::Count].into_iter().find(|s| s.name() == *stage).ok_or("unknown stage")?;
    let parallelism: u32 = parallelism.parse().map_err(|error| format!("parallelism {parallelism}: {error}"))?;
    let text = Path::new(text);
    let (words, cpu) = match variant {
        Variant::Bare => {
            let start = cpu_ns();
            let words = bare::run(text, stage == Stage::Count)?;
            (words, cpu_ns() - start)
        }
        Variant::Wasm | Variant::Native => job::run(text, stage, parallelism, variant == Variant::Wasm)?,
    };
    print(&json!({ "words": words, "cpu_ns": cpu }).to_string());
    Ok(())
}

/// Runs one variant in a child process.
pub(crate) fn measure(variant: Variant, stage: Stage, parallelism: u32, text: &Path) -> Result<Measured, String> {
    let this = std::env::current_exe().map_err(|error| error.to_string())?;
    let mut command = Command::new(this);
    command.args(["run-one", variant.name(), stage.name(), &parallelism.to_string()]).arg(text);
    let output = command.output().map_err(|error| error.to_string())?;
    if !output.status.success() {
        return Err(format!("{} {} failed: {}", variant.name(), stage.name(), String::from_utf8_lossy(&output.stderr)));
    }
    let result: Value = serde_json::from_slice(&output.stdout).map_err(|error| error.to_string())?;
    let number = |key: &str| result.get(key).and_then(Value::as_u64).ok_or_else(|| format!("no {key} in {result}"));
    Ok(Measured { words: number("words")?, cpu: Duration::from_nanos(number("cpu_ns")?) })
}
