//! From an author's type to a function of a plugin.

use crate::context::OpenContext;
use crate::driver::{FilterEach, FlatMapEach, Keyed, MapEach, Stateless};
use crate::native::{FunctionDescription, FunctionKind, Operator, Port, Subtask};
use crate::operator::{Filter, FlatMap, KeyedProcess, Map};
use crate::record::Record;

/// A function of a plugin: its name, and how to open it. Made by [`crate::export!`].
#[derive(Debug, Clone, Copy)]
pub struct Function {
    name: &'static str,
    doc: &'static str,
    kind: FunctionKind,
    ports: fn() -> (Port, Port),
    open: fn(OpenContext) -> Opened,
}

/// An operator, and the context as its `open` left it.
type Opened = Result<(Box<dyn Operator>, Vec<crate::native::StateDescriptor>), String>;

impl Function {
    /// The name in a job.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }

    pub(crate) fn kind(&self) -> FunctionKind {
        self.kind
    }

    /// What the function says of itself. Its states are learned by opening it without configuration.
    #[must_use]
    pub fn describe(&self) -> FunctionDescription {
        let (input, output) = (self.ports)();
        // An operator that refuses to open without configuration has declared its states all the same.
        let mut ctx = OpenContext::new(&[], &Subtask { parallelism: 1, max_parallelism: 1, ..Subtask::default() });
        ctx.describing = true;
        let states = (self.open)(ctx).map(|(_, states)| states).unwrap_or_default();
        FunctionDescription {
            name: self.name.to_owned(),
            doc: self.doc.trim().to_owned(),
            kind: self.kind,
            inputs: vec![input],
            outputs: vec![output],
            states,
        }
    }

    /// Opens the function for one subtask.
    ///
    /// # Errors
    /// Why the operator refuses its configuration.
    pub fn open(&self, config: &[(String, String)], subtask: &Subtask) -> Result<Box<dyn Operator>, String> {
        (self.open)(OpenContext::new(config, subtask)).map(|(operator, _)| operator)
    }
}

/// A type that [`crate::export!`] has named: an operator with its place in a plugin.
pub trait Export {
    /// The function that the type is.
    fn function() -> Function;
}

/// Turns a type that implements one of the operator traits into a function; `Kind` says which, and is inferred.
#[doc(hidden)]
pub trait IntoFunction<Kind> {
    fn into_function(name: &'static str, doc: &'static str) -> Function;
}

/// [`IntoFunction`], with `Kind` inferred.
#[doc(hidden)]
#[must_use]
pub fn function<T: IntoFunction<Kind>, Kind>(name: &'static str, doc: &'static str) -> Function {
    T::into_function(name, doc)
}

/// One type per operator trait, to keep the implementations below apart.
mod kind {
    pub struct Map;
    pub struct Filter;
    pub struct FlatMap;
    pub struct KeyedProcess;
}

impl<T: Map> IntoFunction<kind::Map> for T {
    fn into_function(name: &'static str, doc: &'static str) -> Function {
        let open = |mut ctx: OpenContext| {
            let operator = T::open(&mut ctx);
            opened_stateless(ctx, |ctx| Box::new(Stateless::new(MapEach(operator), ctx)))
        };
        Function { name, doc, kind: FunctionKind::Stateless, ports: || (input::<T::In>(), output::<T::Out>()), open }
    }
}

impl<T: Filter> IntoFunction<kind::Filter> for T {
    fn into_function(name: &'static str, doc: &'static str) -> Function {
        let open = |mut ctx: OpenContext| {
            let operator = T::open(&mut ctx);
            opened_stateless(ctx, |ctx| Box::new(Stateless::new(FilterEach(operator), ctx)))
        };
        Function { name, doc, kind: FunctionKind::Stateless, ports: || (input::<T::In>(), output::<T::In>()), open }
    }
}

impl<T: FlatMap> IntoFunction<kind::FlatMap> for T {
    fn into_function(name: &'static str, doc: &'static str) -> Function {
        let open = |mut ctx: OpenContext| {
            let operator = T::open(&mut ctx);
            opened_stateless(ctx, |ctx| Box::new(Stateless::new(FlatMapEach(operator), ctx)))
        };
        Function { name, doc, kind: FunctionKind::Stateless, ports: || (input::<T::In>(), output::<T::Out>()), open }
    }
}

