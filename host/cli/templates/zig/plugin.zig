//! Counts words: lines are split, and each word is counted under its own key.

const std = @import("std");
const weir = @import("weir-sdk/weir.zig");

const Call = weir.Call;
const Row = weir.Row;
const Error = weir.Error;

const words: weir.Port = .{ .key = .utf8, .value = .@"u64-le" };

const functions = [_]weir.Function{
    .{
        .name = "tokenize",
        .doc = "Splits lines into lower-cased words, each with the number 1.",
        .in = .{ .key = .any, .value = .utf8 },
        .out = words,
        .process = tokenize,
    },
    .{
        .name = "count",
        .doc = "Adds up the numbers of each word and emits the sum so far.",
        .in = words,
        .out = words,
        .states = &.{.{ .name = "count", .codec = .@"u64-le" }},
        .process = count,
    },
};

comptime {
    weir.exportPlugin("{{name}}", "0.1.0", &functions);
}

/// A panic says what it is before it becomes a trap.
pub const panic = std.debug.FullPanic(weir.panic);

fn tokenize(call: *Call, row: Row) Error!void {
    const lower = std.ascii.lowerString(try call.scratch(row.value.len), row.value);
    var rest = std.mem.tokenizeAny(u8, lower, &std.ascii.whitespace);
    while (rest.next()) |word| try call.emit(word, &bytes(1));
}

fn count(call: *Call, row: Row) Error!void {
    const total = (try call.getInt(u64, 0) orelse 0) +% weir.int(u64, row.value);
    try call.put(0, &bytes(total));
    try call.emit(row.key, &bytes(total));
}

/// A number as `u64-le`.
fn bytes(number: u64) [8]u8 {
    return std.mem.toBytes(std.mem.nativeToLittle(u64, number));
}
