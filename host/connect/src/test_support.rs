//! What the tests of several modules need: a folder that goes away, a section from lines of text, records as text.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use weir_model::rows::Batch;
use weir_model::section::{Section, Value, ValueKind};

/// A folder of its own under the system's temporary folder, removed at the end.
pub(crate) struct TempFolder(PathBuf);

impl TempFolder {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let name = format!("weir-connect-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// Writes a file and gives its path.
    pub(crate) fn file(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, bytes).unwrap();
        path
    }
}

impl Drop for TempFolder {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}

/// The section of `key = value` lines, as the job file's reader makes it; lists are of texts without commas.
pub(crate) fn section(name: &str, lines: &str) -> Section {
    let mut entries = BTreeMap::new();
    for (number, line) in lines.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let (key, value) = line.split_once('=').unwrap();
        entries.insert(key.trim().to_owned(), value_of(value.trim(), number + 1));
    }
    Section::new(Arc::from("job.toml"), name, 1, entries)
}

fn value_of(text: &str, line: usize) -> Value {
    let kind = if let Some(items) = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        ValueKind::Array(items.split(',').map(|item| value_of(item.trim(), line)).collect())
    } else if let Some(inner) = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
        ValueKind::String(inner.replace("\\t", "\t"))
    } else if let Ok(flag) = text.parse() {
        ValueKind::Bool(flag)
    } else if let Ok(number) = text.parse() {
        ValueKind::Integer(number)
    } else {
        ValueKind::Float(text.parse().unwrap())
    };
    Value { line, kind }
}

/// Each record as `key=value`, or `value` alone without a key.
pub(crate) fn texts(batch: &Batch) -> Vec<String> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    batch.iter().map(|row| row.key.map_or(String::new(), |key| text(key) + "=") + &text(row.value)).collect()
}
