//! From a file to a plugin that can be instantiated: encode, check, compile, describe.

use std::collections::BTreeSet;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use sha2::{Digest, Sha256};
use wasmtime::component::types::ComponentItem;
use wasmtime::component::{Component, InstancePre};
use weir_model::Result;
use weir_model::describe::{FunctionDescription, PluginDescription};
use weir_model::graph::DEAD_LETTER_PORT;
use weir_model::id::PluginDigest;

use crate::bindings::v0_1;
use crate::compile;
use crate::encode::{WasmKind, encode_module, kind_of};
use crate::engine::PluginEngine;
use crate::error::LoadError;
use crate::functions;
use crate::host_functions::HostData;
use crate::limits::InstanceLimits;
use crate::wasi::{Capabilities, Offer, link_closed, offer};

/// A plugin that has passed every check that doesn't need a job.
#[derive(Clone)]
pub struct Plugin {
    pub(crate) engine: PluginEngine,
    pub(crate) pre: InstancePre<HostData>,
    pub(crate) digest: PluginDigest,
    description: Arc<PluginDescription>,
    imports: Arc<[String]>,
    pub(crate) granted: Arc<Capabilities>,
}

impl std::fmt::Debug for Plugin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Plugin").field("digest", &self.digest).field("description", &self.description).finish_non_exhaustive()
    }
}

/// Files larger than this aren't plugins. Python's components have 20 MB.
const FILE_BYTES_MAX: u64 = 512 << 20;

impl Plugin {
    /// Loads the plugin in the file `path`: a component, or a core module that carries a contract.
    ///
    /// # Errors
    /// Everything that makes a file unusable, in three parts.
    pub fn load(engine: &PluginEngine, path: &Path) -> Result<Self> {
        let name = path.display().to_string();
        let unreadable = |error: std::io::Error| LoadError::Unreadable(format!("the file can't be read: {error}")).explain(&name);
        let metadata = std::fs::metadata(path).map_err(unreadable)?;
        if metadata.len() > FILE_BYTES_MAX {
            return Err(LoadError::Unreadable(format!("the file has {} bytes; the most is {FILE_BYTES_MAX}", metadata.len())).explain(&name));
        }
        // A device says that it is empty and has no end.
        let mut bytes = Vec::new();
        std::fs::File::open(path).and_then(|file| file.take(FILE_BYTES_MAX).read_to_end(&mut bytes)).map_err(unreadable)?;
        Self::from_bytes(engine, &name, &bytes)
    }

    /// Loads a plugin from the bytes of such a file; `name` is what messages call it.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub fn from_bytes(engine: &PluginEngine, name: &str, bytes: &[u8]) -> Result<Self> {
        Self::check(engine, name, bytes).map_err(|error| error.explain(name))
    }

    fn check(engine: &PluginEngine, name: &str, bytes: &[u8]) -> Result<Self, LoadError> {
        let digest = PluginDigest(Sha256::digest(bytes).into());
        let component = compile(engine, name, &digest, bytes)?;
        let imports = check_world(engine, &component).map_err(|error| match (error, kind_of(bytes)) {
            // What the user gave is a module: that a component was made of it on the way would only puzzle.
            (LoadError::OtherWorld(_), Ok(WasmKind::CoreModule)) => LoadError::NoContract("it exports no operator".to_owned()),
            (error, _) => error,
        })?;
        let mut linker = engine.inner.linker.clone();
        link_closed(&mut linker, &component).map_err(|error| LoadError::Shape(format!("{error:#}")))?;
        let pre = linker.instantiate_pre(&component).map_err(|error| LoadError::Shape(format!("an import differs from the contract: {error:#}")))?;
        let description = functions::describe(engine, &pre, &InstanceLimits::default())?;
        check_description(&description)?;
        if let Some(import) = refused_for(language(&description.sdk), &imports) {
            return Err(LoadError::ForbiddenImport(import.to_owned()));
        }
        Ok(Self { engine: engine.clone(), pre, digest, description: Arc::new(description), imports: imports.into(), granted: Arc::default() })
    }

    /// The engine that it was loaded with.
    #[must_use]
    pub fn engine(&self) -> &PluginEngine {
        &self.engine
    }

    /// The SHA-256 of the file's bytes: which code this is.
    #[must_use]
    pub fn digest(&self) -> PluginDigest {
        self.digest
    }

    /// The same plugin, with instances that see this of the machine.
    #[must_use]
    pub fn with_capabilities(self, granted: Capabilities) -> Self {
        Self { granted: Arc::new(granted), ..self }
    }

    /// The limits of its instances, for the language that it is written in.
    #[must_use]
    pub fn default_limits(&self) -> InstanceLimits {
        InstanceLimits::for_language(language(&self.description.sdk))
    }

    /// What the plugin says of itself.
    #[must_use]
    pub fn description(&self) -> &PluginDescription {
        &self.description
    }

    /// The host interfaces that it uses, with their versions.
    #[must_use]
    pub fn imports(&self) -> &[String] {
        &self.imports
    }
}

