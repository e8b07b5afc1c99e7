// The SDK's core: the contract's exports over the author's table of functions.
#include <stdlib.h>

#include "weir_internal.h"

// Rows are handed to the host in pieces of about this size, and at the end of a call.
enum { EMIT_BYTES = 256 * 1024, ROOM_BYTES_MIN = 16 * 1024 };

weir_context weir_instance;
// Whether this call has said why it may trap.
static bool has_logged_error;

// ---- failures and the log

static void note(weir_context *ctx, const char *format, va_list arguments) {
    if (ctx->failed) return;
    ctx->failed = true;
    ctx->message = weir_format_in(&ctx->call, format, arguments);
    // The contract's texts are UTF-8, whatever a record that is quoted may hold.
    if (!weir_is_utf8(ctx->message)) ctx->message = weir_utf8_lossy(&ctx->call, ctx->message);
}

void weir_note(weir_context *ctx, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    note(ctx, format, arguments);
    va_end(arguments);
}

int weir_fail(weir_context *ctx, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    note(ctx, format, arguments);
    va_end(arguments);
    return WEIR_REFUSED;
}

// Allocates nothing that has to last: there may be no memory left.
static void log_list(weir_level level, const char *format, va_list arguments) {
    char text[1024];
    weir_arena scratch = {0};
    size_t len = weir_format_list(text, sizeof text, format, arguments);
    weir_bytes message = {(uint8_t *)text, len};
    if (len > sizeof text && level == WEIR_ERROR) message.len = sizeof text;
    else if (len > sizeof text) message = weir_format_in(&scratch, format, arguments);
    if (!weir_is_utf8(message)) message = weir_utf8_lossy(&scratch, message);
    plugin_log(level, message.data, message.len);
    has_logged_error |= level == WEIR_ERROR;
    weir_arena_free(&scratch);
}

void weir_log(weir_level level, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    log_list(level, format, arguments);
    va_end(arguments);
}

#ifdef __wasm__
// The C library's own would say it on a standard error that there isn't. A trap carries no words: the host shows the last error of the log.
_Noreturn void abort(void) {
    if (!has_logged_error) weir_log(WEIR_ERROR, "abort() was called");
    __builtin_trap();
}

_Noreturn void __assert_fail(const char *condition, const char *file, int line, const char *function) {
    weir_abort("%s:%d: %s: assertion failed: %s", file, line, function, condition);
}
#endif

void weir_abort(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    log_list(WEIR_ERROR, format, arguments);
    va_end(arguments);
    abort();
}

void weir_wrong_length(const char *type, size_t expected, size_t found) {
    weir_abort("weir_%s was given %zu bytes that hold no such value: it has %zu", type, found, expected);
}

// ---- memory

void *cabi_realloc(void *old, size_t old_size, size_t align, size_t new_size) {
    static max_align_t nothing;
    (void)align; // everything is aligned for anything
    if (!weir_instance.in_import) return weir_arena_grow(&weir_instance.call, old, old_size, new_size);
    return new_size == 0 ? &nothing : weir_heap_grow(old_size == 0 ? NULL : old, new_size);
}

void plugin_post(const void *returned) {
    (void)returned;
    weir_free_pages(&weir_instance);
    weir_arena_reset(&weir_instance.scratch);
    weir_arena_reset(&weir_instance.call);
}

void *weir_alloc(weir_context *ctx, size_t size) { return weir_arena_alloc(&ctx->scratch, size); }

void *weir_alloc_array(weir_context *ctx, size_t count, size_t size) {
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes)) weir_abort("out of memory: %zu times %zu bytes are asked for", count, size);
    return weir_alloc(ctx, bytes);
}

// ---- time and counters

bool weir_timestamp(weir_context *ctx, int64_t *timestamp_ms) { return (*timestamp_ms = ctx->out.timestamp) != INT64_MIN; }

bool weir_watermark(weir_context *ctx, int64_t *watermark_ms) { return (*watermark_ms = ctx->watermark) != INT64_MIN; }

int64_t weir_processing_time(weir_context *ctx) { return ctx->processing_time; }

void weir_count(weir_context *ctx, const char *name, uint64_t add) {
    size_t i = 0;
    weir_bytes counter = weir_text(name);
    while (i < ctx->counters_len && !weir_equal(ctx->counters[i].name, counter)) i++;
    if (i == ctx->counters_len) {
        if (i == ctx->counters_room) {
            ctx->counters_room = 2 * i + 4;
            ctx->counters = weir_heap_grow(ctx->counters, ctx->counters_room * sizeof *ctx->counters);
        }
        uint8_t *copy = memcpy(weir_arena_alloc(&ctx->call, counter.len), counter.data, counter.len);
        ctx->counters[ctx->counters_len++] = (weir_counter){{copy, counter.len}, 0};
    }
    ctx->counters[i].added += add;
}

// ---- output

static void flush_output(weir_output *out) {
    if (out->at > out->rows) plugin_emit(0, out->rows, (size_t)(out->at - out->rows));
    out->at = out->rows;
}

