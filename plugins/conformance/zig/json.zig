//! JSON as far as the conformance functions need it: a value deep in a line, and texts as JSON.

const std = @import("std");

/// The text at `path` in a line of JSON; a number, `true` and `false` as they are written. Null if there is nothing, or no text.
/// The whole line is read: what isn't JSON is an error.
pub fn textAt(allocator: std.mem.Allocator, line: []const u8, path: []const []const u8) !?[]const u8 {
    var scanner = std.json.Scanner.initCompleteInput(allocator, line);
    defer scanner.deinit();
    const found = try find(&scanner, allocator, path);
    if (try scanner.next() != .end_of_document) return error.SyntaxError;
    return found;
}

fn find(scanner: *std.json.Scanner, allocator: std.mem.Allocator, path: []const []const u8) !?[]const u8 {
    switch (try scanner.peekNextTokenType()) {
        .object_begin => if (path.len > 0) {
            _ = try scanner.next();
            var found: ?[]const u8 = null;
            while (true) switch (try scanner.nextAlloc(allocator, .alloc_if_needed)) {
                .object_end => return found,
                .string, .allocated_string => |name| {
                    if (std.mem.eql(u8, name, path[0])) found = try find(scanner, allocator, path[1..]) else try scanner.skipValue();
                },
                else => unreachable,
            };
        },
        .string, .number, .true, .false => if (path.len == 0) return switch (try scanner.nextAlloc(allocator, .alloc_if_needed)) {
            .true => "true",
            .false => "false",
            .string, .allocated_string, .number, .allocated_number => |text| text,
            else => unreachable,
        },
        else => {},
    }
    try scanner.skipValue();
    return null;
}

/// Appends a text in quotes.
pub fn appendText(to: *std.ArrayList(u8), allocator: std.mem.Allocator, text: []const u8) !void {
    try to.append(allocator, '"');
    for (text) |byte| switch (byte) {
        '"', '\\' => try to.appendSlice(allocator, &.{ '\\', byte }),
        '\n' => try to.appendSlice(allocator, "\\n"),
        '\r' => try to.appendSlice(allocator, "\\r"),
        '\t' => try to.appendSlice(allocator, "\\t"),
        0x08 => try to.appendSlice(allocator, "\\b"),
        0x0c => try to.appendSlice(allocator, "\\f"),
        0...7, 0x0b, 0x0e...0x1f => try to.print(allocator, "\\u{x:0>4}", .{byte}),
        else => try to.append(allocator, byte),
    };
    try to.append(allocator, '"');
}

test "a text is found at its path, and what isn't JSON is refused" {
    const cases = [_]struct { line: []const u8, text: ?[]const u8 = null, bad: bool = false }{
        .{ .line = "{\"user\":{\"name\":\"A\\u00e9\"}}", .text = "Aé" },
        .{ .line = "{\"x\":[{\"user\":1}],\"user\":{\"id\":{},\"name\":18446744073709551615}}", .text = "18446744073709551615" },
        .{ .line = "{\"user\":{\"name\":false}}", .text = "false" },
        .{ .line = "{\"user\":{\"name\":null}}" },
        .{ .line = "{\"user\":\"name\"}" },
        .{ .line = "[]" },
        .{ .line = "", .bad = true },
        .{ .line = "{\"user\":{\"name\":\"A\"}", .bad = true },
        .{ .line = "{} x", .bad = true },
    };
    for (cases) |case| {
        var arena = std.heap.ArenaAllocator.init(std.testing.allocator);
        defer arena.deinit();
        const found = textAt(arena.allocator(), case.line, &.{ "user", "name" }) catch {
            try std.testing.expect(case.bad);
            continue;
        };
        try std.testing.expect(!case.bad);
        try std.testing.expectEqualDeep(case.text, found);
    }
}

test "a text as JSON" {
    var to: std.ArrayList(u8) = .empty;
    defer to.deinit(std.testing.allocator);
    try appendText(&to, std.testing.allocator, "a\"\\\n\x01é/");
    try std.testing.expectEqualStrings("\"a\\\"\\\\\\n\\u0001é/\"", to.items);
}