/// The language that an SDK is for, by its name in `describe`: the first word.
pub(crate) fn language(sdk: &str) -> &str {
    sdk.split_whitespace().next().unwrap_or_default()
}

/// Which code the bytes of a plugin's file are.
#[must_use]
pub fn digest_of(bytes: &[u8]) -> PluginDigest {
    PluginDigest(Sha256::digest(bytes).into())
}

/// The contract's version, for messages.
pub const CONTRACT: &str = v0_1::OPERATOR;

fn compile(engine: &PluginEngine, name: &str, digest: &PluginDigest, bytes: &[u8]) -> Result<Component, LoadError> {
    let wasmtime = &engine.inner.engine;
    if let Some(compiled) = engine.inner.cache.as_ref().and_then(|cache| cache.read(digest)) {
        // SAFETY: the bytes were serialized by this engine's version and settings (they are part of the file's name, and the engine
        // checks them again), only this user can write the file, and its checksum holds.
        #[expect(unsafe_code, reason = "running what was compiled before is the point of the cache; see SAFETY")]
        let loaded = unsafe { Component::deserialize(wasmtime, &compiled) };
        match loaded {
            Ok(component) => return Ok(component),
            Err(error) => tracing::warn!("a compiled plugin in the cache can't be used and is compiled again: {error:#}"),
        }
    }
    let encoded;
    let component_bytes = match kind_of(bytes)? {
        WasmKind::Component => bytes,
        WasmKind::CoreModule => {
            encoded = encode_module(bytes)?;
            &encoded
        }
    };
    let component = match &engine.inner.compiler {
        Some(compiler) => compiler.compile(wasmtime, name, component_bytes)?,
        None => compile::in_this_process(wasmtime, component_bytes)?,
    };
    if let (Some(cache), Ok(compiled)) = (&engine.inner.cache, component.serialize()) {
        cache.write(digest, &compiled);
    }
    Ok(component)
}

/// The first import that is there for another language only.
fn refused_for<'i>(language: &str, imports: &'i [String]) -> Option<&'i str> {
    let import = imports.iter().find(|import| offer(import) == Some(Offer::ClosedForPython))?;
    (language != "python").then_some(import)
}

