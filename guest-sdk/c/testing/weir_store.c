// The testing host's memory: a sorted table is enough for tests.
#include "weir_store.h"

#include <stdio.h>
#include <stdlib.h>

#include "../weir_internal.h"

void text_add(text *to, const void *bytes, size_t len) {
    if (to->len + len + 1 > to->room) {
        to->room = (to->len + len + 1) * 2;
        to->data = weir_heap_grow(to->data, to->room);
    }
    if (len > 0) memcpy(to->data + to->len, bytes, len);
    to->len += len;
    to->data[to->len] = 0;
}

void text_format(text *to, const char *format, ...) {
    char line[4096];
    va_list arguments;
    va_start(arguments, format);
    int len = vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    text_add(to, line, len < 0 ? 0 : (size_t)len < sizeof line ? (size_t)len : sizeof line - 1);
}

text text_copy(const text *from) {
    text copy = {0};
    text_add(&copy, from->data, from->len);
    return copy;
}

void text_clear(text *to) {
    to->len = 0;
    text_add(to, "", 0);
}

void text_free(text *to) {
    free(to->data);
    *to = (text){0};
}

void text_add_counts(text *to, const text *counts) {
    weir_bytes lines = {(uint8_t *)(counts->data == NULL ? "" : counts->data), counts->len}, line;
    while (lines.len > 0 && weir_next_field(&lines, '\n', &line)) {
        weir_bytes number = line, name, old = {(uint8_t *)(to->data == NULL ? "" : to->data), to->len}, one;
        uint64_t sum = 0, before;
        text rest = {0};
        weir_next_field(&number, '=', &name);
        weir_parse_u64(number, &sum);
        while (old.len > 0 && weir_next_field(&old, '\n', &one)) {
            weir_bytes old_name, value = one;
            weir_next_field(&value, '=', &old_name);
            if (weir_equal(name, old_name) && weir_parse_u64(value, &before)) sum += before;
            else text_format(&rest, "%.*s\n", WEIR_ARG(one));
        }
        text_format(&rest, "%.*s=%llu\n", WEIR_ARG(name), (unsigned long long)sum);
        text_free(to);
        *to = rest;
    }
}

int bytes_compare(weir_bytes one, weir_bytes other) {
    size_t len = one.len < other.len ? one.len : other.len;
    int order = len == 0 ? 0 : memcmp(one.data, other.data, len);
    return order != 0 ? order : one.len < other.len ? -1 : one.len > other.len;
}

void bytes_replace(weir_bytes *bytes, weir_bytes with) {
    weir_bytes copy = weir_heap_copy(with);
    free((void *)bytes->data);
    *bytes = copy;
}

bool store_is_at(const store_entry *entry, store_address address) {
    return strcmp(entry->state, address.state) == 0 && weir_equal(entry->key, address.key);
}

static int compare(const store_entry *entry, store_address address, weir_bytes sub_key) {
    int order = strcmp(entry->state, address.state);
    if (order == 0) order = bytes_compare(entry->key, address.key);
    return order != 0 ? order : bytes_compare(entry->sub_key, sub_key);
}

// Where the entry is, or would be.
static size_t place(const store *all, store_address address, weir_bytes sub_key, bool *found) {
    size_t low = 0, high = all->len;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (compare(&all->entries[middle], address, sub_key) < 0) low = middle + 1;
        else high = middle;
    }
    *found = low < all->len && compare(&all->entries[low], address, sub_key) == 0;
    return low;
}

const weir_bytes *store_get(const store *all, store_address address, weir_bytes sub_key) {
    bool found;
    size_t at = place(all, address, sub_key, &found);
    return found ? &all->entries[at].value : NULL;
}

static void free_entry(store_entry *entry) { free((void *)entry->key.data), free((void *)entry->sub_key.data), free((void *)entry->value.data); }

void store_set(store *all, store_address address, weir_bytes sub_key, const weir_bytes *value) {
    bool found;
    size_t at = place(all, address, sub_key, &found);
    if (found && value != NULL) {
        bytes_replace(&all->entries[at].value, *value);
    } else if (found) {
        free_entry(&all->entries[at]);
        memmove(all->entries + at, all->entries + at + 1, (--all->len - at) * sizeof *all->entries);
    } else if (value != NULL) {
        all->entries = weir_heap_grow(all->entries, (all->len + 1) * sizeof *all->entries);
        memmove(all->entries + at + 1, all->entries + at, (all->len++ - at) * sizeof *all->entries);
        all->entries[at] = (store_entry){address.state, weir_heap_copy(address.key), weir_heap_copy(sub_key), weir_heap_copy(*value)};
    }
}

void store_clear(store *all, store_address address) {
    size_t kept = 0;
    for (size_t i = 0; i < all->len; i++) {
        if (store_is_at(&all->entries[i], address)) free_entry(&all->entries[i]);
        else all->entries[kept++] = all->entries[i];
    }
    all->len = kept;
}

store store_copy(const store *all) {
    store copy = {weir_heap_grow(NULL, all->len * sizeof *all->entries), all->len};
    for (size_t i = 0; i < all->len; i++) {
        const store_entry *entry = &all->entries[i];
        copy.entries[i] = (store_entry){entry->state, weir_heap_copy(entry->key), weir_heap_copy(entry->sub_key), weir_heap_copy(entry->value)};
    }
    return copy;
}

void store_free(store *all) {
    for (size_t i = 0; i < all->len; i++) free_entry(&all->entries[i]);
    free(all->entries);
    *all = (store){0};
}
