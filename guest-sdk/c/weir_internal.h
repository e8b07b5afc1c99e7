// What the SDK's own files share: memory, the running call, and states. Not for plugins.
#ifndef WEIR_INTERNAL_H
#define WEIR_INTERNAL_H

#include "bindings/plugin.h"
#include "weir.h"
#include "weir_json.h"

// ---- memory (weir_memory.c)

typedef struct weir_block weir_block;

// Memory that is given back all at once.
typedef struct {
    weir_block *blocks; // the newest first
    uint8_t *at, *end;  // what is free in the newest
} weir_arena;

// Never NULL: out of memory traps. Aligned for anything.
void *weir_arena_alloc(weir_arena *arena, size_t size);
// As realloc; in place where the old piece was the last one.
void *weir_arena_grow(weir_arena *arena, void *old, size_t old_size, size_t new_size);
// Gives back what was allocated, and keeps some room for the next time.
void weir_arena_reset(weir_arena *arena);
// Keeps nothing.
void weir_arena_free(weir_arena *arena);

// malloc and realloc that trap with a message when there is no memory.
void *weir_heap_grow(void *old, size_t size);
// A copy with an ending zero.
weir_bytes weir_heap_copy(weir_bytes bytes);

// ---- text (weir_text.c)

// As vsnprintf: writes at most `room` bytes, without an ending zero, and returns how many there would be.
size_t weir_format_list(char *to, size_t room, const char *format, va_list arguments);
weir_bytes weir_format_in(weir_arena *arena, const char *format, va_list arguments);
// Whether no byte is above 127. Short texts, such as words, take two loads that overlap.
static inline bool weir_is_ascii(const uint8_t *at, size_t len) {
    uint64_t first, last = 0, seen = 0;
    if (len >= 8) {
        size_t i = 0;
#ifdef __wasm_simd128__
        v128_t all = wasm_i8x16_splat(0);
        for (; i + 16 <= len; i += 16) all = wasm_v128_or(all, wasm_v128_load(at + i));
        if (wasm_i8x16_bitmask(all) != 0) return false;
#endif
        for (; i + 8 <= len; i += 8) memcpy(&first, at + i, 8), seen |= first;
        memcpy(&last, at + len - 8, 8);
    } else if (len >= 4) {
        uint32_t head, tail;
        memcpy(&head, at, 4), memcpy(&tail, at + len - 4, 4);
        seen = head | tail;
    } else if (len > 0) {
        seen = at[0] | at[len / 2] | at[len - 1];
    }
    return ((seen | last) & 0x8080808080808080) == 0;
}

// The text with U+FFFD for what isn't UTF-8.
weir_bytes weir_utf8_lossy(weir_arena *arena, weir_bytes text);
// Whether the bytes are of the codec; otherwise says why not.
bool weir_check_codec(weir_arena *arena, weir_codec codec, weir_bytes bytes, weir_bytes *why);
const char *weir_codec_name(weir_codec codec);
// The number of bytes of a codec of fixed length, else 0.
size_t weir_codec_size(weir_codec codec);

// ---- numbers (weir_number.c)

// Writes the shortest decimal text that is this number again; at most 32 bytes. Infinite numbers and NaN are written as "null".
size_t weir_write_f64(double number, char *to);

// ---- states (weir_state.c)

typedef struct {
    uint32_t *items;
    size_t len, room;
} weir_u32s;

typedef struct {
    weir_u32s lengths;
    uint8_t *data;
    size_t len, room;
} weir_column;

// One key's value of a value state, during a call.
typedef struct {
    union {
        const uint8_t *data;
        uint8_t inlined[8]; // short values that were set
    };
    uint32_t len;  // PLUGIN_MISSING: no value
    uint32_t room; // of `data`, if this call has allocated it
    bool dirty, is_inlined, checked;
} weir_cell;

// One sub-key of a key, during a call.
typedef struct {
    weir_bytes sub_key;
    uint8_t *value;
    uint32_t slot, generation;
    uint32_t len; // PLUGIN_MISSING: no such entry
    uint32_t room;
    bool dirty, checked;
} weir_entry;