impl<T: KeyedProcess> IntoFunction<kind::KeyedProcess> for T {
    fn into_function(name: &'static str, doc: &'static str) -> Function {
        let open = |mut ctx: OpenContext| {
            let operator = T::open(&mut ctx);
            opened(ctx, |ctx| Box::new(Keyed::new(operator, ctx)))
        };
        Function { name, doc, kind: FunctionKind::Keyed, ports: || (input::<(T::Key, T::In)>(), output::<T::Out>()), open }
    }
}

fn opened_stateless(mut ctx: OpenContext, operator: impl FnOnce(OpenContext) -> Box<dyn Operator>) -> Opened {
    if let Some(state) = ctx.states.first() {
        let message = format!("state `{}` is declared by an operator without keys: implement KeyedProcess", state.name);
        ctx.refuse(message);
    }
    opened(ctx, operator)
}

fn opened(mut ctx: OpenContext, operator: impl FnOnce(OpenContext) -> Box<dyn Operator>) -> Opened {
    if !ctx.refusals.is_empty() && !ctx.describing {
        return Err(ctx.refusals.join("; "));
    }
    let states = std::mem::take(&mut ctx.states);
    Ok((operator(ctx), states))
}

fn input<R: Record>() -> Port {
    Port { name: "in".to_owned(), key_codec: R::key_codec().unwrap_or_else(|| "any".to_owned()), value_codec: R::value_codec() }
}

fn output<R: Record>() -> Port {
    Port { name: "out".to_owned(), key_codec: R::key_codec().unwrap_or_else(|| "none".to_owned()), value_codec: R::value_codec() }
}

/// Names the functions of a plugin, once per plugin crate, in its root:
///
/// ```
/// # use weir_guest::{Filter, Result, Utf8};
/// # #[derive(Default)]
/// # struct Errors;
/// # impl Filter for Errors {
/// #     type In = Utf8;
/// #     fn filter(&mut self, line: &str) -> Result<bool> { Ok(line.contains("error")) }
/// # }
/// weir_guest::export! {
///     /// Keeps lines that mention an error.
///     "errors" => Errors,
/// }
///
/// assert_eq!(plugin().describe().functions[0].doc, "Keeps lines that mention an error.");
/// ```
///
/// It makes a function `plugin()`, which gives the plugin to native callers and tests, and in Wasm the exports of the contract. The plugin's name and
/// version are the crate's; `plugin "word-count";` before the functions gives it another name than the crate's, as where two versions of a plugin are
/// crates of one workspace. A type can be named once.
#[macro_export]
macro_rules! export {
    ($(plugin $plugin:literal;)? $($(#[doc = $doc:literal])* $name:literal => $operator:ty),+ $(,)?) => {
        /// This plugin, for callers without Wasm.
        #[must_use]
        pub fn plugin() -> $crate::native::Plugin {
            let functions = vec![$(<$operator as $crate::Export>::function()),+];
            let plugin = $crate::native::Plugin::new(env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"), functions);
            $(let plugin = plugin.named($plugin);)?
            plugin
        }

        $(
            impl $crate::Export for $operator {
                fn function() -> $crate::Function {
                    $crate::function::<$operator, _>($name, concat!($($doc),*))
                }
            }
        )+

        $crate::__export_component!();
    };
}

/// In Wasm: the exports of the contract over `plugin()`.
#[cfg(target_arch = "wasm32")]
#[doc(hidden)]
#[macro_export]
macro_rules! __export_component {
    () => {
        const _: () = {
            struct Component;
            impl $crate::component::Described for Component {
                fn plugin() -> $crate::native::Plugin {
                    plugin()
                }
            }
            type Exported = $crate::component::Adapter<Component>;
    $crate::bindings::export!(Exported with_types_in $crate::bindings);
        };
    };
}

/// Not in Wasm: nothing.
#[cfg(not(target_arch = "wasm32"))]
#[doc(hidden)]
#[macro_export]
macro_rules! __export_component {
    () => {};
}
