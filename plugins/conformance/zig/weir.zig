//! What an operator is written with: records, codecs, states, failures, and how a call goes over its records.

const std = @import("std");
const abi = @import("abi.zig");
const list = @import("list.zig");
const rows_of = @import("rows.zig");
const Column = abi.Column;
const host = abi.host;

pub const Level = abi.Level;
pub const exportPlugin = abi.exportPlugin;
pub const Codec = rows_of.Codec;
pub const Row = rows_of.Row;
pub const Rows = rows_of.Rows;
pub const int = rows_of.int;
const mistake = rows_of.mistake;

/// What a record can't be processed for; the message is in the call.
pub const Error = error{ Refused, OutOfMemory };

pub const Port = struct { key: Codec, value: Codec };

pub const StateKind = enum(u8) { value, list, map };

pub const State = struct { name: []const u8, kind: StateKind = .value, codec: Codec, schema_version: u32 = 1, ttl_ms: u64 = 0 };

/// One function of the plugin. It is keyed if its input's key has a codec.
pub const Function = struct {
    name: []const u8,
    doc: []const u8,
    in: Port,
    out: Port,
    /// An operator names its states by their place in this list.
    states: []const State = &.{},
    open: ?*const fn (call: *Call, config: Config) Error!void = null,
    process: *const fn (call: *Call, row: Row) Error!void,

    pub fn keyed(function: Function) bool {
        return function.in.key != .any;
    }
};

/// What outlives a call, such as buffers that are kept for their room.
pub const gpa = std.heap.wasm_allocator;
var arena_state = std.heap.ArenaAllocator.init(gpa);
/// For the rest of the call.
pub const arena = arena_state.allocator();
/// An arena keeps this much for the next call.
const arena_bytes_kept = 4 << 20;
/// Output is handed to the host in pieces of about this size, and at the end of a call.
const emit_bytes = 1 << 20;

// ---- A call ----

/// What the job says under `config`.
pub const Config = struct {
    entries: []const [2]abi.Text,

    pub fn get(config: Config, key: []const u8) ?[]const u8 {
        for (config.entries) |entry| if (std.mem.eql(u8, entry[0].slice(), key)) return entry[1].slice();
        return null;
    }
};

const Cell = struct { value: ?[]const u8, dirty: bool = false };

/// The call that is under way: its record, its states, its output. Everything in it is void when the call has failed.
pub const Call = struct {
    watermark: i64 = 0,
    processing_time_ms: i64 = 0,
    row: u32 = 0,
    slot: u32 = 0,
    timestamp: i64 = 0,
    /// Of each state of the function, what is known of its value for each slot; nothing for other kinds of state.
    cells: [][]Cell = &.{},
    lists: []list.Lists = &.{},
    message: []const u8 = "",
    /// Whether the failure is not about one row.
    whole: bool = false,
    counter: struct { name: []const u8 = "", added: u64 = 0 } = .{},

    /// Refuses the record, or the configuration: `return call.refuse(...)`.
    pub fn refuse(call: *Call, comptime format: []const u8, values: anytype) Error {
        call.message = try std.fmt.allocPrint(arena, format, values);
        return error.Refused;
    }

    /// Emits a record with the timestamp of the one that is being processed.
    pub fn emit(call: *Call, key: ?[]const u8, value: []const u8) Error!void {
        try Rows.append(&output, gpa, .{ .key = key, .value = value, .timestamp = call.timestamp });
        if (output.items.len >= emit_bytes) flushOutput();
    }

    /// Room for a text while the record is processed.
    pub fn scratch(_: *Call, len: usize) Error![]u8 {
        try room.resize(gpa, len);
        return room.items;
    }

    /// The key's value of a value state.
    pub fn get(call: *Call, state: usize) ?[]const u8 {
        return call.cells[state][call.slot].value;
    }

    /// The same of a state of numbers.
    pub fn getInt(call: *Call, comptime T: type, state: usize) Error!?T {
        const bytes = call.get(state) orelse return null;
        const declared = opened.?.states[state];
        if (try mistake(arena, declared.codec, bytes)) |why| return call.refuse("state `{s}`: {s}", .{ declared.name, why });
        return int(T, bytes);
    }

    /// Sets the key's value of a value state; null deletes it.
    pub fn put(call: *Call, state: usize, value: ?[]const u8) Error!void {
        call.cells[state][call.slot] = .{ .value = if (value) |bytes| try arena.dupe(u8, bytes) else null, .dirty = true };
    }

    /// Adds to the operator's counter: the host is told the sum at the end of the call.
    pub fn count(call: *Call, name: []const u8, add: u64) void {
        call.counter.name = name;
        call.counter.added += add;
    }
};

var opened: ?Function = null;
var current: Call = .{};
// Kept from call to call for their room.
var output: std.ArrayList(u8) = .empty;
var room: std.ArrayList(u8) = .empty;

pub fn log(level: Level, message: []const u8) void {
    const it = abi.Text.of(message);
    host.log(level, it.ptr, it.len);
}

/// A panic ends as a trap, which carries no words: the host shows the last error of the log instead.
pub fn panic(message: []const u8, _: ?usize) noreturn {
    log(.err, message);
    @trap();
}

