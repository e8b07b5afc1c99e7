//! All tests of the parts that need no host: `python -m ziglang test test.zig`.

test {
    _ = @import("json.zig");
    _ = @import("rows.zig");
    _ = @import("text.zig");
}
