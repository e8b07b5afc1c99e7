//! What the host can call: a component's exports, their types checked, and what a failed call means.

use std::sync::Arc;

use wasmtime::component::{ComponentNamedList, Func, Instance, InstancePre, Lift, Lower, TypedFunc};
use wasmtime::{Store, Trap};
use weir_model::describe::PluginDescription;

use crate::bindings::v0_1;
use crate::engine::{PluginEngine, deadline_ticks};
use crate::error::{Breakage, LoadError};
use crate::host_functions::HostData;
use crate::limits::{InstanceLimits, Limiter, STACK_BYTES_MAX};
use crate::services::Services;
use crate::wasi::{Capabilities, Random, Wasi};

/// A store for one instance, which sees this system.
pub(crate) fn new_store(engine: &PluginEngine, limits: &InstanceLimits, wasi: Wasi) -> Store<HostData> {
    let mut store = Store::new(&engine.inner.engine, HostData { services: None, limiter: Limiter::new(limits), wasi });
    store.limiter(|data| &mut data.limiter);
    store.set_hostcall_fuel(limits.output_bytes_max.saturating_add(limits.state_bytes_max));
    store.epoch_deadline_trap();
    store.set_epoch_deadline(deadline_ticks(limits.call_timeout));
    store
}

/// Finds an exported function of the operator interface and checks its type.
fn find<P, R>(store: &mut Store<HostData>, instance: &Instance, name: &str) -> Result<TypedFunc<P, R>, String>
where
    P: ComponentNamedList + Lower,
    R: ComponentNamedList + Lift,
{
    let interface = instance.get_export_index(&mut *store, None, v0_1::OPERATOR).ok_or_else(|| format!("it doesn't export {}", v0_1::OPERATOR))?;
    let index = instance.get_export_index(&mut *store, Some(&interface), name).ok_or_else(|| format!("it doesn't export the function {name}"))?;
    instance.get_typed_func(&mut *store, index).map_err(|error| format!("its function {name} has another type than the contract's: {error:#}"))
}

/// Asks a fresh instance what the plugin is, and checks the types of all the functions that a job will call.
pub(crate) fn describe(engine: &PluginEngine, pre: &InstancePre<HostData>, limits: &InstanceLimits) -> Result<PluginDescription, LoadError> {
    let wasi = Wasi::new(Arc::new(Capabilities::default()), Random::new("describe", 0, 0, 0));
    let mut store = new_store(engine, limits, wasi);
    let failed = |error: &wasmtime::Error, store: &Store<HostData>| LoadError::Describe(format!("failed: {}", breakage(error, store, limits)));
    let instance = pre.instantiate(&mut store).map_err(|error| failed(&error, &store))?;
    Functions::find(&mut store, &instance).map_err(LoadError::Shape)?;
    // Nothing calls this one yet, but a component without it isn't a plugin of this contract.
    find::<OnTimersParameters<'static>, Answer>(&mut store, &instance, "on-timers").map_err(LoadError::Shape)?;
    // A guest may log while it describes itself: an SDK's panic hook does.
    store.data_mut().services = Some(Box::new(Services::detached("describe", *limits)));
    let describe = find::<(), (v0_1::Description,)>(&mut store, &instance, "describe").map_err(LoadError::Shape)?;
    let (description,) = describe.call(&mut store, ()).map_err(|error| failed(&error, &store))?;
    Ok(description.into())
}

pub(crate) type OpenParameters<'a> = (&'a str, &'a [(String, String)], v0_1::Subtask);
pub(crate) type ProcessParameters<'a> = (u32, &'a [u8], v0_1::KeyTable<'a>, v0_1::CallContext);
type OnTimersParameters<'a> = (bool, &'a [u8], v0_1::KeyTable<'a>, v0_1::CallContext);
pub(crate) type MigrateParameters<'a> = (&'a str, u32, v0_1::ColumnArgument<'a>);
pub(crate) type FinishParameters = (v0_1::CallContext,);
pub(crate) type Answer = (Result<(), v0_1::Failure>,);
pub(crate) type MigrateAnswer = (Result<v0_1::Column, v0_1::Failure>,);

/// The functions of one instance, their types checked.
pub(crate) struct Functions {
    pub(crate) open: Func,
    pub(crate) process: Func,
    pub(crate) finish: Func,
    pub(crate) migrate: Func,
}

impl Functions {
    pub(crate) fn find(store: &mut Store<HostData>, instance: &Instance) -> Result<Self, String> {
        Ok(Self {
            open: *find::<OpenParameters<'static>, (Result<(), String>,)>(store, instance, "open")?.func(),
            process: *find::<ProcessParameters<'static>, Answer>(store, instance, "process")?.func(),
            finish: *find::<FinishParameters, Answer>(store, instance, "finish")?.func(),
            migrate: *find::<MigrateParameters<'static>, MigrateAnswer>(store, instance, "migrate")?.func(),
        })
    }
}

/// What a failed call means.
pub(crate) fn breakage(error: &wasmtime::Error, store: &Store<HostData>, limits: &InstanceLimits) -> Breakage {
    if let Some(breakage) = error.downcast_ref::<Breakage>() {
        return breakage.clone();
    }
    let said = store.data().last_words();
    match error.downcast_ref::<Trap>() {
        Some(Trap::Interrupt) => Breakage::Deadline(limits.call_timeout),
        Some(Trap::StackOverflow) => Breakage::Stack { limit_bytes: STACK_BYTES_MAX },
        // A language that can't get memory aborts, and some say so; it asked for too much in this call.
        _ if store.data().limiter.denied() => Breakage::Memory { limit_bytes: limits.memory_bytes_max, said: said.unwrap_or_default().to_owned() },
        trap => {
            let cause = trap.map_or_else(|| format!("{error:#}"), ToString::to_string);
            Breakage::Trap(said.map_or_else(|| cause.clone(), |said| format!("{said} ({cause})")))
        }
    }
}
