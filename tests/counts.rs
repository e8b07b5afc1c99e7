//! Word counts of real and made-up text equal an independent recount, however the job is cut into subtasks, files and batches.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test says what went wrong by panicking"
)]

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::OnceLock;

use flate2::Compression;
use flate2::write::GzEncoder;
use weir_connect::zipf_text::write_zipf_text;
use weir_tests::built;
use weir_tests::job::{JobFolder, WORD_COUNT, check_counts, final_counts, final_counts_in_order, word_count};
use weir_tests::oracle::count_words;

type Counts = BTreeMap<String, u64>;

const PRINT: &str = "connector = \"print\"";
const FILES: &str = "connector = \"file\"\npath = \"out\"";
const SOURCE: &str = "connector = \"file\"\npath = \"in.txt\"";

/// The plays, and their recount.
fn shakespeare() -> &'static (String, Counts) {
    static PLAYS: OnceLock<(String, Counts)> = OnceLock::new();
    PLAYS.get_or_init(|| {
        let text = std::fs::read_to_string(built::project().join("plugins/word-count/input/shakespeare.txt")).unwrap();
        let counts = count_words(&text);
        (text, counts)
    })
}

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

/// A text in two halves, cut at the end of a line.
fn halves(text: &str) -> (&str, &str) {
    let middle = (0..=text.len() / 2).rev().find(|at| text.as_bytes()[*at] == b'\n').unwrap();
    text.split_at(middle + 1)
}

/// The counts in the part files of a folder, of which there must be `parts`; each word is in one of them only.
fn counts_in(folder: &JobFolder, name: &str, parts: usize) -> Counts {
    let files = folder.parts(name);
    assert_eq!(files.len(), parts, "{:?}", folder.names(name));
    let mut counts = Counts::new();
    for file in &files {
        for (word, count) in final_counts_in_order(file.lines()) {
            assert!(counts.insert(word.clone(), count).is_none(), "{word:?} was counted by two subtasks");
        }
    }
    counts
}

/// Runs a word count of the files that are in the folder and checks what it prints.
fn check_printed(folder: &JobFolder, source: &str, arguments: &[&str], expected: &Counts) {
    let ended = folder.run(&word_count(source, PRINT), arguments).with_code(0);
    check_counts(&final_counts_in_order(ended.text().lines()), expected, &format!("{source} {arguments:?}"));
    let printed = folder.summary().check_flow(&["lines", "tokenize", "count", "counts"]);
    assert_eq!((printed as usize, folder.summary().outcome()), (ended.text().lines().count(), "done"));
}

#[test]
fn the_plays_are_counted_right_at_every_parallelism() {
    let (_, expected) = shakespeare();
    let folder = JobFolder::new();
    for parallelism in ["1", "2", "4", "7"] {
        let job = built::project().join("plugins/word-count/job.toml");
        let ended = folder.weir(&["run", job.to_str().unwrap(), "-p", parallelism]).run().with_code(0);
        check_counts(&final_counts_in_order(ended.text().lines()), expected, parallelism);
    }
}

#[test]
fn a_hundred_thousand_words_are_counted_right_at_every_parallelism() {
    let mut text = Vec::new();
    let written = write_zipf_text(&mut text, 20_000_000, 100_000, 7).unwrap();
    let folder = JobFolder::new();
    folder.write("in.txt", &text);
    let expected = count_words(&String::from_utf8(text).unwrap());
    assert_eq!((expected.len(), expected.values().sum::<u64>()), (100_000, written.words));
    for parallelism in [1, 2, 4, 7] {
        let arguments = ["-p", &parallelism.to_string(), "-D", "sinks.counts.overwrite=true"];
        let source = format!("{SOURCE}\nsplit-size = \"1MiB\"");
        drop(folder.run(&word_count(&source, FILES), &arguments).with_code(0));
        check_counts(&counts_in(&folder, "out", parallelism), &expected, &format!("{parallelism} subtasks"));
        let summary = folder.summary();
        assert_eq!(summary.check_flow(&["lines", "tokenize", "count", "counts"]), written.words);
        assert_eq!((summary.figure("lines", "records_out"), summary.figure("lines", "bytes_in")), (written.lines, written.bytes));
        assert_eq!(summary.figure("count", "keys"), 100_000);
    }
    check_printed(&folder, SOURCE, &["-p", "2"], &expected);
}

