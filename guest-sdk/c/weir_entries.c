// List and map states: sub-keys of a key, read from the host once a call and written back in one piece.
#include <stdlib.h>

#include "weir_internal.h"

// Entries are asked for in pages of this many.
enum { PAGE_ENTRIES = 256, TABLE_LEN_MIN = 64 };

// ---- entries, by slot and sub-key

static uint32_t hash_of(uint32_t slot, weir_bytes sub_key) {
    uint64_t hash = (slot + 1) * UINT64_C(0x9e3779b97f4a7c15), word;
    size_t i = 0;
    for (; i + 8 <= sub_key.len; i += 8) memcpy(&word, sub_key.data + i, 8), hash = (hash ^ word) * UINT64_C(0xff51afd7ed558ccd), hash ^= hash >> 32;
    for (word = sub_key.len; i < sub_key.len; i++) word = word << 8 | sub_key.data[i];
    hash = (hash ^ word) * UINT64_C(0xc4ceb9fe1a85ec53);
    return (uint32_t)(hash >> 32);
}

static weir_slot *slot_of(weir_context *ctx, weir_state_call *state) {
    if (state->slots == NULL) {
        size_t bytes = (size_t)ctx->slots_len * sizeof(weir_slot);
        state->slots = memset(weir_arena_alloc(&ctx->call, bytes), 0, bytes);
    }
    return &state->slots[ctx->slot];
}

static void grow_table(weir_context *ctx, weir_state_call *state) {
    uint32_t len = state->table_len == 0 ? TABLE_LEN_MIN : state->table_len * 2;
    uint32_t *table = memset(weir_arena_alloc(&ctx->call, len * sizeof *table), 0, len * sizeof *table);
    for (uint32_t i = 0; i < state->entries_len; i++) {
        uint32_t at = hash_of(state->entries[i].slot, state->entries[i].sub_key) & (len - 1);
        while (table[at] != 0) at = (at + 1) & (len - 1);
        table[at] = i + 1;
    }
    state->table = table;
    state->table_len = len;
    size_t room = (size_t)len / 2;
    state->entries = weir_arena_grow(&ctx->call, state->entries, state->entries_room * sizeof(weir_entry), room * sizeof(weir_entry));
    state->entries_room = (uint32_t)room;
}

// What this call knows of a sub-key of the current key; a new entry, and `is_new`, if that is nothing.
static weir_entry *entry_of(weir_context *ctx, unsigned number, weir_bytes sub_key, bool *is_new) {
    weir_state_call *state = &ctx->states[number];
    weir_slot *slot = slot_of(ctx, state);
    // At most half full.
    if (state->entries_len == state->entries_room) grow_table(ctx, state);
    uint32_t at = hash_of(ctx->slot, sub_key) & (state->table_len - 1);
    for (; state->table[at] != 0; at = (at + 1) & (state->table_len - 1)) {
        weir_entry *entry = &state->entries[state->table[at] - 1];
        if (entry->slot != ctx->slot || !weir_equal(entry->sub_key, sub_key)) continue;
        *is_new = entry->generation != slot->generation;
        if (*is_new) entry->generation = slot->generation, entry->len = PLUGIN_MISSING, entry->dirty = entry->checked = false;
        return entry;
    }
    uint8_t *copy = weir_arena_alloc(&ctx->call, sub_key.len);
    weir_copy(copy, sub_key.data, sub_key.len);
    weir_entry *entry = &state->entries[state->entries_len++];
    *entry = (weir_entry){.sub_key = {copy, sub_key.len}, .slot = ctx->slot, .generation = slot->generation, .len = PLUGIN_MISSING};
    state->table[at] = state->entries_len;
    *is_new = true;
    return entry;
}

static void free_list(const void *data, size_t len) {
    if (len > 0) free((void *)data);
}

static void free_column(plugin_column column) {
    free_list(column.lengths.data, column.lengths.len);
    free_list(column.data.data, column.data.len);
}

