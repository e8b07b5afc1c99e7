// JSON: a scanner that checks and finds in one pass, and a writer.
#include "weir_internal.h"

enum { DEPTH_MAX = 127 };

typedef struct {
    const uint8_t *at, *end;
    const char *problem;
    weir_json *found; // where the value at the path goes
} scanner;

static bool fail(scanner *s, const char *problem) {
    s->problem = problem;
    return false;
}

static void skip_space(scanner *s) {
    while (s->at < s->end && (*s->at == ' ' || *s->at == '\n' || *s->at == '\t' || *s->at == '\r')) s->at++;
}

// ---- strings

// Where the next quote, backslash or control character is, or the end.
static const uint8_t *plain_end(const uint8_t *at, const uint8_t *end) {
#ifdef __wasm_simd128__
    for (; end - at >= 16; at += 16) {
        v128_t bytes = wasm_v128_load(at);
        v128_t marks = wasm_v128_or(wasm_i8x16_eq(bytes, wasm_i8x16_splat('"')), wasm_i8x16_eq(bytes, wasm_i8x16_splat('\\')));
        uint32_t mask = wasm_i8x16_bitmask(wasm_v128_or(marks, wasm_u8x16_lt(bytes, wasm_i8x16_splat(0x20))));
        if (mask != 0) return at + __builtin_ctz(mask);
    }
#endif
    while (at < end && *at != '"' && *at != '\\' && *at >= 0x20) at++;
    return at;
}

// Four hexadecimal digits; UINT32_MAX: they aren't.
static uint32_t hex4(const uint8_t *at, const uint8_t *end) {
    uint32_t unit = 0;
    if (end - at < 4) return UINT32_MAX;
    for (int i = 0; i < 4; i++) {
        uint8_t lower = at[i] | 0x20, digit = (uint8_t)(at[i] - '0') < 10 ? at[i] - '0' : lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : 255;
        if (digit == 255) return UINT32_MAX;
        unit = unit << 4 | digit;
    }
    return unit;
}

// The character of an escape, from after its backslash; moves `at` behind it. UINT32_MAX: it isn't one.
static uint32_t escape(const uint8_t **at, const uint8_t *end) {
    static const char names[] = "\"\\/bfnrt", characters[] = "\"\\/\b\f\n\r\t";
    if (*at >= end) return UINT32_MAX;
    uint8_t name = *(*at)++;
    if (name != 'u') {
        const char *known = name == 0 ? NULL : strchr(names, name);
        return known == NULL ? UINT32_MAX : (uint8_t)characters[known - names];
    }
    uint32_t unit = hex4(*at, end);
    if (unit == UINT32_MAX || (unit & 0xfc00) == 0xdc00) return UINT32_MAX;
    *at += 4;
    if ((unit & 0xfc00) != 0xd800) return unit;
    // The first half of a pair.
    uint32_t other = end - *at >= 6 && (*at)[0] == '\\' && (*at)[1] == 'u' ? hex4(*at + 2, end) : UINT32_MAX;
    if (other == UINT32_MAX || (other & 0xfc00) != 0xdc00) return UINT32_MAX;
    *at += 6;
    return 0x10000 + ((unit & 0x3ff) << 10) + (other & 0x3ff);
}

static bool scan_string(scanner *s, bool *has_escapes) {
    s->at++;
    *has_escapes = false;
    for (;;) {
        s->at = plain_end(s->at, s->end);
        if (s->at == s->end) return fail(s, "it ends inside of a string");
        if (*s->at == '"') break;
        if (*s->at != '\\') return fail(s, "a control character is in a string");
        s->at++;
        if (escape(&s->at, s->end) == UINT32_MAX) return fail(s, "a string has an escape that isn't one, or half of a surrogate pair");
        *has_escapes = true;
    }
    s->at++;
    return true;
}

static size_t put_character(uint8_t *to, uint32_t character) {
    if (character < 0x80) return to[0] = (uint8_t)character, 1;
    if (character < 0x800) return to[0] = (uint8_t)(0xc0 | character >> 6), to[1] = (uint8_t)(0x80 | (character & 63)), 2;
    size_t size = character < 0x10000 ? 3 : 4;
    to[0] = (uint8_t)(size == 3 ? 0xe0 | character >> 12 : 0xf0 | character >> 18);
    if (size == 4) to[1] = (uint8_t)(0x80 | (character >> 12 & 63));
    to[size - 2] = (uint8_t)(0x80 | (character >> 6 & 63));
    to[size - 1] = (uint8_t)(0x80 | (character & 63));
    return size;
}

