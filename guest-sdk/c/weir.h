// Operators of weir in C: what a plugin includes. How to begin: README.md.
//
// A plugin is a table of functions, made by WEIR_PLUGIN. The SDK checks every record against the codecs that the table names, calls the author's
// function with it, and hands output and changes of state to the host together, once per batch.
#ifndef WEIR_H
#define WEIR_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

// ---- bytes and text

// A piece of memory that somebody else holds: text or bytes, not ended by a zero.
typedef struct {
    const uint8_t *data;
    size_t len;
} weir_bytes;

// A text of the C kind as weir_bytes.
static inline weir_bytes weir_text(const char *text) { return (weir_bytes){(const uint8_t *)text, strlen(text)}; }

// Whether two pieces of memory hold the same bytes.
static inline bool weir_equal(weir_bytes one, weir_bytes other) {
    return one.len == other.len && (one.len == 0 || memcmp(one.data, other.data, one.len) == 0);
}

// Whether the bytes are this text.
static inline bool weir_is(weir_bytes bytes, const char *text) { return weir_equal(bytes, weir_text(text)); }

// For the "%.*s" of printf, weir_fail and weir_log: weir_fail(ctx, "no such page: %.*s", WEIR_ARG(page)).
#define WEIR_ARG(bytes) (int)(bytes).len, (const char *)(bytes).data

// How the bytes of keys, values and states are to be read. Connected functions must name the same codec.
typedef enum {
    WEIR_NONE,  // no key; of an input: any key, or none, and it isn't looked at
    WEIR_BYTES, // "bytes": as they are
    WEIR_UTF8,  // "utf8": text
    WEIR_JSON,  // "json": one JSON value; see weir_json.h
    WEIR_BOOL,  // "bool": one byte, 0 or 1
    WEIR_U32,   // "u32-le", "i32-le", "u64-le", "i64-le", "f64-le": numbers, little-endian
    WEIR_I32,
    WEIR_U64,
    WEIR_I64,
    WEIR_F64,
} weir_codec;

// ---- a plugin's functions

// What a function is given besides records: state, configuration, time, memory.
typedef struct weir_context weir_context;

// Takes the records that a function emits. They get the timestamp of the record that is being processed.
typedef struct weir_output weir_output;

// A record that has come. Its bytes are good until the function returns; those of the codecs that the function names have been checked.
typedef struct {
    weir_bytes key; // {NULL, 0}: the record has no key
    weir_bytes value;
} weir_record;

// What functions return: WEIR_OK, or what weir_fail returns.
enum { WEIR_OK = 0, WEIR_REFUSED = 1 };

// Emits any number of records for a record; of a map function, exactly one.
typedef int (*weir_process)(weir_context *ctx, const weir_record *record, weir_output *out);

// Says whether a record passes.
typedef int (*weir_filter)(weir_context *ctx, const weir_record *record, bool *pass);

// Brings a value of an older schema version to the current one. It sees the value and nothing else, and gives the same result for the same value.
typedef int (*weir_migrate)(weir_context *ctx, weir_bytes old, weir_bytes *current);

// How values of one older schema version become current ones.
typedef struct {
    uint32_t from_version;
    weir_codec codec; // what values were then
    weir_migrate migrate;
} weir_migration;

typedef enum { WEIR_VALUE, WEIR_LIST, WEIR_MAP } weir_state_kind;

// One state of a keyed function. The name is the state's address for ever.
typedef struct {
    const char *name;
    weir_state_kind kind;
    weir_codec codec;                 // of the value, or of each item or entry
    weir_codec sub_key;               // of a map's sub-keys
    uint64_t ttl_ms;                  // how long an entry lives after it was last written; 0: for ever
    uint32_t schema_version;          // of the value's layout; 0 stands for 1
    const weir_migration *migrations; // from older versions; the last one is {0}
} weir_state;

enum { WEIR_STATES_MAX = 16 };

// A function: what a job names as an operator's `function`. One of map, filter, flat_map and keyed_process says what it does.
typedef struct {
    const char *name;
    const char *doc;
    weir_codec in_key; // WEIR_NONE: records of any key, or none
    weir_codec in;
    weir_codec out_key;             // WEIR_NONE: records without a key
    weir_codec out;                 // a filter has none: what goes is what has come
    int (*open)(weir_context *ctx); // reads the configuration, once, before anything else; may be missing
    weir_process map;
    weir_filter filter;
    weir_process flat_map;
    weir_process keyed_process;         // the input is exchanged by key, and there is state per key
    weir_state states[WEIR_STATES_MAX]; // numbered from 0, as written
} weir_function;

