// Memory: arenas that are emptied after each record and each call, and a heap that never says no.
#include <stdlib.h>

#include "weir_internal.h"

struct weir_block {
    weir_block *next;
    size_t size; // of what follows
    max_align_t bytes[];
};

enum { ALIGN_BYTES = 16, BLOCK_BYTES_MIN = 16 * 1024, BLOCK_BYTES_KEPT_MAX = 1024 * 1024 };

void *weir_heap_grow(void *old, size_t size) {
    void *grown = realloc(old, size == 0 ? 1 : size);
    if (grown == NULL) weir_abort("out of memory: %zu bytes are asked for", size);
    return grown;
}

weir_bytes weir_heap_copy(weir_bytes bytes) {
    uint8_t *copy = weir_heap_grow(NULL, bytes.len + 1);
    if (bytes.len > 0) memcpy(copy, bytes.data, bytes.len);
    copy[bytes.len] = 0;
    return (weir_bytes){copy, bytes.len};
}

static size_t aligned(size_t size) {
    if (size > SIZE_MAX / 2) weir_abort("out of memory: %zu bytes are asked for", size);
    if (size == 0) size = 1;
    return (size + ALIGN_BYTES - 1) & ~(size_t)(ALIGN_BYTES - 1);
}

static void new_block(weir_arena *arena, size_t size) {
    weir_block *block = weir_heap_grow(NULL, sizeof(weir_block) + size);
    *block = (weir_block){arena->blocks, size};
    arena->blocks = block;
    arena->at = (uint8_t *)block->bytes;
    arena->end = arena->at + size;
}

void *weir_arena_alloc(weir_arena *arena, size_t size) {
#ifdef WEIR_CHECK_MEMORY
    // A block for each piece, of exactly its size, so that an address sanitizer sees what goes beyond it.
    new_block(arena, size);
    arena->at = arena->end;
    return arena->blocks->bytes;
#else
    size_t bytes = aligned(size);
    if (bytes > (size_t)(arena->end - arena->at)) {
        // Blocks double, so that a call needs few of them.
        size_t twice = arena->blocks == NULL ? 0 : arena->blocks->size * 2;
        size_t least = twice < BLOCK_BYTES_MIN ? BLOCK_BYTES_MIN : twice > BLOCK_BYTES_KEPT_MAX ? BLOCK_BYTES_KEPT_MAX : twice;
        new_block(arena, bytes > least ? bytes : least);
    }
    void *piece = arena->at;
    arena->at += bytes;
    return piece;
#endif
}

void *weir_arena_grow(weir_arena *arena, void *old, size_t old_size, size_t new_size) {
    size_t bytes = aligned(new_size);
    uint8_t *start = old;
    if (old != NULL && start + aligned(old_size) == arena->at && bytes <= (size_t)(arena->end - start)) {
        arena->at = start + bytes;
        return old;
    }
    void *grown = weir_arena_alloc(arena, new_size);
    if (old != NULL) memcpy(grown, old, old_size < new_size ? old_size : new_size);
    return grown;
}

static void free_blocks(weir_block *blocks) {
    while (blocks != NULL) {
        weir_block *next = blocks->next;
        free(blocks);
        blocks = next;
    }
}

void weir_arena_free(weir_arena *arena) {
    free_blocks(arena->blocks);
    *arena = (weir_arena){0};
}

void weir_arena_reset(weir_arena *arena) {
    // The newest block is the largest, or as large as any that is kept.
    weir_block *kept = arena->blocks;
    if (kept == NULL) return;
    bool keep = kept->size <= BLOCK_BYTES_KEPT_MAX;
#ifdef WEIR_CHECK_MEMORY
    keep = false;
#endif
    if (!keep) {
        weir_arena_free(arena);
        return;
    }
    if (kept->next != NULL) free_blocks(kept->next);
    kept->next = NULL;
    arena->at = (uint8_t *)kept->bytes;
    arena->end = arena->at + kept->size;
}