// A checked string's text (what is between the quotes), with its escapes undone: never longer than it was.
static size_t unescape(weir_bytes raw, uint8_t *to) {
    const uint8_t *at = raw.data, *end = at + raw.len;
    uint8_t *start = to;
    while (at < end) {
        if (*at != '\\') {
            *to++ = *at++;
            continue;
        }
        at++;
        uint32_t character = escape(&at, end);
        if (character == UINT32_MAX) break;
        to += put_character(to, character);
    }
    return (size_t)(to - start);
}

static weir_bytes inside(weir_bytes string) { return (weir_bytes){string.data + 1, string.len - 2}; }

// Whether a checked string is `name`.
static bool string_is(weir_bytes raw, bool has_escapes, weir_bytes name) {
    if (!has_escapes) return weir_equal(raw, name);
    if (name.len > raw.len) return false;
    const uint8_t *at = raw.data, *end = at + raw.len;
    size_t matched = 0;
    while (at < end) {
        uint8_t bytes[4] = {*at};
        size_t size = 1;
        if (*at++ == '\\') size = put_character(bytes, escape(&at, end));
        if (size > name.len - matched || memcmp(bytes, name.data + matched, size) != 0) return false;
        matched += size;
    }
    return matched == name.len;
}

// ---- values

static bool scan_number(scanner *s) {
    if (s->at < s->end && *s->at == '-') s->at++;
    const uint8_t *digits = s->at;
    while (s->at < s->end && (uint8_t)(*s->at - '0') < 10) s->at++;
    if (s->at == digits || (*digits == '0' && s->at - digits > 1)) return fail(s, "a number is malformed");
    if (s->at < s->end && *s->at == '.') {
        const uint8_t *fraction = ++s->at;
        while (s->at < s->end && (uint8_t)(*s->at - '0') < 10) s->at++;
        if (s->at == fraction) return fail(s, "a number is malformed");
    }
    if (s->at < s->end && (*s->at | 0x20) == 'e') {
        s->at++;
        if (s->at < s->end && (*s->at == '-' || *s->at == '+')) s->at++;
        const uint8_t *exponent = s->at;
        while (s->at < s->end && (uint8_t)(*s->at - '0') < 10) s->at++;
        if (s->at == exponent) return fail(s, "a number is malformed");
    }
    return true;
}

static bool scan_word(scanner *s, const char *word, size_t len) {
    if ((size_t)(s->end - s->at) < len || memcmp(s->at, word, len) != 0) return fail(s, "a value is expected");
    s->at += len;
    return true;
}

static bool scan_value(scanner *s, const weir_bytes *path, int depth);

// `path`, where it isn't NULL, is what is left of the path from this object on.
static bool scan_object(scanner *s, const weir_bytes *path, int depth) {
    weir_bytes rest, name = WEIR_NO_KEY;
    if (path != NULL) rest = *path, weir_next_field(&rest, '.', &name);
    s->at++;
    skip_space(s);
    if (s->at < s->end && *s->at == '}') return s->at++, true;
    for (;;) {
        bool has_escapes, is_next = false;
        if (s->at == s->end || *s->at != '"') return fail(s, s->at == s->end ? "it ends inside of an object" : "a member's name is expected");
        const uint8_t *key = s->at + 1;
        if (!scan_string(s, &has_escapes)) return false;
        if (path != NULL) is_next = string_is((weir_bytes){key, (size_t)(s->at - 1 - key)}, has_escapes, name);
        // Of members with the same name the last one counts.
        if (is_next) s->found->text = WEIR_NO_KEY;
        skip_space(s);
        if (s->at == s->end || *s->at != ':') return fail(s, "a colon is expected");
        s->at++;
        if (!scan_value(s, is_next ? &rest : NULL, depth)) return false;
        skip_space(s);
        if (s->at == s->end) return fail(s, "it ends inside of an object");
        if (*s->at == '}') return s->at++, true;
        if (*s->at++ != ',') return fail(s, "a comma or a closing brace is expected");
        skip_space(s);
    }
}

static bool scan_array(scanner *s, int depth) {
    s->at++;
    skip_space(s);
    if (s->at < s->end && *s->at == ']') return s->at++, true;
    for (;;) {
        if (!scan_value(s, NULL, depth)) return false;
        skip_space(s);
        if (s->at == s->end) return fail(s, "it ends inside of an array");
        if (*s->at == ']') return s->at++, true;
        if (*s->at++ != ',') return fail(s, "a comma or a closing bracket is expected");
    }
}

