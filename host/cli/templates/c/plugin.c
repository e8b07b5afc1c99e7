// Counts words: lines are split, and each word is counted under its own key.
#include "weir.h"

static int tokenize(weir_context *ctx, const weir_record *record, weir_output *out) {
    weir_bytes rest = weir_lower_ascii(ctx, record->value), word;
    while (weir_next_word(&rest, &word)) weir_emit_u64(out, word, 1);
    return WEIR_OK;
}

// The states of `count`, by number.
enum { COUNT };

static int count(weir_context *ctx, const weir_record *record, weir_output *out) {
    uint64_t total = 0;
    weir_value_get_u64(ctx, COUNT, &total);
    total += weir_u64(record->value);
    weir_value_set_u64(ctx, COUNT, total);
    weir_emit_u64(out, record->key, total);
    return WEIR_OK;
}

WEIR_PLUGIN("{{name}}", "0.1.0",
            {.name = "tokenize",
             .doc = "Splits lines into lower-cased words, each with the number 1.",
             .in = WEIR_UTF8,
             .out_key = WEIR_UTF8,
             .out = WEIR_U64,
             .flat_map = tokenize},
            {.name = "count",
             .doc = "Adds up the numbers of each word and emits the sum so far.",
             .in_key = WEIR_UTF8,
             .in = WEIR_U64,
             .out_key = WEIR_UTF8,
             .out = WEIR_U64,
             .keyed_process = count,
             .states = {[COUNT] = {.name = "count", .kind = WEIR_VALUE, .codec = WEIR_U64}}});
