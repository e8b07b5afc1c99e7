// The host in memory: the contract's imports over a table of entries, and calls that are taken back when they fail.
#include "weir_testing.h"

#include <stdio.h>
#include <stdlib.h>

#include "../weir_internal.h"
#include "weir_store.h"

typedef struct {
    size_t number; // among all that were pushed
    text row;
} queued;

struct weir_harness {
    char *function;
    const char *const *config;
    const weir_function *declared;
    queued *queue;
    size_t queue_len, pushed;
    int64_t timestamp, watermark, processing_time;
    store state;
    text rows, refused, counters, outcome, message;
};

// An instance serves one function: the harness that it is open for.
static weir_harness *open_for;
// What the running call has staged, and the keys of its slots.
static struct {
    weir_harness *harness;
    text rows, counters;
    weir_bytes *keys;
    size_t keys_len;
} call;

static _Noreturn void stop(const char *why) {
    fprintf(stderr, "%s\n", why);
    abort();
}

static weir_bytes text_bytes(const text *from) { return (weir_bytes){(uint8_t *)(from->data == NULL ? "" : from->data), from->len}; }

// A list as a host lowers it: in memory of the guest, of exactly its size.
static void *lowered(const void *from, size_t size) {
    void *to = cabi_realloc(NULL, 0, 8, size);
    if (size > 0) memcpy(to, from, size);
    return to;
}

// ---- imports

static store_address address(uint32_t state, uint32_t slot, bool is_value) {
    if (call.harness == NULL) stop("a service was used outside of a call");
    if (state >= weir_instance.states_len) stop("a state was used that isn't declared");
    if ((call.harness->declared->states[state].kind == WEIR_VALUE) != is_value) stop("a state was used as another kind of state");
    if (slot >= call.keys_len) stop("a slot was used that this call doesn't have");
    return (store_address){call.harness->declared->states[state].name, call.keys[slot]};
}

// Item i of a column; moves the data on.
static bool next_item(const uint32_t *lengths, size_t i, const uint8_t **data, size_t *left, weir_bytes *item) {
    *item = (weir_bytes){*data, 0};
    if (lengths[i] == PLUGIN_MISSING) return false;
    if (lengths[i] > *left) stop("a column's data is shorter than its lengths say");
    *item = (weir_bytes){*data, lengths[i]};
    *data += lengths[i], *left -= lengths[i];
    return true;
}

void plugin_emit(uint32_t output, const uint8_t *rows, size_t rows_len) {
    if (output != 0) stop("emitted to an output that isn't declared");
    text_add(&call.rows, rows, rows_len);
}

void plugin_put(uint32_t state, const uint32_t *slots, size_t slots_len, const uint32_t *lengths, size_t lengths_len, const uint8_t *data,
                size_t data_len) {
    if (slots_len != lengths_len) stop("as many values as slots are expected");
    for (size_t i = 0; i < slots_len; i++) {
        weir_bytes value;
        bool is_there = next_item(lengths, i, &data, &data_len, &value);
        store_set(&call.harness->state, address(state, slots[i], true), WEIR_NO_KEY, is_there ? &value : NULL);
    }
}

static void column_push(text *lengths, text *data, const weir_bytes *item) {
    uint32_t len = item == NULL ? PLUGIN_MISSING : (uint32_t)item->len;
    text_add(lengths, &len, sizeof len);
    if (item != NULL) text_add(data, item->data, item->len);
}

static plugin_column column_of(text *lengths, text *data) {
    plugin_column column = {{lowered(lengths->data, lengths->len), lengths->len / 4}, {lowered(data->data, data->len), data->len}};
    text_free(lengths), text_free(data);
    return column;
}

void plugin_get_sub(uint32_t state, const uint32_t *slots, size_t slots_len, const uint32_t *key_lengths, size_t key_lengths_len, const uint8_t *keys,
                    size_t keys_len, plugin_column *values) {
    text lengths = {0}, data = {0};
    if (slots_len != key_lengths_len) stop("as many sub-keys as slots are expected");
    for (size_t i = 0; i < slots_len; i++) {
        weir_bytes sub_key;
        if (!next_item(key_lengths, i, &keys, &keys_len, &sub_key)) stop("a sub-key is missing");
        column_push(&lengths, &data, store_get(&call.harness->state, address(state, slots[i], false), sub_key));
    }
    *values = column_of(&lengths, &data);
}

