//! From a core module, or its text, to a component that carries weir's contract.

use wasi_preview1_component_adapter_provider::{WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME, WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER};
use weir_model::{Error, Result};
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

use crate::error::LoadError;

/// The contract in WIT: the name of each file in `wit/`, and its text. A package comes after those that it uses.
pub const CONTRACT_FILES: &[(&str, &str)] = &[
    ("deps/weir-types/types.wit", include_str!("../../../wit/deps/weir-types/types.wit")),
    ("deps/weir-output/output.wit", include_str!("../../../wit/deps/weir-output/output.wit")),
    ("deps/weir-state/state.wit", include_str!("../../../wit/deps/weir-state/state.wit")),
    ("deps/weir-timers/timers.wit", include_str!("../../../wit/deps/weir-timers/timers.wit")),
    ("deps/weir-log/log.wit", include_str!("../../../wit/deps/weir-log/log.wit")),
    ("deps/weir-operator/operator.wit", include_str!("../../../wit/deps/weir-operator/operator.wit")),
    ("world.wit", include_str!("../../../wit/world.wit")),
];

/// The world of [`CONTRACT_FILES`] that a plugin is built for.
const WORLD: &str = "plugin";

pub(crate) enum WasmKind {
    Component,
    CoreModule,
}

pub(crate) fn kind_of(bytes: &[u8]) -> Result<WasmKind, LoadError> {
    let head = bytes.first_chunk::<8>().filter(|head| head.starts_with(b"\0asm")).ok_or(LoadError::NotWasm)?;
    match head {
        [_, _, _, _, 1, 0, 0, 0] => Ok(WasmKind::CoreModule),
        [_, _, _, _, 13, 0, 1, 0] => Ok(WasmKind::Component),
        [.., a, b, c, d] => Err(LoadError::Invalid(format!("it has the unknown WebAssembly version {a:02x}{b:02x}{c:02x}{d:02x}"))),
    }
}

/// Makes a component of a core module, which gets weir's contract unless it carries one; a component is given back as it is.
///
/// # Errors
/// When the bytes are neither, or the module doesn't fit its contract.
pub fn encode_component(name: &str, bytes: &[u8]) -> Result<Vec<u8>> {
    let encoded = kind_of(bytes).and_then(|kind| match kind {
        WasmKind::Component => Ok(bytes.to_vec()),
        WasmKind::CoreModule => encode_module(bytes),
    });
    encoded.map_err(|error| error.explain(name))
}

/// The bytes of a module whose text is WebAssembly's own (.wat).
///
/// # Errors
/// When it isn't, with the line.
pub fn module_of_text(name: &str, text: &str) -> Result<Vec<u8>> {
    let parsed = wat::Parser::new().parse_str(Some(name.as_ref()), text);
    parsed.map_err(|error| Error::usage(format!("{name} can't be read as WebAssembly text"), error.to_string(), "mend the line that is named"))
}

pub(crate) fn encode_module(bytes: &[u8]) -> Result<Vec<u8>, LoadError> {
    // The encoder trusts the sizes of sections: a torn file would make it panic.
    let engine = wasmtime::Engine::default();
    wasmtime::Module::validate(&engine, bytes).map_err(|error| LoadError::Invalid(format!("{error:#}")))?;
    let with_contract;
    // Without a section of its own there is nothing to be stripped.
    let module = match wit_component::metadata::decode(bytes).map_err(misfit)? {
        (Some(_), _) => bytes,
        (None, _) => {
            with_contract = embed_contract(bytes)?;
            &with_contract
        }
    };
    let mut encoder = ComponentEncoder::default().validate(true).module(module).map_err(misfit)?;
    // Where only the name is in the bytes and no import, the encoder leaves the adapter out.
    if contains(bytes, WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME.as_bytes()) {
        encoder = encoder.adapter(WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME, WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER).map_err(misfit)?;
    }
    encoder.encode().map_err(misfit)
}

