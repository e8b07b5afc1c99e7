//! `weir completions` and `weir man`: what the definition of the command line says, for a shell and for `man`.

use clap_complete::Shell;
use clap_mangen::Man;
use weir_model::{Error, Result};

use crate::args;
use crate::exit_code::ExitCode;
use crate::output;

/// Prints the completion script for a shell.
///
/// # Errors
/// When it can't be written.
pub(crate) fn completions(shell: Shell) -> Result<ExitCode> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut args::command(), "weir", &mut script);
    output::print(&String::from_utf8_lossy(&script))?;
    Ok(ExitCode::Done)
}

/// Prints the manual page of a command, or of weir itself.
///
/// # Errors
/// When there is no such command, or it can't be written.
pub(crate) fn man(words: &[String]) -> Result<ExitCode> {
    output::print(&man_page(words)?)?;
    Ok(ExitCode::Done)
}

fn man_page(words: &[String]) -> Result<String> {
    let mut root = args::command();
    // Fills in what subcommands take from the program: global options and full names.
    root.build();
    let found = args::find(&root, words).cloned();
    let asked = words.join(" ");
    let command = found.ok_or_else(|| Error::usage("weir man", format!("there is no command `{asked}`"), "`weir help` lists the commands"))?;
    let mut page = Vec::new();
    Man::new(command).render(&mut page).map_err(|error| Error::job("the manual page", error.to_string(), "free some memory"))?;
    Ok(String::from_utf8_lossy(&page).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_has_a_manual_page_with_its_options() {
        let check = |words: &[&str], parts: &[&str]| {
            let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
            let page = man_page(&words).unwrap();
            for part in parts {
                assert!(page.contains(part), "{words:?} lacks {part}:\n{page}");
            }
        };
        check(&[], &[".TH weir 1", "plugin"]);
        check(&["run"], &[".TH weir-run 1", "parallelism", "quiet", "no\\-cache", "Examples"]);
        check(&["plugin", "build"], &[".TH weir-plugin-build 1", "output"]);
        assert_eq!(man_page(&["rum".to_owned()]).unwrap_err().why, "there is no command `rum`");
    }

    #[test]
    fn every_shell_has_a_completion_script() {
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish, Shell::Elvish, Shell::PowerShell] {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut args::command(), "weir", &mut script);
            let script = String::from_utf8(script).unwrap();
            assert!(script.contains("describe") && script.contains("log-format"), "{shell}");
        }
    }
}