// A plugin, as WEIR_PLUGIN makes it.
typedef struct {
    const char *name;
    const char *version;
    const weir_function *functions;
    size_t functions_len;
} weir_plugin;

// Makes the plugin, once, at the end of one of its files: WEIR_PLUGIN("words", "0.1.0", {.name = "split", ...}, {.name = "count", ...})
#define WEIR_PLUGIN(plugin_name, plugin_version, ...)                                                                                                \
    static const weir_function weir_functions[] = {__VA_ARGS__};                                                                                     \
    const weir_plugin weir_the_plugin = {plugin_name, plugin_version, weir_functions, sizeof weir_functions / sizeof *weir_functions}

// ---- failures, log and counters

// Refuses the record (in `open`: the configuration), with a message in the manner of printf: `return weir_fail(ctx, "not a date: %.*s",
// WEIR_ARG(text));` What the record has emitted, written and counted is void, and the host acts by the operator's error policy. Returns WEIR_REFUSED.
// Known are %s %.*s %c %d %i %u %x %g %% with l, ll, z and j, and a minimal width.
int weir_fail(weir_context *ctx, const char *format, ...) __attribute__((format(printf, 2, 3), cold));

typedef enum { WEIR_TRACE, WEIR_DEBUG, WEIR_INFO, WEIR_WARN, WEIR_ERROR } weir_level;

// Writes to the job's log, also when the call fails. A call to the host: not for every record.
void weir_log(weir_level level, const char *format, ...) __attribute__((format(printf, 2, 3), cold));

// Says what is wrong and traps: for mistakes of the operator's, where weir_fail is for mistakes of the input. abort() and assert() do so too.
_Noreturn void weir_abort(const char *format, ...) __attribute__((format(printf, 1, 2), cold));

// Traps with its text and place unless the condition holds; NDEBUG doesn't take it away.
#define weir_assert(condition) ((condition) ? (void)0 : weir_abort("%s:%d: assertion failed: %s", __FILE__, __LINE__, #condition))

// Adds to a counter among the operator's metrics. What a refused record has counted doesn't count.
void weir_count(weir_context *ctx, const char *counter, uint64_t add);

// ---- configuration and time

// The text of a configuration key as the job says it, texts as they are, everything else as JSON; false: the job doesn't say it. Good for ever.
bool weir_config(weir_context *ctx, const char *key, weir_bytes *value);

// The same with a default. A text that isn't a number refuses the configuration.
weir_bytes weir_config_text(weir_context *ctx, const char *key, const char *otherwise);
uint64_t weir_config_u64(weir_context *ctx, const char *key, uint64_t otherwise);
int64_t weir_config_i64(weir_context *ctx, const char *key, int64_t otherwise);
double weir_config_f64(weir_context *ctx, const char *key, double otherwise);
bool weir_config_bool(weir_context *ctx, const char *key, bool otherwise);

// For which of the operator's parallel instances this is.
typedef struct {
    weir_bytes uid;
    uint32_t index; // from 0
    uint32_t parallelism;
    uint32_t max_parallelism;
} weir_subtask;

const weir_subtask *weir_subtask_of(weir_context *ctx);

// Milliseconds since the Unix epoch. Timestamp and watermark may be missing: false then. There is no other clock.
bool weir_timestamp(weir_context *ctx, int64_t *timestamp_ms);
bool weir_watermark(weir_context *ctx, int64_t *watermark_ms);
int64_t weir_processing_time(weir_context *ctx);

// ---- memory

// Scratch memory that is given back by itself when the function returns, aligned for anything; never NULL.
void *weir_alloc(weir_context *ctx, size_t size);

// The same for `count` things of `size` bytes; traps where the product overflows.
void *weir_alloc_array(weir_context *ctx, size_t count, size_t size);

// Text in the manner of weir_fail, in scratch memory. The C library's own printf family would import WASI.
weir_bytes weir_format(weir_context *ctx, const char *format, ...) __attribute__((format(printf, 2, 3)));

// ---- text

