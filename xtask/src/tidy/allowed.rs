//! The list of what may be longer than the limits: `path[:function] lines reason`, a list that only shrinks.

/// One exception.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Entry {
    /// `path` for a file, `path:function` for a function.
    pub(super) subject: String,
    /// How long it is; neither longer nor shorter.
    pub(super) lines: usize,
    /// Where the entry stands in the list, from 1.
    pub(super) at: usize,
}

/// The entries, or complaints about lines that are none. Blank lines and those that begin with `#` are passed over.
pub(super) fn parse(list: &str) -> (Vec<Entry>, Vec<String>) {
    let mut entries: Vec<Entry> = Vec::new();
    let mut complaints = Vec::new();
    for (number, line) in list.lines().enumerate() {
        let at = number + 1;
        if line.trim().is_empty() || line.starts_with('#') {
            continue;
        }
        let mut words = line.split_whitespace();
        match (words.next(), words.next().and_then(|word| word.parse().ok()), words.next()) {
            (Some(subject), Some(lines), Some(_)) if entries.iter().all(|entry| entry.subject != subject) => {
                entries.push(Entry { subject: subject.to_owned(), lines, at });
            }
            (Some(subject), Some(_), Some(_)) => complaints.push(format!("tidy-allow.txt:{at}: {subject} is listed twice: keep one line")),
            _ => complaints.push(format!("tidy-allow.txt:{at}: is not `path[:function] lines reason`: write it so")),
        }
    }
    (entries, complaints)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_read_and_anything_else_is_named() {
        let (entries, complaints) = parse("# a comment\n\na.rs 700 a table\na.rs:f 80 one match\n");
        assert!(complaints.is_empty());
        assert_eq!(entries, [Entry { subject: "a.rs".to_owned(), lines: 700, at: 3 }, Entry { subject: "a.rs:f".to_owned(), lines: 80, at: 4 }]);
        for (bad, part) in [("a.rs 700\n", "tidy-allow.txt:1"), ("a.rs many reason\n", "write it so"), ("a.rs 7 x\na.rs 8 y\n", "listed twice")] {
            assert!(parse(bad).1.concat().contains(part), "for {bad:?}");
        }
    }
}
