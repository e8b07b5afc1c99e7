//! A plugin that misbehaves in every way a host must survive: one function for each fault, most of them set off by a record whose value is `poison`.
//!
//! It is written against the contract's raw bindings, because the SDK keeps operators from doing most of this. `describe` says of each function what
//! it does wrong. On anything but `poison`, functions that wait for it pass the records on unchanged.

/// The value that sets a fault off.
pub const POISON: &[u8] = b"poison";

/// Each function, whether it is keyed (with a state `count` of codec `u64-le`), and what it does.
pub const FUNCTIONS: &[(&str, bool, &str)] = &[
    ("echo", false, "Passes everything on: the well-behaved one."),
    ("trap", false, "Executes `unreachable` on poison."),
    ("trap-always", false, "Executes `unreachable` on every call."),
    ("loop", false, "Never returns on poison."),
    ("memory-bomb", false, "Allocates until it can't, on poison."),
    ("recursion", false, "Calls itself without end, on poison."),
    ("lying-rows", false, "Emits rows whose lengths don't add up."),
    ("huge-output", false, "Emits 1 GiB, 16 MiB at a time."),
    ("huge-emit", false, "Emits 1 GiB at once, as far as its memory goes."),
    ("undeclared-output", false, "Emits to output 9."),
    ("undeclared-state", true, "Puts to state 9."),
    ("undeclared-slot", true, "Puts to slot 1,000,000."),
    ("lying-column", true, "Puts a column whose lengths don't add up."),
    ("emit-after-failure", false, "Emits what it got and then refuses record 0, if there is poison: the emission must never be seen."),
    ("failure-row", false, "Refuses the first poison of a call."),
    ("failure-row-out-of-range", false, "Refuses record 1,000,000 if there is poison."),
    ("huge-message", false, "Refuses the first poison of a call with a message of 4 MiB."),
    ("log-flood", false, "Logs a million empty error lines and refuses the first poison."),
    ("small-emits", false, "Emits two million times a row of 16 bytes, on poison."),
    ("failure-whole", false, "Refuses the whole call if there is poison."),
    ("bad-pointer", false, "Calls emit with a pointer and a length outside of its memory."),
    ("open-fails", false, "Refuses to open."),
    ("open-traps", false, "Executes `unreachable` when opened."),
    ("open-loops", false, "Never returns from open."),
    ("remembers", false, "Emits for each record how many its instance has had: forgotten with the instance."),
    ("counts-batch", false, "Emits for each record how many its call has."),
    ("keyed-trap", true, "Counts records by key; puts the count, then executes `unreachable` on poison."),
];

#[cfg(target_arch = "wasm32")]
mod guest;