// Whether a path is at its end.
static bool is_here(const weir_bytes *path) { return path != NULL && path->data == NULL; }

static weir_json_kind kind_of(uint8_t first) {
    return first == '{'                   ? WEIR_JSON_OBJECT
           : first == '['                 ? WEIR_JSON_ARRAY
           : first == '"'                 ? WEIR_JSON_STRING
           : first == 'n'                 ? WEIR_JSON_NULL
           : first == 't' || first == 'f' ? WEIR_JSON_BOOL
                                          : WEIR_JSON_NUMBER;
}

static bool scan_value(scanner *s, const weir_bytes *path, int depth) {
    bool has_escapes, ok;
    skip_space(s);
    if (s->at == s->end) return fail(s, "it ends where a value is expected");
    const uint8_t *start = s->at;
    switch (*start) {
    case '{':
    case '[':
        if (depth >= DEPTH_MAX) return fail(s, "it is nested too deeply");
        ok = *start == '{' ? scan_object(s, is_here(path) ? NULL : path, depth + 1) : scan_array(s, depth + 1);
        break;
    case '"': ok = scan_string(s, &has_escapes); break;
    case 't': ok = scan_word(s, "true", 4); break;
    case 'f': ok = scan_word(s, "false", 5); break;
    case 'n': ok = scan_word(s, "null", 4); break;
    default:
        if (*start != '-' && (uint8_t)(*start - '0') > 9) return fail(s, "a value is expected");
        ok = scan_number(s);
    }
    if (ok && is_here(path)) *s->found = (weir_json){kind_of(*start), {start, (size_t)(s->at - start)}};
    return ok;
}

bool weir_json_parse_find(weir_bytes text, weir_bytes path, weir_json *found, const char **problem) {
    scanner s = {text.data, text.data + text.len, NULL, found};
    if (path.len == 0) path = WEIR_NO_KEY;
    *found = (weir_json){WEIR_JSON_NULL, WEIR_NO_KEY};
    if (!weir_is_utf8(text)) {
        s.problem = "it is not UTF-8";
    } else if (scan_value(&s, &path, 0)) {
        skip_space(&s);
        if (s.at == s.end) return true;
        s.problem = "something follows the value";
    }
    *problem = s.problem;
    return false;
}

bool weir_json_parse(weir_bytes text, weir_json *value, const char **problem) { return weir_json_parse_find(text, WEIR_NO_KEY, value, problem); }

bool weir_json_find(weir_json value, const char *path, weir_json *found) {
    const char *problem;
    return weir_json_parse_find(value.text, weir_text(path), found, &problem) && found->text.data != NULL;
}

bool weir_json_bool(weir_json value, bool *truth) {
    if (value.kind != WEIR_JSON_BOOL) return false;
    *truth = value.text.data[0] == 't';
    return true;
}

bool weir_json_u64(weir_json value, uint64_t *number) { return value.kind == WEIR_JSON_NUMBER && weir_parse_u64(value.text, number); }

bool weir_json_i64(weir_json value, int64_t *number) { return value.kind == WEIR_JSON_NUMBER && weir_parse_i64(value.text, number); }

bool weir_json_f64(weir_json value, double *number) { return value.kind == WEIR_JSON_NUMBER && weir_parse_f64(value.text, number); }

weir_bytes weir_json_text(weir_context *ctx, weir_json value) {
    if (value.kind != WEIR_JSON_STRING) return value.text;
    weir_bytes raw = inside(value.text);
    if (raw.len == 0 || memchr(raw.data, '\\', raw.len) == NULL) return raw;
    uint8_t *text = weir_alloc(ctx, raw.len);
    return (weir_bytes){text, unescape(raw, text)};
}

weir_json_members weir_json_members_of(weir_json value) {
    weir_json_members members = {0};
    // What is between the brackets.
    if (value.kind == WEIR_JSON_OBJECT || value.kind == WEIR_JSON_ARRAY) members.rest = inside(value.text);
    members.name.kind = value.kind == WEIR_JSON_OBJECT ? WEIR_JSON_STRING : WEIR_JSON_NULL;
    return members;
}

bool weir_json_next(weir_json_members *members) {
    static const weir_bytes here = {NULL, 0};
    scanner s = {members->rest.data, members->rest.data + members->rest.len, NULL, &members->name};
    if (members->rest.len == 0) return false;
    skip_space(&s);
    if (s.at == s.end) return false;
    if (members->name.kind == WEIR_JSON_STRING) {
        if (!scan_value(&s, &here, 0)) return false;
        skip_space(&s);
        if (s.at == s.end || *s.at++ != ':') return false;
    }
    s.found = &members->value;
    if (!scan_value(&s, &here, 0)) return false;
    skip_space(&s);
    if (s.at < s.end) s.at++; // the comma
    members->rest = (weir_bytes){s.at, (size_t)(s.end - s.at)};
    return true;
}

