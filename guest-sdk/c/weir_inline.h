// The fast path of weir.h: rows are written where they leave from, and numbers are read where they lie. Included by weir.h only.
#ifndef WEIR_INLINE_H
#define WEIR_INLINE_H

#ifdef __wasm_simd128__
#include <wasm_simd128.h>
#endif

// ---- copies

// Longer copies go to memcpy: in Wasm it is a call, which only pays off on long runs.
enum { WEIR_COPY_INLINE_BYTES_MAX = 256, WEIR_ROW_HEADER_BYTES = 16 };

// Copies by overlapping loads and stores; the two don't overlap.
static inline __attribute__((always_inline)) void weir_copy(uint8_t *to, const uint8_t *from, size_t length) {
    uint64_t head, tail;
    if (length >= 16) {
        if (length > WEIR_COPY_INLINE_BYTES_MAX) {
            memcpy(to, from, length);
            return;
        }
        for (size_t at = 0; at < length - 16; at += 16) memcpy(to + at, from + at, 16);
        memcpy(to + length - 16, from + length - 16, 16);
    } else if (length >= 8) {
        memcpy(&head, from, 8), memcpy(&tail, from + length - 8, 8);
        memcpy(to, &head, 8), memcpy(to + length - 8, &tail, 8);
    } else if (length >= 4) {
        memcpy(&head, from, 4), memcpy(&tail, from + length - 4, 4);
        memcpy(to, &head, 4), memcpy(to + length - 4, &tail, 4);
    } else if (length > 0) {
        // One to three bytes: first, middle and last are all of them.
        uint8_t first = from[0], middle = from[length / 2], last = from[length - 1];
        to[0] = first, to[length / 2] = middle, to[length - 1] = last;
    }
}

// ---- rows

struct weir_output {
    uint8_t *at;  // where the next row goes
    uint8_t *end; // of the room for rows
    int64_t timestamp;
    uint64_t emitted; // records since the call began
    unsigned shape;   // as WEIR_SHAPE has it
    uint8_t *rows;    // the room's start
    weir_context *ctx;
};

// What an output takes: whether there is a key, and numbers of which codec; 0 for text and bytes, which may be of any length.
#define WEIR_SHAPE(keyed, codec) ((unsigned)((keyed) ? 0x100 : 0) | (unsigned)(codec))

// Makes room for a row, by handing what is there to the host. False: the record is refused, because it can't be emitted at all.
bool weir_output_room(weir_output *out, unsigned shape, weir_bytes key, uint64_t value_len);

static inline __attribute__((always_inline)) void weir_emit_row(weir_output *out, unsigned codec, weir_bytes key, const uint8_t *value,
                                                                size_t value_len) {
    unsigned shape = WEIR_SHAPE(key.data != NULL, codec);
    uint64_t bytes = WEIR_ROW_HEADER_BYTES + (uint64_t)key.len + value_len;
    if (__builtin_expect(shape != out->shape || bytes > (uint64_t)(out->end - out->at), 0) && !weir_output_room(out, shape, key, value_len)) return;
    uint32_t lengths[2] = {key.data == NULL ? UINT32_MAX : (uint32_t)key.len, (uint32_t)value_len};
    uint8_t *at = out->at;
    memcpy(at, lengths, 8);
    memcpy(at + 8, &out->timestamp, 8);
    at += WEIR_ROW_HEADER_BYTES;
    if (key.data != NULL) {
        weir_copy(at, key.data, key.len);
        at += key.len;
    }
    weir_copy(at, value, value_len);
    out->at = at + value_len;
    out->emitted++;
}

static inline void weir_emit(weir_output *out, weir_bytes key, weir_bytes value) { weir_emit_row(out, 0, key, value.data, value.len); }

// ---- numbers and booleans. What is stored is little-endian, as Wasm is and as the machines are that run tests.

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "weir's C SDK needs a little-endian machine");

// Bytes of a state's value, item or entry, of this codec of fixed length.
bool weir_value_get_fixed(weir_context *ctx, unsigned state, weir_codec codec, void *number, size_t size);
void weir_value_set_fixed(weir_context *ctx, unsigned state, weir_codec codec, const void *number, size_t size);
bool weir_list_get_fixed(weir_context *ctx, unsigned state, weir_codec codec, uint64_t index, void *number, size_t size);
void weir_list_add_fixed(weir_context *ctx, unsigned state, weir_codec codec, const void *number, size_t size);
bool weir_map_get_fixed(weir_context *ctx, unsigned state, weir_codec codec, weir_bytes sub_key, void *number, size_t size);
void weir_map_put_fixed(weir_context *ctx, unsigned state, weir_codec codec, weir_bytes sub_key, const void *number, size_t size);
_Noreturn void weir_wrong_length(const char *type, size_t expected, size_t found) __attribute__((cold));