static void fetch(weir_context *ctx, unsigned number, weir_entry *entry) {
    uint32_t len = (uint32_t)entry->sub_key.len;
    plugin_column found = {0};
    ctx->in_import = true;
    plugin_get_sub(number, &ctx->slot, 1, &len, 1, weir_address(entry->sub_key.data), entry->sub_key.len, &found);
    ctx->in_import = false;
    if (found.lengths.len == 1 && found.lengths.data[0] != PLUGIN_MISSING && found.lengths.data[0] <= found.data.len) {
        weir_value_store(ctx, &entry->value, &entry->room, (weir_bytes){found.data.data, found.lengths.data[0]});
        entry->len = found.lengths.data[0];
    }
    free_column(found);
}

// The value of a sub-key of the current key; false: there is none.
static bool get(weir_context *ctx, unsigned number, weir_codec codec, weir_bytes sub_key, weir_bytes *value) {
    bool is_new;
    if (sub_key.len >= PLUGIN_MISSING) return false;
    weir_entry *entry = entry_of(ctx, number, sub_key, &is_new);
    if (is_new && !slot_of(ctx, &ctx->states[number])->cleared) fetch(ctx, number, entry);
    if (entry->len == PLUGIN_MISSING) return false;
    *value = (weir_bytes){entry->value, entry->len};
    if (!entry->checked && !entry->dirty) entry->checked = weir_state_is_checked(ctx, &ctx->function->states[number], codec, *value);
    return entry->checked || entry->dirty;
}

// Sets a sub-key of the current key; NULL: deletes it.
static void put(weir_context *ctx, unsigned number, weir_bytes sub_key, const weir_bytes *value) {
    bool is_new;
    if (sub_key.len >= PLUGIN_MISSING) weir_abort("a sub-key has 4 GiB or more, which state can't hold");
    weir_entry *entry = entry_of(ctx, number, sub_key, &is_new);
    if (value != NULL) weir_value_store(ctx, &entry->value, &entry->room, *value);
    entry->len = value == NULL ? PLUGIN_MISSING : (uint32_t)value->len;
    entry->dirty = true;
}

static void clear(weir_context *ctx, unsigned number) {
    weir_slot *slot = slot_of(ctx, &ctx->states[number]);
    *slot = (weir_slot){slot->generation + 1, true, true};
}

void weir_entries_flush(weir_context *ctx, unsigned number) {
    weir_state_call *state = &ctx->states[number];
    if (state->slots == NULL) return;
    ctx->changed.len = 0;
    for (uint32_t i = 0; i < ctx->slots_len; i++) {
        if (state->slots[i].clear_pending) weir_u32s_push(&ctx->changed, i);
        state->slots[i].clear_pending = false;
    }
    if (ctx->changed.len > 0) plugin_clear(number, ctx->changed.items, ctx->changed.len);
    ctx->changed.len = 0;
    weir_column_clear(&ctx->sub_keys), weir_column_clear(&ctx->values);
    for (uint32_t i = 0; i < state->entries_len; i++) {
        weir_entry *entry = &state->entries[i];
        if (!entry->dirty || entry->generation != state->slots[entry->slot].generation) continue;
        weir_u32s_push(&ctx->changed, entry->slot);
        weir_column_push(&ctx->sub_keys, entry->sub_key.data, entry->sub_key.len);
        weir_column_push(&ctx->values, entry->value, entry->len);
        // The host has it now, and it was the author's own.
        entry->dirty = false, entry->checked = true;
    }
    if (ctx->changed.len == 0) return;
    plugin_put_sub(number, ctx->changed.items, ctx->changed.len, ctx->sub_keys.lengths.items, ctx->sub_keys.lengths.len,
                   weir_address(ctx->sub_keys.data), ctx->sub_keys.len, ctx->values.lengths.items, ctx->values.lengths.len,
                   weir_address(ctx->values.data), ctx->values.len);
}

// ---- pages of entries

struct weir_page {
    struct weir_page *next;
    plugin_page page;
    size_t index; // of the next entry
    const uint8_t *sub_key, *value;
    size_t sub_keys_left, values_left;
};

static void free_page(struct weir_page *page) {
    free_column(page->page.sub_keys);
    free_column(page->page.values);
    free(page);
}

void weir_free_pages(weir_context *ctx) {
    while (ctx->pages != NULL) {
        struct weir_page *next = ctx->pages->next;
        free_page(ctx->pages);
        ctx->pages = next;
    }
}

static void drop_page(weir_context *ctx, struct weir_page *page) {
    struct weir_page **at = &ctx->pages;
    while (*at != NULL && *at != page) at = &(*at)->next;
    if (*at != NULL) *at = page->next;
    free_page(page);
}

