//! The table of verbs, from which help and suggestions are made.

use std::fmt::Write as _;

use crate::fault::{Fault, Result};
use crate::repo::Repo;
use crate::{bench, demo, languages, matrix, plugins, setup, test, tidy, torture};

/// One thing `cargo xtask` can do.
pub(crate) struct Verb {
    /// The word on the command line.
    pub(crate) name: &'static str,
    /// One line for the help text.
    pub(crate) about: &'static str,
    /// A command line that works as it stands.
    pub(crate) example: &'static str,
    /// Whether anything may follow the word.
    pub(crate) takes_arguments: bool,
    /// What it runs, given what followed the word.
    pub(crate) run: fn(&Repo, &[String]) -> Result<()>,
}

/// Every verb, in the order in which a newcomer needs them.
const VERBS: [Verb; 9] = [
    Verb {
        name: "demo",
        about: "build everything and run the two example jobs on real input",
        example: "cargo xtask demo",
        takes_arguments: false,
        run: |repo, _| demo::run(repo),
    },
    Verb {
        name: "test",
        about: "run tests, lints, format and tidy checks; --fast leaves out the slow ones, a word picks tests by name",
        example: "cargo xtask test --fast tokenize",
        takes_arguments: true,
        run: test::run,
    },
    Verb {
        name: "setup",
        about: "install what building plugins needs, if it is missing; --languages: in all languages, not in Rust alone",
        example: "cargo xtask setup --languages",
        takes_arguments: true,
        run: setup::verb,
    },
    Verb {
        name: "plugins",
        about: "build plugins/ into target/plugins/*.wasm",
        example: "cargo xtask plugins",
        takes_arguments: false,
        run: |repo, _| plugins::run(repo),
    },
    Verb {
        name: "languages",
        about: "build the conformance plugins of all languages whose tools are there into target/plugins/conformance-*.wasm",
        example: "cargo xtask languages",
        takes_arguments: false,
        run: |repo, _| languages::run(repo),
    },
    Verb {
        name: "matrix",
        about: "run the conformance cases with every language's plugin that is built, and write the table in docs/languages.md",
        example: "cargo xtask matrix",
        takes_arguments: false,
        run: |repo, _| matrix::run(repo),
    },
    Verb {
        name: "bench",
        about: "measure; what follows the name goes to the benchmark",
        example: "cargo xtask bench word-count --json",
        takes_arguments: true,
        run: bench::run,
    },
    Verb {
        name: "torture",
        about: "kill jobs at every point and at random times, damage their checkpoints, simulate them over a store that fails",
        example: "cargo xtask torture --kills 500 --swaps 1000 --mutations 1000 --seeds 2000",
        takes_arguments: true,
        run: torture::run,
    },
    Verb {
        name: "tidy",
        about: "check crate edges, file headers, file and function lengths, lints, crate order",
        example: "cargo xtask tidy",
        takes_arguments: false,
        run: |repo, _| tidy::run(repo),
    },
];

/// The verb called `word`, or a fault that names the nearest one.
pub(crate) fn parse(word: &str) -> Result<&'static Verb> {
    if let Some(verb) = VERBS.iter().find(|verb| verb.name == word) {
        return Ok(verb);
    }
    let nearest = VERBS.iter().map(|verb| (strsim::damerau_levenshtein(word, verb.name), verb.name)).min();
    let remedy = match nearest {
        Some((distance, name)) if distance <= 2 => format!("did you mean `cargo xtask {name}`?"),
        _ => "`cargo xtask help` lists them".to_owned(),
    };
    Err(Fault::usage("the command line can't be understood", format!("there is no verb `{word}`"), remedy))
}

/// The help text.
pub(crate) fn help() -> String {
    let mut text = String::from("The project's own commands: cargo xtask VERB\n");
    for verb in VERBS.iter() {
        // Writing to a string can't fail.
        let _ = write!(text, "\n  {:8} {}\n           e.g. {}", verb.name, verb.about, verb.example);
    }
    text.push_str("\n  help     this text\n           e.g. cargo xtask help");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(word: &str, expect: &str) {
        let got = match parse(word) {
            Ok(verb) => verb.name.to_owned(),
            Err(fault) => format!("{}: {}", fault.exit_code, fault.remedy),
        };
        assert_eq!(got, expect, "for {word:?}");
    }

    #[test]
    fn a_verb_is_found_and_a_misspelt_one_is_answered_with_the_nearest() {
        check("tidy", "tidy");
        check("tdiy", "2: did you mean `cargo xtask tidy`?");
        check("plugin", "2: did you mean `cargo xtask plugins`?");
        check("frobnicate", "2: `cargo xtask help` lists them");
    }

    #[test]
    fn help_names_every_verb_and_its_example() {
        let text = help();
        for verb in &VERBS {
            assert!(text.contains(verb.about) && text.contains(verb.example), "{}", verb.name);
        }
    }
}