static void refuse_shape(weir_output *out, unsigned shape) {
    const weir_function *function = out->ctx->function;
    weir_codec codec = (weir_codec)(shape & 0xff);
    if ((shape ^ out->shape) & 0x100) {
        weir_note(out->ctx,
                  shape & 0x100 ? "a record with a key was emitted, but `out_key` of `%s` is missing"
                                : "a record without a key was emitted, but `%s` has an `out_key`",
                  function->name);
    } else {
        weir_note(out->ctx, "%s was emitted, but `out` of `%s` is %s", codec == WEIR_NONE ? "text" : weir_codec_name(codec), function->name,
                  weir_codec_name(function->out));
    }
}

bool weir_output_room(weir_output *out, unsigned shape, weir_bytes key, uint64_t value_len) {
    uint64_t bytes = WEIR_ROW_HEADER_BYTES + (uint64_t)key.len + value_len;
    if (shape != out->shape) return refuse_shape(out, shape), false;
    if (key.len >= PLUGIN_MISSING || value_len >= PLUGIN_MISSING) {
        weir_note(out->ctx, "a key or a value has 4 GiB or more, which a record can't hold");
        return false;
    }
    size_t used = (size_t)(out->at - out->rows), room = (size_t)(out->end - out->rows);
    if (used + bytes > EMIT_BYTES) flush_output(out), used = 0;
    if (used + bytes <= room) return true;
    uint64_t wanted = room * 2 < ROOM_BYTES_MIN ? ROOM_BYTES_MIN : room * 2 > EMIT_BYTES ? EMIT_BYTES : room * 2;
    if (wanted < used + bytes) wanted = used + bytes;
    if (wanted > SIZE_MAX) weir_abort("out of memory: %llu bytes are asked for", (unsigned long long)wanted);
    out->rows = weir_heap_grow(out->rows, (size_t)wanted);
    out->at = out->rows + used;
    out->end = out->rows + wanted;
    return true;
}

// A filter's record, as it came; without its key if the records of this output have none.
static void pass(weir_context *ctx, const weir_record *record) {
    const weir_function *function = ctx->function;
    unsigned codec = weir_codec_size(function->in) != 0 ? function->in : 0;
    weir_emit_row(&ctx->out, codec, function->in_key == WEIR_NONE ? WEIR_NO_KEY : record->key, record->value.data, record->value.len);
}

// ---- one record

static inline __attribute__((always_inline)) bool is_of(weir_codec codec, size_t size, weir_bytes bytes) {
    if (size != 0) return bytes.len == size && (codec != WEIR_BOOL || bytes.data[0] < 2);
    return codec == WEIR_BYTES || (codec == WEIR_UTF8 && (weir_is_ascii(bytes.data, bytes.len) || weir_is_utf8(bytes)));
}

bool weir_is_checked(weir_context *ctx, weir_codec codec, const char *prefix, weir_bytes bytes) {
    weir_bytes why;
    if (weir_check_codec(&ctx->call, codec, bytes, &why)) return true;
    weir_note(ctx, "%s%.*s", prefix, WEIR_ARG(why));
    return false;
}

static inline __attribute__((always_inline)) void run_one(weir_context *ctx, const weir_function *function, const weir_record *record) {
    uint64_t emitted = ctx->out.emitted;
    bool passes = false;
    int status = WEIR_OK;
    if (function->filter != NULL) {
        status = function->filter(ctx, record, &passes);
        if (status == WEIR_OK && passes) pass(ctx, record);
    } else {
        weir_process process = function->keyed_process != NULL ? function->keyed_process
                               : function->flat_map != NULL    ? function->flat_map
                                                               : function->map;
        status = process(ctx, record, &ctx->out);
        if (status == WEIR_OK && function->map != NULL && ctx->out.emitted != emitted + 1) {
            weir_note(ctx, "a map emits one record for each, but `%s` has emitted %llu", function->name,
                      (unsigned long long)(ctx->out.emitted - emitted));
        }
    }
    if (status != WEIR_OK) weir_note(ctx, "`%s` has refused the record and not said why", function->name);
}

// The row at `at`, checked; false: the record is refused, or, with `at` still at its start, the call.
static inline __attribute__((always_inline)) bool read_row(weir_context *ctx, const uint8_t **at, const uint8_t *end, size_t in_size, size_t key_size,
                                                           weir_record *record) {
    const weir_function *function = ctx->function;
    uint32_t lengths[2];
    size_t rest = (size_t)(end - *at);
    bool fits = rest >= WEIR_ROW_HEADER_BYTES;
    if (fits) {
        memcpy(lengths, *at, 8);
        memcpy(&ctx->out.timestamp, *at + 8, 8);
        record->key = lengths[0] == PLUGIN_MISSING ? WEIR_NO_KEY : (weir_bytes){*at + WEIR_ROW_HEADER_BYTES, lengths[0]};
        rest -= WEIR_ROW_HEADER_BYTES;
        fits = record->key.len <= rest && lengths[1] <= rest - record->key.len;
    }
    if (!fits) {
        weir_note(ctx, "the records of this call are cut off: a row is longer than the bytes that hold it");
        return false;
    }
    record->value = (weir_bytes){*at + WEIR_ROW_HEADER_BYTES + record->key.len, lengths[1]};
    *at = record->value.data + record->value.len;
    if (function->in_key == WEIR_NONE) {
        record->key = WEIR_NO_KEY;
    } else if (record->key.data == NULL) {
        weir_note(ctx, "the record has no key");
        return false;
    } else if (!is_of(function->in_key, key_size, record->key) && !weir_is_checked(ctx, function->in_key, "the key is ", record->key)) {
        return false;
    }
    return is_of(function->in, in_size, record->value) || weir_is_checked(ctx, function->in, "", record->value);
}