// ---- writing

weir_json_writer weir_json_writer_of(weir_context *ctx) { return (weir_json_writer){.ctx = ctx}; }

static uint8_t *room(weir_json_writer *json, size_t size) {
    if (size > json->room - json->len) {
        size_t wanted = 0;
        if (__builtin_add_overflow(json->len, size, &wanted) || __builtin_add_overflow(wanted, wanted / 2 + 64, &wanted)) weir_abort("out of memory");
        json->data = weir_arena_grow(&json->ctx->scratch, json->data, json->room, wanted);
        json->room = wanted;
    }
    return json->data + json->len;
}

static void append(weir_json_writer *json, const void *bytes, size_t len) {
    uint8_t *to = room(json, len);
    if (len > 0) memcpy(to, bytes, len);
    json->len += len;
}

static void separate(weir_json_writer *json) {
    if (json->comma) append(json, ",", 1);
    json->comma = true;
}

void weir_json_begin(weir_json_writer *json, char bracket) {
    separate(json);
    append(json, &bracket, 1);
    json->comma = false;
}

void weir_json_end(weir_json_writer *json, char bracket) {
    append(json, &bracket, 1);
    json->comma = true;
}

static void write_string(weir_json_writer *json, weir_bytes text) {
    static const char *const short_escapes[0x20] = {['\b'] = "\\b", ['\t'] = "\\t", ['\n'] = "\\n", ['\f'] = "\\f", ['\r'] = "\\r"};
    append(json, "\"", 1);
    for (;;) {
        size_t clean = (size_t)(plain_end(text.data, text.data + text.len) - text.data);
        append(json, text.data, clean);
        text.data += clean, text.len -= clean;
        if (text.len == 0) break;
        uint8_t byte = *text.data++;
        text.len--;
        if (byte == '"' || byte == '\\') {
            append(json, (char[]){'\\', (char)byte}, 2);
        } else if (short_escapes[byte] != NULL) {
            append(json, short_escapes[byte], 2);
        } else {
            append(json, (char[]){'\\', 'u', '0', '0', (char)('0' + (byte >> 4)), "0123456789abcdef"[byte & 15]}, 6);
        }
    }
    append(json, "\"", 1);
}

static void write_text(weir_json_writer *json, weir_bytes text) {
    if (!weir_is_utf8(text)) text = weir_utf8_lossy(&json->ctx->scratch, text);
    write_string(json, text);
}

void weir_json_name_of(weir_json_writer *json, weir_bytes name) {
    separate(json);
    write_text(json, name);
    append(json, ":", 1);
    json->comma = false;
}

void weir_json_name(weir_json_writer *json, const char *name) { weir_json_name_of(json, weir_text(name)); }

void weir_json_write_text(weir_json_writer *json, weir_bytes text) {
    separate(json);
    write_text(json, text);
}

void weir_json_write_raw(weir_json_writer *json, weir_bytes value) {
    separate(json);
    append(json, value.data, value.len);
}

void weir_json_write_null(weir_json_writer *json) { weir_json_write_raw(json, weir_text("null")); }

void weir_json_write_bool(weir_json_writer *json, bool truth) { weir_json_write_raw(json, weir_text(truth ? "true" : "false")); }

static void write_whole(weir_json_writer *json, uint64_t size, bool negative) {
    uint8_t digits[24], *at = digits + sizeof digits;
    do *--at = (uint8_t)('0' + size % 10);
    while ((size /= 10) != 0);
    if (negative) *--at = '-';
    weir_json_write_raw(json, (weir_bytes){at, (size_t)(digits + sizeof digits - at)});
}

void weir_json_write_u64(weir_json_writer *json, uint64_t number) { write_whole(json, number, false); }

void weir_json_write_i64(weir_json_writer *json, int64_t number) {
    write_whole(json, number < 0 ? 0 - (uint64_t)number : (uint64_t)number, number < 0);
}

void weir_json_write_f64(weir_json_writer *json, double number) {
    char text[32];
    weir_json_write_raw(json, (weir_bytes){(uint8_t *)text, weir_write_f64(number, text)});
}

weir_bytes weir_json_written(const weir_json_writer *json) {
    // A value without an address would be taken for none at all.
    return json->data == NULL ? weir_text("") : (weir_bytes){json->data, json->len};
}
