// Value states, and what all states share: columns for the host, and the check that a state is used as it is declared.
#include <stdlib.h>

#include "weir_internal.h"

enum { COLUMN_BYTES_KEPT_MAX = 1024 * 1024 };

// ---- columns

void weir_u32s_push(weir_u32s *numbers, uint32_t number) {
    if (numbers->len == numbers->room) {
        size_t room = numbers->room * 2 + 64, bytes;
        if (__builtin_mul_overflow(room, sizeof number, &bytes)) weir_abort("out of memory");
        numbers->items = weir_heap_grow(numbers->items, bytes);
        numbers->room = room;
    }
    numbers->items[numbers->len++] = number;
}

void weir_column_clear(weir_column *column) {
    if (column->room > COLUMN_BYTES_KEPT_MAX) {
        free(column->data);
        column->data = NULL, column->room = 0;
    }
    column->lengths.len = column->len = 0;
}

void weir_column_push(weir_column *column, const uint8_t *data, size_t len) {
    weir_u32s_push(&column->lengths, (uint32_t)len);
    if (len == PLUGIN_MISSING) return;
    if (len > column->room - column->len) {
        size_t room = 0;
        if (__builtin_add_overflow(column->len, len, &room) || __builtin_add_overflow(room, room / 2 + 256, &room)) weir_abort("out of memory");
        column->data = weir_heap_grow(column->data, room);
        column->room = room;
    }
    weir_copy(column->data + column->len, data, len);
    column->len += len;
}

// ---- any state

const weir_state *weir_state_used(weir_context *ctx, unsigned state, weir_state_kind kind, weir_codec codec) {
    static const char *const kinds[] = {"value", "list", "map"};
    if (ctx->slot == WEIR_NO_SLOT) {
        weir_note(ctx, "state %u: no record is being processed, so there is no key", state);
        return NULL;
    }
    if (state >= ctx->states_len) {
        weir_note(ctx, "state %u: `%s` has %u states", state, ctx->function->name, ctx->states_len);
        return NULL;
    }
    const weir_state *found = &ctx->function->states[state];
    if (found->kind != kind) {
        weir_note(ctx, "state `%s` is a %s state and was used as a %s state", found->name, kinds[found->kind], kinds[kind]);
        return NULL;
    }
    if (codec != WEIR_NONE && found->codec != codec) {
        weir_note(ctx, "state `%s` holds %s and was used as %s", found->name, weir_codec_name(found->codec), weir_codec_name(codec));
        return NULL;
    }
    return found;
}

bool weir_state_is_checked(weir_context *ctx, const weir_state *state, weir_codec codec, weir_bytes bytes) {
    weir_bytes why;
    if (weir_check_codec(&ctx->call, codec, bytes, &why)) return true;
    weir_note(ctx, "state `%s`: %.*s", state->name, WEIR_ARG(why));
    return false;
}

// Overwrites a value of this call in place where it fits; with room to spare where it has grown.
void weir_value_store(weir_context *ctx, uint8_t **value, uint32_t *room, weir_bytes bytes) {
    if (bytes.len >= PLUGIN_MISSING) weir_abort("a value has 4 GiB or more, which state can't hold");
    if (bytes.len > *room || *value == NULL) {
        size_t wanted = *room == 0 ? bytes.len : bytes.len + bytes.len / 2;
        uint8_t *stored = weir_arena_alloc(&ctx->call, wanted);
        *room = wanted >= PLUGIN_MISSING ? PLUGIN_MISSING - 1 : (uint32_t)wanted;
        weir_copy(stored, bytes.data, bytes.len);
        *value = stored;
    } else if (bytes.data + bytes.len <= *value || bytes.data >= *value + *room) {
        weir_copy(*value, bytes.data, bytes.len);
    } else {
        // A part of the old value becomes the new one.
        memmove(*value, bytes.data, bytes.len);
    }
}

void weir_state_begin(weir_context *ctx, unsigned number, plugin_column values) {
    weir_state_call *state = &ctx->states[number];
    *state = (weir_state_call){.codec = ctx->function->states[number].codec};
    if (ctx->function->states[number].kind != WEIR_VALUE) return;
    size_t bytes, rest = values.data.len;
    if (__builtin_mul_overflow(values.lengths.len, sizeof(weir_cell), &bytes)) weir_abort("out of memory");
    const uint8_t *data = values.data.data;
    state->cells = weir_arena_alloc(&ctx->call, bytes);
    state->cells_len = (uint32_t)values.lengths.len;
    for (uint32_t i = 0; i < state->cells_len; i++) {
        uint32_t len = values.lengths.data[i];
        state->cells[i] = (weir_cell){.data = data, .len = len};
        if (len == PLUGIN_MISSING) continue;
        if (len > rest) {
            // What is read of it finds out.
            state->cells_len = i;
            return;
        }
        data += len, rest -= len;
    }
}

