// The functions with state per key: values, a list, maps, time to live, and a schema version that follows another.
#include "functions.h"

int count(weir_context *ctx, const weir_record *record, weir_output *out) {
    uint64_t total = 0;
    weir_value_get_u64(ctx, STATE, &total);
    total += weir_u64(record->value);
    weir_value_set_u64(ctx, STATE, total);
    weir_emit_u64(out, record->key, total);
    return WEIR_OK;
}

int clear(weir_context *ctx, const weir_record *record, weir_output *out) {
    if (weir_u64(record->value) != 0) return count(ctx, record, out);
    weir_value_clear(ctx, STATE);
    weir_emit_u64(out, record->key, 0);
    return WEIR_OK;
}

int last(weir_context *ctx, const weir_record *record, weir_output *out) {
    weir_bytes before;
    weir_emit(out, record->key, weir_value_get(ctx, STATE, &before) ? before : weir_text("null"));
    weir_value_set(ctx, STATE, record->value);
    return WEIR_OK;
}

int sum_2(weir_context *ctx, const weir_record *record, weir_output *out) {
    double total = 0;
    weir_value_get_f64(ctx, STATE, &total);
    total += (double)weir_u64(record->value);
    weir_value_set_f64(ctx, STATE, total);
    weir_emit_f64(out, record->key, total);
    return WEIR_OK;
}

int sum_from_1(weir_context *ctx, weir_bytes old, weir_bytes *current) {
    uint64_t sum = weir_u64(old);
    if (sum == 13) return weir_fail(ctx, "13 is unlucky");
    *current = weir_bytes_of_f64(ctx, (double)sum);
    return WEIR_OK;
}

int distinct(weir_context *ctx, const weir_record *record, weir_output *out) {
    if (weir_map_contains(ctx, STATE, record->value)) return WEIR_OK;
    uint64_t values = 0;
    weir_value_get_u64(ctx, OTHER_STATE, &values);
    weir_map_put_bool(ctx, STATE, record->value, true);
    weir_value_set_u64(ctx, OTHER_STATE, ++values);
    weir_emit_u64(out, record->key, values);
    return WEIR_OK;
}

static void emit_items(weir_context *ctx, weir_bytes key, weir_output *out) {
    weir_json_writer json = weir_json_writer_of(ctx);
    weir_entries items = weir_entries_of(ctx, STATE);
    weir_json_begin(&json, '[');
    while (weir_next_entry(&items)) weir_json_write_text(&json, items.value);
    weir_json_end(&json, ']');
    weir_emit(out, key, weir_json_written(&json));
}

int history(weir_context *ctx, const weir_record *record, weir_output *out) {
    weir_bytes value = record->value, item;
    if (weir_is(value, "?")) {
        emit_items(ctx, record->key, out);
    } else if (weir_is(value, "#")) {
        weir_emit(out, record->key, weir_format(ctx, "%llu", (unsigned long long)weir_list_len(ctx, STATE)));
    } else if (weir_is(value, "!")) {
        weir_list_clear(ctx, STATE);
    } else if (value.len > 0 && value.data[0] == '=') {
        weir_list_clear(ctx, STATE);
        weir_bytes rest = {value.data + 1, value.len - 1};
        while (rest.len > 0 && weir_next_field(&rest, ',', &item)) weir_list_add(ctx, STATE, item);
    } else {
        weir_list_add(ctx, STATE, value);
    }
    return WEIR_OK;
}

static void emit_entries(weir_context *ctx, weir_bytes key, weir_output *out) {
    weir_json_writer json = weir_json_writer_of(ctx);
    weir_entries entries = weir_entries_of(ctx, STATE);
    weir_json_begin(&json, '{');
    while (weir_next_entry(&entries)) {
        weir_json_name_of(&json, entries.sub_key);
        weir_json_write_i64(&json, weir_i64(entries.value));
    }
    weir_json_end(&json, '}');
    weir_emit(out, key, weir_json_written(&json));
}

int ledger(weir_context *ctx, const weir_record *record, weir_output *out) {
    weir_json order = {WEIR_JSON_OBJECT, record->value}, name, amount;
    int64_t change, total = 0;
    if (weir_json_find(order, "add", &name)) {
        if (!weir_json_find(order, "amount", &amount) || !weir_json_i64(amount, &change)) return weir_fail(ctx, "`amount` is no whole number");
        weir_bytes entry = weir_json_text(ctx, name);
        weir_map_get_i64(ctx, STATE, entry, &total);
        if (__builtin_add_overflow(total, change, &total)) return weir_fail(ctx, "the amount is too large");
        weir_map_put_i64(ctx, STATE, entry, total);
        weir_emit(out, record->key, weir_format(ctx, "%lld", (long long)total));
    } else if (weir_json_find(order, "remove", &name)) {
        weir_bytes entry = weir_json_text(ctx, name);
        bool was_there = weir_map_contains(ctx, STATE, entry);
        weir_map_remove(ctx, STATE, entry);
        weir_emit(out, record->key, weir_text(was_there ? "true" : "false"));
    } else if (weir_json_find(order, "list", &name)) {
        emit_entries(ctx, record->key, out);
    } else if (weir_json_find(order, "clear", &name)) {
        weir_map_clear(ctx, STATE);
    } else {
        return weir_fail(ctx, "`add`, `remove`, `list` or `clear` is expected");
    }
    return WEIR_OK;
}
