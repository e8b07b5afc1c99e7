// What the testing host keeps: growing texts, and state by name, key and sub-key, in order.
#ifndef WEIR_STORE_H
#define WEIR_STORE_H

#include "../weir.h"

// Bytes that grow, with an ending zero.
typedef struct {
    char *data;
    size_t len, room;
} text;

void text_add(text *to, const void *bytes, size_t len);
void text_format(text *to, const char *format, ...) __attribute__((format(printf, 2, 3)));
text text_copy(const text *from);
void text_clear(text *to);
void text_free(text *to);
// Adds lines `NAME=NUMBER` to such lines: one line a name.
void text_add_counts(text *to, const text *counts);

typedef struct {
    const char *state;
    weir_bytes key;
} store_address;

typedef struct {
    const char *state; // of the plugin's table
    weir_bytes key, sub_key, value;
} store_entry;

typedef struct {
    store_entry *entries;
    size_t len;
} store;

int bytes_compare(weir_bytes one, weir_bytes other);
void bytes_replace(weir_bytes *bytes, weir_bytes with);
bool store_is_at(const store_entry *entry, store_address address);
// NULL: there is no such entry.
const weir_bytes *store_get(const store *all, store_address address, weir_bytes sub_key);
// A NULL value deletes.
void store_set(store *all, store_address address, weir_bytes sub_key, const weir_bytes *value);
void store_clear(store *all, store_address address);
store store_copy(const store *all);
void store_free(store *all);

#endif
