//! The conformance plugin in Zig: functions that every language implements in the same way.

const std = @import("std");
const weir = @import("weir.zig");
const json = @import("json.zig");
const text = @import("text.zig");

const Call = weir.Call;
const Row = weir.Row;
const Error = weir.Error;

const words: weir.Port = .{ .key = .utf8, .value = .@"u64-le" };
const lines: weir.Port = .{ .key = .any, .value = .utf8 };
const texts: weir.Port = .{ .key = .none, .value = .utf8 };

const functions = [_]weir.Function{
    .{ .name = "reverse", .doc = "The text with its code points in reverse order.", .in = lines, .out = texts, .process = reverse },
    .{ .name = "even", .doc = "Keeps even numbers.", .in = .{ .key = .any, .value = .@"u64-le" }, .out = .{ .key = .none, .value = .@"u64-le" }, .process = even },
    .{ .name = "tokenize", .doc = "Splits lines into lower-cased words, each with the number 1.", .in = lines, .out = words, .process = tokenize },
    .{ .name = "extract", .doc = "The text at the path `field` of a line of JSON.", .in = lines, .out = texts, .open = openExtract, .process = extract },
    .{ .name = "pass-bytes", .doc = "Bytes as they came.", .in = .{ .key = .any, .value = .bytes }, .out = .{ .key = .none, .value = .bytes }, .process = pass },
    .{ .name = "pass-utf8", .doc = "Texts as they came.", .in = lines, .out = texts, .process = pass },
    .{ .name = "pass-u64", .doc = "Numbers as they came.", .in = .{ .key = .any, .value = .@"u64-le" }, .out = .{ .key = .none, .value = .@"u64-le" }, .process = pass },
    .{ .name = "strict", .doc = "Refuses `bad`, panics at `throw`, refuses `double` after emitting it.", .in = lines, .out = texts, .process = strict },
    .{ .name = "greet", .doc = "Puts the configured greeting before a text.", .in = lines, .out = texts, .open = openGreet, .process = greet },
    .{ .name = "count", .doc = "Adds up the numbers of each word and emits the sum so far.", .in = words, .out = words, .states = &.{.{ .name = "count", .codec = .@"u64-le" }}, .process = add },
    .{ .name = "sum-1", .doc = "The running sum of each key.", .in = words, .out = words, .states = &.{.{ .name = "sum", .codec = .@"u64-le" }}, .process = add },
    .{ .name = "history", .doc = "A list of texts for each key.", .in = .{ .key = .utf8, .value = .utf8 }, .out = .{ .key = .utf8, .value = .json }, .states = &.{.{ .name = "items", .kind = .list, .codec = .utf8 }}, .process = history },
};

comptime {
    weir.exportPlugin("conformance", "0.1.0", &functions);
}

/// A panic says what it is before it becomes a trap.
pub const panic = std.debug.FullPanic(weir.panic);

/// The number 1 as `u64-le`.
const one = [8]u8{ 1, 0, 0, 0, 0, 0, 0, 0 };

fn tokenize(call: *Call, row: Row) Error!void {
    const lower = try call.scratch(row.value.len);
    text.lowerAscii(lower, row.value);
    var rest: text.Words = .{ .line = lower };
    while (rest.next()) |word| try call.emit(word, &one);
}

/// `count` and `sum-1`.
fn add(call: *Call, row: Row) Error!void {
    const total = (try call.getInt(u64, 0) orelse 0) +% weir.int(u64, row.value);
    const bytes = std.mem.toBytes(std.mem.nativeToLittle(u64, total));
    try call.put(0, &bytes);
    try call.emit(row.key, &bytes);
}

fn reverse(call: *Call, row: Row) Error!void {
    const reversed = try call.scratch(row.value.len);
    text.reverse(reversed, row.value);
    try call.emit(null, reversed);
}

fn even(call: *Call, row: Row) Error!void {
    if (weir.int(u64, row.value) % 2 == 0) try call.emit(null, row.value);
}

fn pass(call: *Call, row: Row) Error!void {
    try call.emit(null, row.value);
}

/// Configuration, read when the function is opened.
var path: []const []const u8 = &.{};
var greeting: []const u8 = "";

fn openExtract(_: *Call, config: weir.Config) Error!void {
    var parts: std.ArrayList([]const u8) = .empty;
    var names = std.mem.splitScalar(u8, config.get("field") orelse "user.name", '.');
    while (names.next()) |name| try parts.append(weir.gpa, try weir.gpa.dupe(u8, name));
    path = parts.items;
}

fn extract(call: *Call, row: Row) Error!void {
    const found = json.textAt(weir.arena, row.value, path) catch |err| switch (err) {
        error.OutOfMemory => return error.OutOfMemory,
        else => return call.refuse("not JSON: {s}", .{@errorName(err)}),
    };
    if (found) |it| try call.emit(null, it);
}

fn openGreet(call: *Call, config: weir.Config) Error!void {
    greeting = try weir.gpa.dupe(u8, config.get("greeting") orelse return call.refuse("greeting is missing", .{}));
}

fn greet(call: *Call, row: Row) Error!void {
    try call.emit(null, try std.mem.join(weir.arena, " ", &.{ greeting, row.value }));
    call.count("greeted", 1);
}

fn strict(call: *Call, row: Row) Error!void {
    if (std.mem.eql(u8, row.value, "bad")) return call.refuse("bad record: bad", .{});
    if (std.mem.eql(u8, row.value, "throw")) @panic("thrown on purpose");
    try call.emit(null, row.value);
    if (std.mem.eql(u8, row.value, "double")) return call.refuse("refused after emitting", .{});
}

fn history(call: *Call, row: Row) Error!void {
    const items = &call.lists[0];
    if (std.mem.eql(u8, row.value, "?")) {
        var array: std.ArrayList(u8) = .empty;
        for (try items.items(call), 0..) |item, i| {
            try array.append(weir.arena, if (i == 0) '[' else ',');
            try json.appendText(&array, weir.arena, item);
        }
        try array.appendSlice(weir.arena, if (array.items.len == 0) "[]" else "]");
        try call.emit(row.key, array.items);
    } else if (std.mem.eql(u8, row.value, "#")) {
        try call.emit(row.key, try std.fmt.allocPrint(weir.arena, "{d}", .{try items.len(call)}));
    } else if (std.mem.eql(u8, row.value, "!")) {
        items.clear(call);
    } else if (std.mem.startsWith(u8, row.value, "=")) {
        items.clear(call);
        if (row.value.len == 1) return;
        var parts = std.mem.splitScalar(u8, row.value[1..], ',');
        while (parts.next()) |part| try items.add(call, part);
    } else {
        try items.add(call, row.value);
    }
}
