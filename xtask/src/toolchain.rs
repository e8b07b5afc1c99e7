//! Which compiler turns Rust into Wasm on this machine.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::fault::Result;
use crate::process;
use crate::repo::Repo;

/// The target that plugins are built for.
pub(crate) const TARGET: &str = "wasm32-unknown-unknown";

/// Where Debian's compiler keeps the sources of the standard library.
const DEBIAN_STD_SOURCE: &str = "/usr/lib/rustlib/src/rust/library/std/Cargo.toml";
const DEBIAN_RUSTC: &str = "/usr/bin/rustc";
const DEBIAN_CARGO: &str = "/usr/bin/cargo";

/// A way to build for Wasm that works here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Toolchain {
    /// The compiler that builds the host has the target's standard library too.
    Host,
    /// Debian's compiler builds the standard library from its sources, and this linker links.
    Debian {
        /// A linker that speaks Wasm.
        linker: PathBuf,
    },
}

/// The compiler that builds the host.
pub(crate) struct Sysroot {
    folder: PathBuf,
    host: String,
}

impl Sysroot {
    /// Asks the compiler that Cargo would use.
    pub(crate) fn ask() -> Result<Self> {
        let mut command = Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()));
        let answer = process::capture(command.args(["--print", "sysroot", "--print", "host-tuple"]))?;
        let mut lines = answer.lines();
        let folder = PathBuf::from(lines.next().unwrap_or_default());
        Ok(Self { folder, host: lines.next().unwrap_or_default().to_owned() })
    }

    /// Whether the target's standard library lies in it.
    pub(crate) fn has_target(&self) -> bool {
        self.folder.join("lib/rustlib").join(TARGET).join("lib").is_dir()
    }

    /// A linker that speaks Wasm: the one that comes with rustup's compilers, or LLVM's own.
    fn linker(&self) -> Option<PathBuf> {
        let own = self.folder.join("lib/rustlib").join(&self.host).join("bin/rust-lld");
        if own.is_file() {
            return Some(own);
        }
        let names = ["wasm-ld", "wasm-ld-19", "wasm-ld-18", "wasm-ld-17", "wasm-ld-16", "wasm-ld-15", "wasm-ld-14"];
        names.into_iter().find(|name| process::on_path(name)).map(PathBuf::from)
    }
}

/// What of Debian's way is missing.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum DebianLacks {
    /// The compiler, Cargo or the library's sources.
    Packages,
    /// They are there, but older than the workspace needs.
    NewerCompiler(String),
    /// A linker that speaks Wasm.
    Linker,
}

impl Toolchain {
    /// Debian's way, if everything it needs is there.
    pub(crate) fn debian(sysroot: &Sysroot) -> Result<Self, DebianLacks> {
        if [DEBIAN_RUSTC, DEBIAN_CARGO, DEBIAN_STD_SOURCE].iter().any(|path| !Path::new(path).is_file()) {
            return Err(DebianLacks::Packages);
        }
        let version = process::capture(Command::new(DEBIAN_RUSTC).env_remove("LD_LIBRARY_PATH").arg("--version")).unwrap_or_default();
        if !is_at_least(&version, env!("CARGO_PKG_RUST_VERSION")) {
            return Err(DebianLacks::NewerCompiler(version.trim().to_owned()));
        }
        sysroot.linker().map(|linker| Self::Debian { linker }).ok_or(DebianLacks::Linker)
    }

    /// A Cargo that builds for Wasm, with everything but the subcommand's own arguments set.
    pub(crate) fn cargo_build(&self, repo: &Repo) -> Command {
        let mut command = match self {
            Self::Host => repo.cargo(),
            Self::Debian { .. } => Command::new(DEBIAN_CARGO),
        };
        command.current_dir(repo.path("plugins"));
        command.args(["build", "--release", "--target", TARGET]);
        // What a plugin is made of must not depend on the settings of whoever started this.
        for name in ["CARGO_ENCODED_RUSTFLAGS", "CARGO_BUILD_TARGET"] {
            command.env_remove(name);
        }
        command.env("RUSTFLAGS", "-C target-feature=+simd128");
        if let Self::Debian { linker } = self {
            // Cargo and rustup tell their children which compiler they are: this child is to be another one.
            for name in ["CARGO", "RUSTUP_TOOLCHAIN", "LD_LIBRARY_PATH", "RUSTC_WRAPPER", "RUSTC_WORKSPACE_WRAPPER"] {
                command.env_remove(name);
            }
            // The compiler is a stable one; building its own library is behind this switch.
            command.env("RUSTC_BOOTSTRAP", "1").env("RUSTC", DEBIAN_RUSTC);
            command.env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", linker);
            command.args(["-Z", "build-std=std,panic_abort"]);
        }
        command
    }

    /// One line for the user: what was picked.
    pub(crate) fn describe(&self) -> String {
        match self {
            Self::Host => format!("the host's compiler has {TARGET}: plugins are built with it"),
            Self::Debian { linker } => format!(
                "the host's compiler lacks {TARGET}, Debian's is here: plugins are built with {DEBIAN_RUSTC} and the standard library's sources, linked by {}",
                linker.file_name().unwrap_or(linker.as_os_str()).to_string_lossy()
            ),
        }
    }
}

/// Whether `rustc --version` printed `wanted` or newer.
fn is_at_least(printed: &str, wanted: &str) -> bool {
    let numbers = |text: &str| text.split('.').map_while(|part| part.parse().ok()).take(2).collect::<Vec<u32>>();
    let found = numbers(printed.split_whitespace().nth(1).unwrap_or_default());
    found.len() == 2 && found >= numbers(wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(printed: &str, wanted: &str, expect: bool) {
        assert_eq!(is_at_least(printed, wanted), expect, "{printed:?} against {wanted}");
    }

    #[test]
    fn versions_are_compared_as_numbers() {
        check("rustc 1.96.0 (ac68faa20 2026-05-25) (built from a source tarball)\n", "1.95", true);
        check("rustc 1.95.0 (59807616e 2026-04-14)", "1.95", true);
        check("rustc 1.100.0", "1.95", true);
        check("rustc 2.0.0", "1.95", true);
        check("rustc 1.85.0", "1.95", false);
        check("rustc 1.9.0", "1.95", false);
        check("", "1.95", false);
    }

    #[test]
    fn debians_way_names_its_own_compiler_and_hides_the_hosts() {
        let repo = Repo::find().unwrap();
        let command = Toolchain::Debian { linker: "some/rust-lld".into() }.cargo_build(&repo);
        let set = |name: &str| command.get_envs().find(|(key, _)| *key == name).map(|(_, value)| value.map(|v| v.to_string_lossy().into_owned()));
        assert_eq!(command.get_program(), DEBIAN_CARGO);
        assert_eq!(set("RUSTC"), Some(Some(DEBIAN_RUSTC.to_owned())));
        assert_eq!(set("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER"), Some(Some("some/rust-lld".to_owned())));
        assert_eq!(set("LD_LIBRARY_PATH"), Some(None));
        assert_eq!(set("RUSTUP_TOOLCHAIN"), Some(None));
    }
}
