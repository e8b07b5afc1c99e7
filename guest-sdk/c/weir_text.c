// Text: UTF-8, formatting without the C library's files, whole numbers, and what the codecs expect of bytes.
#include "weir_internal.h"

// ---- UTF-8

// The length of the character at `at`; 0: it isn't one, and `bad` says how many bytes are wrong, or 0: they are cut off.
static size_t character(const uint8_t *at, size_t len, size_t *bad) {
    uint8_t first = at[0], low = 0x80, high = 0xbf;
    size_t size = first < 0x80 ? 1 : first < 0xc2 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : first < 0xf5 ? 4 : 0;
    if (first == 0xe0) low = 0xa0;
    if (first == 0xed) high = 0x9f;
    if (first == 0xf0) low = 0x90;
    if (first == 0xf4) high = 0x8f;
    *bad = 1;
    for (size_t i = 1; i < size; i++, low = 0x80, high = 0xbf) {
        *bad = i < len ? i : 0;
        if (i >= len || at[i] < low || at[i] > high) return 0;
    }
    return size;
}

// Where the text stops to be UTF-8; its length: nowhere.
static size_t utf8_end(weir_bytes text, size_t *bad) {
    size_t at = 0;
    while (at < text.len) {
        size_t size = character(text.data + at, text.len - at, bad);
        if (size == 0) return at;
        at += size;
    }
    return at;
}

bool weir_is_utf8(weir_bytes text) {
    size_t bad;
    return weir_is_ascii(text.data, text.len) || utf8_end(text, &bad) == text.len;
}

// The text with U+FFFD for what isn't UTF-8.
weir_bytes weir_utf8_lossy(weir_arena *arena, weir_bytes text) {
    if (text.len > SIZE_MAX / 4) weir_abort("out of memory");
    uint8_t *copy = weir_arena_alloc(arena, text.len * 3), *to = copy;
    for (size_t at = 0; at < text.len;) {
        size_t bad, size = character(text.data + at, text.len - at, &bad);
        if (size == 0) memcpy(to, "\xef\xbf\xbd", 3), to += 3;
        else memcpy(to, text.data + at, size), to += size;
        at += size != 0 ? size : bad != 0 ? bad : text.len - at;
    }
    return (weir_bytes){copy, (size_t)(to - copy)};
}

// ---- codecs

static const struct {
    const char *name;
    size_t size;
} codecs[] = {{"none", 0},   {"bytes", 0},  {"utf8", 0},   {"json", 0},   {"bool", 1},
              {"u32-le", 4}, {"i32-le", 4}, {"u64-le", 8}, {"i64-le", 8}, {"f64-le", 8}};

const char *weir_codec_name(weir_codec codec) { return codecs[codec].name; }

size_t weir_codec_size(weir_codec codec) { return codecs[codec].size; }

static bool because(weir_arena *arena, weir_bytes *why, const char *format, ...) __attribute__((format(printf, 3, 4), cold));
static bool because(weir_arena *arena, weir_bytes *why, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    *why = weir_format_in(arena, format, arguments);
    va_end(arguments);
    return false;
}

static bool check_text(weir_arena *arena, weir_bytes bytes, weir_bytes *why) {
    size_t bad = 0, end = utf8_end(bytes, &bad);
    if (end == bytes.len) return true;
    if (bad == 0) return because(arena, why, "not UTF-8: incomplete utf-8 byte sequence from index %zu", end);
    return because(arena, why, "not UTF-8: invalid utf-8 sequence of %zu bytes from index %zu", bad, end);
}