#[test]
fn a_million_words_are_counted_right() {
    let mut text = Vec::new();
    let written = write_zipf_text(&mut text, 30_000_000, 1_000_000, 8).unwrap();
    let folder = JobFolder::new();
    folder.write("in.txt", &text);
    let expected = count_words(&String::from_utf8(text).unwrap());
    assert_eq!((expected.len(), expected.values().sum::<u64>()), (1_000_000, written.words));
    drop(folder.run(&word_count(SOURCE, FILES), &["-p", "2"]).with_code(0));
    check_counts(&counts_in(&folder, "out", 2), &expected, "2 subtasks");
    assert_eq!(folder.summary().figure("count", "keys"), 1_000_000);
}

#[test]
fn words_of_every_script_are_counted_as_unicode_has_them() {
    // By hand first: what the recount itself must find.
    let text = "Straße STRASSE straße\nΣΊΣΥΦΟΣ σίσυφος ΣΑΣ-Σ\nİstanbul ISTANBUL\ne\u{301}te\u{301} été\r\n東京 東京 大阪。日本語\n👍🏽 👍 a👍b\n\
                zero\u{200b}width zero\u{200d}joiner\u{feff}\nⅧ ⅷ ½ ٣٤ Ǆ ǅ ǆ\nнаїв НАЇВ — «ça» ÇA\u{2028}line\u{85}next\u{0}nul\nﬁn ŉ ẞ ß\nno newline at the end";
    let words = [
        ("straße", 2),
        ("strasse", 1),
        ("σίσυφος", 2),
        ("σας", 1),
        ("σ", 1),
        ("i\u{307}stanbul", 1),
        ("istanbul", 1),
        ("e", 1),
        ("te", 1),
        ("été", 1),
        ("東京", 2),
        ("大阪", 1),
        ("日本語", 1),
        ("a", 1),
        ("b", 1),
        ("zero", 2),
        ("width", 1),
        ("joiner", 1),
        ("ⅷ", 2),
        ("½", 1),
        ("٣٤", 1),
        ("ǆ", 3),
        ("наїв", 2),
        ("ça", 2),
        ("line", 1),
        ("next", 1),
        ("nul", 1),
        ("ﬁn", 1),
        ("ŉ", 1),
        ("ß", 2),
        ("no", 1),
        ("newline", 1),
        ("at", 1),
        ("the", 1),
        ("end", 1),
    ];
    let expected: Counts = words.iter().map(|(word, count)| ((*word).to_owned(), *count)).collect();
    check_counts(&count_words(text), &expected, "the recount");
    let folder = JobFolder::new();
    folder.write("in.txt", text);
    check_printed(&folder, SOURCE, &["-p", "1"], &expected);
    check_printed(&folder, SOURCE, &["-p", "3"], &expected);
    // Many times over, so that splits fall into the middle of characters.
    let long = format!("{text}\n").repeat(300);
    folder.write("in.txt", &long);
    check_printed(&folder, &format!("{SOURCE}\nsplit-size = \"4KiB\""), &["-p", "4"], &count_words(&long));
}

#[test]
fn lines_of_every_length_are_counted_right() {
    let folder = JobFolder::new();
    let long = "word Another ".repeat(250_000);
    let endless = "x".repeat(3_000_000);
    for text in ["", "\n", "\n\n\n", "one", "one\n", "\r\none\r\n\r\n", &format!("a\n{long}\nb\n{endless}\n\nc"), &format!("{endless} {endless}")] {
        folder.write("in.txt", text);
        for parallelism in ["1", "3"] {
            check_printed(&folder, &format!("{SOURCE}\nsplit-size = \"4KiB\""), &["-p", parallelism], &count_words(text));
        }
    }
}

#[test]
fn files_however_cut_and_packed_give_the_same_counts() {
    let (text, expected) = shakespeare();
    let (first, second) = halves(text);
    let folder = JobFolder::new();
    folder.write("in.txt", text);
    folder.write("packed/all.gz", gzip(text));
    folder.write("many/a.txt", first);
    folder.write("many/b.txt.gz", gzip(second));
    folder.write("many/c.txt", "");
    folder.write("many/.hidden", "hidden");
    folder.write("deep/x/y/1.txt", second);
    folder.write("deep/2.txt", first);
    folder.write("deep/2.log", "log");
    let check = |keys: &str| {
        for parallelism in ["1", "4"] {
            check_printed(&folder, &format!("connector = \"file\"\n{keys}"), &["-p", parallelism], expected);
        }
    };
    check("path = \"in.txt\"\nsplit-size = \"4KiB\"");
    check("path = \"packed/all.gz\"");
    check("path = \"many\"");
    check("path = [\"many/b.txt.gz\", \"deep/2.txt\"]\nsplit-size = \"64KiB\"");
    check("path = \"deep/**/*.txt\"");
    check("path = \"many/[ab]*\"");
    // Two members in one file, as `cat a.gz b.gz` makes it.
    folder.write("packed/all.gz", [gzip(first), gzip(second)].concat());
    check("path = \"packed\"");
}

