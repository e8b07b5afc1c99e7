//! `cargo xtask setup`: makes this machine able to build plugins, in Rust or in all languages, and says how.

use std::process::{Command, Stdio};

use crate::fault::{Fault, Result};
use crate::process::{self, Bounded};
use crate::repo::Repo;
use crate::toolchain::{DebianLacks, Sysroot, TARGET, Toolchain};
use crate::{languages, say};

/// The packages of Debian's way, without a linker.
const DEBIAN_PACKAGES: [&str; 3] = ["rustc-web", "cargo-web", "rust-web-src"];

/// Without a network rustup may wait for ever.
const RUSTUP_SECONDS_MAX: u64 = 60;

/// `setup [--languages]`.
pub(crate) fn verb(repo: &Repo, arguments: &[String]) -> Result<()> {
    match arguments {
        [] => run().map(drop),
        [option] if option == "--languages" => {
            run()?;
            languages::install(repo)
        }
        _ => {
            let why = format!("it takes nothing but `--languages`, and got `{}`", arguments.join(" "));
            Err(Fault::usage("`cargo xtask setup` can't be run as given", why, "run `cargo xtask setup --languages`"))
        }
    }
}

/// Finds or installs a way to build for Wasm; at once if there is one.
///
/// What is already there goes first, so that a second call neither waits for the network nor changes compilers.
pub(crate) fn run() -> Result<Toolchain> {
    let toolchain = find_or_install()?;
    say::progress(&toolchain.describe());
    Ok(toolchain)
}

fn find_or_install() -> Result<Toolchain> {
    let sysroot = Sysroot::ask()?;
    if sysroot.has_target() {
        return Ok(Toolchain::Host);
    }
    let lacks = match Toolchain::debian(&sysroot) {
        Ok(toolchain) => return Ok(toolchain),
        Err(lacks) => lacks,
    };
    let rustup = match install_by_rustup() {
        Ok(()) if sysroot.has_target() => return Ok(Toolchain::Host),
        Ok(()) => "rustup installed it for another compiler than the one in use".to_owned(),
        Err(why) => why,
    };
    say::progress(&format!("rustup can't add {TARGET}: {rustup}"));
    let debian = match install_by_apt(&lacks) {
        Ok(()) => match Toolchain::debian(&sysroot) {
            Ok(toolchain) => return Ok(toolchain),
            Err(DebianLacks::NewerCompiler(version)) => format!("its compiler is too old ({version})"),
            Err(DebianLacks::Linker) => "no linker for Wasm was installed".to_owned(),
            Err(DebianLacks::Packages) => "the packages are not where they should be".to_owned(),
        },
        Err(why) => why,
    };
    Err(no_way(&rustup, &debian))
}

/// Asks rustup for the target's standard library; the reason if it can't.
fn install_by_rustup() -> Result<(), String> {
    if !process::on_path("rustup") {
        return Err("there is no rustup here".to_owned());
    }
    say::progress(&format!("installing {TARGET}: rustup target add {TARGET} (at most {RUSTUP_SECONDS_MAX} s)"));
    match process::bounded(Command::new("rustup").args(["target", "add", TARGET]), RUSTUP_SECONDS_MAX) {
        Bounded::Succeeded => Ok(()),
        Bounded::Failed(why) => Err(why),
    }
}

/// Asks Debian for a compiler with the library's sources; the reason if it can't.
fn install_by_apt(lacks: &DebianLacks) -> Result<(), String> {
    let packages = packages(lacks);
    say::progress("installing Debian's compiler instead");
    install_packages(&packages)
}

/// Installs Debian's packages; the reason if it can't.
pub(crate) fn install_packages(packages: &[&str]) -> Result<(), String> {
    if !process::on_path("apt-get") {
        return Err("this is not Debian".to_owned());
    }
    let Some(prefix) = administrator() else {
        return Err("installing packages takes root, or sudo without a password".to_owned());
    };
    say::progress(&format!("apt-get install {}", packages.join(" ")));
    // A list of packages that is only partly fresh may still do.
    if let Err(fault) = process::run(&mut apt(&prefix, &["update", "-qq"]), "") {
        say::progress(&format!("{}: {}; going on with the package lists at hand", fault.what, fault.why));
    }
    // --no-remove: these packages conflict with Debian's own rustup and rustc, and those are the user's.
    let install = ["install", "-y", "-qq", "--no-install-recommends", "--no-remove"];
    process::run(apt(&prefix, &install).args(packages), "").map_err(|fault| format!("{}: {}", fault.what, fault.why))
}

/// What to ask apt for.
fn packages(lacks: &DebianLacks) -> Vec<&'static str> {
    let mut packages = DEBIAN_PACKAGES.to_vec();
    if *lacks == DebianLacks::Linker || !process::on_path("rustup") {
        packages.push("lld");
    }
    packages
}

/// The words before a command that needs root: none, `sudo -n`, or no way to get there.
fn administrator() -> Option<Vec<&'static str>> {
    let id = process::capture(Command::new("id").arg("-u")).unwrap_or_default();
    if id.trim() == "0" {
        return Some(Vec::new());
    }
    let sudo = process::bounded(Command::new("sudo").args(["-n", "true"]), 5);
    matches!(sudo, Bounded::Succeeded).then(|| vec!["sudo", "-n"])
}

/// `apt-get` that asks nobody anything and waits a while for another one to finish.
fn apt(prefix: &[&str], arguments: &[&str]) -> Command {
    let settings = ["env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-o", "DPkg::Lock::Timeout=120"];
    let mut words = prefix.iter().chain(&settings).chain(arguments);
    let mut command = Command::new(words.next().unwrap_or(&"apt-get"));
    // What it unpacks is of no interest; what goes wrong is on stderr.
    command.args(words).stdin(Stdio::null()).stdout(Stdio::null());
    command
}

fn no_way(rustup: &str, debian: &str) -> Fault {
    Fault::failed(
        "plugins can't be built on this machine",
        format!("there is no compiler for {TARGET}; by rustup: {rustup}; by Debian's packages: {debian}"),
        format!(
            "with a network, run `rustup target add {TARGET}`; on Debian or Ubuntu, run `apt-get install {} lld` as root",
            DEBIAN_PACKAGES.join(" ")
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn apt_is_run_without_questions_and_through_sudo_where_needed() {
        let words = |prefix: &[&str]| {
            let command = apt(prefix, &["update"]);
            let words = std::iter::once(command.get_program()).chain(command.get_args());
            words.map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(words(&[]), "env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=120 update");
        assert_eq!(words(&["sudo", "-n"]), "sudo -n env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=120 update");
    }

    #[test]
    fn a_linker_is_asked_for_only_where_it_is_missing() {
        assert!(packages(&DebianLacks::Linker).contains(&"lld"));
        assert_eq!(packages(&DebianLacks::Packages).contains(&"lld"), !process::on_path("rustup"));
    }

    #[test]
    fn where_nothing_works_the_fault_says_what_was_tried_and_what_to_install() {
        let fault = no_way("no answer within 60 s", "this is not Debian");
        assert!(fault.why.contains("no answer within 60 s") && fault.why.contains("this is not Debian"));
        assert!(fault.remedy.contains("rustup target add wasm32-unknown-unknown") && fault.remedy.contains("rust-web-src"));
    }
}