bool weir_check_codec(weir_arena *arena, weir_codec codec, weir_bytes bytes, weir_bytes *why) {
    size_t size = codecs[codec].size;
    if (codec == WEIR_BOOL && (bytes.len != 1 || bytes.data[0] > 1)) return because(arena, why, "not bool: one byte, 0 or 1, is expected");
    if (size != 0 && bytes.len != size) return because(arena, why, "not %s: %zu bytes instead of %zu", codecs[codec].name, bytes.len, size);
    if (codec == WEIR_UTF8) return weir_is_ascii(bytes.data, bytes.len) || check_text(arena, bytes, why);
    if (codec == WEIR_JSON) {
        weir_json value;
        const char *problem;
        if (!weir_json_parse(bytes, &value, &problem)) return because(arena, why, "not the JSON that is expected: %s", problem);
    }
    return true;
}

// ---- formatting

typedef struct {
    char *to;
    size_t room, len;
} writer;

static void put(writer *w, const char *from, size_t len, size_t width, char fill) {
    for (size_t i = len; i < width; i++, w->len++) {
        if (w->len < w->room) w->to[w->len] = fill;
    }
    size_t fits = w->len >= w->room ? 0 : w->room - w->len < len ? w->room - w->len : len;
    if (fits > 0) memcpy(w->to + w->len, from, fits);
    w->len += len;
}

static void put_number(writer *w, uint64_t number, bool negative, unsigned base, size_t width, char fill) {
    char digits[24];
    size_t at = sizeof digits;
    do digits[--at] = "0123456789abcdef"[number % base];
    while ((number /= base) != 0);
    if (negative && fill == '0') put(w, "-", 1, 0, ' '), width -= width > 0;
    else if (negative) digits[--at] = '-';
    put(w, digits + at, sizeof digits - at, width, fill);
}

typedef enum { INT, LONG, LONG_LONG } size_of;

static uint64_t unsigned_of(va_list *arguments, size_of size) {
    return size == LONG_LONG ? va_arg(*arguments, unsigned long long)
           : size == LONG    ? va_arg(*arguments, unsigned long)
                             : va_arg(*arguments, unsigned);
}

static int64_t signed_of(va_list *arguments, size_of size) {
    return size == LONG_LONG ? va_arg(*arguments, long long) : size == LONG ? va_arg(*arguments, long) : va_arg(*arguments, int);
}

// The number at `at`, at most what a field needs.
static size_t small_number(const char **at) {
    size_t number = 0;
    for (; **at >= '0' && **at <= '9'; (*at)++) number = number < 10000 ? number * 10 + (size_t)(**at - '0') : number;
    return number;
}

// One conversion, from after its '%'; returns what follows it, NULL: it isn't known, and the arguments can't be told any more.
static const char *convert(writer *w, const char *at, va_list *arguments) {
    char fill = *at == '0' ? '0' : ' ', number[32];
    size_t width = small_number(&at), precision = SIZE_MAX;
    if (*at == '.') {
        at++;
        if (*at == '*') at++, precision = (size_t)va_arg(*arguments, int);
        else precision = small_number(&at);
    }
    size_of size = INT;
    if (*at == 'z' || *at == 't') at++, size = sizeof(size_t) == sizeof(long) ? LONG : LONG_LONG;
    else if (*at == 'j') at++, size = LONG_LONG;
    else if (at[0] == 'l' && at[1] == 'l') at += 2, size = LONG_LONG;
    else if (*at == 'l') at++, size = LONG;
    switch (*at) {
    case '%': put(w, "%", 1, 0, ' '); break;
    case 'c': number[0] = (char)va_arg(*arguments, int), put(w, number, 1, width, ' '); break;
    case 's': {
        const char *text = va_arg(*arguments, const char *);
        size_t len = 0;
        // An empty piece of memory may have no address.
        while (text != NULL && len < precision && text[len] != 0) len++;
        put(w, text, len, width, ' ');
        break;
    }
    case 'd':
    case 'i': {
        int64_t given = signed_of(arguments, size);
        put_number(w, given < 0 ? 0 - (uint64_t)given : (uint64_t)given, given < 0, 10, width, fill);
        break;
    }
    case 'u': put_number(w, unsigned_of(arguments, size), false, 10, width, fill); break;
    case 'x': put_number(w, unsigned_of(arguments, size), false, 16, width, fill); break;
    case 'f':
    case 'g': put(w, number, weir_write_f64(va_arg(*arguments, double), number), width, ' '); break;
    default: return NULL;
    }
    return at + 1;
}