void plugin_put_sub(uint32_t state, const uint32_t *slots, size_t slots_len, const uint32_t *key_lengths, size_t key_lengths_len, const uint8_t *keys,
                    size_t keys_len, const uint32_t *lengths, size_t lengths_len, const uint8_t *data, size_t data_len) {
    if (slots_len != key_lengths_len || slots_len != lengths_len) stop("as many sub-keys and values as slots are expected");
    for (size_t i = 0; i < slots_len; i++) {
        weir_bytes sub_key, value;
        if (!next_item(key_lengths, i, &keys, &keys_len, &sub_key)) stop("a sub-key is missing");
        bool is_there = next_item(lengths, i, &data, &data_len, &value);
        store_set(&call.harness->state, address(state, slots[i], false), sub_key, is_there ? &value : NULL);
    }
}

void plugin_scan(uint32_t state, uint32_t slot, int32_t has_after, const uint8_t *after, size_t after_len, uint32_t limit, plugin_page *page) {
    text key_lengths = {0}, keys = {0}, lengths = {0}, data = {0};
    const store *all = &call.harness->state;
    weir_bytes from = {after, after_len};
    page->more = 0;
    for (size_t i = 0, found = 0; i < all->len && !page->more; i++) {
        const store_entry *entry = &all->entries[i];
        if (!store_is_at(entry, address(state, slot, false)) || (has_after && bytes_compare(entry->sub_key, from) <= 0)) continue;
        if (found++ == limit) {
            page->more = 1;
            break;
        }
        column_push(&key_lengths, &keys, &entry->sub_key);
        column_push(&lengths, &data, &entry->value);
    }
    page->sub_keys = column_of(&key_lengths, &keys);
    page->values = column_of(&lengths, &data);
}

void plugin_clear(uint32_t state, const uint32_t *slots, size_t slots_len) {
    for (size_t i = 0; i < slots_len; i++) store_clear(&call.harness->state, address(state, slots[i], false));
}

void plugin_log(uint32_t level, const uint8_t *message, size_t message_len) {
    fprintf(stderr, "log %u: %.*s\n", level, (int)message_len, (const char *)message);
}

void plugin_count(const uint8_t *name, size_t name_len, uint64_t add) {
    text_format(&call.counters, "%.*s=%llu\n", (int)name_len, (const char *)name, (unsigned long long)add);
}

// ---- opening

static const plugin_opened *open_instance(const char *function, const char *const *config) {
    plugin_config pairs[16];
    size_t pairs_len = 0;
    for (; config != NULL && config[2 * pairs_len] != NULL && pairs_len < 16; pairs_len++) {
        const char *key = config[2 * pairs_len], *value = config[2 * pairs_len + 1];
        pairs[pairs_len] = (plugin_config){{lowered(key, strlen(key)), strlen(key)}, {lowered(value, strlen(value)), strlen(value)}};
    }
    const plugin_config *list = lowered(pairs, pairs_len * sizeof *pairs);
    return plugin_open(lowered(function, strlen(function)), strlen(function), list, pairs_len, lowered("test", 4), 4, 0, 1, 128);
}

const char *weir_harness_refusal(const char *function, const char *const *config) {
    static text message;
    text_clear(&message);
    const plugin_opened *opened = open_instance(function, config);
    if (opened->is_error) text_add(&message, opened->message.data, opened->message.len);
    plugin_post(opened);
    open_for = NULL;
    return message.len == 0 ? NULL : message.data;
}

static void use(weir_harness *harness) {
    const char *refusal = open_for == harness ? NULL : weir_harness_refusal(harness->function, harness->config);
    if (refusal != NULL) stop(refusal);
    open_for = harness;
    harness->declared = weir_instance.function;
}

weir_harness *weir_harness_open(const char *function, const char *const *config) {
    weir_harness *harness = weir_heap_grow(NULL, sizeof *harness);
    *harness = (weir_harness){.config = config, .timestamp = INT64_MIN, .watermark = INT64_MIN};
    harness->function = (char *)weir_heap_copy(weir_text(function)).data;
    use(harness);
    return harness;
}

