//! The binary `weir` as a process: started, watched while it runs, and never waited for without a limit.

use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::built;

/// A process that still runs then has failed the test.
const LIMIT: Duration = Duration::from_secs(60);
/// Where the jobs of a folder are registered, in it.
pub const RUN_DIR: &str = ".running";
/// What is read of a pipe at once.
const READ_BYTES: usize = 1 << 16;

/// What happens to standard output.
#[derive(Debug)]
pub enum Out {
    /// It is collected.
    All,
    /// So many lines are collected; then the reader goes away, as `head` does.
    Lines(usize),
    /// Nobody reads it, and nobody closes it.
    Unread,
    /// It goes somewhere else.
    Into(Stdio),
}

/// A process to be.
#[derive(Debug)]
pub struct Weir {
    command: Command,
    out: Out,
    input: Option<Vec<u8>>,
    holds_input: bool,
    limit: Duration,
}

impl Weir {
    /// `weir` with these arguments, in `folder`. `${PLUGINS}` is where the built plugins are; the cache of compiled plugins is
    /// the tests' own, and jobs are registered in the folder.
    #[must_use]
    pub fn new(folder: &Path, arguments: &[&str]) -> Self {
        Self::wrapped(&[], folder, arguments)
    }

    /// The same, started by `wrapper`, which gets the whole command line as its last arguments.
    ///
    /// # Panics
    /// When `weir` hasn't been built.
    #[must_use]
    pub fn wrapped(wrapper: &[&str], folder: &Path, arguments: &[&str]) -> Self {
        let weir = built::weir();
        let mut command = match wrapper.split_first() {
            None => Command::new(weir),
            Some((program, words)) => {
                let mut command = Command::new(program);
                command.args(words).arg(weir);
                command
            }
        };
        command.args(arguments).current_dir(folder);
        command.env("WEIR_CACHE_DIR", built::cache()).env("PLUGINS", built::plugins());
        // Jobs of other tests are none of its business.
        command.env("WEIR_RUN_DIR", folder.join(RUN_DIR));
        for name in ["WEIR_LOG", "NO_COLOR", "COLUMNS"] {
            command.env_remove(name);
        }
        Self { command, out: Out::All, input: None, holds_input: false, limit: LIMIT }
    }

    /// Sets a variable of its environment.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl AsRef<std::ffi::OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// Sends its standard output elsewhere.
    #[must_use]
    pub fn out(mut self, out: Out) -> Self {
        self.out = out;
        self
    }

    /// Gives it something to read; without, standard input is empty.
    #[must_use]
    pub fn input(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.input = Some(bytes.into());
        self
    }

    /// Keeps its standard input open, for [`Running::say`].
    #[must_use]
    pub fn holding_input(mut self) -> Self {
        self.holds_input = true;
        self
    }

    /// How long it may run.
    #[must_use]
    pub fn limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// Runs it to its end.
    ///
    /// # Panics
    /// As [`Running::wait`].
    #[must_use]
    pub fn run(self) -> Ended {
        self.start().wait()
    }

    /// Starts it.
    ///
    /// # Panics
    /// When it can't be started.
    #[must_use]
    pub fn start(mut self) -> Running {
        let has_input = self.input.is_some() || self.holds_input;
        self.command.stdin(if has_input { Stdio::piped() } else { Stdio::null() }).stderr(Stdio::piped());
        let lines = match self.out {
            Out::All | Out::Unread => None,
            Out::Lines(lines) => Some(lines),
            Out::Into(_) => None,
        };
        let is_unread = matches!(self.out, Out::Unread);
        self.command.stdout(match self.out {
            Out::Into(place) => place,
            _ => Stdio::piped(),
        });
        let start = now();
        let mut child = self.command.spawn().unwrap();
        let mut unread = child.stdout.take();
        let stdout = if is_unread { None } else { unread.take() }.map(|pipe| Collected::start(pipe, lines, start));
        let stderr = child.stderr.take().map(|pipe| Collected::start(pipe, None, start));
        let mut stdin = child.stdin.take();
        if let (Some(bytes), Some(mut pipe)) = (self.input, stdin.take_if(|_| !self.holds_input)) {
            // It may end before it has read everything: that is its affair.
            std::thread::spawn(move || drop(pipe.write_all(&bytes)));
        }
        let pid = libc::pid_t::try_from(child.id()).unwrap();
        Running { pid, start, limit: self.limit, ended: reap(child, start), reaped: None, stdin, unread, stdout, stderr, is_over: false }
    }
}

