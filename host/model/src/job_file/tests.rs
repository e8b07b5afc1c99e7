//! Job files and what is said about them.

mod settings;

use super::*;
use crate::error::ErrorKind;
use crate::graph::NodeKind;

const WORD_COUNT: &str = r#"[job]
name = "word-count"

[plugins.words]
path = "words.wasm"

[sources.lines]
connector = "file"
path = "input/*.txt"

[operators.tokenize]
plugin = "words"
function = "tokenize"
input = "lines"

[operators.count]
plugin = "words"
function = "count"
input = "tokenize"

[sinks.counts]
connector = "print"
input = "count"
"#;

/// Parses with 4 cores, `HOME_DIR=/data`, `N=3`, `EMPTY=`, and `arguments` such as `-p 2` and `-D key=value`.
fn parse_with(text: &str, arguments: &[&str]) -> Result<JobGraph> {
    let env = |name: &str| [("HOME_DIR", "/data"), ("N", "3"), ("EMPTY", "")].iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned());
    let parallelism = arguments.iter().find_map(|argument| argument.strip_prefix("-p ")).map(|p| Parallelism::new(p.parse().unwrap()).unwrap());
    let overrides: Vec<_> = arguments
        .iter()
        .filter_map(|argument| argument.strip_prefix("-D ")?.split_once('='))
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect();
    parse(
        text,
        &ParseOptions {
            file: "job.toml",
            base: PathBuf::from("jobs"),
            default_parallelism: Parallelism::new(4).unwrap(),
            parallelism_override: parallelism,
            env: &env,
            overrides: &overrides,
        },
    )
}

/// The word count with the line or lines of `from` replaced by those of `to`; `from` must be there.
fn word_count_with(from: &str, to: &str) -> String {
    let padded = format!("\n{WORD_COUNT}");
    let (from, to) = (format!("\n{from}\n"), format!("\n{to}\n"));
    assert!(padded.contains(&from), "no such lines in the word count: {from}");
    padded.replacen(&from, &to, 1).split_off(1)
}

/// What a graph says, in a few lines.
fn outline(graph: &JobGraph) -> String {
    let mut lines = vec![format!("{} p={} max={}", graph.name, graph.parallelism, graph.max_parallelism.get())];
    for (name, plugin) in &graph.plugins {
        let memory = plugin.memory_bytes_max.map_or("as its language".to_owned(), |bytes| format!("{bytes}B"));
        let granted = format!("clock {} random {} env {:?}", plugin.clock, plugin.random, plugin.env);
        lines.push(format!("plugin {name} {} {memory} {:?} {granted}", plugin.path.display(), plugin.call_timeout));
    }
    for node in &graph.nodes {
        let inputs: Vec<_> = node
            .inputs
            .iter()
            .map(|input| graph.nodes[input.from.0].uid.to_string() + &input.port.as_ref().map(|port| format!(".{port}")).unwrap_or_default())
            .collect();
        let what = match &node.kind {
            NodeKind::Source { connector, .. } => format!("source {connector}"),
            NodeKind::Operator(operator) => format!("{}/{} {:?} {:?}", operator.plugin, operator.function, operator.on_error, operator.config),
            NodeKind::Sink { connector, .. } => format!("sink {connector}"),
        };
        let parallelism = node.parallelism.map(|p| format!(" p={p}")).unwrap_or_default();
        lines.push(format!("{}: {}{parallelism} <- [{}] {what}", node.line, node.uid, inputs.join(", ")));
    }
    lines.join("\n")
}

fn check_outline(text: &str, arguments: &[&str], expected: &str) {
    match parse_with(text, arguments) {
        Ok(graph) => assert_eq!(outline(&graph), expected.trim()),
        Err(error) => panic!("{error} for\n{text}"),
    }
}

/// One block of `mistakes.txt`: lines taken out of the word count (`- `), lines put in their place (`+ `), arguments (`$ `), and what is
/// said about it (`= `).
fn check_mistake(block: &str) {
    let lines = |mark: char| block.lines().filter_map(move |line| line.strip_prefix(mark)).map(|line| line.strip_prefix(' ').unwrap_or(line));
    let [from, to, expected] = ['-', '+', '='].map(|mark| lines(mark).collect::<Vec<_>>().join("\n"));
    let arguments: Vec<_> = lines('$').collect();
    let text = if from.is_empty() { WORD_COUNT.to_owned() } else { word_count_with(&from, &to) };
    match parse_with(&text, &arguments) {
        Err(error) => {
            assert_eq!(error.to_string(), expected, "for\n{block}");
            assert_eq!(error.kind, ErrorKind::Usage);
        }
        Ok(graph) => panic!("no error for\n{block}\nbut\n{}", outline(&graph)),
    }
}

