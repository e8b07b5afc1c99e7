//! Keys that people bring along from Flink and that have nothing to stand for in weir: why, and what to do instead.

/// A key, or all keys below it when it ends with a dot; why it means nothing here; what to do.
const KEYS: &[(&str, &str, &str)] = &[
    ("taskmanager.", ONE_PROCESS, "remove it; `-p N` sets the parallelism and `memory` in [plugins.NAME] limits an instance"),
    ("jobmanager.execution.failover-strategy", "weir restarts the whole job", "remove it"),
    ("jobmanager.", ONE_PROCESS, "remove it; [restart] says what happens when the job fails"),
    ("rest.", ONE_PROCESS, "remove it"),
    ("web.", ONE_PROCESS, "remove it"),
    ("cluster.", ONE_PROCESS, "remove it"),
    ("heartbeat.", ONE_PROCESS, "remove it"),
    ("high-availability.", ONE_PROCESS, "remove it; whoever runs weir again goes on from the newest checkpoint"),
    ("high-availability", ONE_PROCESS, "remove it; whoever runs weir again goes on from the newest checkpoint"),
    ("kubernetes.", ONE_PROCESS, "remove it"),
    ("yarn.", ONE_PROCESS, "remove it"),
    ("akka.", ONE_PROCESS, "remove it"),
    ("pekko.", ONE_PROCESS, "remove it"),
    ("blob.", ONE_PROCESS, "remove it"),
    ("slotmanager.", ONE_PROCESS, "remove it"),
    ("slot.", ONE_PROCESS, "remove it"),
    ("jobstore.", ONE_PROCESS, "remove it"),
    ("historyserver.", ONE_PROCESS, "remove it"),
    ("execution.target", ONE_PROCESS, "remove it"),
    ("execution.attached", ONE_PROCESS, "remove it"),
    ("env.", NO_JVM, "remove it; set environment variables where weir is started"),
    ("classloader.", NO_JVM, "remove it; a plugin is a WebAssembly component"),
    ("python.", NO_JVM, "remove it; a plugin is a WebAssembly component"),
    ("pipeline.jars", NO_JVM, "name the plugin's file as `path` in [plugins.NAME]"),
    ("pipeline.classpaths", NO_JVM, "name the plugin's file as `path` in [plugins.NAME]"),
    ("pipeline.object-reuse", NO_JVM, "remove it"),
    ("pipeline.generic-types", NO_JVM, "remove it; the plugin's describe names the codecs"),
    ("pipeline.force-avro", NO_JVM, "remove it; the plugin's describe names the codecs"),
    ("pipeline.force-kryo", NO_JVM, "remove it; the plugin's describe names the codecs"),
    ("pipeline.serialization-config", NO_JVM, "remove it; the plugin's describe names the codecs"),
    ("pipeline.operator-chaining", "weir chains wherever no exchange is needed", "remove it; `parallelism` of a node separates it"),
    ("pipeline.operator-chaining.", "weir chains wherever no exchange is needed", "remove it; `parallelism` of a node separates it"),
    ("pipeline.auto-generate-uids", "every node has a UID, the name of its table", "remove it"),
    ("pipeline.auto-watermark-interval", "there are no watermarks yet", "remove it"),
    (
        "pipeline.global-job-parameters",
        "a function gets what `config` of its node says",
        "write `config = { key = \"value\" }` below [operators.UID]",
    ),
    ("table.", NO_SQL, "remove it"),
    ("sql-client.", NO_SQL, "remove it"),
    ("execution.runtime-mode", "weir always streams; a job ends when its input does", "remove it"),
    ("execution.buffer-timeout", "batches go on after 10 ms at the latest", "remove it"),
    ("execution.buffer-timeout.", "batches go on after 10 ms at the latest", "remove it"),
    ("execution.batch-shuffle-mode", "weir always streams; a job ends when its input does", "remove it"),
    ("execution.checkpointing.checkpoints-after-tasks-finish", ALWAYS_AFTER_END, "remove it"),
    ("execution.checkpointing.checkpoints-after-tasks-finish.enabled", ALWAYS_AFTER_END, "remove it"),
    ("execution.checkpointing.snapshot-compression", OWN_FILES, "remove it"),
    ("execution.checkpointing.data-inline-threshold", OWN_FILES, "remove it"),
    ("execution.checkpointing.write-buffer-size", OWN_FILES, "remove it"),
    ("execution.checkpointing.create-subdir", "each job has a folder with its name in `dir`", "remove it"),
    ("execution.checkpointing.file-merging.", OWN_FILES, "remove it"),
    ("execution.checkpointing.local-backup.", NO_SECOND_COPY, "remove it"),
    ("execution.checkpointing.local-copy.", NO_SECOND_COPY, "remove it"),
    (
        "execution.checkpointing.interval-during-backlog",
        "sources tell nothing of a backlog",
        "remove it; `execution.checkpointing.interval` counts always",
    ),
    ("execution.checkpointing.force-unaligned", UNALIGNED_ANYWHERE, "set `execution.checkpointing.unaligned.enabled`"),
    ("execution.checkpointing.unaligned.forced", UNALIGNED_ANYWHERE, "set `execution.checkpointing.unaligned.enabled`"),
    ("execution.checkpointing.unaligned.max-subtasks-per-channel-state-file", OWN_FILES, "remove it"),
    ("execution.checkpointing.unaligned.interruptible-timers.enabled", "there are no timers yet", "remove it"),
    ("execution.checkpointing.recover-without-channel-state.checkpoint-id", "a checkpoint is restored whole or not at all", "remove it"),
    ("execution.checkpointing.prefer-checkpoint-for-recovery", "a job always goes on from its newest checkpoint", "remove it"),
    ("state.backend.async", "snapshots are always asynchronous", "remove it"),
    ("state.backend.fs.", OWN_FILES, "remove it"),
    ("state.storage.fs.", OWN_FILES, "remove it"),
    ("state.checkpoints.create-subdir", "each job has a folder with its name in `dir`", "remove it"),
    ("state.backend.local-recovery", NO_SECOND_COPY, "remove it"),
    ("state.backend.changelog.", "every checkpoint holds only what has changed", "set `state.backend.incremental`"),
    ("state.changelog.", "every checkpoint holds only what has changed", "set `state.backend.incremental`"),
    ("state.backend.latency-track.", "state access is not timed call by call", "remove it"),
    ("state.latency-track.", "state access is not timed call by call", "remove it"),
    ("state.backend.rocksdb.", "weir's disk backend is not RocksDB", "set `memory` in [state]: the rest follows from it"),
    ("state.backend.forst.", "weir's disk backend is not ForSt", "set `memory` in [state]: the rest follows from it"),
    ("state.managed.", "weir's disk backend is not RocksDB", "set `memory` in [state]: the rest follows from it"),
    ("io.tmp.dirs", "weir needs no folder but the disk backend's", "set `local-dir` in [state]"),
    ("fs.", "weir reads its store's rights from the environment", "remove it; set AWS_ENDPOINT_URL, AWS_ACCESS_KEY_ID and the like"),
    ("s3.", "weir reads its store's rights from the environment", "remove it; set AWS_ENDPOINT_URL, AWS_ACCESS_KEY_ID and the like"),
    ("metrics.", "there are no metrics reporters yet", "remove it"),
    ("security.", "weir opens no connection that they would secure", "remove it"),
];

