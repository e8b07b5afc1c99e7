// The contract, world weir:plugin/plugin@0.1.0, as the canonical ABI has it: types, imports, exports.
//
// Written by hand: on wasm32 the C layout of these structs is the ABI's, so that arguments are read where the host has put them. In native tests the
// same names are plain functions: weir_testing.c is the host.
#ifndef WEIR_BINDINGS_PLUGIN_H
#define WEIR_BINDINGS_PLUGIN_H

#include <stddef.h>
#include <stdint.h>

#ifdef __wasm__
#define PLUGIN_IMPORT(interface, name) __attribute__((import_module(interface), import_name(name)))
#define PLUGIN_EXPORT(name) __attribute__((export_name(name)))
#else
#define PLUGIN_IMPORT(interface, name)
#define PLUGIN_EXPORT(name)
#endif

#define PLUGIN_OPERATOR "weir:operator/operator@0.1.0#"

// The length of a missing item in a column, and of the key of a record that has none.
#define PLUGIN_MISSING UINT32_MAX

// string and list<u8>.
typedef struct {
    const uint8_t *data;
    size_t len;
} plugin_bytes;

// list<u32>.
typedef struct {
    const uint32_t *data;
    size_t len;
} plugin_u32s;

typedef struct {
    plugin_u32s lengths;
    plugin_bytes data;
} plugin_column;

typedef struct {
    plugin_bytes key;
    plugin_bytes value;
} plugin_config;

typedef struct {
    plugin_bytes name;
    plugin_bytes key_codec;
    plugin_bytes value_codec;
} plugin_port;

typedef struct {
    plugin_bytes name;
    uint8_t kind; // 0: value, 1: list, 2: map
    plugin_bytes value_codec;
    uint32_t schema_version;
    uint64_t ttl_ms;
} plugin_state_descriptor;

typedef struct {
    plugin_bytes name;
    plugin_bytes doc;
    uint8_t kind; // 0: stateless, 1: keyed
    const plugin_port *inputs;
    size_t inputs_len;
    const plugin_port *outputs;
    size_t outputs_len;
    const plugin_state_descriptor *states;
    size_t states_len;
} plugin_function_description;

typedef struct {
    plugin_bytes name;
    plugin_bytes version;
    plugin_bytes sdk;
    const plugin_function_description *functions;
    size_t functions_len;
} plugin_description;

typedef struct {
    uint8_t has_row;
    uint32_t row;
    plugin_bytes message;
} plugin_failure;

// result<_, string>
typedef struct {
    uint8_t is_error;
    plugin_bytes message;
} plugin_opened;

// result<_, failure>
typedef struct {
    uint8_t is_error;
    plugin_failure failure;
} plugin_processed;

// result<column, failure>
typedef struct {
    uint8_t is_error;
    union {
        plugin_column values;
        plugin_failure failure;
    };
} plugin_migrated;

typedef struct {
    plugin_column sub_keys;
    plugin_column values;
    uint8_t more;
} plugin_page;

#ifdef __wasm__
_Static_assert(sizeof(plugin_state_descriptor) == 32 && sizeof(plugin_function_description) == 44 && sizeof(plugin_description) == 32, "ABI");
_Static_assert(sizeof(plugin_processed) == 20 && sizeof(plugin_migrated) == 20 && sizeof(plugin_opened) == 12 && sizeof(plugin_page) == 36, "ABI");
#endif

// ---- imports: what the host offers

PLUGIN_IMPORT("weir:output/output@0.1.0", "emit")
void plugin_emit(uint32_t output, const uint8_t *rows, size_t rows_len);

PLUGIN_IMPORT("weir:state/keyed@0.1.0", "put")
void plugin_put(uint32_t state, const uint32_t *slots, size_t slots_len, const uint32_t *lengths, size_t lengths_len, const uint8_t *data,
                size_t data_len);

PLUGIN_IMPORT("weir:state/keyed@0.1.0", "get-sub")
void plugin_get_sub(uint32_t state, const uint32_t *slots, size_t slots_len, const uint32_t *sub_key_lengths, size_t sub_key_lengths_len,
                    const uint8_t *sub_keys, size_t sub_keys_len, plugin_column *values);

PLUGIN_IMPORT("weir:state/keyed@0.1.0", "put-sub")
void plugin_put_sub(uint32_t state, const uint32_t *slots, size_t slots_len, const uint32_t *sub_key_lengths, size_t sub_key_lengths_len,
                    const uint8_t *sub_keys, size_t sub_keys_len, const uint32_t *lengths, size_t lengths_len, const uint8_t *data, size_t data_len);

PLUGIN_IMPORT("weir:state/keyed@0.1.0", "scan")
void plugin_scan(uint32_t state, uint32_t slot, int32_t has_after, const uint8_t *after, size_t after_len, uint32_t limit, plugin_page *page);

PLUGIN_IMPORT("weir:state/keyed@0.1.0", "clear")
void plugin_clear(uint32_t state, const uint32_t *slots, size_t slots_len);

PLUGIN_IMPORT("weir:log/log@0.1.0", "log")
void plugin_log(uint32_t level, const uint8_t *message, size_t message_len);

PLUGIN_IMPORT("weir:log/log@0.1.0", "count")
void plugin_count(const uint8_t *name, size_t name_len, uint64_t add);

// ---- exports: what the host calls. Lists and texts that come in were allocated by cabi_realloc; plugin_post gives them, and what was returned,
// back.

PLUGIN_EXPORT(PLUGIN_OPERATOR "describe")
const plugin_description *plugin_describe(void);

PLUGIN_EXPORT(PLUGIN_OPERATOR "open")
const plugin_opened *plugin_open(const uint8_t *function, size_t function_len, const plugin_config *config, size_t config_len, const uint8_t *uid,
                                 size_t uid_len, uint32_t index, uint32_t parallelism, uint32_t max_parallelism);

PLUGIN_EXPORT(PLUGIN_OPERATOR "process")
const plugin_processed *plugin_process(uint32_t input, const uint8_t *records, size_t records_len, const uint32_t *slots, size_t slots_len,
                                       const plugin_column *values, size_t values_len, int64_t watermark, int64_t processing_time);

PLUGIN_EXPORT(PLUGIN_OPERATOR "on-timers")
const plugin_processed *plugin_on_timers(uint32_t event_time, const uint8_t *timers, size_t timers_len, const uint32_t *slots, size_t slots_len,
                                         const plugin_column *values, size_t values_len, int64_t watermark, int64_t processing_time);

PLUGIN_EXPORT(PLUGIN_OPERATOR "finish")
const plugin_processed *plugin_finish(int64_t watermark, int64_t processing_time);

PLUGIN_EXPORT(PLUGIN_OPERATOR "migrate")
const plugin_migrated *plugin_migrate(const uint8_t *state, size_t state_len, uint32_t from_version, const uint32_t *lengths, size_t lengths_len,
                                      const uint8_t *data, size_t data_len);

// After each call of an export, with what it returned.
void plugin_post(const void *returned);

PLUGIN_EXPORT("cabi_realloc")
void *cabi_realloc(void *old, size_t old_size, size_t align, size_t new_size);

#endif
