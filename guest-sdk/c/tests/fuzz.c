// Random and mangled bytes as rows, columns, JSON and text: nothing is read or written that isn't there. A seed may be given.
#include <stdio.h>
#include <stdlib.h>

#include "testing/weir_testing.h"
#include "weir_internal.h"

static uint64_t seed;

static uint64_t random_below(uint64_t limit) {
    seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17;
    return seed % limit;
}

// A copy in memory of exactly its size.
static void *exact(const void *from, size_t len) {
    void *to = cabi_realloc(NULL, 0, 8, len);
    if (len > 0) memcpy(to, from, len);
    return to;
}

static size_t random_bytes(uint8_t *to, size_t most) {
    static const char pieces[] = "{}[]\",:\\u00d8tfn-10.eE \xc3\xa9\xff";
    size_t len = random_below(most + 1);
    for (size_t i = 0; i < len; i++) to[i] = random_below(2) ? (uint8_t)pieces[random_below(sizeof pieces - 1)] : (uint8_t)random_below(256);
    return len;
}

static void mangled_rows(void) {
    uint8_t rows[2000], value[200];
    uint32_t slots[16], lengths[16];
    size_t len = 0, slots_len = random_below(9), values_len = random_below(9);
    for (size_t row = 0; row < slots_len; row++) {
        size_t value_len = random_below(4) ? 8 : random_bytes(value, 100), key_len = random_below(6);
        uint32_t header[4] = {random_below(8) ? (uint32_t)key_len : UINT32_MAX, (uint32_t)value_len, 0, 0};
        if (random_below(30) == 0) header[random_below(2)] = (uint32_t)seed;
        memcpy(rows + len, header, 16);
        memset(rows + len + 16, 'k', key_len), memcpy(rows + len + 16 + key_len, value, value_len);
        len += 16 + (header[0] == UINT32_MAX ? 0 : key_len) + value_len;
    }
    if (random_below(4) == 0 && len > 0) len = random_below(len);
    for (size_t i = 0; i < 16; i++)
        slots[i] = (uint32_t)random_below(slots_len + 1), lengths[i] = random_below(4)   ? 8
                                                                       : random_below(2) ? UINT32_MAX
                                                                                         : (uint32_t)random_below(30);
    size_t data_len = random_below(sizeof value);
    plugin_column column = {{exact(lengths, values_len * 4), values_len}, {exact(value, data_len), data_len}};
    plugin_post(
        plugin_process(0, exact(rows, len), len, exact(slots, slots_len * 4), slots_len, exact(&column, sizeof column), random_below(2), 0, 0));
}

static void mangled_column(void) {
    uint8_t data[100];
    uint32_t lengths[8];
    size_t data_len = random_bytes(data, sizeof data), len = random_below(9);
    for (size_t i = 0; i < 8; i++) lengths[i] = random_below(2) ? 8 : (uint32_t)random_below(1u << random_below(32));
    plugin_post(plugin_migrate(exact("sum", 3), 3, 1, exact(lengths, len * 4), len, exact(data, data_len), data_len));
}

static void mangled_json(weir_context *ctx) {
    static const char whole[] = "{\"user\":{\"name\":\"a\\u00e9\\ud83d\\ude00\",\"x\":[1,2.5e-3,null,true,{\"a.b\":\"\\n\"}]},\"z\":-12}";
    uint8_t bytes[sizeof whole + 64];
    size_t len = sizeof whole - 1;
    memcpy(bytes, whole, len);
    if (random_below(3) == 0) len = random_bytes(bytes, sizeof bytes);
    for (size_t i = random_below(4); i > 0 && len > 0; i--) bytes[random_below(len)] = (uint8_t)random_below(256);
    if (random_below(4) == 0 && len > 0) len = random_below(len);
    weir_bytes text = {exact(bytes, len), len};
    weir_json value, found;
    const char *problem;
    double number;
    weir_is_utf8(text), weir_utf8_lossy(&ctx->scratch, text), weir_parse_f64(text, &number);
    if (weir_json_parse(text, &value, &problem)) {
        if (weir_json_find(value, "user.name", &found)) weir_json_text(ctx, found);
        weir_json_members members = weir_json_members_of(value);
        while (weir_json_next(&members)) weir_json_text(ctx, members.name), weir_json_text(ctx, members.value);
        // What is written of its text is JSON again, and the same text.
        weir_json_writer json = weir_json_writer_of(ctx);
        weir_json_write_text(&json, text);
        if (!weir_json_parse(weir_json_written(&json), &found, &problem) || !weir_equal(weir_json_text(ctx, found), text)) abort();
    }
    plugin_post(NULL);
}

// A harness only lends its imports here: calls go past it.
void plugin_fuzz(const char *function, int rounds) {
    const char *refusal = weir_harness_refusal(function, (const char *const[]){"greeting", "hi", NULL});
    if (refusal != NULL) fprintf(stderr, "%s\n", refusal), abort();
    for (int i = 0; i < rounds; i++) mangled_rows();
}

int main(int argc, char **argv) {
    static const char *const functions[] = {"reverse", "even", "tokenize", "extract", "pass-bool", "greet", "times"};
    seed = argc > 1 ? strtoull(argv[1], NULL, 10) * 2 + 1 : 20240601;
    for (size_t i = 0; i < sizeof functions / sizeof *functions; i++) plugin_fuzz(functions[i], 3000);
    if (weir_harness_refusal("sum-2", NULL) != NULL) abort();
    for (int i = 0; i < 20000; i++) mangled_column();
    for (int i = 0; i < 50000; i++) mangled_json(&weir_instance);
    printf("mangled rows, columns and JSON: ok\n");
    return 0;
}