/// Checks what the component imports and exports by name; gives its imports. Whether the types fit is checked where they are linked.
fn check_world(engine: &PluginEngine, component: &Component) -> Result<Vec<String>, LoadError> {
    let wasmtime = &engine.inner.engine;
    let component_type = component.component_type();
    let mut imports = Vec::new();
    for (name, import) in component_type.imports(wasmtime) {
        match name {
            v0_1::OUTPUT | v0_1::STATE | v0_1::LOG | v0_1::TYPES => imports.push(name.to_owned()),
            wasi if offer(wasi).is_some() => imports.push(name.to_owned()),
            v0_1::TIMERS => return Err(LoadError::Timers(name.to_owned())),
            other => {
                check_version(other)?;
                // Types alone (an interface without functions) ask for nothing.
                let asks = match import.ty {
                    ComponentItem::ComponentInstance(instance) => {
                        instance.exports(wasmtime).any(|(_, item)| !matches!(item.ty, ComponentItem::Type(_)))
                    }
                    ComponentItem::Type(_) => false,
                    _ => true,
                };
                if asks {
                    return Err(LoadError::ForbiddenImport(other.to_owned()));
                }
            }
        }
    }
    let exports: Vec<_> = component_type.exports(wasmtime).map(|(name, _)| name.to_owned()).collect();
    if !exports.iter().any(|name| name == v0_1::OPERATOR) {
        exports.iter().try_for_each(|name| check_version(name))?;
        return Err(LoadError::OtherWorld(v0_1::OPERATOR));
    }
    Ok(imports)
}

/// Refuses one of weir's own interfaces in a version that this host doesn't know.
fn check_version(name: &str) -> Result<(), LoadError> {
    let known = [v0_1::OUTPUT, v0_1::STATE, v0_1::LOG, v0_1::TYPES, v0_1::TIMERS, v0_1::OPERATOR];
    let interface = |name: &str| name.split('@').next().unwrap_or_default().to_owned();
    match known.into_iter().find(|known| interface(known) == interface(name)) {
        Some(known) if known != name => Err(LoadError::UnknownVersion { found: name.to_owned(), known }),
        _ => Ok(()),
    }
}

/// The most functions, and the most ports and states of one function: names are compared with each other.
const NAMES_MAX: usize = 1000;
/// The longest name, bytes.
const NAME_BYTES_MAX: usize = 1000;

/// Holds what the plugin says of itself against what a job needs to rely on.
fn check_description(description: &PluginDescription) -> Result<(), LoadError> {
    let functions = &description.functions;
    if functions.is_empty() {
        return Err(LoadError::Describe("lists no function".to_owned()));
    }
    check_names("the plugin", "function", functions.iter().map(|function| &function.name))?;
    functions.iter().try_for_each(check_function)
}

fn check_function(function: &FunctionDescription) -> Result<(), LoadError> {
    let name = format!("`{}`", function.name);
    if function.inputs.is_empty() {
        return Err(LoadError::Describe(format!("gives {name} no input")));
    }
    check_names(&name, "input", function.inputs.iter().map(|port| &port.name))?;
    check_names(&name, "output", function.outputs.iter().map(|port| &port.name))?;
    check_names(&name, "state", function.states.iter().map(|state| &state.name))?;
    if function.outputs.iter().any(|port| port.name == DEAD_LETTER_PORT) {
        return Err(LoadError::Describe(format!("gives {name} an output `{DEAD_LETTER_PORT}`, which is the host's name for its own")));
    }
    Ok(())
}

