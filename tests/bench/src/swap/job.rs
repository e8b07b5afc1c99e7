//! The job whose counting operator is swapped. What it emits is watched behind it: there, no version is ever replaced.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use weir_model::Error;
use weir_model::id::Parallelism;
use weir_model::time::SharedClock;
use weir_plugin::{Call, EngineOptions, Services};
use weir_runtime::{GuestMaker, Plan, PlannedKind};

use crate::checkpoint::spread;
use crate::checkpoint::watched::Calls;
use crate::plan::plan;
use crate::stateless::Stateless;

/// The plugin whose versions are swapped.
pub(super) const PLUGIN: &str = "target/plugins/key_count.wasm";
/// One key in so many is one that `count-or-trap` traps on, for each of all keys: two or three are in the part of them that changes at a time.
const TRAPS_OF_ALL_KEYS: u64 = 100;

/// What the job is about.
#[derive(Debug, Clone, Copy)]
pub(super) struct Load {
    pub(super) keys: u64,
    /// Records a second; 0: as fast as they are taken.
    pub(super) rate: u64,
    pub(super) interval_ms: u64,
}

/// What is seen of it.
#[derive(Debug, Clone, Default)]
pub(super) struct Seen {
    /// Ends of calls of the operator behind the one that counts: output has come out.
    pub(super) outputs: Calls,
    /// The number of the newest record that was given a key.
    pub(super) newest: Arc<AtomicU64>,
}

impl Load {
    fn toml(self, dir: &Path) -> String {
        let Self { keys, rate, interval_ms } = self;
        let rate = if rate == 0 { String::new() } else { format!("rate = {rate}.0\n") };
        format!(
            "[job]\nname = \"swap\"\nparallelism = 1\n\
             [checkpointing]\ninterval = \"{interval_ms}ms\"\ndir = {:?}\nsavepoint-dir = {:?}\n[restart]\nstrategy = \"none\"\n\
             [plugins.key-count]\npath = \"{PLUGIN}\"\n\
             [sources.numbers]\nconnector = \"generator\"\nkind = \"sequence\"\n{rate}\
             [operators.spread]\nplugin = \"key-count\"\nfunction = \"spread\"\ninput = \"numbers\"\n\
             [operators.count]\nplugin = \"key-count\"\nfunction = \"count\"\ninput = \"spread\"\nconfig = {{ trap-one-in = {} }}\n\
             [operators.watch]\nplugin = \"key-count\"\nfunction = \"ignore\"\ninput = \"count\"\n\
             [sinks.out]\nconnector = \"blackhole\"\ninput = \"watch\"\n",
            dir.join("checkpoints"),
            dir.join("savepoints"),
            (keys / TRAPS_OF_ALL_KEYS).max(1)
        )
    }

    /// The plan, its key-giving operator native and a watched one behind the counting one.
    pub(super) fn plan(self, dir: &Path, clock: &SharedClock, seen: &Seen) -> Result<Plan, Error> {
        let engine = EngineOptions { cache_dir: Some(dir.join("compiled")), compiler: None };
        let mut plan = plan(&self.toml(dir), Parallelism::MAX, engine)?;
        for node in &mut plan.nodes {
            match (&mut node.kind, node.uid.as_str()) {
                (PlannedKind::Operator(operator), "spread") => operator.guests = spread::guests(self.keys, clock.wall_ms(), &seen.newest),
                (PlannedKind::Operator(operator), "watch") => {
                    let ignore: GuestMaker = Arc::new(|_, _| Ok(Box::new(Stateless(|_: &Call<'_>, _: &mut Services| Ok(())))));
                    operator.guests = seen.outputs.watch(ignore, Arc::clone(clock));
                }
                _ => {}
            }
        }
        Ok(plan)
    }
}