#[expect(clippy::disallowed_methods, reason = "how long a process takes is what is measured")]
fn now() -> Instant {
    Instant::now()
}

#[expect(clippy::disallowed_methods, reason = "there is nothing to wait on")]
fn pause() {
    std::thread::sleep(Duration::from_millis(2));
}

/// How a process ended and what it used.
struct Reaped {
    status: ExitStatus,
    took: Duration,
    peak_rss_bytes: u64,
}

/// Waits for the process on a thread of its own: that is the one way to wait with a limit.
fn reap(child: Child, start: Instant) -> Receiver<Reaped> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        let pid = libc::pid_t::try_from(child.id()).unwrap();
        let mut status = 0;
        // SAFETY: all-zero bytes are a valid `rusage`, and both pointers are to live variables.
        #[expect(unsafe_code, reason = "the standard library doesn't tell what a child has used; see SAFETY")]
        let (reaped, usage) = unsafe {
            let mut usage: libc::rusage = std::mem::zeroed();
            (libc::wait4(pid, &raw mut status, 0, &raw mut usage), usage)
        };
        assert_eq!(reaped, pid);
        let peak_rss_bytes = u64::try_from(usage.ru_maxrss).unwrap() * 1024;
        drop(sender.send(Reaped { status: ExitStatus::from_raw(status), took: now() - start, peak_rss_bytes }));
    });
    receiver
}

/// A process that runs. Dropping it kills it.
pub struct Running {
    pid: libc::pid_t,
    start: Instant,
    limit: Duration,
    ended: Receiver<Reaped>,
    reaped: Option<Reaped>,
    stdin: Option<ChildStdin>,
    /// Held so that the process doesn't find it closed.
    unread: Option<ChildStdout>,
    stdout: Option<Collected>,
    stderr: Option<Collected>,
    is_over: bool,
}

impl Running {
    /// Sends it a signal, such as `libc::SIGINT`.
    pub fn signal(&self, signal: libc::c_int) {
        // SAFETY: no memory is involved; the process is a child of this one and has not been waited for by anything but its own thread.
        #[expect(unsafe_code, reason = "the standard library sends no signal but SIGKILL; see SAFETY")]
        unsafe {
            libc::kill(self.pid, signal)
        };
    }

    /// Sends it a signal so long after its start, unless it has ended by then.
    pub fn signal_after(&mut self, signal: libc::c_int, after: Duration) {
        self.reaped = self.ended.recv_timeout(after.saturating_sub(now() - self.start)).ok();
        if self.reaped.is_none() {
            self.signal(signal);
        }
    }

    /// Whether it has ended by now.
    pub fn has_ended(&mut self) -> bool {
        self.reaped = self.reaped.take().or_else(|| self.ended.try_recv().ok());
        self.reaped.is_some()
    }

    /// The time since it was started.
    #[must_use]
    pub fn age(&self) -> Duration {
        now() - self.start
    }

    /// Writes to its standard input.
    ///
    /// # Panics
    /// When it isn't held open, or can't be written.
    pub fn say(&mut self, text: &str) {
        let pipe = self.stdin.as_mut().unwrap();
        pipe.write_all(text.as_bytes()).and_then(|()| pipe.flush()).unwrap();
    }

    /// Closes its standard input.
    pub fn hang_up(&mut self) {
        self.stdin = None;
    }

    /// Waits until standard output is as `enough` wants it; gives the time since the start.
    ///
    /// # Panics
    /// When that doesn't happen in time.
    pub fn until_stdout(&self, enough: impl Fn(&[u8]) -> bool) -> Duration {
        self.until(self.stdout.as_ref(), enough)
    }

