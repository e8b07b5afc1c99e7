//! Text in bulk: words, lower case, reverse order.

const std = @import("std");

/// The words of a line: what lies between ASCII whitespace.
pub const Words = struct {
    line: []const u8,
    at: usize = 0,

    pub fn next(words: *Words) ?[]const u8 {
        const line = words.line;
        var from = words.at;
        while (from < line.len and isSpace(line[from])) from += 1;
        var to = from;
        while (to < line.len and !isSpace(line[to])) to += 1;
        words.at = to;
        return if (from == to) null else line[from..to];
    }
};

/// Space, \t, \n, \x0b, \x0c, \r: all but the first are 9 to 13.
inline fn isSpace(byte: u8) bool {
    return byte == ' ' or byte -% 9 < 5;
}

/// Copies with A-Z lower-cased. One loop without a branch, which the compiler makes SIMD of.
pub fn lowerAscii(to: []u8, from: []const u8) void {
    for (to, from) |*place, byte| place.* = if (byte -% 'A' < 26) byte | 0x20 else byte;
}

/// Copies valid UTF-8 with its code points in reverse order.
pub fn reverse(to: []u8, from: []const u8) void {
    var at: usize = 0;
    while (at < from.len) {
        const len = std.unicode.utf8ByteSequenceLength(from[at]) catch unreachable;
        @memcpy(to[from.len - at - len ..][0..len], from[at..][0..len]);
        at += len;
    }
}

test "words lie between ASCII whitespace" {
    const cases = [_]struct { line: []const u8, words: []const []const u8 }{
        .{ .line = "", .words = &.{} },
        .{ .line = " \t\n\r\x0b\x0c ", .words = &.{} },
        .{ .line = "one", .words = &.{"one"} },
        .{ .line = "  to be,\tor not ", .words = &.{ "to", "be,", "or", "not" } },
        .{ .line = "a\u{a0}b \u{2003}", .words = &.{ "a\u{a0}b", "\u{2003}" } },
        .{ .line = "\x08\x0e", .words = &.{"\x08\x0e"} },
    };
    for (cases) |case| {
        var words: Words = .{ .line = case.line };
        for (case.words) |word| try std.testing.expectEqualStrings(word, words.next().?);
        try std.testing.expectEqual(null, words.next());
    }
}

test "lower case and reverse order leave every other byte as it is" {
    const cases = [_]struct { text: []const u8, lower: []const u8, reversed: []const u8 }{
        .{ .text = "", .lower = "", .reversed = "" },
        .{ .text = "@AZ[`az{", .lower = "@az[`az{", .reversed = "{za`[ZA@" },
        .{ .text = "ÄB🙂z", .lower = "Äb🙂z", .reversed = "z🙂BÄ" },
    };
    var place: [64]u8 = undefined;
    for (cases) |case| {
        const to = place[0..case.text.len];
        lowerAscii(to, case.text);
        try std.testing.expectEqualStrings(case.lower, to);
        reverse(to, case.text);
        try std.testing.expectEqualStrings(case.reversed, to);
    }
}