static void drop_queue(weir_harness *harness) {
    for (size_t i = 0; i < harness->queue_len; i++) text_free(&harness->queue[i].row);
    harness->queue_len = 0;
}

void weir_harness_close(weir_harness *harness) {
    drop_queue(harness);
    free(harness->queue), free(harness->function);
    store_free(&harness->state);
    text_free(&harness->rows), text_free(&harness->refused), text_free(&harness->counters), text_free(&harness->outcome),
        text_free(&harness->message);
    if (open_for == harness) open_for = NULL;
    free(harness);
}

// ---- input

void weir_push(weir_harness *harness, const char *key, weir_bytes value) {
    uint32_t lengths[2] = {key == NULL ? PLUGIN_MISSING : (uint32_t)strlen(key), (uint32_t)value.len};
    harness->queue = weir_heap_grow(harness->queue, (harness->queue_len + 1) * sizeof *harness->queue);
    queued *item = &harness->queue[harness->queue_len++];
    *item = (queued){harness->pushed++, {0}};
    text_add(&item->row, lengths, 8);
    text_add(&item->row, &harness->timestamp, 8);
    if (key != NULL) text_add(&item->row, key, strlen(key));
    text_add(&item->row, value.data, value.len);
}

void weir_push_text(weir_harness *harness, const char *key, const char *value) { weir_push(harness, key, weir_text(value)); }

void weir_push_u64(weir_harness *harness, const char *key, uint64_t value) { weir_push(harness, key, (weir_bytes){(uint8_t *)&value, 8}); }

void weir_set_timestamp(weir_harness *harness, int64_t timestamp_ms) { harness->timestamp = timestamp_ms; }

void weir_set_times(weir_harness *harness, int64_t watermark_ms, int64_t processing_time_ms) {
    harness->watermark = watermark_ms, harness->processing_time = processing_time_ms;
}

// ---- calls

static weir_bytes key_of(const text *row) {
    uint32_t len;
    memcpy(&len, row->data, 4);
    return len == PLUGIN_MISSING ? (weir_bytes){(uint8_t *)"", 0} : (weir_bytes){(uint8_t *)row->data + 16, len};
}

// The current values of a state by slot.
static plugin_column values_of(weir_harness *harness, unsigned state) {
    text lengths = {0}, data = {0};
    const weir_state *declared = &harness->declared->states[state];
    for (size_t i = 0; i < call.keys_len && declared->kind == WEIR_VALUE; i++) {
        column_push(&lengths, &data, store_get(&harness->state, (store_address){declared->name, call.keys[i]}, WEIR_NO_KEY));
    }
    return column_of(&lengths, &data);
}

// One call; the record that it refuses, SIZE_MAX: none.
static size_t run_call(weir_harness *harness, const queued *batch, size_t len) {
    text records = {0};
    uint32_t *slots = weir_heap_grow(NULL, len * sizeof *slots);
    plugin_column columns[WEIR_STATES_MAX];
    bool is_keyed = harness->declared->keyed_process != NULL;
    call.harness = harness, call.keys_len = 0;
    call.keys = weir_heap_grow(call.keys, len * sizeof *call.keys);
    text_clear(&call.rows), text_clear(&call.counters);
    for (size_t i = 0, slot; i < len; i++) {
        text_add(&records, batch[i].row.data, batch[i].row.len);
        for (slot = 0; slot < call.keys_len && !weir_equal(call.keys[slot], key_of(&batch[i].row));) slot++;
        if (slot == call.keys_len) call.keys[call.keys_len++] = key_of(&batch[i].row);
        slots[i] = (uint32_t)slot;
    }
    store before = store_copy(&harness->state);
    for (unsigned i = 0; i < weir_instance.states_len; i++) columns[i] = values_of(harness, i);
    const uint32_t *lowered_slots = lowered(slots, is_keyed ? len * 4 : 0);
    const plugin_column *values = lowered(columns, weir_instance.states_len * sizeof *columns);
    const plugin_processed *result = plugin_process(0, lowered(records.data, records.len), records.len, lowered_slots, is_keyed ? len : 0, values,
                                                    weir_instance.states_len, harness->watermark, harness->processing_time);
    size_t refused = SIZE_MAX;
    if (result->is_error) {
        if (!result->failure.has_row || result->failure.row >= len) stop("the call as a whole has failed");
        refused = result->failure.row;
        text_format(&harness->refused, "refused %zu: %.*s\n", batch[refused].number, (int)result->failure.message.len,
                    (const char *)result->failure.message.data);
        store_free(&harness->state);
        harness->state = before;
    } else {
        store_free(&before);
        text_add(&harness->rows, call.rows.data, call.rows.len);
        text_add_counts(&harness->counters, &call.counters);
    }
    plugin_post(result);
    call.harness = NULL;
    text_free(&records), text_free(&call.rows), text_free(&call.counters);
    free(slots), free(call.keys);
    call.keys = NULL;
    return refused;
}

