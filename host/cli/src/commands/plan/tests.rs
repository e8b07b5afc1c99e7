//! Plans made by hand, as text and as JSON.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use weir_connect::sink::SinkConfig;
use weir_connect::source::SourceConfig;
use weir_model::codec::Codec;
use weir_model::describe::{FunctionDescription, FunctionKind, Port, StateDescriptor, StateKind};
use weir_model::graph::{NodeIndex, OnError};
use weir_model::id::{OperatorUid, Parallelism, PluginDigest};
use weir_model::key_group::MaxParallelism;
use weir_model::section::Section;
use weir_model::settings::{RestartStrategy, StateSettings};
use weir_plugin::{Breakage, InstanceLimits};
use weir_runtime::{Edge, Exchange, Plan, PlannedKind, PlannedNode, PlannedOperator, PluginSettings};

use super::{json, text};
use crate::job::PlannedJob;

fn port(name: &str, key: &str, value: &str) -> Port {
    Port { name: name.to_owned(), key: Codec::from_name(key), value: Codec::from_name(value) }
}

fn node(uid: &str, outputs: Vec<Port>, kind: PlannedKind) -> PlannedNode {
    PlannedNode { uid: OperatorUid::new(uid).unwrap(), renamed_from: None, parallelism: Parallelism::new(2).unwrap(), outputs, kind }
}

fn source(uid: &str) -> PlannedNode {
    let section = Section::new("job.toml".into(), format!("sources.{uid}"), 1, BTreeMap::new());
    node(uid, vec![port("out", "none", "utf8")], PlannedKind::Source(SourceConfig::parse("stdin", section, Path::new("")).unwrap()))
}

fn sink(uid: &str) -> PlannedNode {
    let section = Section::new("job.toml".into(), format!("sinks.{uid}"), 1, BTreeMap::new());
    node(uid, Vec::new(), PlannedKind::Sink(SinkConfig::parse("blackhole", section, Path::new("")).unwrap()))
}

fn operator(uid: &str, kind: FunctionKind, on_error: OnError, states: Vec<StateDescriptor>) -> PlannedNode {
    let outputs = vec![port("out", "utf8", "u64-le"), port("late", "none", "json")];
    let function = FunctionDescription { name: uid.to_owned(), doc: String::new(), kind, inputs: Vec::new(), outputs: outputs.clone(), states };
    let operator = PlannedOperator {
        plugin: "word-count".to_owned(),
        digest: PluginDigest([0xab; 32]),
        file: None,
        imports: Vec::new(),
        function,
        config: vec![("password".to_owned(), "secret".to_owned())],
        on_error,
        limits: InstanceLimits::default(),
        settings: PluginSettings::default(),
        migrates: Arc::new(|_, _, _, _| Ok(())),
        guests: Arc::new(|_, _| Err(Breakage::Open("never called".to_owned()))),
    };
    node(uid, outputs, PlannedKind::Operator(Box::new(operator)))
}

fn edge(from: usize, output: usize, to: usize, exchange: Exchange, chained: bool) -> Edge {
    Edge { from: NodeIndex(from), output, to: NodeIndex(to), input: 0, exchange, chained }
}

/// Two sources into one keyed function, whose side output has a sink of its own.
fn job() -> PlannedJob {
    let state = StateDescriptor { name: "sum".to_owned(), kind: StateKind::Value, value: Codec::from_name("u64-le"), schema_version: 3, ttl_ms: 0 };
    let nodes = vec![source("a"), source("b"), operator("count", FunctionKind::Keyed, OnError::Skip, vec![state]), sink("counts"), sink("late")];
    let edges = vec![
        edge(0, 0, 2, Exchange::Hash, false),
        edge(1, 0, 2, Exchange::Hash, false),
        edge(2, 0, 3, Exchange::Forward, true),
        edge(2, 1, 4, Exchange::Rebalance, false),
    ];
    let chains = vec![vec![NodeIndex(0)], vec![NodeIndex(1)], vec![NodeIndex(2), NodeIndex(3)], vec![NodeIndex(4)]];
    let max_parallelism = MaxParallelism::default_for(Parallelism::ONE);
    let plan = Plan {
        name: "demo".to_owned(),
        max_parallelism,
        max_parallelism_is_set: false,
        checkpointing: None,
        state: StateSettings::default(),
        restart: RestartStrategy::None,
        nodes,
        edges,
        chains,
        plugins: BTreeMap::new(),
        found: Vec::new(),
    };
    let connector = |name: &str| Some(name.to_owned());
    let connectors = vec![connector("stdin"), connector("stdin"), None, connector("blackhole"), connector("blackhole")];
    PlannedJob { file: "demo/job.toml".to_owned(), plan: plan.into(), connectors }
}

#[test]
fn the_flow_is_a_tree_from_sources_to_sinks() {
    let expected = "\
demo: 5 nodes in 4 chains, 8 tasks, 128 key groups

NODE             CHAIN  RUNS                                   INPUT                  KEY   VALUE
a ×2                 1  stdin source
└─ count ×2          3  word-count/count, keyed, skips errors  hash                   none  utf8
   ├─ counts ×2      3  blackhole sink                         chained                utf8  u64-le
   └─ late ×2        4  blackhole sink                         count.late, rebalance  none  json
b ×2                 2  stdin source
└─ count                (see above)                            hash                   none  utf8

STATE OF  NAME  KIND   CODEC   SCHEMA VERSION
count     sum   value  u64-le               3
";
    assert_eq!(text::plan(&job(), None), expected);
    assert!(text::plan(&job(), Some(80)).lines().all(|line| line.chars().count() <= 80));
}

#[test]
fn the_plan_as_json_has_stable_names_and_no_secrets() {
    let plan = json::plan(&job());
    let check = |pointer: &str, expected: serde_json::Value| assert_eq!(plan.pointer(pointer), Some(&expected), "{pointer}");
    check("/job", "demo".into());
    check("/file", "demo/job.toml".into());
    check("/tasks", 8.into());
    check("/max_parallelism", 128.into());
    check("/nodes/0/kind", "source".into());
    check("/nodes/0/connector", "stdin".into());
    check("/nodes/2/function", "count".into());
    check("/nodes/2/chain", 3.into());
    check("/nodes/2/on_error", "skip".into());
    check("/nodes/2/states/0", serde_json::json!({"name": "sum", "kind": "value", "codec": "u64-le", "schema_version": 3, "ttl_ms": 0}));
    check("/nodes/2/config_keys", serde_json::json!(["password"]));
    check("/edges/2/chained", true.into());
    check(
        "/edges/3",
        serde_json::json!({"from": "count", "output": "late", "to": "late", "input": 0, "exchange": "rebalance", "chained": false, "key": "none", "value": "json"}),
    );
    check("/chains/2", serde_json::json!(["count", "counts"]));
    assert!(!plan.to_string().contains("secret"));
}