fn flushOutput() void {
    if (output.items.len > 0) host.emit(0, output.items.ptr, output.items.len);
    output.clearRetainingCapacity();
}

/// Opens the function of that name; a message says why not.
pub fn open(functions: []const Function, wanted: []const u8, config: Config) ?[]const u8 {
    current = .{};
    for (functions) |function| if (std.mem.eql(u8, function.name, wanted)) {
        opened = function;
        const prepare = function.open orelse return null;
        prepare(&current, config) catch |err| return messageOf(err);
        return null;
    };
    return "this plugin has no such function";
}

pub const Failure = struct { row: ?u32, message: []const u8 };

/// One call over the open function.
pub fn process(records: []const u8, slots: []const u32, values: []const Column, watermark: i64, processing_time_ms: i64) ?Failure {
    const function = opened orelse return .{ .row = null, .message = "this instance is not open: no function to call" };
    // Forgets what a failed call has left behind.
    output.clearRetainingCapacity();
    current = .{ .watermark = watermark, .processing_time_ms = processing_time_ms };
    run(function, &current, records, slots, values) catch |err| return .{ .row = if (current.whole) null else current.row, .message = messageOf(err) };
    return null;
}

/// The host has read the result: what the call was passed, and what it has made, is void.
pub fn endCall() void {
    _ = arena_state.reset(.{ .retain_with_limit = arena_bytes_kept });
}

fn messageOf(err: Error) []const u8 {
    return switch (err) {
        error.Refused => current.message,
        error.OutOfMemory => "out of memory",
    };
}

fn run(function: Function, call: *Call, records: []const u8, slots: []const u32, values: []const Column) Error!void {
    call.whole = true;
    if (function.keyed()) try begin(function, call, slots, values);
    const seen = try arena.alloc(bool, if (function.keyed()) slots.len else 0);
    @memset(seen, false);
    var rows: Rows = .{ .rest = records };
    while (rows.next() catch return call.refuse("the records of this call are cut off", .{})) |row| : (call.row += 1) {
        call.whole = false;
        call.timestamp = row.timestamp;
        if (function.keyed()) {
            call.slot = slots[call.row];
            const key = row.key orelse return call.refuse("the record has no key", .{});
            // A key is looked at once, for all its records in the call.
            if (!seen[call.slot]) if (try mistake(arena, function.in.key, key)) |why| return call.refuse("the key is {s}", .{why});
            seen[call.slot] = true;
        }
        if (try mistake(arena, function.in.value, row.value)) |why| return call.refuse("{s}", .{why});
        try function.process(call, row);
    }
    call.whole = true;
    for (0..function.states.len) |state| try flushState(function, call, @intCast(state));
    flushOutput();
    if (call.counter.added > 0) host.count(call.counter.name.ptr, call.counter.name.len, call.counter.added);
}

fn begin(function: Function, call: *Call, slots: []const u32, values: []const Column) Error!void {
    // Slots number the distinct keys of the call.
    const keys = if (slots.len == 0) 0 else 1 + std.mem.max(u32, slots);
    call.cells = try arena.alloc([]Cell, function.states.len);
    call.lists = try arena.alloc(list.Lists, function.states.len);
    for (call.cells, call.lists, values, 0..) |*cells, *lists, column, state| {
        cells.* = try arena.alloc(Cell, column.lengths.len);
        var rest = column.data.slice();
        for (cells.*, column.lengths.slice()) |*cell, length| {
            const missing = length == Column.missing;
            cell.* = .{ .value = if (missing) null else rest[0..length] };
            if (!missing) rest = rest[length..];
        }
        lists.* = .{ .number = @intCast(state), .name = function.states[state].name };
        if (function.states[state].kind == .list) try lists.begin(keys);
    }
}

/// Hands what the call has changed of a state to the host, at once.
fn flushState(function: Function, call: *Call, state: u32) Error!void {
    if (function.states[state].kind == .list) return call.lists[state].flush();
    var slots: std.ArrayList(u32) = .empty;
    var changed: ColumnBuffer = .{};
    for (call.cells[state], 0..) |cell, slot| {
        if (!cell.dirty) continue;
        try slots.append(arena, @intCast(slot));
        try changed.append(cell.value);
    }
    const put = changed.column();
    if (slots.items.len > 0) host.put(state, slots.items.ptr, slots.items.len, put.lengths.ptr, put.lengths.len, put.data.ptr, put.data.len);
}

/// A column that is being written.
pub const ColumnBuffer = struct {
    lengths: std.ArrayList(u32) = .empty,
    data: std.ArrayList(u8) = .empty,

    pub fn append(buffer: *ColumnBuffer, value: ?[]const u8) error{OutOfMemory}!void {
        try buffer.lengths.append(arena, if (value) |bytes| @intCast(bytes.len) else Column.missing);
        try buffer.data.appendSlice(arena, value orelse "");
    }

    pub fn column(buffer: ColumnBuffer) Column {
        return .{ .lengths = .of(buffer.lengths.items), .data = .of(buffer.data.items) };
    }
};