fn embed_contract(module: &[u8]) -> Result<Vec<u8>, LoadError> {
    let mut resolve = Resolve::default();
    let mut package = None;
    for (name, text) in CONTRACT_FILES {
        package = Some(resolve.push_source(name, text).map_err(misfit)?);
    }
    let world = resolve.select_world(package.as_slice(), Some(WORLD)).map_err(misfit)?;
    let mut bytes = module.to_vec();
    embed_component_metadata(&mut bytes, &resolve, world, StringEncoding::UTF8).map_err(misfit)?;
    Ok(bytes)
}

fn misfit(error: impl std::fmt::Display) -> LoadError {
    LoadError::NoContract(format!("{error:#}"))
}

fn contains(bytes: &[u8], name: &[u8]) -> bool {
    bytes.windows(name.len()).any(|window| window == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A module with all that the contract asks of a plugin; `more` is put in front.
    fn operator(more: &str) -> String {
        let export =
            |name: &str, params: &str, result: &str| format!("(func (export \"weir:operator/operator@0.1.0#{name}\") {params} {result} unreachable)");
        let i32s = |count: usize| format!("(param{})", " i32".repeat(count));
        [
            "(module ".to_owned(),
            more.to_owned(),
            "(memory (export \"memory\") 1)".to_owned(),
            "(func (export \"cabi_realloc\") (param i32 i32 i32 i32) (result i32) unreachable)".to_owned(),
            export("describe", "", "(result i32)"),
            export("open", &i32s(9), "(result i32)"),
            export("process", &format!("{} (param i64 i64)", i32s(7)), "(result i32)"),
            export("on-timers", &format!("{} (param i64 i64)", i32s(7)), "(result i32)"),
            export("finish", "(param i64 i64)", "(result i32)"),
            export("migrate", &i32s(7), "(result i32)"),
            ")".to_owned(),
        ]
        .concat()
    }

    #[test]
    fn a_module_without_a_contract_gets_weirs_and_wasi_an_adapter() {
        let check = |text: &str, expected: Result<(&[&str], &[&str]), &str>| {
            let module = module_of_text("a.wat", text).unwrap();
            match (encode_component("a.wat", &module).map_err(|error| error.why), expected) {
                (Ok(component), Ok((there, not_there))) => {
                    assert!(matches!(kind_of(&component), Ok(WasmKind::Component)), "{text}");
                    let has = |name: &&&str| contains(&component, name.as_bytes());
                    assert_eq!(there.iter().filter(has).count(), there.len(), "{text}");
                    assert_eq!(not_there.iter().filter(has).count(), 0, "{text}");
                }
                (Err(why), Err(part)) => assert!(why.contains(part), "{text}: {why}"),
                (result, expected) => panic!("{text}: {:?}, expected {expected:?}", result.map(|bytes| bytes.len())),
            }
        };
        let log = "(import \"weir:log/log@0.1.0\" \"log\" (func (param i32 i32 i32)))";
        let clock = "(import \"wasi_snapshot_preview1\" \"clock_time_get\" (func (param i32 i64 i32) (result i32)))";
        let section = |name: &str| format!("(@custom \"{name}\" \"\")");
        check(&operator(log), Ok((&["weir:log/log@0.1.0", "weir:operator/operator@0.1.0"], &["weir:state/keyed", "wasi:"])));
        check(&operator(clock), Ok((&["wasi:clocks"], &["wasi:sockets", "weir:log/log"])));
        check(&operator(&section("wasi_snapshot_preview1")), Ok((&[], &["wasi:"])));
        check(&operator(&section("component-type")), Err("component-type"));
        check(&operator("(import \"env\" \"abort\" (func))"), Err("env"));
        check("(module)", Err("weir:operator/operator@0.1.0"));
    }

    #[test]
    fn text_that_is_no_module_is_refused_with_its_line() {
        let error = module_of_text("a.wat", "(module\n  (func (nonsense)))").unwrap_err();
        assert!(error.what.contains("a.wat") && error.why.contains("a.wat:2"), "{error:?}");
    }
}