// The entries after `after`, this call's changes included.
static void next_page(weir_entries *entries, bool has_after, weir_bytes after) {
    weir_context *ctx = entries->ctx;
    struct weir_page *page = weir_heap_grow(NULL, sizeof *page), *before = entries->page;
    *page = (struct weir_page){.next = ctx->pages};
    weir_entries_flush(ctx, entries->state);
    ctx->in_import = true;
    plugin_scan(entries->state, ctx->slot, has_after, weir_address(after.data), after.len, PAGE_ENTRIES, &page->page);
    ctx->in_import = false;
    page->sub_key = page->page.sub_keys.data.data, page->sub_keys_left = page->page.sub_keys.data.len;
    page->value = page->page.values.data.data, page->values_left = page->page.values.data.len;
    ctx->pages = entries->page = page;
    if (before != NULL) drop_page(ctx, before);
}

static bool is_list(const weir_entries *entries) { return entries->ctx->function->states[entries->state].kind == WEIR_LIST; }

weir_entries weir_entries_of(weir_context *ctx, unsigned state) {
    weir_entries entries = {.ctx = ctx, .state = state};
    bool is_list_state = state < ctx->states_len && ctx->function->states[state].kind == WEIR_LIST;
    if (weir_state_used(ctx, state, is_list_state ? WEIR_LIST : WEIR_MAP, WEIR_NONE) == NULL) return entries;
    // What is under a list's empty sub-key is its length.
    next_page(&entries, is_list_state, weir_text(""));
    return entries;
}

static bool end_of(weir_entries *entries) {
    if (is_list(entries) && entries->count != weir_list_len(entries->ctx, entries->state)) {
        weir_note(entries->ctx, "state `%s`: %llu items are there and %llu are expected", entries->ctx->function->states[entries->state].name,
                  (unsigned long long)entries->count, (unsigned long long)weir_list_len(entries->ctx, entries->state));
    }
    return false;
}

bool weir_next_entry(weir_entries *entries) {
    struct weir_page *page = entries->page;
    if (page == NULL || entries->ctx->failed) return false;
    size_t len = page->page.sub_keys.lengths.len < page->page.values.lengths.len ? page->page.sub_keys.lengths.len : page->page.values.lengths.len;
    if (page->index == len) {
        if (!page->page.more || len == 0) return end_of(entries);
        next_page(entries, true, entries->sub_key);
        page = entries->page;
        len = page->page.sub_keys.lengths.len < page->page.values.lengths.len ? page->page.sub_keys.lengths.len : page->page.values.lengths.len;
        if (len == 0) return end_of(entries);
    }
    uint32_t sub_key_len = page->page.sub_keys.lengths.data[page->index], value_len = page->page.values.lengths.data[page->index];
    const weir_state *declared = &entries->ctx->function->states[entries->state];
    if (sub_key_len > page->sub_keys_left || value_len > page->values_left) {
        weir_note(entries->ctx, "state `%s`: the host's entries are cut off", declared->name);
        return false;
    }
    entries->sub_key = (weir_bytes){page->sub_key, sub_key_len};
    entries->value = (weir_bytes){page->value, value_len};
    page->sub_key += sub_key_len, page->sub_keys_left -= sub_key_len;
    page->value += value_len, page->values_left -= value_len;
    page->index++;
    entries->count++;
    if (declared->kind == WEIR_MAP && !weir_state_is_checked(entries->ctx, declared, declared->sub_key, entries->sub_key)) return false;
    return weir_state_is_checked(entries->ctx, declared, declared->codec, entries->value);
}

// ---- maps

bool weir_map_get(weir_context *ctx, unsigned state, weir_bytes sub_key, weir_bytes *value) {
    const weir_state *declared = weir_state_used(ctx, state, WEIR_MAP, WEIR_NONE);
    return declared != NULL && get(ctx, state, declared->codec, sub_key, value);
}

bool weir_map_contains(weir_context *ctx, unsigned state, weir_bytes sub_key) {
    weir_bytes value;
    return weir_state_used(ctx, state, WEIR_MAP, WEIR_NONE) != NULL && get(ctx, state, WEIR_BYTES, sub_key, &value);
}

