//! Records and codecs: rows as they lie in the contract's byte lists, and what bytes must be to be of a codec.

const std = @import("std");

/// Codecs that this layer checks before an operator sees a record; the names are the contract's.
pub const Codec = enum { none, any, bytes, utf8, json, @"u64-le" };

pub const Row = struct { key: ?[]const u8, value: []const u8, timestamp: i64 };

/// Reads rows back to back, in the layout of the contract's `rows`.
pub const Rows = struct {
    rest: []const u8,
    const no_key = std.math.maxInt(u32);

    pub fn next(rows: *Rows) error{CutOff}!?Row {
        if (rows.rest.len == 0) return null;
        if (rows.rest.len < 16) return error.CutOff;
        const key_len = int(u32, rows.rest[0..4]);
        const value_len = int(u32, rows.rest[4..8]);
        const value_at: u64 = 16 + @as(u64, if (key_len == no_key) 0 else key_len);
        if (value_at + value_len > rows.rest.len) return error.CutOff;
        const at: usize = @intCast(value_at);
        defer rows.rest = rows.rest[at + value_len ..];
        return .{
            .key = if (key_len == no_key) null else rows.rest[16..at],
            .value = rows.rest[at..][0..value_len],
            .timestamp = int(i64, rows.rest[8..16]),
        };
    }

    pub fn append(to: *std.ArrayList(u8), allocator: std.mem.Allocator, row: Row) error{OutOfMemory}!void {
        const key = row.key orelse "";
        const bytes = try to.addManyAsSlice(allocator, 16 + key.len + row.value.len);
        std.mem.writeInt(u32, bytes[0..4], if (row.key) |it| @intCast(it.len) else no_key, .little);
        std.mem.writeInt(u32, bytes[4..8], @intCast(row.value.len), .little);
        std.mem.writeInt(i64, bytes[8..16], row.timestamp, .little);
        copy(bytes[16..], key);
        copy(bytes[16 + key.len ..], row.value);
    }
};

/// The number in little-endian bytes, which must be as many as it has.
pub fn int(comptime T: type, bytes: []const u8) T {
    return std.mem.readInt(T, bytes[0..@sizeOf(T)], .little);
}

/// Keys and values are mostly a few bytes, for which this is faster than a call: whole words from the front, and one from the end, over them.
inline fn copy(to: []u8, from: []const u8) void {
    const len = from.len;
    if (len > 32) return @memcpy(to[0..len], from);
    if (len >= 8) {
        var at: usize = 0;
        while (at + 8 < len) : (at += 8) to[at..][0..8].* = from[at..][0..8].*;
        to[len - 8 ..][0..8].* = from[len - 8 ..][0..8].*;
    } else if (len >= 4) {
        to[0..4].* = from[0..4].*;
        to[len - 4 ..][0..4].* = from[len - 4 ..][0..4].*;
    } else if (len > 0) {
        to[0] = from[0];
        to[len / 2] = from[len / 2];
        to[len - 1] = from[len - 1];
    }
}

/// Eight bytes at a time: none has its highest bit. Most text is so, and short.
fn isAscii(bytes: []const u8) bool {
    const high_bits = 0x8080_8080_8080_8080;
    if (bytes.len < 8) {
        for (bytes) |byte| if (byte >= 0x80) return false;
        return true;
    }
    var at: usize = 0;
    while (at + 8 <= bytes.len) : (at += 8) if (int(u64, bytes[at..][0..8]) & high_bits != 0) return false;
    return int(u64, bytes[bytes.len - 8 ..][0..8]) & high_bits == 0;
}

/// Why bytes are not of a codec, as the SDKs say it; null if they are.
pub fn mistake(allocator: std.mem.Allocator, codec: Codec, bytes: []const u8) error{OutOfMemory}!?[]const u8 {
    switch (codec) {
        .none, .any, .bytes => return null,
        .utf8, .json => {
            if (isAscii(bytes) or std.unicode.utf8ValidateSlice(bytes)) return null;
            var good = bytes.len;
            while (!std.unicode.utf8ValidateSlice(bytes[0..good])) good -= 1;
            return try std.fmt.allocPrint(allocator, "not UTF-8: invalid from index {d}", .{good});
        },
        .@"u64-le" => return if (bytes.len == 8) null else try std.fmt.allocPrint(allocator, "not u64-le: {d} bytes instead of 8", .{bytes.len}),
    }
}

test "rows are read as they were written" {
    const gpa = std.testing.allocator;
    const cases = [_]Row{
        .{ .key = null, .value = "", .timestamp = std.math.minInt(i64) },
        .{ .key = "", .value = "v", .timestamp = -1 },
        .{ .key = "a key of more than thirty-two bytes, which is copied by a call", .value = "value", .timestamp = 7 },
    };
    var bytes: std.ArrayList(u8) = .empty;
    defer bytes.deinit(gpa);
    for (cases) |row| try Rows.append(&bytes, gpa, row);
    var rows: Rows = .{ .rest = bytes.items };
    for (cases) |row| try std.testing.expectEqualDeep(row, (try rows.next()).?);
    try std.testing.expectEqual(null, try rows.next());
    // Keys of every length are copied whole.
    const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    for (0..letters.len) |len| {
        var place: [letters.len]u8 = undefined;
        copy(&place, letters[0..len]);
        try std.testing.expectEqualStrings(letters[0..len], place[0..len]);
    }
    // However they are cut off, that is noticed.
    for (1..bytes.items.len) |len| {
        var cut: Rows = .{ .rest = bytes.items[0..len] };
        var whole: usize = 0;
        while (cut.next() catch break) |_| whole += 1 else {
            var again: Rows = .{ .rest = bytes.items[0..len] };
            for (0..whole) |_| _ = try again.next();
            try std.testing.expectEqual(0, again.rest.len);
        }
    }
}

test "bytes that are not of a codec say so" {
    const cases = [_]struct { codec: Codec, bytes: []const u8, message: ?[]const u8 = null }{
        .{ .codec = .bytes, .bytes = "\xff" },
        .{ .codec = .utf8, .bytes = "Straße" },
        .{ .codec = .utf8, .bytes = "ab\xc3", .message = "not UTF-8: invalid from index 2" },
        .{ .codec = .@"u64-le", .bytes = "12345678" },
        .{ .codec = .@"u64-le", .bytes = "123", .message = "not u64-le: 3 bytes instead of 8" },
    };
    for (cases) |case| {
        const found = try mistake(std.testing.allocator, case.codec, case.bytes);
        defer if (found) |message| std.testing.allocator.free(message);
        try std.testing.expectEqualDeep(case.message, found);
    }
}
