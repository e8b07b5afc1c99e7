//! Connectors by name, what they promise, and where they write.

use std::sync::Arc;

use super::*;
use crate::test_support::{ManualClock, block_on, permit, section};

fn parse(connector: &str, lines: &str) -> Result<SinkConfig> {
    SinkConfig::parse(connector, section("sinks.out", lines), Path::new(""))
}

#[test]
fn connectors_are_known_by_name() {
    assert!(matches!(parse("blackhole", ""), Ok(SinkConfig::Blackhole)));
    assert!(matches!(parse("print", ""), Ok(SinkConfig::Print(_))));
    assert!(matches!(parse("file", "path = \"out\""), Ok(SinkConfig::File(_))));
    assert!(matches!(parse("file", "path = \"memory://bucket/out\""), Ok(SinkConfig::Object(_))));
    let check = |connector: &str, lines: &str, expected: &str| {
        let text = parse(connector, lines).unwrap_err().to_string();
        assert!(text.contains(expected), "{text}");
    };
    check("prnt", "", "job.toml:1: [sinks.out]: there is no sink connector `prnt` (did you mean `print`?)");
    check("blackhole", "path = \"x\"", "there is no key `path`");
    check("file", "", "`path` is missing");
    check("file", "path = \"ftp://x/y\"", "`ftp://` is not a store that weir knows");
    check("file", "path = \"s3:///y\"", "names no bucket");
    #[cfg(not(feature = "gcs"))]
    check(
        "file",
        "path = \"gs://b/y\"",
        "this weir was built without the store of `gs://` (build it with `cargo build --release --workspace --features weir/gcs`",
    );
    check("file", "path = \"memory://b/../x\"", "is no place for objects");
    check("file", "path = \"x\"\nroll-size = 0", ":2: [sinks.out] roll-size: it isn't from one byte to 64 GiB");
    check("file", "path = \"x\"\nroll-interval = \"0s\"", ":2: [sinks.out] roll-interval: it is zero");
    check("file", "path = \"x\"\nheader = true", ":2: [sinks.out] header: only format = \"csv\" has one");
    check("print", "format = \"xml\"", "`xml` is not one of its values");
}

#[test]
fn what_is_not_kept_is_promised_honestly() {
    let promise = |connector: &str, lines: &str| parse(connector, lines).unwrap().promise();
    assert_eq!(promise("blackhole", ""), Promise::ExactlyOnce);
    assert_eq!(promise("file", "path = \"out\""), Promise::ExactlyOnce);
    assert_eq!(promise("file", "path = \"memory:///out\""), Promise::ExactlyOnce);
    assert!(matches!(promise("print", ""), Promise::AtLeastOnce { why } if why.contains("printed again")));
}

#[test]
fn a_blackhole_takes_everything() {
    let input = Port { name: "out".into(), key: weir_model::codec::Codec::None, value: weir_model::codec::Codec::Utf8 };
    let (uid, clock) = (OperatorUid::new("out").unwrap(), Arc::new(ManualClock::default()) as SharedClock);
    let start = SinkStart::Fresh { checkpoints: true };
    let opened = block_on(SinkConfig::Blackhole.open(&uid, Parallelism::new(3).unwrap(), &input, &clock, start));
    let writers = opened.unwrap();
    assert_eq!(writers.len(), 3);
    for mut writer in writers {
        writer.write(&Batch::default()).unwrap();
        let prepared = block_on(writer.prepare(CheckpointId::FIRST).unwrap().make_durable()).unwrap();
        assert_eq!(prepared, PreparedState { state: Vec::new(), handles: Vec::new() });
        writer.completed(CheckpointId::FIRST);
    }
    block_on(SinkConfig::Blackhole.committer(&uid).commit(&permit(), &[])).unwrap();
}

#[test]
fn only_files_have_a_folder_and_dots_make_no_other() {
    let folder = |connector: &str, lines: &str, base: &str| {
        let config = SinkConfig::parse(connector, section("sinks.out", lines), Path::new(base)).unwrap();
        config.folder().map(|folder| folder.to_str().unwrap().to_owned())
    };
    for (path, base, expected) in [
        ("out", "", "out"),
        ("./out/", "", "out"),
        ("a/./out", "/jobs/.", "/jobs/a/out"),
        ("/out", "/jobs", "/out"),
        ("file:///out", "/jobs", "/out"),
        ("memory://bucket/out/", "/jobs", "memory://bucket/out"),
    ] {
        assert_eq!(folder("file", &format!("path = \"{path}\""), base).as_deref(), Some(expected), "{path}");
    }
    assert_eq!((folder("print", "", ""), folder("blackhole", "", "")), (None, None));
}