static void run_queue(weir_harness *harness, const queued *queue, size_t queue_len, size_t batch_size) {
    use(harness);
    for (size_t from = 0; from < queue_len;) {
        size_t len = queue_len - from < batch_size ? queue_len - from : batch_size, left = len, refused;
        queued *batch = weir_heap_grow(NULL, len * sizeof *batch);
        memcpy(batch, queue + from, len * sizeof *batch);
        while (left > 0 && (refused = run_call(harness, batch, left)) != SIZE_MAX) {
            memmove(batch + refused, batch + refused + 1, (left - refused - 1) * sizeof *batch);
            left--;
        }
        free(batch);
        from += len;
    }
}

void weir_run_in_batches(weir_harness *harness, size_t batch_size) {
    run_queue(harness, harness->queue, harness->queue_len, batch_size);
    drop_queue(harness);
}

void weir_run(weir_harness *harness) {
    const size_t sizes[] = {1, 7, 1024, SIZE_MAX};
    store before = store_copy(&harness->state);
    text rows = text_copy(&harness->rows), refused = text_copy(&harness->refused), counters = text_copy(&harness->counters), first = {0};
    for (size_t i = 0; i < 4; i++) {
        store_free(&harness->state), text_free(&harness->rows), text_free(&harness->refused), text_free(&harness->counters);
        harness->state = store_copy(&before);
        harness->rows = text_copy(&rows), harness->refused = text_copy(&refused), harness->counters = text_copy(&counters);
        open_for = NULL;
        run_queue(harness, harness->queue, harness->queue_len, sizes[i]);
        const char *outcome = weir_outcome(harness);
        if (i == 0) text_add(&first, outcome, strlen(outcome));
        else weir_expect(harness, first.data);
    }
    store_free(&before), text_free(&rows), text_free(&refused), text_free(&counters), text_free(&first);
    drop_queue(harness);
}

// ---- outcome

static void write_bytes(text *to, weir_codec codec, weir_bytes bytes) {
    weir_arena arena = {0};
    weir_bytes why;
    if (!weir_check_codec(&arena, codec, bytes, &why)) text_format(to, "(%.*s)", WEIR_ARG(why));
    else if (codec == WEIR_BOOL) text_format(to, "%s", bytes.data[0] ? "true" : "false");
    else if (codec == WEIR_U32) text_format(to, "%u", weir_u32(bytes));
    else if (codec == WEIR_I32) text_format(to, "%d", weir_i32(bytes));
    else if (codec == WEIR_U64) text_format(to, "%llu", (unsigned long long)weir_u64(bytes));
    else if (codec == WEIR_I64) text_format(to, "%lld", (long long)weir_i64(bytes));
    else if (codec == WEIR_F64) text_format(to, "%.17g", weir_f64(bytes));
    else text_add(to, bytes.data, bytes.len);
    weir_arena_free(&arena);
}

static void write_row(text *to, const weir_function *function, const uint8_t **at, size_t *left) {
    uint32_t lengths[2];
    int64_t timestamp;
    if (*left < 16) stop("the operator emitted a row that is cut off");
    memcpy(lengths, *at, 8), memcpy(&timestamp, *at + 8, 8);
    size_t key_len = lengths[0] == PLUGIN_MISSING ? 0 : lengths[0];
    *at += 16, *left -= 16;
    if (key_len > *left || lengths[1] > *left - key_len) stop("the operator emitted rows whose lengths don't add up");
    bool is_filter = function->filter != NULL;
    text_format(to, "out ");
    write_bytes(to, is_filter ? function->in_key : function->out_key, (weir_bytes){*at, key_len});
    if (lengths[0] != PLUGIN_MISSING) text_format(to, "=");
    write_bytes(to, is_filter ? function->in : function->out, (weir_bytes){*at + key_len, lengths[1]});
    if (timestamp != INT64_MIN) text_format(to, "@%lld", (long long)timestamp);
    text_format(to, "\n");
    *at += key_len + lengths[1], *left -= key_len + lengths[1];
}