// ---- value states

static inline __attribute__((always_inline)) weir_cell *cell_of(weir_context *ctx, unsigned number, weir_codec codec) {
    if (number < WEIR_STATES_MAX) {
        // There are cells only where the state is declared as a value state, and WEIR_NO_SLOT is beyond them.
        weir_state_call *state = &ctx->states[number];
        if (ctx->slot < state->cells_len && (codec == WEIR_NONE || codec == state->codec)) return &state->cells[ctx->slot];
    }
    const weir_state *declared = weir_state_used(ctx, number, WEIR_VALUE, codec);
    if (declared == NULL) return NULL;
    weir_note(ctx, "state `%s`: there is no value of the key: the host passed none, or its values are cut off", declared->name);
    return NULL;
}

static weir_bytes bytes_of(const weir_cell *cell) { return (weir_bytes){cell->is_inlined ? cell->inlined : cell->data, cell->len}; }

bool weir_value_get(weir_context *ctx, unsigned state, weir_bytes *value) {
    weir_cell *cell = cell_of(ctx, state, WEIR_NONE);
    if (cell == NULL || cell->len == PLUGIN_MISSING) return false;
    *value = bytes_of(cell);
    const weir_state *declared = &ctx->function->states[state];
    if (!cell->checked && !cell->dirty) cell->checked = weir_state_is_checked(ctx, declared, declared->codec, *value);
    return cell->checked || cell->dirty;
}

void weir_value_set(weir_context *ctx, unsigned state, weir_bytes value) {
    weir_cell *cell = cell_of(ctx, state, WEIR_NONE);
    if (cell == NULL) return;
    weir_codec codec = ctx->function->states[state].codec;
    if (weir_codec_size(codec) != 0 && !weir_state_is_checked(ctx, &ctx->function->states[state], codec, value)) return;
    uint8_t *stored = cell->room != 0 ? (uint8_t *)cell->data : NULL;
    weir_value_store(ctx, &stored, &cell->room, value);
    cell->data = stored;
    cell->len = (uint32_t)value.len;
    cell->dirty = true, cell->is_inlined = false;
}

void weir_value_clear(weir_context *ctx, unsigned state) {
    weir_cell *cell = cell_of(ctx, state, WEIR_NONE);
    if (cell == NULL) return;
    cell->len = PLUGIN_MISSING;
    cell->dirty = true;
}

bool weir_value_get_fixed(weir_context *ctx, unsigned state, weir_codec codec, void *number, size_t size) {
    weir_cell *cell = cell_of(ctx, state, codec);
    if (cell == NULL || cell->len == PLUGIN_MISSING) return false;
    weir_bytes value = bytes_of(cell);
    if ((value.len != size || codec == WEIR_BOOL) && !weir_state_is_checked(ctx, &ctx->function->states[state], codec, value)) return false;
    weir_copy_fixed(number, value.data, size);
    return true;
}

void weir_value_set_fixed(weir_context *ctx, unsigned state, weir_codec codec, const void *number, size_t size) {
    weir_cell *cell = cell_of(ctx, state, codec);
    if (cell == NULL) return;
    weir_copy_fixed(cell->inlined, number, size);
    cell->len = (uint32_t)size;
    cell->room = 0;
    cell->dirty = cell->is_inlined = true;
}

static void flush_values(weir_context *ctx, unsigned number) {
    weir_state_call *state = &ctx->states[number];
    ctx->changed.len = 0;
    weir_column_clear(&ctx->values);
    for (uint32_t slot = 0; slot < state->cells_len; slot++) {
        weir_cell *cell = &state->cells[slot];
        if (!cell->dirty) continue;
        weir_u32s_push(&ctx->changed, slot);
        weir_column_push(&ctx->values, bytes_of(cell).data, cell->len);
    }
    if (ctx->changed.len == 0) return;
    plugin_put(number, ctx->changed.items, ctx->changed.len, ctx->values.lengths.items, ctx->values.lengths.len, weir_address(ctx->values.data),
               ctx->values.len);
}

void weir_state_flush(weir_context *ctx, unsigned state) {
    if (ctx->function->states[state].kind == WEIR_VALUE) flush_values(ctx, state);
    else weir_entries_flush(ctx, state);
}