// What this call knows of a key's sub-keys as a whole.
typedef struct {
    uint32_t generation; // entries of an older one are void
    bool cleared;        // what the host has is void
    bool clear_pending;  // and it hasn't been told yet
} weir_slot;

// A state, during a call. All of it lies in the call's arena.
typedef struct {
    weir_cell *cells; // of a value state
    uint32_t cells_len;
    weir_codec codec; // of these
    weir_slot *slots;
    weir_entry *entries;
    uint32_t entries_len, entries_room;
    uint32_t *table; // entries by hash, plus 1; 0: free
    uint32_t table_len;
} weir_state_call;

void weir_u32s_push(weir_u32s *numbers, uint32_t number);
void weir_column_clear(weir_column *column);
// An item of length PLUGIN_MISSING is missing.
void weir_column_push(weir_column *column, const uint8_t *data, size_t len);

// An address for the host: even an empty list has one.
static inline const uint8_t *weir_address(const uint8_t *data) { return data == NULL ? (const uint8_t *)"" : data; }

// As memcpy, for numbers: a copy of an unknown length is a call in Wasm, out into the runtime.
static inline void weir_copy_fixed(void *to, const void *from, size_t size) {
    if (size == 8) memcpy(to, from, 8);
    else if (size == 4) memcpy(to, from, 4);
    else *(uint8_t *)to = *(const uint8_t *)from;
}

// The declaration of a state that is used as this kind, and, but for WEIR_NONE, this codec; NULL: wrongly, and the record is refused.
const weir_state *weir_state_used(weir_context *ctx, unsigned state, weir_state_kind kind, weir_codec codec);
// Whether the bytes are of the codec; otherwise the record is refused.
bool weir_state_is_checked(weir_context *ctx, const weir_state *state, weir_codec codec, weir_bytes bytes);
void weir_value_store(weir_context *ctx, uint8_t **value, uint32_t *room, weir_bytes bytes);

void weir_state_begin(weir_context *ctx, unsigned state, plugin_column values);
// Hands all changes to the host.
void weir_state_flush(weir_context *ctx, unsigned state);
void weir_entries_flush(weir_context *ctx, unsigned state);
void weir_free_pages(weir_context *ctx);

// ---- the running call (weir.c)

typedef struct {
    weir_bytes name;
    uint64_t added;
} weir_counter;

// No record is being processed.
#define WEIR_NO_SLOT UINT32_MAX

struct weir_context {
    const weir_function *function;
    unsigned states_len;
    uint32_t slot;  // of the record's key
    bool failed;    // `message` says why
    bool in_import; // what the host allocates is heap memory, for the SDK to free
    bool is_ready;  // `function` is open
    weir_bytes message;
    int64_t watermark, processing_time;
    uint32_t slots_len; // upper bound of slots in this call
    weir_output out;
    weir_arena call;    // until the call's end
    weir_arena scratch; // until the record's end
    weir_state_call states[WEIR_STATES_MAX];
    struct weir_page *pages; // all that are open
    weir_counter *counters;
    size_t counters_len, counters_room;
    plugin_config *config;
    size_t config_len;
    weir_subtask subtask;
    weir_u32s changed; // room for what is handed to the host
    weir_column sub_keys, values;
};

// Refuses the record where there is no return value to say so. The first reason counts.
void weir_note(weir_context *ctx, const char *format, ...) __attribute__((format(printf, 2, 3), cold));

// Whether the bytes are of the codec; otherwise the record is refused, with `prefix` before the reason.
bool weir_is_checked(weir_context *ctx, weir_codec codec, const char *prefix, weir_bytes bytes);

// Forgets what the call before has left behind.
void weir_begin_call(weir_context *ctx, int64_t watermark, int64_t processing_time);

// An instance serves one function of one subtask, on one thread.
extern weir_context weir_instance;
extern const weir_plugin weir_the_plugin;

#endif