#[test]
fn standard_input_is_counted_as_it_comes() {
    let (text, expected) = shakespeare();
    let folder = JobFolder::new();
    let ended = folder.job(&word_count("connector = \"stdin\"", PRINT), &["-p", "2"]).input(text.as_str()).run().with_code(0);
    check_counts(&final_counts_in_order(ended.text().lines()), expected, "stdin");

    // Somebody types: what was said comes through while the pipe stays open.
    let mut running = folder.job(&word_count("connector = \"stdin\"", PRINT), &["-p", "2"]).holding_input().start();
    for (said, lines) in [("to be\n", 2), ("or not\nto be\n", 6)] {
        running.say(said);
        running.until_stdout(|bytes| bytes.iter().filter(|byte| **byte == b'\n').count() == lines);
    }
    running.say("that");
    running.hang_up();
    let ended = running.wait().with_code(0);
    check_counts(&final_counts_in_order(ended.text().lines()), &count_words("to be or not to be that"), "typed");
}

#[test]
fn nodes_of_different_parallelism_lose_and_double_nothing() {
    let (text, expected) = shakespeare();
    let folder = JobFolder::new();
    folder.write("in.txt", text);
    for [lines, tokenize, count, counts] in [[3, 2, 5, 1], [1, 4, 2, 3], [4, 1, 3, 7], [2, 2, 1, 2]] {
        let (lines, tokenize) = (format!("sources.lines.parallelism={lines}"), format!("operators.tokenize.parallelism={tokenize}"));
        let (count, sink) = (format!("operators.count.parallelism={count}"), format!("sinks.counts.parallelism={counts}"));
        let arguments = ["-D", &lines, "-D", &tokenize, "-D", &count, "-D", &sink, "-D", "sinks.counts.overwrite=true"];
        let source = format!("{SOURCE}\nsplit-size = \"16KiB\"");
        drop(folder.run(&word_count(&source, FILES), &arguments).with_code(0));
        let files = folder.parts("out");
        assert_eq!(files.len(), counts);
        check_counts(&final_counts(files.iter().flat_map(|file| file.lines())), expected, &format!("{arguments:?}"));
        folder.summary().check_flow(&["lines", "tokenize", "count", "counts"]);
    }
}

#[test]
fn two_sources_into_one_operator_and_one_operator_into_two_sinks() {
    let (text, expected) = shakespeare();
    let (first, second) = halves(text);
    let folder = JobFolder::new();
    folder.write("in/1.txt", first);
    folder.write("in/2.gz", gzip(second));
    let source = |uid: &str, path: &str| format!("[sources.{uid}]\nconnector = \"file\"\npath = \"in/{path}\"\n");
    let operator = |uid: &str, function: &str, inputs: &str| {
        format!("[operators.{uid}]\nplugin = \"word-count\"\nfunction = \"{function}\"\ninputs = [{inputs}]\n")
    };
    let sink = |uid: &str, connector: &str, input: &str| format!("[sinks.{uid}]\nconnector = \"{connector}\"\ninput = \"{input}\"\n");
    let toml = [
        "[job]\nname = \"diamond\"\n".to_owned(),
        WORD_COUNT.to_owned(),
        source("first", "1.txt"),
        source("second", "2.gz"),
        operator("tokenize", "tokenize", "\"first\", \"second\""),
        operator("count", "count", "\"tokenize\""),
        operator("again", "count", "\"tokenize\""),
        sink("printed", "print", "count"),
        sink("filed", "file", "count") + "path = \"filed\"\noverwrite = true\n",
        sink("again-filed", "file", "again") + "path = \"again\"\noverwrite = true\n",
        sink("words", "blackhole", "tokenize"),
    ]
    .concat();
    for parallelism in [1, 2, 4] {
        let ended = folder.run(&toml, &["-p", &parallelism.to_string()]).with_code(0);
        check_counts(&final_counts_in_order(ended.text().lines()), expected, "printed");
        check_counts(&counts_in(&folder, "filed", parallelism), expected, "filed");
        check_counts(&counts_in(&folder, "again", parallelism), expected, "counted twice");
        let summary = folder.summary();
        let words = expected.values().sum::<u64>();
        assert_eq!(summary.figure("first", "records_out") + summary.figure("second", "records_out"), summary.figure("tokenize", "records_in"));
        for flow in [&["tokenize", "count", "printed"], &["tokenize", "count", "filed"], &["tokenize", "again", "again-filed"]] {
            assert_eq!(summary.check_flow(flow), words);
        }
        assert_eq!(summary.check_flow(&["tokenize", "words"]), words);
    }
}
