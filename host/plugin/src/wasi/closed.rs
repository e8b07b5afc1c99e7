//! Files and sockets: their functions are there, because languages import them whatever a program does, and each answers that access is denied.

use wasmtime::StoreContextMut;
use wasmtime::component::types::{ComponentFunc, ComponentItem, Type};
use wasmtime::component::{Component, Linker, Resource, ResourceType, Val};

use super::clocks::Pollable;
use super::streams::{InputStream, IoError, OutputStream};
use super::{Offer, offer};
use crate::error::Breakage;
use crate::host_functions::HostData;

/// A file, a folder, a socket: nobody has one, so that it has no parts.
pub(super) struct Closed;

/// Puts the closed interfaces that a component imports into its linker.
///
/// # Errors
/// When the linker has one of them already.
pub(crate) fn link_closed(linker: &mut Linker<HostData>, component: &Component) -> wasmtime::Result<()> {
    let engine = component.engine().clone();
    for (import, item) in component.component_type().imports(&engine) {
        if !matches!(offer(import), Some(Offer::Closed | Offer::ClosedForPython)) {
            continue;
        }
        let ComponentItem::ComponentInstance(interface) = item.ty else { continue };
        let mut instance = linker.instance(import)?;
        for (name, item) in interface.exports(&engine) {
            match item.ty {
                ComponentItem::Resource(_) => instance.resource(name, resource(name), |_, _| Ok(()))?,
                ComponentItem::ComponentFunc(_) => {
                    let name_of = format!("{import}#{name}");
                    instance.func_new(name, move |mut store, function, arguments, results| {
                        // A handle that was lent must be given back.
                        arguments.iter().try_for_each(|argument| give_back(&mut store, argument))?;
                        deny(store, &name_of, &function, results)
                    })?;
                }
                _ => {}
            }
        }
    }
    Ok(())
}

/// The type of a resource: some of another interface are known under the same name here.
fn resource(name: &str) -> ResourceType {
    match name {
        "error" => ResourceType::host::<IoError>(),
        "pollable" => ResourceType::host::<Pollable>(),
        "input-stream" => ResourceType::host::<InputStream>(),
        "output-stream" => ResourceType::host::<OutputStream>(),
        _ => ResourceType::host::<Closed>(),
    }
}

fn give_back(store: &mut StoreContextMut<'_, HostData>, argument: &Val) -> wasmtime::Result<()> {
    match argument {
        Val::Resource(resource) => resource.resource_drop(&mut *store),
        _ => Ok(()),
    }
}

/// Answers that it can't be done, in the words of the function's own type.
fn deny(mut store: StoreContextMut<'_, HostData>, name: &str, function: &ComponentFunc, results: &mut [Val]) -> wasmtime::Result<()> {
    for (result, ty) in results.iter_mut().zip(function.results()) {
        *result = denial(&mut store, &ty).ok_or_else(|| Breakage::Contract(format!("it used `{name}`, which weir doesn't give to plugins")))?;
    }
    Ok(())
}

fn denial(store: &mut StoreContextMut<'_, HostData>, ty: &Type) -> Option<Val> {
    match ty {
        Type::Result(result) => {
            // Files say `access`, sockets `access-denied`.
            let Some(Type::Enum(code)) = result.err() else { return None };
            let denied = code.names().find(|name| name.starts_with("access"))?.to_owned();
            Some(Val::Result(Err(Some(Box::new(Val::Enum(denied))))))
        }
        Type::Option(_) => Some(Val::Option(None)),
        // The handle of the whole network: there to be given to functions that deny.
        Type::Own(_) => Resource::<Closed>::new_own(0).try_into_resource_any(store).ok().map(Val::Resource),
        _ => None,
    }
}