// The text with A-Z lower-cased and everything else as it is, in scratch memory.
weir_bytes weir_lower_ascii(weir_context *ctx, weir_bytes text);

// Cuts the next word off: `rest` begins after it. Words are what ASCII whitespace separates. False: there is none left.
static inline bool weir_next_word(weir_bytes *rest, weir_bytes *word);

// Cuts the text before the next `separator` off, and the separator. False: `rest` was used up before (rest->data is NULL then).
bool weir_next_field(weir_bytes *rest, uint8_t separator, weir_bytes *field);

// Whether the bytes are valid UTF-8.
bool weir_is_utf8(weir_bytes text);

// Whole texts as numbers, without whitespace; false: they aren't any, or too large.
bool weir_parse_u64(weir_bytes text, uint64_t *number);
bool weir_parse_i64(weir_bytes text, int64_t *number);
bool weir_parse_f64(weir_bytes text, double *number);

// ---- emitting

// The key of a record without key.
#define WEIR_NO_KEY ((weir_bytes){NULL, 0})

// Emits a record of codec bytes, utf8 or json. The bytes are copied.
static inline void weir_emit(weir_output *out, weir_bytes key, weir_bytes value);

// ---- state of a key

// All of the record's own key, by the state's number. Bytes that come out are good until that value is written again, at the latest until the
// function returns. False: there is none. State that can't be read refuses the record.
bool weir_value_get(weir_context *ctx, unsigned state, weir_bytes *value);
void weir_value_set(weir_context *ctx, unsigned state, weir_bytes value);
void weir_value_clear(weir_context *ctx, unsigned state);

uint64_t weir_list_len(weir_context *ctx, unsigned state);
bool weir_list_get(weir_context *ctx, unsigned state, uint64_t index, weir_bytes *item);
void weir_list_add(weir_context *ctx, unsigned state, weir_bytes item);
void weir_list_clear(weir_context *ctx, unsigned state);

bool weir_map_get(weir_context *ctx, unsigned state, weir_bytes sub_key, weir_bytes *value);
bool weir_map_contains(weir_context *ctx, unsigned state, weir_bytes sub_key);
void weir_map_put(weir_context *ctx, unsigned state, weir_bytes sub_key, weir_bytes value);
void weir_map_remove(weir_context *ctx, unsigned state, weir_bytes sub_key);
void weir_map_clear(weir_context *ctx, unsigned state);

// Goes through a list's items, or a map's entries in the order of their sub-keys' bytes:
//
//     weir_entries entries = weir_entries_of(ctx, AMOUNTS);
//     while (weir_next_entry(&entries)) use(entries.sub_key, entries.value);
//
// What comes out is good until the next step. Don't write to the state meanwhile.
typedef struct {
    weir_bytes sub_key; // of a map; of a list, the index as eight bytes, big-endian
    weir_bytes value;
    weir_context *ctx;
    struct weir_page *page;
    uint64_t count; // entries so far
    unsigned state;
} weir_entries;

weir_entries weir_entries_of(weir_context *ctx, unsigned state);
bool weir_next_entry(weir_entries *entries);

// ---- numbers and booleans

// For each of these types T (u32, i32, u64, i64, f64, bool):
//   number  weir_T(bytes)                                the number that checked bytes hold; traps when they don't
//   bool    weir_get_T(bytes, &number)                   the same for unchecked bytes; false: they hold none
//   bytes   weir_bytes_of_T(ctx, number)                 the bytes of a number, in scratch memory: for keys and sub-keys
//   void    weir_emit_T(out, key, number)                emits a record
//   bool    weir_value_get_T(ctx, state, &number)        states: as above
//   void    weir_value_set_T(ctx, state, number)
//   bool    weir_list_get_T(ctx, state, index, &number)
//   void    weir_list_add_T(ctx, state, number)
//   bool    weir_map_get_T(ctx, state, sub_key, &number)
//   void    weir_map_put_T(ctx, state, sub_key, number)
#define WEIR_TYPES(X)                                                                                                                                \
    X(u32, uint32_t, WEIR_U32)                                                                                                                       \
    X(i32, int32_t, WEIR_I32) X(u64, uint64_t, WEIR_U64) X(i64, int64_t, WEIR_I64) X(f64, double, WEIR_F64) X(bool, bool, WEIR_BOOL)

#include "weir_inline.h"

#endif