void weir_map_put(weir_context *ctx, unsigned state, weir_bytes sub_key, weir_bytes value) {
    const weir_state *declared = weir_state_used(ctx, state, WEIR_MAP, WEIR_NONE);
    if (declared == NULL || (weir_codec_size(declared->codec) != 0 && !weir_state_is_checked(ctx, declared, declared->codec, value))) return;
    if (weir_codec_size(declared->sub_key) != 0 && !weir_state_is_checked(ctx, declared, declared->sub_key, sub_key)) return;
    put(ctx, state, sub_key, &value);
}

void weir_map_remove(weir_context *ctx, unsigned state, weir_bytes sub_key) {
    if (weir_state_used(ctx, state, WEIR_MAP, WEIR_NONE) != NULL) put(ctx, state, sub_key, NULL);
}

void weir_map_clear(weir_context *ctx, unsigned state) {
    if (weir_state_used(ctx, state, WEIR_MAP, WEIR_NONE) != NULL) clear(ctx, state);
}

bool weir_map_get_fixed(weir_context *ctx, unsigned state, weir_codec codec, weir_bytes sub_key, void *number, size_t size) {
    weir_bytes value;
    if (weir_state_used(ctx, state, WEIR_MAP, codec) == NULL || !get(ctx, state, codec, sub_key, &value)) return false;
    weir_copy_fixed(number, value.data, size);
    return true;
}

void weir_map_put_fixed(weir_context *ctx, unsigned state, weir_codec codec, weir_bytes sub_key, const void *number, size_t size) {
    if (weir_state_used(ctx, state, WEIR_MAP, codec) != NULL) weir_map_put(ctx, state, sub_key, (weir_bytes){number, size});
}

// ---- lists: the length, a little-endian u64, under the empty sub-key; item i under i as eight bytes, big-endian, so that items are in order

typedef struct {
    uint8_t bytes[8];
} item_key;

static item_key key_of(uint64_t index) {
    item_key key;
    index = __builtin_bswap64(index);
    memcpy(key.bytes, &index, 8);
    return key;
}

static uint64_t list_len(weir_context *ctx, unsigned state) {
    weir_bytes value;
    uint64_t len = 0;
    if (get(ctx, state, WEIR_U64, weir_text(""), &value)) memcpy(&len, value.data, 8);
    return len;
}

uint64_t weir_list_len(weir_context *ctx, unsigned state) {
    return weir_state_used(ctx, state, WEIR_LIST, WEIR_NONE) == NULL ? 0 : list_len(ctx, state);
}

bool weir_list_get(weir_context *ctx, unsigned state, uint64_t index, weir_bytes *item) {
    const weir_state *declared = weir_state_used(ctx, state, WEIR_LIST, WEIR_NONE);
    item_key key = key_of(index);
    return declared != NULL && get(ctx, state, declared->codec, (weir_bytes){key.bytes, 8}, item);
}

void weir_list_add(weir_context *ctx, unsigned state, weir_bytes item) {
    const weir_state *declared = weir_state_used(ctx, state, WEIR_LIST, WEIR_NONE);
    if (declared == NULL || (weir_codec_size(declared->codec) != 0 && !weir_state_is_checked(ctx, declared, declared->codec, item))) return;
    uint64_t len = list_len(ctx, state);
    item_key key = key_of(len++);
    put(ctx, state, (weir_bytes){key.bytes, 8}, &item);
    put(ctx, state, weir_text(""), &(weir_bytes){(uint8_t *)&len, 8});
}

void weir_list_clear(weir_context *ctx, unsigned state) {
    if (weir_state_used(ctx, state, WEIR_LIST, WEIR_NONE) != NULL) clear(ctx, state);
}

bool weir_list_get_fixed(weir_context *ctx, unsigned state, weir_codec codec, uint64_t index, void *number, size_t size) {
    weir_bytes item;
    if (weir_state_used(ctx, state, WEIR_LIST, codec) == NULL || !weir_list_get(ctx, state, index, &item)) return false;
    weir_copy_fixed(number, item.data, size);
    return true;
}

void weir_list_add_fixed(weir_context *ctx, unsigned state, weir_codec codec, const void *number, size_t size) {
    if (weir_state_used(ctx, state, WEIR_LIST, codec) != NULL) weir_list_add(ctx, state, (weir_bytes){number, size});
}