// ---- one call

void weir_begin_call(weir_context *ctx, int64_t watermark, int64_t processing_time) {
    ctx->failed = has_logged_error = false;
    ctx->slot = WEIR_NO_SLOT;
    ctx->watermark = watermark;
    ctx->processing_time = processing_time;
    ctx->counters_len = 0;
    ctx->out.at = ctx->out.rows;
    ctx->out.emitted = 0;
    ctx->out.timestamp = INT64_MIN;
}

// Nothing, or what the context has noted; of `row`, unless it is UINT32_MAX.
static const plugin_processed *processed(weir_context *ctx, uint32_t row) {
    static plugin_processed result;
    result = (plugin_processed){ctx->failed, {row != UINT32_MAX, row, {ctx->message.data, ctx->message.len}}};
    return &result;
}

static uint32_t run_all(weir_context *ctx, const uint8_t *at, const uint8_t *end, const uint32_t *slots, size_t slots_len) {
    const weir_function *function = ctx->function;
    const bool is_keyed = function->keyed_process != NULL;
    const size_t in_size = weir_codec_size(function->in), key_size = weir_codec_size(function->in_key);
    for (uint32_t row = 0; at < end; row++) {
        weir_record record;
        const uint8_t *start = at;
        if (!read_row(ctx, &at, end, in_size, key_size, &record)) return at == start ? UINT32_MAX : row;
        if (is_keyed) {
            if (row >= slots_len || slots[row] >= slots_len) {
                weir_note(ctx, "the call has fewer slots than records, or a slot beyond its records");
                return UINT32_MAX;
            }
            ctx->slot = slots[row];
        }
        run_one(ctx, function, &record);
        if (ctx->pages != NULL) weir_free_pages(ctx);
        if (ctx->scratch.blocks != NULL) weir_arena_reset(&ctx->scratch);
        if (ctx->failed) return row;
    }
    return UINT32_MAX;
}

const plugin_processed *plugin_process(uint32_t input, const uint8_t *records, size_t records_len, const uint32_t *slots, size_t slots_len,
                                       const plugin_column *values, size_t values_len, int64_t watermark, int64_t processing_time) {
    weir_context *ctx = &weir_instance;
    weir_begin_call(ctx, watermark, processing_time);
    if (!ctx->is_ready) weir_note(ctx, "this instance is not open: no function to call");
    if (input != 0) weir_note(ctx, "there is no input %u", input);
    if (ctx->failed) return processed(ctx, UINT32_MAX);
    ctx->slots_len = (uint32_t)slots_len;
    for (unsigned i = 0; i < ctx->states_len; i++) weir_state_begin(ctx, i, i < values_len ? values[i] : (plugin_column){0});
    uint32_t row = run_all(ctx, records, records + records_len, slots, slots_len);
    ctx->slot = WEIR_NO_SLOT;
    if (ctx->failed) return processed(ctx, row);
    flush_output(&ctx->out);
    if (ctx->out.end - ctx->out.rows > EMIT_BYTES) {
        // A huge record has come by.
        free(ctx->out.rows);
        ctx->out.rows = ctx->out.at = ctx->out.end = NULL;
    }
    for (unsigned i = 0; i < ctx->states_len; i++) weir_state_flush(ctx, i);
    for (size_t i = 0; i < ctx->counters_len; i++) {
        weir_counter counter = ctx->counters[i];
        if (counter.added != 0) plugin_count(counter.name.data, counter.name.len, counter.added);
    }
    return processed(ctx, UINT32_MAX);
}

const plugin_processed *plugin_on_timers(uint32_t event_time, const uint8_t *timers, size_t timers_len, const uint32_t *slots, size_t slots_len,
                                         const plugin_column *values, size_t values_len, int64_t watermark, int64_t processing_time) {
    (void)event_time, (void)timers, (void)timers_len, (void)slots, (void)slots_len, (void)values, (void)values_len;
    weir_begin_call(&weir_instance, watermark, processing_time);
    weir_note(&weir_instance, "weir-guest 0.1.0 has no timers, and this plugin has set none");
    return processed(&weir_instance, UINT32_MAX);
}

const plugin_processed *plugin_finish(int64_t watermark, int64_t processing_time) {
    weir_begin_call(&weir_instance, watermark, processing_time);
    if (!weir_instance.is_ready) weir_note(&weir_instance, "this instance is not open: no function to call");
    return processed(&weir_instance, UINT32_MAX);
}