/// Names of one kind must be there, short, few, and different from each other.
fn check_names<'a>(owner: &str, kind: &str, names: impl ExactSizeIterator<Item = &'a String>) -> Result<(), LoadError> {
    let wrong = |why: String| Err(LoadError::Describe(why));
    if names.len() > NAMES_MAX {
        return wrong(format!("gives {owner} {} {kind}s; the most is {NAMES_MAX}", names.len()));
    }
    let mut seen = BTreeSet::new();
    for name in names {
        if name.is_empty() || name.len() > NAME_BYTES_MAX {
            return wrong(format!("gives {owner} a {kind} whose name has {} bytes; 1 to {NAME_BYTES_MAX} are allowed", name.len()));
        }
        if !seen.insert(name) {
            return wrong(format!("gives {owner} two {kind}s with the name `{name}`"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use weir_model::codec::Codec;
    use weir_model::describe::{FunctionKind, Port, StateDescriptor, StateKind};

    fn function(name: &str, outputs: &[&str], states: &[(&str, u64)]) -> FunctionDescription {
        let port = |name: &&str| Port { name: (*name).to_owned(), key: Codec::Utf8, value: Codec::Utf8 };
        let state = |(name, ttl_ms): &(&str, u64)| StateDescriptor {
            name: (*name).to_owned(),
            kind: StateKind::Value,
            value: Codec::Bytes,
            schema_version: 1,
            ttl_ms: *ttl_ms,
        };
        FunctionDescription {
            name: name.to_owned(),
            doc: String::new(),
            kind: FunctionKind::Keyed,
            inputs: vec![port(&"in")],
            outputs: outputs.iter().map(port).collect(),
            states: states.iter().map(state).collect(),
        }
    }

    #[test]
    fn what_a_plugin_may_not_have_is_refused_by_name() {
        let engine = PluginEngine::new(crate::EngineOptions::default()).unwrap();
        let check = |import: &str, why: &str| {
            let text = format!("(component (import \"{import}\" (instance (export \"f\" (func)))))");
            let error = Plugin::from_bytes(&engine, "p.wasm", &wat::parse_str(text).unwrap()).unwrap_err();
            assert!(error.why.contains(why), "{import}: {error:?}");
        };
        check("wasi:http/types@0.2.0", "it imports `wasi:http/types@0.2.0`, which weir doesn't give to plugins");
        check("wasi:keyvalue/store@0.2.0-draft", "it imports `wasi:keyvalue/store@0.2.0-draft`");
        check("wasi:io/poll@0.3.0", "it imports `wasi:io/poll@0.3.0`");
        check("weir:timers/timers@0.1.0", "timers are not supported yet");
        check("wasi:io/poll@0.2.6", "it doesn't export");
        check("wasi:sockets/tcp@0.2.6", "it doesn't export");
        let imports = ["weir:log/log@0.1.0", "wasi:io/poll@0.2.6", "wasi:sockets/tcp@0.2.6"].map(str::to_owned);
        assert_eq!(refused_for("rust", &imports), Some("wasi:sockets/tcp@0.2.6"));
        assert_eq!(refused_for("python", &imports), None);
        assert_eq!(refused_for("rust", &imports[..2]), None);
    }

    #[test]
    fn a_description_that_a_job_could_not_rely_on_is_refused() {
        let check = |functions: Vec<FunctionDescription>, why: Option<&str>| {
            let description = PluginDescription { name: "p".to_owned(), version: "1".to_owned(), sdk: String::new(), functions };
            match (check_description(&description), why) {
                (Ok(()), None) => {}
                (Err(error), Some(why)) => assert!(error.to_string().contains(why), "{error}"),
                (result, why) => panic!("{result:?}, expected {why:?}"),
            }
        };
        check(vec![function("f", &["out", "late"], &[("a", 0), ("b", 0)])], None);
        check(Vec::new(), Some("lists no function"));
        check(vec![function("f", &[], &[]), function("f", &[], &[])], Some("two functions with the name `f`"));
        check(vec![function("", &[], &[])], Some("0 bytes"));
        check(vec![function(&"f".repeat(1001), &[], &[])], Some("1001 bytes"));
        check(vec![function("f", &["out", "out"], &[])], Some("two outputs with the name `out`"));
        check(vec![function("f", &["out", "dead-letter"], &[])], Some("the host's name"));
        check(vec![function("f", &[], &[("a", 0), ("a", 0)])], Some("two states with the name `a`"));
        check(vec![function("f", &[], &[("a", 1000)])], None);
        check(vec![FunctionDescription { inputs: Vec::new(), ..function("f", &[], &[]) }], Some("no input"));
        check((0..1001).map(|at| function(&format!("f{at}"), &[], &[])).collect(), Some("1001 functions"));
    }
}