#define WEIR_TYPED(name, type, codec)                                                                                                                \
    static inline bool weir_get_##name(weir_bytes bytes, type *number) {                                                                             \
        if (bytes.len != sizeof(type) || (codec == WEIR_BOOL && bytes.data[0] > 1)) return false;                                                    \
        memcpy(number, bytes.data, sizeof(type));                                                                                                    \
        return true;                                                                                                                                 \
    }                                                                                                                                                \
    static inline type weir_##name(weir_bytes bytes) {                                                                                               \
        type number;                                                                                                                                 \
        if (!weir_get_##name(bytes, &number)) weir_wrong_length(#name, sizeof(type), bytes.len);                                                     \
        return number;                                                                                                                               \
    }                                                                                                                                                \
    static inline weir_bytes weir_bytes_of_##name(weir_context *ctx, type number) {                                                                  \
        return (weir_bytes){memcpy(weir_alloc(ctx, sizeof(type)), &number, sizeof(type)), sizeof(type)};                                             \
    }                                                                                                                                                \
    static inline void weir_emit_##name(weir_output *out, weir_bytes key, type number) {                                                             \
        weir_emit_row(out, codec, key, (const uint8_t *)&number, sizeof(type));                                                                      \
    }                                                                                                                                                \
    static inline bool weir_value_get_##name(weir_context *ctx, unsigned state, type *number) {                                                      \
        return weir_value_get_fixed(ctx, state, codec, number, sizeof(type));                                                                        \
    }                                                                                                                                                \
    static inline void weir_value_set_##name(weir_context *ctx, unsigned state, type number) {                                                       \
        weir_value_set_fixed(ctx, state, codec, &number, sizeof(type));                                                                              \
    }                                                                                                                                                \
    static inline bool weir_list_get_##name(weir_context *ctx, unsigned state, uint64_t index, type *number) {                                       \
        return weir_list_get_fixed(ctx, state, codec, index, number, sizeof(type));                                                                  \
    }                                                                                                                                                \
    static inline void weir_list_add_##name(weir_context *ctx, unsigned state, type number) {                                                        \
        weir_list_add_fixed(ctx, state, codec, &number, sizeof(type));                                                                               \
    }                                                                                                                                                \
    static inline bool weir_map_get_##name(weir_context *ctx, unsigned state, weir_bytes sub_key, type *number) {                                    \
        return weir_map_get_fixed(ctx, state, codec, sub_key, number, sizeof(type));                                                                 \
    }                                                                                                                                                \
    static inline void weir_map_put_##name(weir_context *ctx, unsigned state, weir_bytes sub_key, type number) {                                     \
        weir_map_put_fixed(ctx, state, codec, sub_key, &number, sizeof(type));                                                                       \
    }

WEIR_TYPES(WEIR_TYPED)
#undef WEIR_TYPED

// ---- words

static inline bool weir_is_space(uint8_t byte) { return byte == ' ' || (uint8_t)(byte - '\t') < 5; }

// Where the first whitespace is, or `end`.
static inline const uint8_t *weir_find_space(const uint8_t *at, const uint8_t *end) {
#ifdef __wasm_simd128__
    for (; end - at >= 16; at += 16) {
        v128_t bytes = wasm_v128_load(at);
        v128_t other = wasm_u8x16_lt(wasm_i8x16_sub(bytes, wasm_i8x16_splat('\t')), wasm_i8x16_splat(5));
        uint32_t spaces = wasm_i8x16_bitmask(wasm_v128_or(other, wasm_i8x16_eq(bytes, wasm_i8x16_splat(' '))));
        if (spaces != 0) return at + __builtin_ctz(spaces);
    }
#endif
    while (at < end && !weir_is_space(*at)) at++;
    return at;
}

static inline bool weir_next_word(weir_bytes *rest, weir_bytes *word) {
    const uint8_t *at = rest->data, *end = at + rest->len;
    while (at < end && weir_is_space(*at)) at++;
    if (at == end) return false;
    const uint8_t *after = weir_find_space(at, end);
    *word = (weir_bytes){at, (size_t)(after - at)};
    *rest = (weir_bytes){after, (size_t)(end - after)};
    return true;
}

#endif
