//! What a plugin says of itself, independent of any version of the contract.

use std::fmt;

use crate::codec::Codec;

/// A plugin's functions and who made it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PluginDescription {
    /// The plugin's name.
    pub name: String,
    /// The plugin's own version.
    pub version: String,
    /// Language and SDK, for messages.
    pub sdk: String,
    /// Everything that a job file can name as `function`.
    pub functions: Vec<FunctionDescription>,
}

impl PluginDescription {
    /// The function called `name`.
    #[must_use]
    pub fn function(&self, name: &str) -> Option<&FunctionDescription> {
        self.functions.iter().find(|function| function.name == name)
    }
}

/// One function of a plugin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FunctionDescription {
    /// The name in the job file.
    pub name: String,
    /// One sentence for a person.
    pub doc: String,
    /// Whether its input is exchanged by key.
    pub kind: FunctionKind,
    /// Input ports, in order.
    pub inputs: Vec<Port>,
    /// Output ports: the main output, then side outputs.
    pub outputs: Vec<Port>,
    /// Its states; state `i` of the contract is item `i`.
    pub states: Vec<StateDescriptor>,
}

impl FunctionDescription {
    /// What would change if `new` took this function's place while records flow: its kind or its ports, in words; `None`: nothing about the records.
    #[must_use]
    pub fn change_to(&self, new: &Self) -> Option<String> {
        let change = |what: &str, was: String, is: String| {
            (was != is).then(|| format!("its {what} would change while records flow: it was {was} and would be {is}"))
        };
        let text = |ports: &[Port]| ports.iter().map(|port| format!("({}, {})", port.key, port.value)).collect::<Vec<_>>().join(" ");
        change("kind", self.kind.to_string(), new.kind.to_string())
            .or_else(|| change("input", text(&self.inputs), text(&new.inputs)))
            .or_else(|| change("output", text(&self.outputs), text(&new.outputs)))
    }
}

/// Whether a function has keyed state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FunctionKind {
    /// Sees records only.
    Stateless,
    /// Has state and timers per key; its input is exchanged by key.
    Keyed,
}

impl fmt::Display for FunctionKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Stateless => "stateless",
            Self::Keyed => "keyed",
        })
    }
}

/// Where records enter or leave a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Port {
    /// The port's name; `UID.name` in a job file.
    pub name: String,
    /// How keys are to be read.
    pub key: Codec,
    /// How values are to be read.
    pub value: Codec,
}

/// One state of a keyed function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateDescriptor {
    /// The state's name: with UID and key its address for ever.
    pub name: String,
    /// Its shape.
    pub kind: StateKind,
    /// How values are to be read.
    pub value: Codec,
    /// The version of the value's layout.
    pub schema_version: u32,
    /// Milliseconds after the last write at which an entry expires; 0: never.
    pub ttl_ms: u64,
}

/// The shape of a state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StateKind {
    /// One value a key.
    Value,
    /// A list a key: its items are sub-keys in order.
    List,
    /// A map a key: its entries are sub-keys.
    Map,
}
