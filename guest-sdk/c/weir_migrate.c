// The contract's migrate: values of older schema versions, brought to the current one.
#include "weir_internal.h"

static const weir_state *find_state(const weir_function *function, unsigned states_len, weir_bytes name) {
    for (unsigned i = 0; i < states_len; i++) {
        if (weir_is(name, function->states[i].name)) return &function->states[i];
    }
    return NULL;
}

static const weir_migration *find_migration(weir_context *ctx, const weir_state *state, uint32_t from_version) {
    // The versions that can be read, as text.
    char known[256];
    size_t len = 0;
    for (const weir_migration *m = state->migrations; m != NULL && m->migrate != NULL; m++) {
        if (m->from_version == from_version) return m;
        weir_bytes one = weir_format(ctx, len == 0 ? " and can read %u" : ", %u", m->from_version);
        if (len + one.len <= sizeof known) memcpy(known + len, one.data, one.len), len += one.len;
    }
    weir_note(ctx, "state `%s` has no migration from schema version %u: this function keeps version %u%.*s", state->name, from_version,
              state->schema_version == 0 ? 1 : state->schema_version, (int)len, known);
    return NULL;
}

// One value; false: it can't be migrated.
static bool migrate_one(weir_context *ctx, const weir_state *state, const weir_migration *migration, weir_bytes old, weir_bytes *current) {
    if (!weir_is_checked(ctx, migration->codec, "", old)) return false;
    if (migration->migrate(ctx, old, current) != WEIR_OK) weir_note(ctx, "the value was refused, without a reason");
    return !ctx->failed && weir_is_checked(ctx, state->codec, "what the migration has made is ", *current);
}

static const plugin_migrated *failed(weir_context *ctx, bool has_row, uint32_t row) {
    static plugin_migrated result;
    result.is_error = 1;
    result.failure = (plugin_failure){has_row, row, {ctx->message.data, ctx->message.len}};
    return &result;
}

const plugin_migrated *plugin_migrate(const uint8_t *state_name, size_t state_len, uint32_t from_version, const uint32_t *lengths, size_t lengths_len,
                                      const uint8_t *data, size_t data_len) {
    static plugin_migrated result;
    weir_context *ctx = &weir_instance;
    weir_begin_call(ctx, INT64_MIN, 0);
    weir_bytes name = {state_name, state_len};
    if (!ctx->is_ready) weir_note(ctx, "this instance is not open: no function to call");
    if (ctx->failed) return failed(ctx, false, 0);
    const weir_state *state = find_state(ctx->function, ctx->states_len, name);
    if (state == NULL) weir_note(ctx, "this function has no state `%.*s`", WEIR_ARG(name));
    const weir_migration *migration = state == NULL ? NULL : find_migration(ctx, state, from_version);
    if (migration == NULL) return failed(ctx, false, 0);
    weir_column_clear(&ctx->values);
    for (size_t i = 0; i < lengths_len; i++) {
        weir_bytes current = WEIR_NO_KEY;
        if (lengths[i] == PLUGIN_MISSING) {
            weir_column_push(&ctx->values, NULL, PLUGIN_MISSING);
            continue;
        }
        if (lengths[i] > data_len) {
            weir_note(ctx, "the column of values is cut off at item %zu", i);
            return failed(ctx, false, 0);
        }
        if (!migrate_one(ctx, state, migration, (weir_bytes){data, lengths[i]}, &current)) return failed(ctx, true, (uint32_t)i);
        weir_column_push(&ctx->values, current.data, current.len);
        data += lengths[i], data_len -= lengths[i];
        weir_arena_reset(&ctx->scratch);
    }
    result.is_error = 0;
    result.values = (plugin_column){{ctx->values.lengths.items, ctx->values.lengths.len}, {ctx->values.data, ctx->values.len}};
    if (result.values.lengths.len == 0) result.values.lengths.data = (const uint32_t *)(const void *)&result;
    if (result.values.data.len == 0) result.values.data.data = (const uint8_t *)&result;
    return &result;
}
