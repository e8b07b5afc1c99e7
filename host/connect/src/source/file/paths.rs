//! Which files a source reads: paths, folders and patterns, looked up in the order of the job file.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use weir_model::{Error, Result};

use crate::source::bad_input::OnBadInput;

/// One item of `path`.
#[derive(Debug, Clone)]
pub(super) struct PathPattern {
    /// Where it stands in the job file, for messages.
    pub(super) place: String,
    /// A file, a folder, or a pattern.
    pub(super) pattern: String,
}

/// A file to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct InputFile {
    /// Where it is.
    pub(super) path: PathBuf,
    /// Its size on the disk.
    pub(super) bytes: u64,
    /// Whether it has to be unpacked.
    pub(super) gzip: bool,
}

impl InputFile {
    /// The file at `path`, packed if its name says so.
    pub(super) fn new(path: PathBuf, bytes: u64) -> Self {
        let gzip = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("gz"));
        Self { path, bytes, gzip }
    }
}

/// When a look-up is made, which decides what may be missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LookUp {
    /// The only one: every item has to have a file.
    Once,
    /// The first of many: files may come into folders and under patterns later.
    First,
    /// A later one: files may also have gone, since a source that is read for ever has to be cleaned up after.
    Again,
}

/// What a look-up gave.
#[derive(Debug)]
pub(super) struct Found {
    /// The files in the order of the job file, those of a folder or a pattern by name; each once.
    pub(super) files: Vec<InputFile>,
    /// Items that nothing was found for and that were left out.
    pub(super) skipped: u64,
}

/// Looks up `patterns`; relative ones start at `base`.
pub(super) fn find(base: &Path, patterns: &[PathPattern], on_bad_input: OnBadInput, look_up: LookUp) -> Result<Found> {
    let mut seen = BTreeSet::new();
    let mut found = Found { files: Vec::new(), skipped: 0 };
    let mut first_error = None;
    for pattern in patterns {
        match find_one(base, pattern, look_up) {
            Ok(files) => {
                for (path, metadata) in files {
                    // Also where bad input is skipped: reading one blocks a thread that other subtasks need.
                    if !metadata.is_file() {
                        return Err(not_regular(pattern, &path));
                    }
                    if seen.insert(path.clone()) {
                        found.files.push(InputFile::new(path, metadata.len()));
                    }
                }
            }
            Err(error) if on_bad_input == OnBadInput::Fail => return Err(error),
            Err(error) => {
                found.skipped += 1;
                first_error.get_or_insert(error);
            }
        }
    }
    match first_error {
        // A source without any file is a slip in the job file, whatever is to be done about bad input.
        Some(error) if found.files.is_empty() && look_up != LookUp::Again => Err(error),
        _ => Ok(found),
    }
}

type Files = Vec<(PathBuf, fs::Metadata)>;

fn find_one(base: &Path, pattern: &PathPattern, look_up: LookUp) -> Result<Files> {
    let path = base.join(&pattern.pattern);
    match fs::metadata(&path) {
        Ok(metadata) if metadata.is_dir() => in_folder(&path, pattern, look_up),
        Ok(metadata) => Ok(vec![(path, metadata)]),
        Err(error) if error.kind() == io::ErrorKind::NotFound && pattern.pattern.contains(['*', '?', '[']) => matching(base, pattern, look_up),
        Err(error) if error.kind() == io::ErrorKind::NotFound && look_up == LookUp::Again => Ok(Vec::new()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(Error::usage(
            &pattern.place,
            format!("there is no file `{}`", path.display()),
            "check the path; relative ones start at the folder of the job file",
        )),
        Err(error) => Err(unreadable(pattern, &path, &error)),
    }
}

/// The files of a folder, without those of its folders and without those that are hidden or not finished by the habit of other tools.
fn in_folder(folder: &Path, pattern: &PathPattern, look_up: LookUp) -> Result<Files> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).map_err(|error| unreadable(pattern, folder, &error))? {
        let entry = entry.map_err(|error| unreadable(pattern, folder, &error))?;
        if entry.file_name().as_encoded_bytes().starts_with(b".") || entry.file_name().as_encoded_bytes().starts_with(b"_") {
            continue;
        }
        files.extend(with_metadata(entry.path(), pattern, look_up)?);
    }
    files.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
    if files.is_empty() && look_up == LookUp::Once {
        return Err(Error::usage(
            &pattern.place,
            format!("there is no file in the folder `{}`", folder.display()),
            "put files there, or name another folder; folders inside it and names with `.` or `_` in front are passed over",
        ));
    }
    Ok(files)
}