#[test]
fn every_mistake_is_named_with_its_line_and_its_remedy() {
    let text = include_str!("tests/mistakes.txt");
    let blocks: Vec<_> = text.split("\n\n").filter(|block| block.lines().any(|line| !line.starts_with('#'))).collect();
    blocks.iter().for_each(|block| check_mistake(block));
    assert_eq!(blocks.len(), text.lines().filter(|line| line.starts_with("= ")).count());
}

#[test]
fn a_word_count_reads_as_written() {
    let expected = "
word-count p=4 max=128
plugin words jobs/words.wasm as its language 5s clock false random false env {}
7: lines <- [] source file
11: tokenize <- [lines] words/tokenize Fail []
16: count <- [tokenize] words/count Fail []
21: counts <- [count] sink print";
    check_outline(WORD_COUNT, &[], expected);
    check_outline(&WORD_COUNT.replace('\n', "\r\n"), &[], expected);
}

#[test]
fn every_key_is_read_and_nodes_come_after_their_inputs() {
    let text = r#"
[sinks.errors]
connector = "file"
input = "clean.dead-letter"
[sinks.late]
connector = "print"
inputs = ["join.late", "numbers"]
[sinks.all]
connector = "blackhole"
input = "join"
[operators.join]
plugin = "b"
function = "join"
inputs = ["clean", "numbers"]
parallelism = 200
[operators.join.config]
text = "as it is"
when = 2024-01-31
number = 7
list = [1, "two", { three = 3.5 }]
[operators.clean]
plugin = "a"
function = "clean"
input = "lines"
on-error = "dead-letter"
[sources.numbers]
connector = "generate"
parallelism = 1
[sources.lines]
connector = "stdin"
[plugins.b]
path = "/opt/b.wasm"
memory = "64mb"
call-timeout = "500 ms"
clock = true
random = true
env = { MODE = "fast" }
[plugins.a]
path = "../a.wasm"
memory = 65536
[job]
name = "everything"
parallelism = 2
"#;
    let expected = r#"
everything p=2 max=512
plugin a jobs/../a.wasm 65536B 5s clock false random false env {}
plugin b /opt/b.wasm 67108864B 500ms clock true random true env {"MODE": "fast"}
26: numbers p=1 <- [] source generate
29: lines <- [] source stdin
21: clean <- [lines] a/clean DeadLetter []
2: errors <- [clean.dead-letter] sink file
11: join p=200 <- [clean, numbers] b/join Fail [("list", "[1,\"two\",{\"three\":3.5}]"), ("number", "7"), ("text", "as it is"), ("when", "2024-01-31")]
5: late <- [join.late, numbers] sink print
8: all <- [join] sink blackhole"#;
    check_outline(text, &[], expected);
}

