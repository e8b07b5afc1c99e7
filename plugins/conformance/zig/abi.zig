//! The contract in the canonical ABI, by hand: how the component model passes calls, strings and lists in and out of a core module.
//!
//! A parameter is flattened into numbers: a string or a list is a pointer and a length, a record is its fields one after another. A result
//! of more than one number is a pointer to a struct, in which the same types lie as in C: wasm32's `extern struct`s have that very layout.

const std = @import("std");
const weir = @import("weir.zig");

/// The host's functions, one module per interface of the contract.
pub const host = struct {
    pub extern "weir:output/output@0.1.0" fn emit(output: u32, rows: [*]const u8, rows_len: usize) void;
    pub extern "weir:log/log@0.1.0" fn log(level: Level, message: [*]const u8, message_len: usize) void;
    pub extern "weir:log/log@0.1.0" fn count(name: [*]const u8, name_len: usize, add: u64) void;
    // A column is four numbers. A result that is a column is written to `to`.
    pub extern "weir:state/keyed@0.1.0" fn put(state: u32, slots: [*]const u32, slots_len: usize, lengths: [*]const u32, lengths_len: usize, data: [*]const u8, data_len: usize) void;
    pub extern "weir:state/keyed@0.1.0" fn @"get-sub"(state: u32, slots: [*]const u32, slots_len: usize, lengths: [*]const u32, lengths_len: usize, data: [*]const u8, data_len: usize, to: *Column) void;
    pub extern "weir:state/keyed@0.1.0" fn @"put-sub"(state: u32, slots: [*]const u32, slots_len: usize, key_lengths: [*]const u32, key_lengths_len: usize, keys: [*]const u8, keys_len: usize, lengths: [*]const u32, lengths_len: usize, data: [*]const u8, data_len: usize) void;
    pub extern "weir:state/keyed@0.1.0" fn scan(state: u32, slot: u32, has_after: u32, after: [*]const u8, after_len: usize, limit: u32, to: *Page) void;
    pub extern "weir:state/keyed@0.1.0" fn clear(state: u32, slots: [*]const u32, slots_len: usize) void;
};

pub const Level = enum(u32) { trace, debug, info, warn, err };

pub fn List(comptime T: type) type {
    return extern struct {
        ptr: [*]const T,
        len: usize,

        /// An empty list needs a place inside of the memory too, which Zig's empty slices don't have.
        pub fn of(items: []const T) @This() {
            return .{ .ptr = if (items.len == 0) @ptrFromInt(@alignOf(T)) else items.ptr, .len = items.len };
        }

        pub fn slice(self: @This()) []const T {
            return self.ptr[0..self.len];
        }
    };
}

pub const Text = List(u8);

pub const Column = extern struct {
    lengths: List(u32),
    data: List(u8),

    pub const missing = std.math.maxInt(u32);
};

pub const Page = extern struct { sub_keys: Column, values: Column, more: u8 };

const PortRecord = extern struct { name: Text, key_codec: Text, value_codec: Text };
const StateRecord = extern struct { name: Text, kind: weir.StateKind, value_codec: Text, schema_version: u32, ttl_ms: u64 };
const FunctionRecord = extern struct {
    name: Text,
    doc: Text,
    kind: u8,
    inputs: List(PortRecord),
    outputs: List(PortRecord),
    states: List(StateRecord),
};
const PluginRecord = extern struct { name: Text, version: Text, sdk: Text, functions: List(FunctionRecord) };

/// `result<_, string>`
const Opened = extern struct { is_error: u8 = 0, message: Text = .of("") };
/// `result<_, failure>`, and as an error `result<column, failure>` too.
const Outcome = extern struct { is_error: u8 = 0, has_row: u32 = 0, row: u32 = 0, message: Text = .of("") };
var opened: Opened = .{};
var outcome: Outcome = .{};