/// The files that a pattern matches, by name.
fn matching(base: &Path, pattern: &PathPattern, look_up: LookUp) -> Result<Files> {
    // What the base has of a pattern's characters stands for itself.
    let full = match base.to_str() {
        Some(base) if !base.is_empty() && Path::new(&pattern.pattern).is_relative() => {
            format!("{}/{}", glob::Pattern::escape(base), pattern.pattern)
        }
        _ => pattern.pattern.clone(),
    };
    let options = glob::MatchOptions { case_sensitive: true, require_literal_separator: true, require_literal_leading_dot: true };
    let paths = glob::glob_with(&full, options).map_err(|error| {
        Error::usage(&pattern.place, format!("`{}` is not a pattern: {}", pattern.pattern, error.msg), "use `*`, `?`, `[a-z]` and `**/`")
    })?;
    let mut files = Vec::new();
    for path in paths {
        let path = path.map_err(|error| unreadable(pattern, error.path(), error.error()))?;
        files.extend(with_metadata(path, pattern, look_up)?);
    }
    files.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
    if files.is_empty() && look_up == LookUp::Once {
        return Err(Error::usage(
            &pattern.place,
            format!("no file matches `{}`", base.join(&pattern.pattern).display()),
            "check the pattern; relative ones start at the folder of the job file",
        ));
    }
    Ok(files)
}

/// A file with what the system says of it; none for a folder, and for one that has just gone where that may be.
fn with_metadata(path: PathBuf, pattern: &PathPattern, look_up: LookUp) -> Result<Option<(PathBuf, fs::Metadata)>> {
    match fs::metadata(&path) {
        Ok(metadata) => Ok((!metadata.is_dir()).then_some((path, metadata))),
        Err(error) if error.kind() == io::ErrorKind::NotFound && look_up != LookUp::Once => Ok(None),
        Err(error) => Err(unreadable(pattern, &path, &error)),
    }
}

fn not_regular(pattern: &PathPattern, path: &Path) -> Error {
    let path = path.display();
    Error::usage(
        &pattern.place,
        format!("`{path}` is a pipe, a device or the like, not a regular file"),
        format!("set connector = \"stdin\" and redirect into it: weir run JOB < {path}"),
    )
}