static const weir_state *state_named(const weir_function *function, const char *name) {
    for (size_t i = 0; i < WEIR_STATES_MAX && function->states[i].name != NULL; i++) {
        if (strcmp(function->states[i].name, name) == 0) return &function->states[i];
    }
    return NULL;
}

static void write_entry(text *to, const weir_function *function, const store_entry *entry) {
    const weir_state *state = state_named(function, entry->state);
    if (state == NULL) return;
    text_format(to, "state %s[", entry->state);
    write_bytes(to, function->in_key, entry->key);
    text_format(to, "]");
    bool is_length = state->kind == WEIR_LIST && entry->sub_key.len == 0;
    uint64_t index = 0;
    for (size_t i = 0; i < entry->sub_key.len && state->kind == WEIR_LIST; i++) index = index << 8 | entry->sub_key.data[i];
    if (is_length) text_format(to, "[length]");
    else if (state->kind == WEIR_LIST) text_format(to, "[%llu]", (unsigned long long)index);
    else if (state->kind == WEIR_MAP) text_format(to, "["), write_bytes(to, state->sub_key, entry->sub_key), text_format(to, "]");
    text_format(to, "=");
    write_bytes(to, is_length ? WEIR_U64 : state->codec, entry->value);
    text_format(to, "\n");
}

const char *weir_outcome(weir_harness *harness) {
    text *to = &harness->outcome;
    text_clear(to);
    weir_bytes rows = text_bytes(&harness->rows);
    while (rows.len > 0) write_row(to, harness->declared, &rows.data, &rows.len);
    text_add(to, harness->refused.data, harness->refused.len);
    for (size_t i = 0; i < harness->state.len; i++) write_entry(to, harness->declared, &harness->state.entries[i]);
    weir_bytes counters = text_bytes(&harness->counters), line;
    while (counters.len > 0 && weir_next_field(&counters, '\n', &line)) text_format(to, "counter %.*s\n", WEIR_ARG(line));
    return to->data == NULL ? "" : to->data;
}

void weir_expect(weir_harness *harness, const char *expected) {
    const char *outcome = weir_outcome(harness);
    if (strcmp(outcome, expected) == 0) return;
    fprintf(stderr, "`%s` has another outcome than expected\n-- expected\n%s-- found\n%s", harness->function, expected, outcome);
    abort();
}

void weir_forget(weir_harness *harness) { text_clear(&harness->rows), text_clear(&harness->refused), text_clear(&harness->counters); }

// ---- another version

static uint32_t version_of(const weir_state *state) { return state->schema_version == 0 ? 1 : state->schema_version; }

const char *weir_restore(weir_harness *harness, const weir_harness *from) {
    use(harness);
    store_free(&harness->state);
    harness->state = store_copy(&from->state);
    for (size_t i = 0; i < harness->state.len; i++) {
        store_entry *entry = &harness->state.entries[i];
        const weir_state *state = state_named(harness->declared, entry->state), *old = state_named(from->declared, entry->state);
        bool is_length = state != NULL && state->kind == WEIR_LIST && entry->sub_key.len == 0;
        if (state == NULL || is_length || version_of(state) == version_of(old)) continue;
        uint32_t len = (uint32_t)entry->value.len;
        const plugin_migrated *migrated = plugin_migrate(lowered(entry->state, strlen(entry->state)), strlen(entry->state), version_of(old),
                                                         lowered(&len, 4), 1, lowered(entry->value.data, len), len);
        text_clear(&harness->message);
        if (migrated->is_error) text_add(&harness->message, migrated->failure.message.data, migrated->failure.message.len);
        else bytes_replace(&entry->value, (weir_bytes){migrated->values.data.data, migrated->values.data.len});
        plugin_post(migrated);
        if (harness->message.len > 0) return harness->message.data;
    }
    return NULL;
}