    /// Waits until standard error is as `enough` wants it.
    ///
    /// # Panics
    /// When that doesn't happen in time.
    pub fn until_stderr(&self, enough: impl Fn(&[u8]) -> bool) -> Duration {
        self.until(self.stderr.as_ref(), enough)
    }

    /// Waits until something that nothing tells of has happened, by looking again and again.
    ///
    /// # Panics
    /// When it doesn't happen in time.
    pub fn until_poll(&self, happened: impl Fn() -> bool) {
        let start = now();
        while !happened() {
            assert!(now() - start < self.limit, "it never came: {}", self.said());
            pause();
        }
    }

    /// Its standard error until now, if that is read.
    fn said(&self) -> String {
        let content = self.stderr.as_ref().map(|stderr| stderr.content.0.lock().unwrap());
        content.map_or_else(String::new, |content| String::from_utf8_lossy(&content.bytes).into_owned())
    }

    /// How many bytes wait in a standard output that nobody reads.
    ///
    /// # Panics
    /// When it is read, or the system doesn't say.
    #[must_use]
    pub fn unread_bytes(&self) -> usize {
        let mut count: libc::c_int = 0;
        // SAFETY: FIONREAD writes one int to the pointer that it is given.
        #[expect(unsafe_code, reason = "the standard library doesn't look into pipes; see SAFETY")]
        let answer = unsafe { libc::ioctl(self.unread.as_ref().unwrap().as_raw_fd(), libc::FIONREAD, &raw mut count) };
        assert_eq!(answer, 0);
        usize::try_from(count).unwrap()
    }

    fn until(&self, stream: Option<&Collected>, enough: impl Fn(&[u8]) -> bool) -> Duration {
        let (content, changed) = &*stream.unwrap().content;
        let content = content.lock().unwrap();
        let (content, timeout) = changed.wait_timeout_while(content, self.limit, |content| !enough(&content.bytes) && !content.is_closed).unwrap();
        assert!(!timeout.timed_out() && enough(&content.bytes), "it never came: {}", String::from_utf8_lossy(&content.bytes));
        drop(content);
        now() - self.start
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// When it runs longer than its limit, or a panic shows on its standard error: no test may let that pass.
    #[must_use]
    pub fn wait(mut self) -> Ended {
        let reaped = self.reaped.take().or_else(|| self.ended.recv_timeout(self.limit).ok());
        let Some(reaped) = reaped else {
            self.signal(libc::SIGKILL);
            let said = self.stderr.take().map(Collected::finish).unwrap_or_default().bytes;
            panic!("still running after {:?}; it said:\n{}", self.limit, String::from_utf8_lossy(&said));
        };
        self.is_over = true;
        self.unread = None;
        let stdout = self.stdout.take().map(Collected::finish).unwrap_or_default();
        let stderr = String::from_utf8_lossy(&self.stderr.take().map(Collected::finish).unwrap_or_default().bytes).into_owned();
        // A guest's panic is told in other words: it has no thread.
        let is_panic = |line: &str| line.starts_with("thread '") && line.contains("panicked at");
        assert!(!stderr.lines().any(is_panic) && !stderr.contains("RUST_BACKTRACE"), "weir panicked:\n{stderr}");
        let Reaped { status, took, peak_rss_bytes } = reaped;
        // As shells say it.
        let code = status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or_default());
        Ended { code, stdout: stdout.bytes, stderr, took, first_output: stdout.first, peak_rss_bytes }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if !self.is_over {
            self.signal(libc::SIGKILL);
        }
    }
}

/// What has come out of a pipe.
#[derive(Debug, Default)]
struct Content {
    bytes: Vec<u8>,
    first: Option<Duration>,
    is_closed: bool,
}

/// A pipe that a thread reads.
struct Collected {
    content: Arc<(Mutex<Content>, Condvar)>,
    thread: JoinHandle<()>,
}

