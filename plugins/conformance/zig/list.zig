//! List states, laid out as weir's SDKs do, so that operators of any language read them: the length, a little-endian u64, under the empty
//! sub-key; item i under i as eight bytes, big-endian.

const std = @import("std");
const abi = @import("abi.zig");
const weir = @import("weir.zig");
const host = abi.host;

/// Items are asked for in pages of this many.
const page_items = 256;

/// One list state during a call: the lists of all its keys.
pub const Lists = struct {
    number: u32 = 0,
    name: []const u8 = "",
    slots: []Slot = &.{},
    /// Items that the host hasn't been given yet.
    added: std.ArrayList(Item) = .empty,

    const Slot = struct { len: u64, dirty: bool = false, clear: bool = false, clears: u32 = 0 };
    const Item = struct { slot: u32, index: u64, bytes: []const u8, clears: u32 };

    /// Asks for the lengths of all lists at once: a call to the host costs as much as handling ten records.
    pub fn begin(lists: *Lists, keys: usize) weir.Error!void {
        if (keys == 0) return;
        const numbers = try weir.arena.alloc(u32, keys);
        for (numbers, 0..) |*number, slot| number.* = @intCast(slot);
        const lengths = try weir.arena.alloc(u32, keys);
        @memset(lengths, 0);
        var found: abi.Column = undefined;
        host.@"get-sub"(lists.number, numbers.ptr, numbers.len, lengths.ptr, lengths.len, abi.Text.of("").ptr, 0, &found);
        lists.slots = try weir.arena.alloc(Slot, keys);
        var rest = found.data.slice();
        for (lists.slots, found.lengths.slice()) |*slot, length| {
            if (length == abi.Column.missing) {
                slot.* = .{ .len = 0 };
            } else {
                slot.* = .{ .len = if (length == 8) weir.int(u64, rest[0..8]) else bad_len };
                rest = rest[length..];
            }
        }
    }

    /// Stands for a length that can't be read.
    const bad_len = std.math.maxInt(u64);

    pub fn len(lists: *Lists, call: *weir.Call) weir.Error!u64 {
        const found = lists.slots[call.slot].len;
        return if (found == bad_len) call.refuse("state `{s}`: its length is not u64-le", .{lists.name}) else found;
    }

    pub fn add(lists: *Lists, call: *weir.Call, item: []const u8) weir.Error!void {
        const index = try lists.len(call);
        const slot = &lists.slots[call.slot];
        try lists.added.append(weir.arena, .{ .slot = call.slot, .index = index, .bytes = try weir.arena.dupe(u8, item), .clears = slot.clears });
        slot.len = index + 1;
        slot.dirty = true;
    }

    pub fn clear(lists: *Lists, call: *weir.Call) void {
        // What was added before is void: it has another number of clears.
        lists.slots[call.slot] = .{ .len = 0, .clear = true, .clears = lists.slots[call.slot].clears + 1 };
    }

    /// All items, this call's included.
    pub fn items(lists: *Lists, call: *weir.Call) weir.Error![]const []const u8 {
        try lists.flush();
        var all: std.ArrayList([]const u8) = .empty;
        // The first sub-key after the empty one, where the length is, is item 0.
        var after: [8]u8 = undefined;
        var after_len: usize = 0;
        while (true) {
            var page: abi.Page = undefined;
            host.scan(lists.number, call.slot, 1, &after, after_len, page_items, &page);
            var rest = page.values.data.slice();
            for (page.values.lengths.slice()) |length| {
                try all.append(weir.arena, rest[0..length]);
                rest = rest[length..];
            }
            if (page.more == 0 or page.values.lengths.len == 0) break;
            std.mem.writeInt(u64, &after, all.items.len - 1, .big);
            after_len = 8;
        }
        const expected = try lists.len(call);
        if (all.items.len != expected) return call.refuse("state `{s}`: {d} items are there and {d} are expected", .{ lists.name, all.items.len, expected });
        return all.items;
    }

    /// Hands all changes to the host: one `clear` and one `put-sub`.
    pub fn flush(lists: *Lists) weir.Error!void {
        var cleared: std.ArrayList(u32) = .empty;
        var slots: std.ArrayList(u32) = .empty;
        var keys: weir.ColumnBuffer = .{};
        var values: weir.ColumnBuffer = .{};
        for (lists.added.items) |item| {
            if (item.clears != lists.slots[item.slot].clears) continue;
            var key: [8]u8 = undefined;
            std.mem.writeInt(u64, &key, item.index, .big);
            try slots.append(weir.arena, item.slot);
            try keys.append(&key);
            try values.append(item.bytes);
        }
        lists.added.clearRetainingCapacity();
        for (lists.slots, 0..) |*slot, number| {
            if (slot.clear) try cleared.append(weir.arena, @intCast(number));
            if (slot.dirty) {
                var bytes: [8]u8 = undefined;
                std.mem.writeInt(u64, &bytes, slot.len, .little);
                try slots.append(weir.arena, @intCast(number));
                try keys.append("");
                try values.append(&bytes);
            }
            slot.clear = false;
            slot.dirty = false;
        }
        if (cleared.items.len > 0) host.clear(lists.number, cleared.items.ptr, cleared.items.len);
        if (slots.items.len == 0) return;
        const k = keys.column();
        const v = values.column();
        host.@"put-sub"(lists.number, slots.items.ptr, slots.items.len, k.lengths.ptr, k.lengths.len, k.data.ptr, k.data.len, v.lengths.ptr, v.lengths.len, v.data.ptr, v.data.len);
    }
};