#[test]
fn the_command_line_wins_over_the_file() {
    let check = |arguments: &[&str], expected: &str| match parse_with(WORD_COUNT, arguments) {
        Ok(graph) => assert!(outline(&graph).contains(expected), "{arguments:?}: {expected:?} is not in\n{}", outline(&graph)),
        Err(error) => panic!("{arguments:?}: {error}"),
    };
    check(&["-D job.parallelism=2"], "p=2 max=128");
    check(&["-D job.parallelism=2", "-D parallelism.default=3"], "p=3 max=128");
    check(&["-D job.parallelism=2", "-p 7"], "p=7 max=128");
    check(&["-p 300"], "p=300 max=512");
    check(&["-D pipeline.max-parallelism=64"], "p=4 max=64");
    // Nobody asked for 4 subtasks: a file that works on a small machine works on a large one.
    check(&["-D pipeline.max-parallelism=2"], "p=2 max=2");
    check(&["-D pipeline.name=2024"], "2024 p=4");
    check(&["-D job.name=my job"], "my job p=4");
    check(&["-D job.name='my job'"], "my job p=4");
    check(&["-D sources.lines.parallelism=2"], "7: lines p=2 <-");
    check(&["-D operators.count.on-error=skip"], "words/count Skip");
    check(&["-D operators.count.config.any=true", "-D operators.count.config.word=10s"], r#"[("any", "true"), ("word", "10s")]"#);
    check(&["-D sinks.counts.inputs=[\"count\", \"lines\"]"], "counts <- [count, lines]");
    check(&["-D plugins.words.memory=64MiB"], "67108864B");
    check(&["-D plugins.words.path='a b.wasm'"], "jobs/a b.wasm");
}

/// The text of the key `path` of the source, and what else its connector finds.
fn source_path(text: &str, arguments: &[&str]) -> String {
    let mut graph = parse_with(text, arguments).unwrap();
    let NodeKind::Source { section, .. } = &mut graph.nodes[0].kind else { panic!("the first node is not the source") };
    let (path, _) = section.take_string("path").unwrap().unwrap();
    section.clone().finish().unwrap();
    path
}

#[test]
fn variables_are_replaced_in_every_text_of_the_file() {
    let check = |path: &str, expected: &str| {
        let text = word_count_with("path = \"input/*.txt\"", &format!("path = '{path}'"));
        assert_eq!(source_path(&text, &[]), expected, "{path}");
    };
    check("${HOME_DIR}/x", "/data/x");
    check("a${N}b${N}c", "a3b3c");
    check("${NOPE:-input}/x", "input/x");
    check("${NOPE:-}x", "x");
    check("${EMPTY}x", "x");
    check("${EMPTY:-full}", "full");
    check("${N:-default}", "3");
    check("$${N} costs $5 $", "${N} costs $5 $");
    let text = word_count_with("name = \"word-count\"", "name = \"n${N}\"\nparallelism = \"${N}\"");
    let graph = parse_with(&text, &[]).unwrap();
    assert_eq!((graph.name.as_str(), graph.parallelism.get()), ("n3", 3));
}

#[test]
fn an_overridden_text_needs_no_variable_and_has_none() {
    let text = word_count_with("path = \"input/*.txt\"", "path = \"${NOPE}\"");
    assert_eq!(source_path(&text, &["-D sources.lines.path=${N}"]), "${N}");
}

#[test]
fn the_connector_gets_its_keys_with_their_lines_and_no_others() {
    let mut graph = parse_with(WORD_COUNT, &[]).unwrap();
    let NodeKind::Source { section, .. } = &mut graph.nodes[0].kind else { panic!("the first node is not the source") };
    assert_eq!((section.name(), section.line()), ("sources.lines", 7));
    let expected = "job.toml:9: [sources.lines] path: there is no key `path` in [sources.lines] (use one of: `parallelism`, `connector`, `renamed-from`, `rate`)";
    section.know(&["rate"]);
    assert_eq!(section.clone().finish().unwrap_err().to_string(), expected);
}

#[test]
fn a_torn_file_is_an_error_or_a_graph_but_never_a_panic() {
    for end in 0..WORD_COUNT.len() {
        for tail in ["", "\"", "]", "=", "{", "${"] {
            let text = format!("{}{tail}", &WORD_COUNT[..end]);
            if let Err(error) = parse_with(&text, &[]) {
                assert!(error.what.starts_with("job.toml") && !error.why.is_empty() && !error.remedy.is_empty(), "{text}: {error}");
            }
        }
    }
    for deep in ["[", "{a=", "a.", "[[a]]\n[a.", "\"${"] {
        let deep = deep.repeat(100_000);
        for (text, argument) in [(&deep, ""), (&format!("a = {deep}"), ""), (&WORD_COUNT.to_owned(), format!("-D job.x={deep}").as_str())] {
            let error = parse_with(text, &[argument]).unwrap_err().to_string();
            assert!(error.chars().count() < 400, "{} characters: {:.400}", error.len(), error);
        }
    }
    assert!(parse_with(WORD_COUNT, &[&format!("-D job.{}x=1", "x.".repeat(100_000))]).is_err());
}

#[test]
fn the_examples_in_the_manual_are_job_files() {
    let manual = include_str!("../../../../docs/job-file.md");
    let examples: Vec<_> = manual.split("```toml\n").skip(1).filter_map(|rest| rest.split_once("```")).map(|(example, _)| example).collect();
    assert!(examples.len() > 5, "{} examples", examples.len());
    for example in examples {
        if let Err(error) = parse_with(example, &[]) {
            panic!("{error} for\n{example}");
        }
    }
}