impl Collected {
    /// Reads to the end, or to the end of so many lines.
    fn start(mut pipe: impl Read + Send + 'static, lines: Option<usize>, start: Instant) -> Self {
        let content: Arc<(Mutex<Content>, Condvar)> = Arc::default();
        let shared = Arc::clone(&content);
        let thread = std::thread::spawn(move || {
            let mut block = vec![0; READ_BYTES];
            let mut left = lines;
            loop {
                let count = if left == Some(0) { 0 } else { pipe.read(&mut block).unwrap_or_default() };
                let took = now() - start;
                let mut content = shared.0.lock().unwrap();
                let mut read = block.get(..count).unwrap_or_default();
                if let Some(left) = &mut left {
                    let end = read.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at + 1).take(*left);
                    let ends: Vec<usize> = end.collect();
                    *left -= ends.len();
                    let kept = if *left == 0 { ends.last().copied() } else { None };
                    read = read.get(..kept.unwrap_or(read.len())).unwrap_or_default();
                }
                content.bytes.extend_from_slice(read);
                content.first = content.first.or(if count > 0 { Some(took) } else { None });
                content.is_closed = count == 0;
                shared.1.notify_all();
                if count == 0 {
                    break;
                }
            }
        });
        Self { content, thread }
    }

    fn finish(self) -> Content {
        self.thread.join().unwrap();
        std::mem::take(&mut *self.content.0.lock().unwrap())
    }
}

/// A process that has ended.
#[derive(Debug)]
pub struct Ended {
    /// Its exit code; 128 and the signal's number if one ended it.
    pub code: i32,
    /// What was collected of its standard output.
    pub stdout: Vec<u8>,
    /// Its standard error.
    pub stderr: String,
    /// From before its start to its end.
    pub took: Duration,
    /// From before its start to the first byte of its standard output.
    pub first_output: Option<Duration>,
    /// The most memory that it had resident at once.
    pub peak_rss_bytes: u64,
}

impl Ended {
    /// Checks its exit code.
    ///
    /// # Panics
    /// When it is another one; with what it said.
    #[must_use]
    pub fn with_code(self, code: i32) -> Self {
        assert_eq!(self.code, code, "exit code {} for {code}; it said:\n{}", self.code, self.stderr);
        self
    }

    /// Its standard output as text.
    ///
    /// # Panics
    /// When it isn't UTF-8.
    #[must_use]
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.stdout).unwrap()
    }

    /// The three parts of the error that it told.
    ///
    /// # Panics
    /// When there is no error of three parts on its standard error, or more than one.
    #[must_use]
    pub fn told(&self) -> Told {
        let (mut what, mut why, mut remedy) = (String::new(), String::new(), String::new());
        let mut part: Option<&mut String> = None;
        for line in self.stderr.lines() {
            if let Some(rest) = line.strip_prefix("error: ") {
                assert!(what.is_empty(), "two errors:\n{}", self.stderr);
                what.push_str(rest);
                part = Some(&mut what);
            } else if let Some(rest) = line.strip_prefix("  why: ") {
                why.push_str(rest);
                part = Some(&mut why);
            } else if let Some(rest) = line.strip_prefix("  do:  ") {
                remedy.push_str(rest);
                part = Some(&mut remedy);
            } else if let (Some(part), Some(rest)) = (&mut part, line.strip_prefix("       ")) {
                part.push('\n');
                part.push_str(rest);
            } else {
                part = None;
            }
        }
        assert!(!what.is_empty() && !why.is_empty() && !remedy.is_empty(), "no error of three parts:\n{}", self.stderr);
        Told { what, why, remedy }
    }

    /// Checks that it failed with `code` and an error whose parts contain these words.
    ///
    /// # Panics
    /// When it didn't.
    #[must_use]
    pub fn failed(self, code: i32, what: &[&str], why: &[&str]) -> Told {
        let told = self.with_code(code).told();
        for (part, words) in [(&told.what, what), (&told.why, why)] {
            words.iter().for_each(|word| assert!(part.contains(word), "`{word}` is not in {part:?} of {told:?}"));
        }
        told
    }
}

/// An error in three parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// What failed.
    pub what: String,
    /// Why.
    pub why: String,
    /// What to do.
    pub remedy: String,
}
