//! One instance of a component: the host functions that it can call, and the calls that the host makes.

use wasmtime::component::{ComponentNamedList, Func, Instance, InstancePre, Lift, Linker, Lower, TypedFunc, WasmList};
use wasmtime::{Store, StoreContextMut, Trap};
use weir_model::describe::PluginDescription;
use weir_model::id::PluginDigest;
use weir_state::{Column, KeyedState, OwnedColumn};

use crate::bindings::v0_1;
use crate::engine::{PluginEngine, deadline_ticks};
use crate::error::{Breakage, CallError, LoadError};
use crate::guest::{Call, Guest, Subtask, Work};
use crate::limits::{InstanceLimits, Limiter, STACK_BYTES_MAX};
use crate::load::Plugin;
use crate::services::{LogLevel, Services};

/// What host functions reach through the store.
pub(crate) struct HostData {
    /// `None` outside of calls that may use the host's services.
    services: Option<Box<Services>>,
    limiter: Limiter,
}

type HostResult<T> = wasmtime::Result<T>;

/// The services of the running call; a guest that asks outside of one (while it is described or opened) gets an error.
fn services<'a>(store: &'a mut StoreContextMut<'_, HostData>) -> HostResult<&'a mut Services> {
    let missing = || Breakage::Contract("it used a host service outside of process, on-timers and finish".to_owned());
    Ok(store.data_mut().services.as_deref_mut().ok_or_else(missing)?)
}

/// Puts the host's functions into the linker.
pub(crate) fn link(linker: &mut Linker<HostData>) -> HostResult<()> {
    type Store<'a> = StoreContextMut<'a, HostData>;
    linker.instance(v0_1::TYPES)?;
    let mut output = linker.instance(v0_1::OUTPUT)?;
    output.func_wrap("emit", |mut store: Store<'_>, (output, rows): (u32, WasmList<u8>)| {
        let length = rows.as_le_slice(&store).len();
        services(&mut store)?.check_output(length)?;
        let rows = rows.as_le_slice(&store).to_vec();
        Ok(services(&mut store)?.emit(output, rows)?)
    })?;
    let mut state = linker.instance(v0_1::STATE)?;
    state.func_wrap("put", |mut store: Store<'_>, (state, slots, values): (u32, Vec<u32>, v0_1::Column)| {
        Ok(services(&mut store)?.put(state, slots, values.into())?)
    })?;
    state.func_wrap("get-sub", |mut store: Store<'_>, (state, slots, sub_keys): (u32, Vec<u32>, v0_1::Column)| {
        let found = services(&mut store)?.get_sub(state, &slots, OwnedColumn::from(sub_keys).as_column())?;
        Ok((v0_1::Column::from(found),))
    })?;
    type PutSub = (u32, Vec<u32>, v0_1::Column, v0_1::Column);
    state.func_wrap("put-sub", |mut store: Store<'_>, (state, slots, sub_keys, values): PutSub| {
        let (sub_keys, values) = (OwnedColumn::from(sub_keys), OwnedColumn::from(values));
        Ok(services(&mut store)?.put_sub(state, &slots, sub_keys.as_column(), values.as_column())?)
    })?;
    state.func_wrap("scan", |mut store: Store<'_>, (state, slot, after, limit): (u32, u32, Option<Vec<u8>>, u32)| {
        let page = services(&mut store)?.scan(state, slot, after.as_deref(), limit)?;
        Ok((v0_1::Page { sub_keys: page.sub_keys.into(), values: page.values.into(), more: page.more },))
    })?;
    state.func_wrap("clear", |mut store: Store<'_>, (state, slots): (u32, Vec<u32>)| Ok(services(&mut store)?.clear(state, &slots)?))?;
    let mut log = linker.instance(v0_1::LOG)?;
    log.func_wrap("log", |mut store: Store<'_>, (level, message): (v0_1::Level, String)| {
        if let Some(services) = store.data_mut().services.as_deref_mut() {
            services.log(level.into(), &message);
        }
        Ok(())
    })?;
    log.func_wrap("count", |mut store: Store<'_>, (name, add): (String, u64)| {
        services(&mut store)?.count(&name, add);
        Ok(())
    })
}