/// Exports a plugin: once, in its root file.
pub fn exportPlugin(comptime name: []const u8, comptime version: []const u8, comptime functions: []const weir.Function) void {
    const Exports = struct {
        const description: PluginRecord = .{
            .name = .of(name),
            .version = .of(version),
            .sdk = .of("zig weir-guest 0.1.0"),
            .functions = .of(records(weir.Function, FunctionRecord, functions, functionRecord)),
        };

        fn describe() callconv(.c) *const PluginRecord {
            return &description;
        }

        fn open(function: [*]const u8, function_len: usize, config: [*]const [2]Text, config_len: usize, _: [*]const u8, _: usize, _: u32, _: u32, _: u32) callconv(.c) *const Opened {
            const failed = weir.open(functions, function[0..function_len], .{ .entries = config[0..config_len] });
            opened = if (failed) |message| .{ .is_error = 1, .message = .of(message) } else .{};
            return &opened;
        }
    };
    exports("describe", &Exports.describe);
    exports("open", &Exports.open);
    exports("process", &process);
    exports("on-timers", &onTimers);
    exports("finish", &finish);
    exports("migrate", &migrate);
    @export(&realloc, .{ .name = "cabi_realloc" });
}

/// A function of the interface, and the one that the host calls when it has read the result.
fn exports(comptime name: []const u8, comptime function: anytype) void {
    const full = "weir:operator/operator@0.1.0#" ++ name;
    @export(function, .{ .name = full });
    @export(&post, .{ .name = "cabi_post_" ++ full });
}

/// Where the host puts the lists that it passes, and the results of its own functions: it calls this before the call that they are for.
fn realloc(old: [*]u8, old_len: usize, alignment: usize, len: usize) callconv(.c) [*]u8 {
    // An empty list needs a place all the same.
    if (len == 0) return @ptrFromInt(alignment);
    const new = weir.arena.rawAlloc(len, .fromByteUnits(alignment), @returnAddress()) orelse @panic("out of memory");
    @memcpy(new[0..@min(old_len, len)], old);
    return new;
}

fn post(_: u32) callconv(.c) void {
    weir.endCall();
}

fn process(input: u32, rows: [*]const u8, rows_len: usize, slots: [*]const u32, slots_len: usize, values: [*]const Column, values_len: usize, watermark: i64, processing_time_ms: i64) callconv(.c) *const Outcome {
    if (input != 0) return fail(null, "there is no input but 0");
    const failure = weir.process(rows[0..rows_len], slots[0..slots_len], values[0..values_len], watermark, processing_time_ms);
    if (failure) |it| return fail(it.row, it.message);
    outcome = .{};
    return &outcome;
}

fn onTimers(_: u32, _: [*]const u8, _: usize, _: [*]const u32, _: usize, _: [*]const Column, _: usize, _: i64, _: i64) callconv(.c) *const Outcome {
    return fail(null, "this plugin has no timers, and has set none");
}

fn finish(_: i64, _: i64) callconv(.c) *const Outcome {
    outcome = .{};
    return &outcome;
}

fn migrate(_: [*]const u8, _: usize, _: u32, _: [*]const u32, _: usize, _: [*]const u8, _: usize) callconv(.c) *const Outcome {
    return fail(null, "the states of this plugin have one version: there is no migration");
}

fn fail(row: ?u32, message: []const u8) *const Outcome {
    outcome = .{ .is_error = 1, .has_row = @intFromBool(row != null), .row = row orelse 0, .message = .of(message) };
    return &outcome;
}

// ---- The description, made by the compiler ----

fn records(comptime From: type, comptime To: type, comptime from: []const From, comptime record: fn (comptime From) To) []const To {
    comptime var to: [from.len]To = undefined;
    inline for (from, &to) |item, *place| place.* = record(item);
    const made = to;
    return &made;
}

fn functionRecord(comptime it: weir.Function) FunctionRecord {
    return .{
        .name = .of(it.name),
        .doc = .of(it.doc),
        .kind = @intFromBool(it.keyed()),
        .inputs = .of(&.{portRecord("in", it.in)}),
        .outputs = .of(&.{portRecord("out", it.out)}),
        .states = .of(records(weir.State, StateRecord, it.states, stateRecord)),
    };
}

fn portRecord(comptime name: []const u8, comptime it: weir.Port) PortRecord {
    return .{ .name = .of(name), .key_codec = .of(@tagName(it.key)), .value_codec = .of(@tagName(it.value)) };
}

fn stateRecord(comptime it: weir.State) StateRecord {
    return .{ .name = .of(it.name), .kind = it.kind, .value_codec = .of(@tagName(it.codec)), .schema_version = it.schema_version, .ttl_ms = it.ttl_ms };
}