size_t weir_format_list(char *to, size_t room, const char *format, va_list arguments) {
    writer w = {to, room, 0};
    va_list left;
    va_copy(left, arguments);
    for (const char *at = format; *at != 0;) {
        const char *percent = at;
        while (*percent != 0 && *percent != '%') percent++;
        put(&w, at, (size_t)(percent - at), 0, ' ');
        if (*percent == 0) break;
        at = convert(&w, percent + 1, &left);
        if (at == NULL) {
            put(&w, percent, strlen(percent), 0, ' ');
            break;
        }
    }
    va_end(left);
    return w.len;
}

weir_bytes weir_format_in(weir_arena *arena, const char *format, va_list arguments) {
    size_t room = 128;
    char *text = weir_arena_alloc(arena, room);
    size_t len = weir_format_list(text, room, format, arguments);
    if (len > room) weir_format_list(text = weir_arena_alloc(arena, len), len, format, arguments);
    return (weir_bytes){(uint8_t *)text, len};
}

weir_bytes weir_format(weir_context *ctx, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    weir_bytes text = weir_format_in(&ctx->scratch, format, arguments);
    va_end(arguments);
    return text;
}

// ---- pieces of text

weir_bytes weir_lower_ascii(weir_context *ctx, weir_bytes text) {
    uint8_t *to = weir_alloc(ctx, text.len);
    size_t i = 0;
#ifdef __wasm_simd128__
    const v128_t below = wasm_i8x16_splat('A'), letters = wasm_i8x16_splat(26), bit = wasm_i8x16_splat(0x20);
#define LOWER_16(at)                                                                                                                                 \
    do {                                                                                                                                             \
        v128_t bytes = wasm_v128_load(text.data + (at));                                                                                             \
        v128_t upper = wasm_u8x16_lt(wasm_i8x16_sub(bytes, below), letters);                                                                         \
        wasm_v128_store(to + (at), wasm_v128_or(bytes, wasm_v128_and(upper, bit)));                                                                  \
    } while (0)
    if (text.len >= 16) {
        for (; i + 16 <= text.len; i += 16) LOWER_16(i);
        if (i < text.len) LOWER_16(text.len - 16);
        return (weir_bytes){to, text.len};
    }
#endif
    for (; i < text.len; i++) to[i] = text.data[i] | (uint8_t)(((uint8_t)(text.data[i] - 'A') < 26) << 5);
    return (weir_bytes){to, text.len};
}

bool weir_next_field(weir_bytes *rest, uint8_t separator, weir_bytes *field) {
    if (rest->data == NULL) return false;
    const uint8_t *found = rest->len == 0 ? NULL : memchr(rest->data, separator, rest->len);
    size_t len = found == NULL ? rest->len : (size_t)(found - rest->data);
    *field = (weir_bytes){rest->data, len};
    *rest = found == NULL ? WEIR_NO_KEY : (weir_bytes){found + 1, rest->len - len - 1};
    return true;
}

bool weir_parse_u64(weir_bytes text, uint64_t *number) {
    uint64_t sum = 0;
    if (text.len == 0) return false;
    for (size_t i = 0; i < text.len; i++) {
        uint8_t digit = (uint8_t)(text.data[i] - '0');
        if (digit > 9 || __builtin_mul_overflow(sum, 10u, &sum) || __builtin_add_overflow(sum, digit, &sum)) return false;
    }
    *number = sum;
    return true;
}

bool weir_parse_i64(weir_bytes text, int64_t *number) {
    bool negative = text.len > 0 && text.data[0] == '-';
    uint64_t size;
    if (negative) text.data++, text.len--;
    if (!weir_parse_u64(text, &size) || size > (uint64_t)INT64_MAX + negative) return false;
    *number = (int64_t)(negative ? 0 - size : size);
    return true;
}
