//! What a program finds around itself: no arguments, no folder, no terminal, no files, and the environment that was granted.

use wasmtime::StoreContextMut;
use wasmtime::component::{Linker, Resource, ResourceType};

use super::VERSION;
use super::closed::Closed;
use crate::error::Breakage;
use crate::host_functions::HostData;

type Store<'a> = StoreContextMut<'a, HostData>;

/// A terminal, which is never there.
struct Terminal;

pub(super) fn link(linker: &mut Linker<HostData>) -> wasmtime::Result<()> {
    let mut environment = linker.instance(&format!("wasi:cli/environment{VERSION}"))?;
    environment.func_wrap("get-environment", |store: Store<'_>, (): ()| {
        let granted = &store.data().wasi.granted.env;
        Ok((granted.iter().map(|(name, value)| (name.clone(), value.clone())).collect::<Vec<_>>(),))
    })?;
    environment.func_wrap("get-arguments", |_: Store<'_>, (): ()| Ok((Vec::<String>::new(),)))?;
    environment.func_wrap("initial-cwd", |_: Store<'_>, (): ()| Ok((None::<String>,)))?;
    let mut exit = linker.instance(&format!("wasi:cli/exit{VERSION}"))?;
    exit.func_wrap("exit", |store: Store<'_>, (status,): (Result<(), ()>,)| ended(&store, if status.is_ok() { 0 } else { 1 }))?;
    exit.func_wrap("exit-with-code", |store: Store<'_>, (code,): (u8,)| ended(&store, code))?;
    for side in ["input", "output"] {
        let mut terminal = linker.instance(&format!("wasi:cli/terminal-{side}{VERSION}"))?;
        terminal.resource(&format!("terminal-{side}"), ResourceType::host::<Terminal>(), |_, _| Ok(()))?;
    }
    for stream in ["stdin", "stdout", "stderr"] {
        let mut terminal = linker.instance(&format!("wasi:cli/terminal-{stream}{VERSION}"))?;
        terminal.func_wrap(&format!("get-terminal-{stream}"), |_: Store<'_>, (): ()| Ok((None::<Resource<Terminal>>,)))?;
    }
    let mut preopens = linker.instance(&format!("wasi:filesystem/preopens{VERSION}"))?;
    preopens.func_wrap("get-directories", |_: Store<'_>, (): ()| Ok((Vec::<(Resource<Closed>, String)>::new(),)))
}

/// A program that ends itself breaks its call; what it said last is the reason.
fn ended(store: &Store<'_>, code: u8) -> wasmtime::Result<()> {
    let ended = format!("it ended itself with exit code {code}");
    let why = store.data().last_words().map_or_else(|| ended.clone(), |said| format!("{said} ({ended})"));
    Err(Breakage::Trap(why).into())
}
