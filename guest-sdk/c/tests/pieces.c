// The pieces on their own: numbers as text, JSON, formatting, UTF-8.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "weir_internal.h"
#include "weir_json.h"
#include "testing/weir_testing.h"

static void check(const char *name, weir_bytes found, const char *expected) {
    if (weir_is(found, expected)) return;
    fprintf(stderr, "%s\nexpected %s\nfound    %.*s\n", name, expected, WEIR_ARG(found));
    abort();
}

static uint64_t seed = 88172645463325252u;

static uint64_t random_u64(void) {
    seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17;
    return seed;
}

static void numbers_are_written_as_short_as_can_be(void) {
    static const struct {
        double number;
        const char *text;
    } cases[] = {
        {0, "0.0"},
        {-0.0, "-0.0"},
        {1, "1.0"},
        {-1.5, "-1.5"},
        {0.1, "0.1"},
        {1e308, "1e308"},
        {5e-324, "5e-324"},
        {123456789012345680, "1.2345678901234568e17"},
        {1e16, "1e16"},
        {1e15, "1000000000000000.0"},
        {0.00001, "0.00001"},
        {1e-6, "1e-6"},
        {1.5e-7, "1.5e-7"},
        {1.7976931348623157e308, "1.7976931348623157e308"},
        {0.3, "0.3"},
        {2.2250738585072014e-308, "2.2250738585072014e-308"},
        {9007199254740993, "9007199254740992.0"},
        {1.0 / 3, "0.3333333333333333"},
        {100, "100.0"},
        {NAN, "null"},
        {-INFINITY, "null"},
    };
    char text[40];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        check("f64", (weir_bytes){(uint8_t *)text, weir_write_f64(cases[i].number, text)}, cases[i].text);
    for (int i = 0; i < 100000; i++) {
        // All bit patterns, and numbers as people write them.
        uint64_t bits = random_u64();
        double number, again, decimal = (double)(random_u64() % 100000000) / pow(10, (double)(random_u64() % 9));
        memcpy(&number, &bits, 8);
        if (i % 2) number = decimal;
        if (!isfinite(number)) continue;
        size_t len = weir_write_f64(number, text);
        text[len] = 0;
        if (len > 32 || strtod(text, NULL) != number) abort();
        if (!weir_parse_f64((weir_bytes){(uint8_t *)text, len}, &again) || again != number) abort();
        // No text of fewer digits is the same number.
        int digits = 1;
        char shorter[40];
        for (; digits < 17 && (snprintf(shorter, sizeof shorter, "%.*e", digits - 1, number), strtod(shorter, NULL) != number); digits++) continue;
        int written = 0, zeros = 0;
        for (const char *at = text; *at != 0 && *at != 'e'; at++) {
            if (*at >= '0' && *at <= '9' && (written > 0 || *at != '0')) written++, zeros = *at == '0' ? zeros + 1 : 0;
        }
        if (written - zeros > digits) fprintf(stderr, "%s has %d digits, %d would do\n", text, written - zeros, digits), abort();
    }
}

static void numbers_are_read_as_the_nearest(void) {
    char text[900];
    double number;
    for (int i = 0; i < 100000; i++) {
        int at = 0, digits = 1 + (int)(random_u64() % (i % 100 == 0 ? 780 : 25)), point = (int)(random_u64() % 30);
        for (int d = 0; d < digits; d++) {
            if (d == point && d > 0) text[at++] = '.';
            text[at++] = (char)('0' + random_u64() % 10);
        }
        if (i % 3) at += snprintf(text + at, 8, "e%d", (int)(random_u64() % 700) - 350);
        text[at] = 0;
        double expected = strtod(text, NULL);
        bool ok = weir_parse_f64((weir_bytes){(uint8_t *)text, (size_t)at}, &number);
        if (ok != isfinite(expected) || (ok && number != expected)) fprintf(stderr, "%s is read as %.17g\n", text, number), abort();
    }
    static const char *const broken[] = {"", "-", ".", "e5", "1e", "1e+", "1x", "nan", "inf", " 1", "1 ", "0x10", "1e400", "--1"};
    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++) {
        if (weir_parse_f64(weir_text(broken[i]), &number)) fprintf(stderr, "`%s` is read as a number\n", broken[i]), abort();
    }
}

static void whole_numbers_are_read_up_to_their_limits(void) {
    uint64_t u;
    int64_t i;
    if (!weir_parse_u64(weir_text("18446744073709551615"), &u) || u != UINT64_MAX || weir_parse_u64(weir_text("18446744073709551616"), &u)) abort();
    if (!weir_parse_i64(weir_text("-9223372036854775808"), &i) || i != INT64_MIN || weir_parse_i64(weir_text("9223372036854775808"), &i)) abort();
    if (weir_parse_u64(weir_text(""), &u) || weir_parse_u64(weir_text("+1"), &u) || weir_parse_i64(weir_text("-"), &i) ||
        weir_parse_i64(weir_text("1_0"), &i))
        abort();
}

