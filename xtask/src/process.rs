//! Running other programs: on the user's terminal, captured, line by line, or for a bounded time.

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use crate::fault::{Fault, Result};

/// How a program that was given a time limit ended.
pub(crate) enum Bounded {
    /// Exit code 0.
    Succeeded,
    /// It could not be started, failed, or ran out of time; the text says which.
    Failed(String),
}

/// Runs `command` with this terminal as its output; an exit code other than 0 is a fault that ends in `remedy`.
pub(crate) fn run(command: &mut Command, remedy: &str) -> Result<()> {
    let status = command.status().map_err(|error| not_started(command, &error))?;
    succeeded(command, status, remedy)
}

/// Runs `command` and returns what it printed; its complaints become the fault's reason.
pub(crate) fn capture(command: &mut Command) -> Result<String> {
    let output = command.stdin(Stdio::null()).output().map_err(|error| not_started(command, &error))?;
    if !output.status.success() {
        let why = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        return Err(Fault::failed(format!("`{}` failed", shown(command)), why, "run it by hand to see more"));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Runs `command`, handing over each line that it prints as it comes.
pub(crate) fn each_line(command: &mut Command, mut take: impl FnMut(&str)) -> Result<ExitStatus> {
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().map_err(|error| not_started(command, &error))?;
    if let Some(stdout) = child.stdout.take() {
        let mut reader = BufReader::new(stdout);
        let mut line = Vec::new();
        // Bytes, not text: a job may print what is not UTF-8, and that must not end the reading.
        while reader.read_until(b'\n', &mut line).map_err(|error| not_started(command, &error))? > 0 {
            take(String::from_utf8_lossy(&line).trim_end_matches(['\n', '\r']));
            line.clear();
        }
    }
    child.wait().map_err(|error| not_started(command, &error))
}

/// Turns an exit status into a fault that ends in `remedy`, unless it is 0.
pub(crate) fn succeeded(command: &Command, status: ExitStatus, remedy: &str) -> Result<()> {
    if status.success() {
        return Ok(());
    }
    Err(Fault::failed(format!("`{}` failed", shown(command)), format!("it ended with {status}"), remedy))
}

/// Runs `command` without a terminal for at most `seconds_max`; then it is killed.
pub(crate) fn bounded(command: &mut Command, seconds_max: u64) -> Bounded {
    let mut child = match command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn() {
        Ok(child) => child,
        Err(error) => return Bounded::Failed(error.to_string()),
    };
    let (sender, receiver) = mpsc::channel();
    if let Some(mut stderr) = child.stderr.take() {
        // The thread outlives this call if a grandchild keeps the pipe open: it then ends with this process.
        std::thread::spawn(move || {
            let mut text = Vec::new();
            let _ = stderr.read_to_end(&mut text);
            let _ = sender.send(String::from_utf8_lossy(&text).trim().to_owned());
        });
    }
    let Ok(complaints) = receiver.recv_timeout(Duration::from_secs(seconds_max)) else {
        let _ = child.kill();
        let _ = child.wait();
        return Bounded::Failed(format!("no answer within {seconds_max} s"));
    };
    match child.wait() {
        Ok(status) if status.success() => Bounded::Succeeded,
        Ok(status) => Bounded::Failed(complaint(&complaints).map_or_else(|| status.to_string(), str::to_owned)),
        Err(error) => Bounded::Failed(error.to_string()),
    }
}

/// The line that says why: the first that calls itself an error, before any backtrace, or else the last.
fn complaint(text: &str) -> Option<&str> {
    text.lines().find_map(|line| line.strip_prefix("error: ")).or_else(|| text.lines().last())
}

/// Whether a program of this name is on the search path.
pub(crate) fn on_path(program: &str) -> bool {
    std::env::var_os("PATH").is_some_and(|path| std::env::split_paths(&path).any(|folder| folder.join(program).is_file()))
}

/// The command as one would type it.
fn shown(command: &Command) -> String {
    let program = Path::new(command.get_program());
    let words = std::iter::once(program.file_name().unwrap_or(program.as_os_str())).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

fn not_started(command: &Command, error: &std::io::Error) -> Fault {
    Fault::failed(format!("`{}` can't be run", shown(command)), error.to_string(), "check that the program is installed and on the search path")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    fn check_bounded(script: &str, expect: Option<&str>) {
        let got = match bounded(&mut shell(script), 1) {
            Bounded::Succeeded => None,
            Bounded::Failed(why) => Some(why),
        };
        assert_eq!(got.as_deref(), expect, "for {script:?}");
    }

    #[test]
    fn a_bounded_program_succeeds_fails_with_its_last_line_or_is_killed() {
        check_bounded("exit 0", None);
        check_bounded("echo first >&2; echo last >&2; exit 3", Some("last"));
        check_bounded("echo note >&2; echo 'error: why' >&2; echo ' 1: trace' >&2; exit 1", Some("why"));
        check_bounded("exit 3", Some("exit status: 3"));
        check_bounded("exec sleep 30", Some("no answer within 1 s"));
    }

    #[test]
    fn lines_are_handed_over_even_where_they_are_not_utf_8() {
        let mut lines = Vec::new();
        let status = each_line(&mut shell("printf 'a\\r\\n\\377\\nend'"), |line| lines.push(line.to_owned())).unwrap();
        assert!(status.success());
        assert_eq!(lines, ["a", "\u{fffd}", "end"]);
    }

    #[test]
    fn a_program_that_fails_or_is_not_there_says_so() {
        assert_eq!(run(&mut shell("exit 7"), "look").unwrap_err().why, "it ended with exit status: 7");
        assert_eq!(capture(&mut shell("echo no >&2; exit 1")).unwrap_err().why, "no");
        assert!(capture(&mut Command::new("no-such-program-here")).unwrap_err().what.contains("can't be run"));
    }
}