const ONE_PROCESS: &str = "it is about a cluster, and a job of weir is one process";
const NO_JVM: &str = "it is about Java or Python, and weir runs neither";
const NO_SQL: &str = "it is about SQL and tables, which weir doesn't have";
const ALWAYS_AFTER_END: &str = "a job always takes a last checkpoint when its input has ended";
const OWN_FILES: &str = "it is about Flink's files, and weir's are laid out otherwise";
const NO_SECOND_COPY: &str = "weir keeps no second copy of its checkpoints";
const UNALIGNED_ANYWHERE: &str = "barriers may overtake on every channel of weir";

/// Why Flink's `key` means nothing here, and what to do; `None`: it is no key of Flink's that weir knows.
pub(super) fn about(key: &str) -> Option<(&'static str, &'static str)> {
    let is_it = |known: &str| if known.ends_with('.') { key.starts_with(known) } else { key == known };
    KEYS.iter().find(|(known, ..)| is_it(known)).map(|(_, why, remedy)| (*why, *remedy))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_key_is_found_and_none_hides_another() {
        for (known, why, remedy) in KEYS {
            let key = if known.ends_with('.') { format!("{known}x") } else { (*known).to_owned() };
            assert_eq!(about(&key), Some((*why, *remedy)), "{known}");
        }
        assert_eq!(about("taskmanagers.x"), None);
        assert_eq!(about("state.backend"), None);
    }
}
