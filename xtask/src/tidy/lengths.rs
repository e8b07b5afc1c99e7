//! Lengths of files and functions against the limits and the list of exceptions.

use super::{allowed, functions};

/// A file's limit, tests and comments included.
const FILE_LINES_MAX: usize = 600;
/// A function's limit, its signature included.
const FUNCTION_LINES_MAX: usize = 70;

/// Complaints about what is too long, and about exceptions that no longer are what they say.
pub(super) fn check(sources: &[(String, String)], list: &str) -> Vec<String> {
    let (entries, mut complaints) = allowed::parse(list);
    let subjects = measure(sources);
    for subject in &subjects {
        let entry = entries.iter().find(|entry| entry.subject == subject.name);
        match entry {
            None if subject.lines > subject.lines_max => complaints.push(format!(
                "{}: {} lines, at most {}: cut it where its parts have names of their own",
                subject.shown(),
                subject.lines,
                subject.lines_max
            )),
            Some(entry) if subject.lines <= subject.lines_max => {
                complaints.push(format!("tidy-allow.txt:{}: {} is within its limit now: take the line out", entry.at, subject.name));
            }
            Some(entry) if subject.lines > entry.lines => {
                let (name, lines, was) = (subject.shown(), subject.lines, entry.lines);
                complaints.push(format!("{name}: grew from {was} to {lines} lines: the list of exceptions only shrinks"));
            }
            Some(entry) if subject.lines < entry.lines => {
                let (at, name, lines, was) = (entry.at, &subject.name, subject.lines, entry.lines);
                complaints.push(format!("tidy-allow.txt:{at}: {name} is down from {was} to {lines} lines: write {lines}"));
            }
            _ => {}
        }
    }
    let gone = entries.iter().filter(|entry| subjects.iter().all(|subject| subject.name != entry.subject));
    complaints.extend(gone.map(|entry| format!("tidy-allow.txt:{}: {} is gone: take the line out", entry.at, entry.subject)));
    complaints
}

/// Something that has a length and a limit.
struct Subject {
    /// As the list of exceptions calls it.
    name: String,
    /// Where it begins, if it isn't a whole file.
    line: Option<usize>,
    lines: usize,
    lines_max: usize,
}

impl Subject {
    fn shown(&self) -> String {
        self.line.map_or_else(|| self.name.clone(), |line| format!("{} (line {line})", self.name))
    }
}

fn measure(sources: &[(String, String)]) -> Vec<Subject> {
    let mut subjects = Vec::new();
    for (path, text) in sources {
        subjects.push(Subject { name: path.clone(), line: None, lines: text.lines().count(), lines_max: FILE_LINES_MAX });
        // The tests of a module, moved to a file of their own, are still a test module.
        if path.ends_with("/tests.rs") {
            continue;
        }
        subjects.extend(functions::find(text).into_iter().map(|function| Subject {
            name: format!("{path}:{}", function.name),
            line: Some(function.line),
            lines: function.lines,
            lines_max: FUNCTION_LINES_MAX,
        }));
    }
    subjects
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One file of `file_lines` lines, the first `function_lines` of which are a function.
    fn check_one(path: &str, function_lines: usize, file_lines: usize, list: &str, expect: &str) {
        let text = format!("fn f() {{{}}}{}", "\n".repeat(function_lines - 1), "\n".repeat(file_lines - function_lines + 1));
        assert_eq!(check(&[(path.to_owned(), text)], list).join("; "), expect, "{function_lines} of {file_lines} lines, list {list:?}");
    }

    #[test]
    fn what_is_too_long_is_named() {
        check_one("a.rs", 70, 600, "", "");
        check_one("a.rs", 71, 600, "", "a.rs:f (line 1): 71 lines, at most 70: cut it where its parts have names of their own");
        check_one("a.rs", 70, 601, "", "a.rs: 601 lines, at most 600: cut it where its parts have names of their own");
        check_one("a/tests.rs", 71, 600, "", "");
    }

    #[test]
    fn the_list_of_exceptions_only_shrinks() {
        check_one("a.rs", 80, 80, "a.rs:f 80 a reason", "");
        check_one("a.rs", 81, 81, "a.rs:f 80 a reason", "a.rs:f (line 1): grew from 80 to 81 lines: the list of exceptions only shrinks");
        check_one("a.rs", 79, 79, "a.rs:f 80 a reason", "tidy-allow.txt:1: a.rs:f is down from 80 to 79 lines: write 79");
        check_one("a.rs", 70, 70, "a.rs:f 80 a reason", "tidy-allow.txt:1: a.rs:f is within its limit now: take the line out");
        check_one("a.rs", 70, 700, "a.rs 700 a reason", "");
        check_one("a.rs", 70, 70, "a.rs:g 80 a reason", "tidy-allow.txt:1: a.rs:g is gone: take the line out");
        check_one("a.rs", 70, 70, "b.rs 700 a reason", "tidy-allow.txt:1: b.rs is gone: take the line out");
    }
}