static void json_that_is_none_is_refused(void) {
    static const struct {
        const char *text;
        bool valid;
    } cases[] = {
        {"{}", true},
        {" [ 1 , -0.5e+3 , \"\\u00e9\" , null , true , false , {} ] ", true},
        {"\"\\ud83d\\ude00\"", true},
        {"0", true},
        {"-0", true},
        {"1E5", true},
        {"", false},
        {" ", false},
        {"{", false},
        {"[", false},
        {"[1", false},
        {"[1,", false},
        {"[1,]", false},
        {"{\"a\"", false},
        {"{\"a\":", false},
        {"{\"a\":1,", false},
        {"{\"a\":1,}", false},
        {"{a:1}", false},
        {"{\"a\" 1}", false},
        {"01", false},
        {"+1", false},
        {"1.", false},
        {".5", false},
        {"1e", false},
        {"-", false},
        {"tru", false},
        {"truex", false},
        {"nul", false},
        {"\"", false},
        {"\"\\", false},
        {"\"\\x\"", false},
        {"\"\\u12\"", false},
        {"\"\\u12g4\"", false},
        {"\"\\ud800\"", false},
        {"\"\\udc00\"", false},
        {"\"\\ud800\\u0041\"", false},
        {"\"\\ud800\\ud800\"", false},
        {"\"a\nb\"", false},
        {"\"\xff\"", false},
        {"[1] 2", false},
        {"NaN", false},
        {"'a'", false},
    };
    weir_json value;
    const char *problem;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        // From memory of exactly its size, so that a byte read too far is found.
        size_t len = strlen(cases[i].text);
        uint8_t *exact = malloc(len == 0 ? 1 : len);
        memcpy(exact, cases[i].text, len);
        problem = NULL;
        bool valid = weir_json_parse((weir_bytes){exact, len}, &value, &problem);
        if (valid != cases[i].valid || valid != (problem == NULL)) fprintf(stderr, "`%s`: %s\n", cases[i].text, valid ? "valid" : problem), abort();
        free(exact);
    }
    char deep[400];
    memset(deep, '[', 127), memset(deep + 127, ']', 127);
    if (!weir_json_parse((weir_bytes){(uint8_t *)deep, 254}, &value, &problem)) abort();
    memset(deep, '[', 128), memset(deep + 128, ']', 128);
    if (weir_json_parse((weir_bytes){(uint8_t *)deep, 256}, &value, &problem)) abort();
}

static void json_is_written_as_it_is_read(weir_context *ctx) {
    weir_json_writer json = weir_json_writer_of(ctx);
    weir_json_begin(&json, '{');
    weir_json_name(&json, "a\"");
    weir_json_write_text(&json, (weir_bytes){(const uint8_t *)"\0\x1f\n\t\\\"\xc3\xa9\xff", 9});
    weir_json_name(&json, "b");
    weir_json_begin(&json, '[');
    weir_json_write_u64(&json, UINT64_MAX), weir_json_write_i64(&json, INT64_MIN), weir_json_write_f64(&json, 0.1), weir_json_write_null(&json),
        weir_json_write_bool(&json, true);
    weir_json_begin(&json, '{'), weir_json_end(&json, '}');
    weir_json_end(&json, ']');
    weir_json_end(&json, '}');
    const char *expected =
        "{\"a\\\"\":\"\\u0000\\u001f\\n\\t\\\\\\\"\xc3\xa9\xef\xbf\xbd\",\"b\":[18446744073709551615,-9223372036854775808,0.1,null,true,{}]}";
    check("written JSON", weir_json_written(&json), expected);
    weir_json value, found;
    const char *problem;
    if (!weir_json_parse(weir_json_written(&json), &value, &problem) || !weir_json_find(value, "a\"", &found)) abort();
    if (!weir_equal(weir_json_text(ctx, found), (weir_bytes){(const uint8_t *)"\0\x1f\n\t\\\"\xc3\xa9\xef\xbf\xbd", 11})) abort();
}

static void members_come_in_order(weir_context *ctx) {
    weir_json value;
    const char *problem;
    if (!weir_json_parse(weir_text(" { \"a\" : [ 1 , \"x\" ] , \"\\u0062\" : { } } "), &value, &problem)) abort();
    weir_json_members members = weir_json_members_of(value);
    if (!weir_json_next(&members)) abort();
    check("name", weir_json_text(ctx, members.name), "a");
    check("value", members.value.text, "[ 1 , \"x\" ]");
    weir_json_members items = weir_json_members_of(members.value);
    if (!weir_json_next(&items) || items.value.kind != WEIR_JSON_NUMBER || !weir_json_next(&items) || items.value.kind != WEIR_JSON_STRING ||
        weir_json_next(&items))
        abort();
    if (!weir_json_next(&members)) abort();
    check("name", weir_json_text(ctx, members.name), "b");
    if (weir_json_next(&members)) abort();
}

static void formats_are_those_of_printf(weir_context *ctx) {
    check("format", weir_format(ctx, "%s %.*s|%5d|%05d|", "a", 2, "bcd", 42, -42), "a bc|   42|-0042|");
    check("format",
          weir_format(ctx, "%u %lld %llu %zu %x %c %% %g", 7u, (long long)INT64_MIN, (unsigned long long)UINT64_MAX, (size_t)9, 255u, 'z', 0.5),
          "7 -9223372036854775808 18446744073709551615 9 ff z % 0.5");
    char long_text[300];
    memset(long_text, 'l', 299), long_text[299] = 0;
    check("format", weir_format(ctx, "%s", long_text), long_text);
}

int main(void) {
    weir_harness *harness = weir_harness_open("reverse", NULL);
    weir_context *ctx = &weir_instance;
    numbers_are_written_as_short_as_can_be();
    numbers_are_read_as_the_nearest();
    whole_numbers_are_read_up_to_their_limits();
    json_that_is_none_is_refused();
    json_is_written_as_it_is_read(ctx);
    members_come_in_order(ctx);
    formats_are_those_of_printf(ctx);
    plugin_post(NULL);
    weir_harness_close(harness);
    printf("numbers, JSON and formats: ok\n");
    return 0;
}
