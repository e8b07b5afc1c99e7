//! What a plugin says of itself: the contract's descriptions as plain types.

/// A plugin's functions and who made it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PluginDescription {
    /// The plugin's name.
    pub name: String,
    /// The plugin's own version.
    pub version: String,
    /// Language and SDK, for messages.
    pub sdk: String,
    /// Everything that a job can name as a function.
    pub functions: Vec<FunctionDescription>,
}

/// One function of a plugin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FunctionDescription {
    /// The name in a job.
    pub name: String,
    /// What it does, for a person.
    pub doc: String,
    /// Whether it has state per key.
    pub kind: FunctionKind,
    /// Input ports, in order.
    pub inputs: Vec<Port>,
    /// Output ports: the main output, then side outputs.
    pub outputs: Vec<Port>,
    /// Its states, in the order of their numbers.
    pub states: Vec<StateDescriptor>,
}

/// Whether a function has keyed state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FunctionKind {
    /// Sees records only.
    Stateless,
    /// Has state per key; its input is exchanged by key.
    Keyed,
}

/// Where records enter or leave a function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Port {
    /// The port's name.
    pub name: String,
    /// The codec of keys; `none`: an output without keys, `any`: an input that doesn't look at the key.
    pub key_codec: String,
    /// The codec of values.
    pub value_codec: String,
}

/// One state of a keyed function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateDescriptor {
    /// The state's name: with the operator's UID and the key its address for ever.
    pub name: String,
    /// Its shape.
    pub kind: StateKind,
    /// The codec of its values.
    pub value_codec: String,
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
    /// A list a key.
    List,
    /// A map a key.
    Map,
}

/// The subtask that an operator is opened for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Subtask {
    /// The operator's UID.
    pub uid: String,
    /// This subtask among its siblings, from 0.
    pub index: u32,
    /// The number of siblings.
    pub parallelism: u32,
    /// The number of key groups.
    pub max_parallelism: u32,
}
