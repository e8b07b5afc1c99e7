// The functions without state: maps, a filter, and what may be emitted, refused and configured.
#include "functions.h"

int reverse(weir_context *ctx, const weir_record *record, weir_output *out) {
    weir_bytes text = record->value;
    uint8_t *reversed = weir_alloc(ctx, text.len), *to = reversed;
    for (size_t end = text.len, start; end > 0; end = start) {
        // Bytes that continue a character are 10xxxxxx.
        for (start = end - 1; start > 0 && (text.data[start] & 0xc0) == 0x80;) start--;
        to = (uint8_t *)memcpy(to, text.data + start, end - start) + (end - start);
    }
    weir_emit(out, WEIR_NO_KEY, (weir_bytes){reversed, text.len});
    return WEIR_OK;
}

int even(weir_context *ctx, const weir_record *record, bool *pass) {
    (void)ctx;
    *pass = weir_u64(record->value) % 2 == 0;
    return WEIR_OK;
}

int tokenize(weir_context *ctx, const weir_record *record, weir_output *out) {
    weir_bytes rest = weir_lower_ascii(ctx, record->value), word;
    while (weir_next_word(&rest, &word)) weir_emit_u64(out, word, 1);
    return WEIR_OK;
}

static weir_bytes field;

int extract_open(weir_context *ctx) {
    field = weir_config_text(ctx, "field", "user.name");
    return WEIR_OK;
}

static bool is_whole(weir_bytes number) {
    for (size_t i = 0; i < number.len; i++) {
        if (number.data[i] == '.' || number.data[i] == 'e' || number.data[i] == 'E') return false;
    }
    return true;
}

int extract(weir_context *ctx, const weir_record *record, weir_output *out) {
    weir_json found;
    const char *problem;
    if (!weir_json_parse_find(record->value, field, &found, &problem)) return weir_fail(ctx, "not JSON: %s", problem);
    if (found.text.data == NULL || found.kind == WEIR_JSON_NULL || found.kind == WEIR_JSON_ARRAY || found.kind == WEIR_JSON_OBJECT) return WEIR_OK;
    if (found.kind == WEIR_JSON_NUMBER && !is_whole(found.text)) {
        double number;
        if (!weir_json_f64(found, &number)) return weir_fail(ctx, "not JSON: the number is too large");
        weir_json_writer json = weir_json_writer_of(ctx);
        weir_json_write_f64(&json, number);
        weir_emit(out, WEIR_NO_KEY, weir_json_written(&json));
    } else {
        weir_emit(out, WEIR_NO_KEY, weir_json_text(ctx, found));
    }
    return WEIR_OK;
}

int pass_bytes(weir_context *ctx, const weir_record *record, weir_output *out) {
    (void)ctx;
    weir_emit(out, WEIR_NO_KEY, record->value);
    return WEIR_OK;
}

#define PASS(type)                                                                                                                                   \
    int pass_##type(weir_context *ctx, const weir_record *record, weir_output *out) {                                                                \
        (void)ctx;                                                                                                                                   \
        weir_emit_##type(out, WEIR_NO_KEY, weir_##type(record->value));                                                                              \
        return WEIR_OK;                                                                                                                              \
    }

PASS(u32)
PASS(u64)
PASS(i32)
PASS(i64)
PASS(f64)
PASS(bool)

int strict(weir_context *ctx, const weir_record *record, weir_output *out) {
    if (weir_is(record->value, "bad")) return weir_fail(ctx, "bad record: bad");
    if (weir_is(record->value, "throw")) weir_abort("thrown on purpose");
    weir_emit(out, WEIR_NO_KEY, record->value);
    if (weir_is(record->value, "double")) return weir_fail(ctx, "refused after emitting");
    return WEIR_OK;
}

static weir_bytes greeting;

int greet_open(weir_context *ctx) { return weir_config(ctx, "greeting", &greeting) ? WEIR_OK : weir_fail(ctx, "greeting is missing"); }

int greet(weir_context *ctx, const weir_record *record, weir_output *out) {
    weir_count(ctx, "greeted", 1);
    weir_emit(out, WEIR_NO_KEY, weir_format(ctx, "%.*s %.*s", WEIR_ARG(greeting), WEIR_ARG(record->value)));
    return WEIR_OK;
}

static void write_time(weir_json_writer *json, const char *name, bool is_there, int64_t time_ms) {
    weir_json_name(json, name);
    if (is_there) weir_json_write_i64(json, time_ms);
    else weir_json_write_null(json);
}

int times(weir_context *ctx, const weir_record *record, weir_output *out) {
    (void)record;
    int64_t timestamp_ms, watermark_ms;
    bool has_timestamp = weir_timestamp(ctx, &timestamp_ms), has_watermark = weir_watermark(ctx, &watermark_ms);
    weir_json_writer json = weir_json_writer_of(ctx);
    weir_json_begin(&json, '{');
    write_time(&json, "timestamp", has_timestamp, timestamp_ms);
    write_time(&json, "watermark", has_watermark, watermark_ms);
    write_time(&json, "time", true, weir_processing_time(ctx));
    weir_json_end(&json, '}');
    weir_emit(out, WEIR_NO_KEY, weir_json_written(&json));
    return WEIR_OK;
}