impl From<v0_1::Level> for LogLevel {
    fn from(from: v0_1::Level) -> Self {
        match from {
            v0_1::Level::Trace => Self::Trace,
            v0_1::Level::Debug => Self::Debug,
            v0_1::Level::Info => Self::Info,
            v0_1::Level::Warn => Self::Warn,
            v0_1::Level::Error => Self::Error,
        }
    }
}

/// A store for one instance.
fn new_store(engine: &PluginEngine, limits: &InstanceLimits) -> Store<HostData> {
    let mut store = Store::new(&engine.inner.engine, HostData { services: None, limiter: Limiter::new(limits) });
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
    let mut store = new_store(engine, limits);
    let failed = |error: &wasmtime::Error, store: &Store<HostData>| LoadError::Describe(format!("failed: {}", breakage(error, store, limits)));
    let instance = pre.instantiate(&mut store).map_err(|error| failed(&error, &store))?;
    Functions::find(&mut store, &instance).map_err(LoadError::Shape)?;
    let describe = find::<(), (v0_1::Description,)>(&mut store, &instance, "describe").map_err(LoadError::Shape)?;
    let (description,) = describe.call(&mut store, ()).map_err(|error| failed(&error, &store))?;
    Ok(description.into())
}

type OpenParameters<'a> = (&'a str, &'a [(String, String)], v0_1::Subtask);
type ProcessParameters<'a> = (u32, &'a [u8], v0_1::KeyTable<'a>, v0_1::CallContext);
type FinishParameters = (v0_1::CallContext,);
type Answer = (Result<(), v0_1::Failure>,);

/// The functions of one instance, their types checked.
struct Functions {
    open: Func,
    process: Func,
    finish: Func,
}

impl Functions {
    fn find(store: &mut Store<HostData>, instance: &Instance) -> Result<Self, String> {
        Ok(Self {
            open: *find::<OpenParameters<'static>, (Result<(), String>,)>(store, instance, "open")?.func(),
            process: *find::<ProcessParameters<'static>, Answer>(store, instance, "process")?.func(),
            finish: *find::<FinishParameters, Answer>(store, instance, "finish")?.func(),
        })
    }
}

/// One live instance.
struct Live {
    store: Store<HostData>,
    functions: Functions,
    calls: u64,
}

/// A function of a plugin, run in an instance that is replaced when it breaks or has grown.
pub(crate) struct WasmGuest {
    plugin: Plugin,
    subtask: Subtask,
    limits: InstanceLimits,
    live: Option<Live>,
}

impl Plugin {
    /// Makes and opens an instance for one subtask.
    ///
    /// # Errors
    /// When it can't be instantiated within its limits, or its `open` fails.
    pub fn instantiate(&self, subtask: Subtask, limits: InstanceLimits) -> Result<Box<dyn Guest>, Breakage> {
        let mut guest = WasmGuest { plugin: self.clone(), subtask, limits, live: None };
        guest.renew()?;
        Ok(Box::new(guest))
    }

    /// The digest's short form, for messages.
    #[must_use]
    pub fn short_digest(&self) -> String {
        PluginDigest::short(&self.digest)
    }
}

impl WasmGuest {
    fn fresh(&self) -> Result<Live, Breakage> {
        let mut store = new_store(&self.plugin.engine, &self.limits);
        let instance = self.plugin.pre.instantiate(&mut store).map_err(|error| breakage(&error, &store, &self.limits))?;
        let functions = Functions::find(&mut store, &instance).map_err(Breakage::Contract)?;
        // A guest may log from `open` (an SDK's panic hook does): it gets services whose log is kept and whose rest is thrown away.
        let state = KeyedState::new(&[], 0);
        store.data_mut().services = Some(Box::new(Services::new(&self.subtask.uid, Vec::new(), self.limits, state)));
        let place = v0_1::Subtask {
            uid: self.subtask.uid.clone(),
            index: self.subtask.index,
            parallelism: self.subtask.parallelism,
            max_parallelism: self.subtask.max_parallelism,
        };
        let open =
            functions.open.typed::<OpenParameters<'_>, (Result<(), String>,)>(&store).map_err(|error| Breakage::Contract(format!("{error:#}")))?;
        let opened = open.call(&mut store, (&self.subtask.function.name, &self.subtask.config, place));
        match opened {
            Ok((Ok(()),)) => {
                store.data_mut().services = None;
                Ok(Live { store, functions, calls: 0 })
            }
            Ok((Err(message),)) => Err(Breakage::Open(message)),
            Err(error) => Err(breakage(&error, &store, &self.limits)),
        }
    }