fn unreadable(pattern: &PathPattern, path: &Path, error: &io::Error) -> Error {
    Error::usage(&pattern.place, format!("`{}` can't be read: {error}", path.display()), "check its permissions")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_support::TempFolder;

    fn found(folder: &Path, patterns: &[&str], on_bad_input: OnBadInput) -> Result<(Vec<String>, u64)> {
        let patterns: Vec<_> =
            patterns.iter().map(|pattern| PathPattern { place: "job.toml:2: path".into(), pattern: (*pattern).to_owned() }).collect();
        let found = find(folder, &patterns, on_bad_input, LookUp::Once)?;
        let name = |file: InputFile| file.path.strip_prefix(folder).unwrap().to_str().unwrap().to_owned();
        Ok((found.files.into_iter().map(name).collect(), found.skipped))
    }

    #[test]
    fn paths_folders_and_patterns_find_their_files_by_name() {
        // The folder itself has a character of patterns in its name.
        let temp = TempFolder::new();
        let folder = temp.path().join("in[1]");
        for name in ["b.txt", "a.txt", "c.gz", ".hidden", "_part", "sub/d.txt", "sub/deep/e.txt", "[x].txt"] {
            temp.file(&format!("in[1]/{name}"), "");
        }
        let check = |patterns: &[&str], expected: &[&str]| {
            let expected: Vec<String> = expected.iter().map(|name| (*name).to_owned()).collect();
            assert_eq!(found(&folder, patterns, OnBadInput::Fail).unwrap(), (expected, 0), "{patterns:?}");
        };
        check(&["b.txt"], &["b.txt"]);
        check(&["b.txt", "a.txt", "b.txt"], &["b.txt", "a.txt"]);
        check(&["?.txt"], &["a.txt", "b.txt"]);
        check(&["b.txt", "*.txt"], &["b.txt", "[x].txt", "a.txt"]);
        check(&["[x].txt"], &["[x].txt"]);
        check(&["."], &["[x].txt", "a.txt", "b.txt", "c.gz"]);
        check(&["sub"], &["sub/d.txt"]);
        check(&["**/e.txt"], &["sub/deep/e.txt"]);
        check(&[folder.join("sub/../a.txt").to_str().unwrap()], &["sub/../a.txt"]);
    }

    #[test]
    fn what_is_not_there_is_named() {
        let temp = TempFolder::new();
        temp.file("a.txt", "");
        temp.file("empty/.hidden", "");
        let check = |pattern: &str, why: &str| {
            let error = found(temp.path(), &[pattern], OnBadInput::Fail).unwrap_err();
            assert!(error.what == "job.toml:2: path" && error.why.starts_with(why), "{error}");
            // Left out beside a file that is there, an error when it is all there is.
            assert_eq!(found(temp.path(), &[pattern, "a.txt"], OnBadInput::Skip).unwrap(), (vec!["a.txt".to_owned()], 1));
            assert_eq!(found(temp.path(), &[pattern], OnBadInput::Skip).unwrap_err(), error);
        };
        check("b.txt", "there is no file `");
        check("*.csv", "no file matches `");
        check("empty", "there is no file in the folder `");
        check("a[.txt", "`a[.txt` is not a pattern");
    }

    #[cfg(unix)]
    #[test]
    fn a_pipe_or_a_device_is_refused_wherever_it_is_found() {
        let temp = TempFolder::new();
        temp.file("in/a.txt", "");
        let pipe = temp.path().join("in/pipe");
        // Made without a process: between fork and exec it would hold every lock that another test has.
        rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, rustix::fs::Mode::RUSR, 0).unwrap();
        for pattern in ["in/pipe", "in", "in/p*", "/dev/null"] {
            for on_bad_input in [OnBadInput::Fail, OnBadInput::Skip] {
                let error = found(temp.path(), &["in/a.txt", pattern], on_bad_input).unwrap_err();
                let path = if pattern.starts_with('/') { pattern.into() } else { pipe.display().to_string() };
                assert_eq!(error.what, "job.toml:2: path");
                assert_eq!(error.why, format!("`{path}` is a pipe, a device or the like, not a regular file"));
                assert!(error.remedy.contains("connector = \"stdin\"") && error.remedy.contains(&format!("weir run JOB < {path}")), "{error}");
            }
        }
    }

    #[test]
    fn a_file_knows_its_size_and_whether_it_is_packed() {
        let temp = TempFolder::new();
        temp.file("a.txt.GZ", "12345");
        let patterns = [PathPattern { place: String::new(), pattern: "a.txt.GZ".into() }];
        let files = find(temp.path(), &patterns, OnBadInput::Fail, LookUp::Once).unwrap().files;
        assert_eq!(files, [InputFile { path: temp.path().join("a.txt.GZ"), bytes: 5, gzip: true }]);
    }
}