    fn invoke(live: &mut Live, call: &Call<'_>) -> wasmtime::Result<Answer> {
        let context = v0_1::CallContext { watermark: call.context.watermark, processing_time: call.context.processing_time };
        match call.work {
            Work::Process { input, rows, slots, values } => {
                let values: Vec<_> = values.iter().map(|Column { lengths, data }| v0_1::ColumnArgument { lengths, data }).collect();
                // SAFETY: `Functions::find` has checked this function against the same types, but for the lifetime.
                #[expect(unsafe_code, reason = "checking the type again would cost every call; see SAFETY")]
                let process = unsafe { TypedFunc::<ProcessParameters<'_>, Answer>::new_unchecked(live.functions.process) };
                process.call(&mut live.store, (input, rows, v0_1::KeyTable { slots, values: &values }, context))
            }
            Work::Finish => {
                // SAFETY: as above.
                #[expect(unsafe_code, reason = "checking the type again would cost every call; see SAFETY")]
                let finish = unsafe { TypedFunc::<FinishParameters, Answer>::new_unchecked(live.functions.finish) };
                finish.call(&mut live.store, (context,))
            }
        }
    }
}

impl Guest for WasmGuest {
    fn call(&mut self, call: &Call<'_>, services: Box<Services>) -> (Box<Services>, Result<(), CallError>) {
        let Some(live) = &mut self.live else {
            return (services, Err(Breakage::Trap("its instance is gone".to_owned()).into()));
        };
        live.store.data_mut().services = Some(services);
        live.store.set_epoch_deadline(deadline_ticks(self.limits.call_timeout));
        live.calls += 1;
        let answer = Self::invoke(live, call).map_err(|error| breakage(&error, &live.store, &self.limits));
        let services = live.store.data_mut().services.take();
        // Only this function takes the services out, and it has put them in above.
        let services = services.unwrap_or_else(|| Box::new(Services::new(&self.subtask.uid, Vec::new(), self.limits, KeyedState::new(&[], 0))));
        let result = match answer {
            Ok((Ok(()),)) => Ok(()),
            Ok((Err(failure),)) => Err(CallError::Refused { row: failure.row, message: failure.message }),
            Err(breakage) => {
                self.live = None;
                Err(CallError::Broken(breakage))
            }
        };
        (services, result)
    }

    fn renew(&mut self) -> Result<(), Breakage> {
        self.live = None;
        self.live = Some(self.fresh()?);
        Ok(())
    }

    fn is_worn(&self) -> bool {
        let worn = |live: &Live| live.calls >= self.limits.recycle_calls || live.store.data().limiter.memory_bytes() > self.limits.recycle_bytes();
        self.live.as_ref().is_none_or(worn)
    }
}

/// What a failed call means.
fn breakage(error: &wasmtime::Error, store: &Store<HostData>, limits: &InstanceLimits) -> Breakage {
    if let Some(breakage) = error.downcast_ref::<Breakage>() {
        return breakage.clone();
    }
    let memory = Breakage::Memory { limit_bytes: limits.memory_bytes_max };
    match error.downcast_ref::<Trap>() {
        Some(Trap::Interrupt) => Breakage::Deadline(limits.call_timeout),
        Some(Trap::StackOverflow) => Breakage::Stack { limit_bytes: STACK_BYTES_MAX },
        // A language that can't get memory aborts; it asked for too much shortly before.
        Some(_) | None if store.data().limiter.denied() => memory,
        trap => {
            let said = store.data().services.as_ref().and_then(|services| services.last_error());
            let cause = trap.map_or_else(|| format!("{error:#}"), ToString::to_string);
            Breakage::Trap(said.map_or_else(|| cause.clone(), |said| format!("{said} ({cause})")))
        }
    }
}
