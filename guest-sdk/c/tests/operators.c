// Operators of every kind over the testing host: what they emit, hold, count and refuse, at every batch size.
#include <stdio.h>
#include <stdlib.h>

#include "testing/weir_testing.h"
#include "weir_internal.h"

// Key and text in turn; the key may be NULL. `bytes` stands for texts with zeros in them.
typedef struct {
    const char *key, *value;
    uint64_t number; // where there is no value
} input;

typedef struct {
    const char *name, *function;
    const char *config[3];
    input inputs[12];
    const char *expected;
} test;

static const test tests[] = {
    {"a map turns characters around, not bytes",
     "reverse",
     {0},
     {{NULL, "abc", 0}, {NULL, "a\xc3\xbc\xf0\x9f\x98\x80", 0}, {"k", "", 0}},
     "out cba\nout \xf0\x9f\x98\x80\xc3\xbc"
     "a\nout \n"},
    {"a filter passes numbers, without keys that it doesn't name", "even", {0}, {{NULL, NULL, 2}, {NULL, NULL, 3}, {"k", NULL, 4}}, "out 2\nout 4\n"},
    {"words are split at white space and lower-cased",
     "tokenize",
     {0},
     {{NULL, "To be,\tOR  not\x0bto\x0c be", 0}, {NULL, "  ", 0}, {NULL, "", 0}, {NULL, "\xc3\x84pfel SIXTEENBYTESLONGWORD x", 0}},
     "out to=1\nout be,=1\nout or=1\nout not=1\nout to=1\nout be=1\nout \xc3\x84pfel=1\nout sixteenbyteslongword=1\nout x=1\n"},
    {"bytes that don't decode are refused alone",
     "tokenize",
     {0},
     {{NULL, "a", 0}, {NULL, "b\xff", 0}, {NULL, "c\xc3", 0}, {NULL, "d", 0}},
     "out a=1\nout d=1\nrefused 1: not UTF-8: invalid utf-8 sequence of 1 bytes from index 1\nrefused 2: not UTF-8: incomplete utf-8 byte sequence "
     "from index 1\n"},
    {"a number of another length is refused",
     "even",
     {0},
     {{NULL, "abc", 0}, {NULL, NULL, 2}},
     "out 2\nrefused 0: not u64-le: 3 bytes instead of 8\n"},
    {"booleans are one byte, 0 or 1",
     "pass-bool",
     {0},
     {{NULL, "\x01", 0}, {NULL, "\x02", 0}},
     "out true\nrefused 1: not bool: one byte, 0 or 1, is expected\n"},
    {"a field is found, the last of the same name",
     "extract",
     {0},
     {{NULL, "{\"user\":{\"name\":\"a\\u00e9\\ud83d\\ude00\\n\"}}", 0},
      {NULL, "{\"user\":{\"name\":7}, \"user\": {\"name\": -1.50}}", 0},
      {NULL, "{\"user\":{\"name\":1},\"user\":{}}", 0},
      {NULL, "[1]", 0},
      {NULL, "{\"user\":", 0},
      {NULL, "{\"us\\u0065r\":{\"name\":true}}", 0}},
     "out a\xc3\xa9\xf0\x9f\x98\x80\n\nout -1.5\nout true\nrefused 4: not JSON: it ends where a value is expected\n"},
    {"the path comes from the configuration",
     "extract",
     {"field", "a.b.c"},
     {{NULL, "{\"a\":{\"b\":{\"c\":18446744073709551616}}}", 0}},
     "out 18446744073709551616\n"},
    {"what a refused record has emitted is void",
     "strict",
     {0},
     {{NULL, "a", 0}, {NULL, "double", 0}, {NULL, "bad", 0}, {NULL, "b", 0}},
     "out a\nout b\nrefused 1: refused after emitting\nrefused 2: bad record: bad\n"},
    {"a counter is the sum of all that wasn't refused",
     "greet",
     {"greeting", "hello"},
     {{NULL, "x", 0}, {NULL, "\xff", 0}, {NULL, "y", 0}},
     "out hello x\nout hello y\nrefused 1: not UTF-8: invalid utf-8 sequence of 1 bytes from index 0\ncounter greeted=2\n"},
    {"a later record of a key sees what an earlier one wrote",
     "count",
     {0},
     {{"to", NULL, 1}, {"be", NULL, 2}, {"to", NULL, 5}, {"to", "x", 0}, {NULL, NULL, 1}, {"\xff", NULL, 1}},
     "out to=1\nout be=2\nout to=6\nrefused 3: not u64-le: 1 bytes instead of 8\nrefused 4: the record has no key\n"
     "refused 5: the key is not UTF-8: invalid utf-8 sequence of 1 bytes from index 0\nstate count[be]=2\nstate count[to]=6\n"},
    {"a cleared value is gone",
     "clear",
     {0},
     {{"a", NULL, 3}, {"b", NULL, 1}, {"a", NULL, 0}, {"b", NULL, 0}, {"b", NULL, 4}},
     "out a=3\nout b=1\nout a=0\nout b=0\nout b=4\nstate count[b]=4\n"},
    {"a list is appended to, read, replaced and cleared",
     "history",
     {0},
     {{"k", "?", 0},
      {"k", "a", 0},
      {"k", "b\"", 0},
      {"k", "?", 0},
      {"k", "=x,,y", 0},
      {"k", "#", 0},
      {"k", "?", 0},
      {"k", "!", 0},
      {"k", "?", 0},
      {"k", "z", 0},
      {"l", "=", 0}},
     "out k=[]\nout k=[\"a\",\"b\\\"\"]\nout k=3\nout k=[\"x\",\"\",\"y\"]\nout k=[]\nstate items[k][length]=1\nstate items[k][0]=z\n"},
    {"a map has entries in order of their sub-keys",
     "ledger",
     {0},
     {{"k", "{\"add\":\"b\",\"amount\":2}", 0},
      {"k", "{\"add\":\"a\",\"amount\":-3}", 0},
      {"k", "{\"list\":true}", 0},
      {"k", "{\"remove\":\"b\"}", 0},
      {"k", "{\"remove\":\"b\"}", 0},
      {"k", "{\"add\":\"a\",\"amount\":1}", 0},
      {"k", "{\"list\":true}", 0},
      {"j", "{\"add\":\"a\",\"amount\":1}", 0},
      {"j", "{\"clear\":true}", 0},
      {"j", "{\"list\":true}", 0},
      {"k", "{]", 0}},
     "out k=2\nout k=-3\nout k={\"a\":-3,\"b\":2}\nout k=true\nout k=false\nout k=-2\nout k={\"a\":-2}\nout j=1\nout j={}\n"
     "refused 10: not the JSON that is expected: a member's name is expected\nstate amounts[k][a]=-2\n"},
    {"a value that is copied into state outlives its record",
     "last",
     {0},
     {{"k", "{\"a\":1}", 0}, {"k", "[2,3,4,5,6,7,8]", 0}, {"k", "1", 0}, {"j", "nul", 0}},
     "out k=null\nout k={\"a\":1}\nout k=[2,3,4,5,6,7,8]\nrefused 3: not the JSON that is expected: a value is expected\nstate last[k]=1\n"},
    {"two states of one operator are kept apart",
     "distinct",
     {0},
     {{"k", "a", 0}, {"k", "a", 0}, {"k", "b", 0}, {"j", "a", 0}},
     "out k=1\nout k=2\nout j=1\nstate count[j]=1\nstate count[k]=2\nstate seen[j][a]=true\nstate seen[k][a]=true\nstate seen[k][b]=true\n"},
};

static void check(const test *t) {
    weir_harness *harness = weir_harness_open(t->function, t->config[0] == NULL ? NULL : t->config);
    printf("%s\n", t->name);
    for (const input *in = t->inputs; in < t->inputs + 12 && (in->key != NULL || in->value != NULL || in->number != 0); in++) {
        if (in->value != NULL) weir_push_text(harness, in->key, in->value);
        else weir_push_u64(harness, in->key, in->number);
    }
    weir_run(harness);
    weir_expect(harness, t->expected);
    weir_harness_close(harness);
}

static void check_text(const char *name, const char *found, const char *expected) {
    printf("%s\n", name);
    if (strcmp(found == NULL ? "nothing" : found, expected) == 0) return;
    fprintf(stderr, "expected %s\nfound    %s\n", expected, found);
    abort();
}

static void times_come_with_the_record_and_the_call(void) {
    weir_harness *harness = weir_harness_open("times", NULL);
    printf("times come with the record and the call\n");
    weir_push_text(harness, NULL, "a");
    weir_run(harness);
    weir_set_timestamp(harness, -5);
    weir_set_times(harness, 40, 50);
    weir_push_text(harness, NULL, "b");
    weir_run(harness);
    weir_expect(harness, "out {\"timestamp\":null,\"watermark\":null,\"time\":0}\nout {\"timestamp\":-5,\"watermark\":40,\"time\":50}@-5\n");
    weir_harness_close(harness);
}

static void an_older_version_is_migrated(void) {
    weir_harness *one = weir_harness_open("sum-1", NULL);
    weir_push_u64(one, "a", 40);
    weir_run(one);
    weir_harness *two = weir_harness_open("sum-2", NULL);
    check_text("an older version is migrated", weir_restore(two, one), "nothing");
    weir_push_u64(two, "a", 2);
    weir_run(two);
    weir_expect(two, "out a=42\nstate sum[a]=42\n");
    weir_push_u64(one, "b", 13);
    weir_run(one);
    check_text("what can't be migrated says why", weir_restore(two, one), "13 is unlucky");
    check_text("a version that is unknown says so", weir_restore(one, two),
               "state `sum` has no migration from schema version 2: this function keeps version 1");
    weir_harness_close(one);
    weir_harness_close(two);
}

// More than a page of the host's, and than one piece of output.
static void long_lists_and_large_values_go_through(void) {
    printf("long lists and large values go through\n");
    weir_harness *harness = weir_harness_open("history", NULL);
    const size_t large = 700 * 1024;
    char *text = weir_heap_grow(NULL, large + 1);
    memset(text, 'x', large), text[large] = 0;
    for (int i = 0; i < 600; i++) weir_push_text(harness, "k", "item");
    for (int i = 0; i < 3; i++) weir_push_text(harness, "l", text);
    weir_push_text(harness, "k", "#");
    weir_push_text(harness, "k", "?");
    weir_push_text(harness, "l", "?");
    weir_run_in_batches(harness, SIZE_MAX);
    const char *outcome = weir_outcome(harness);
    size_t items = 0;
    for (const char *at = outcome; (at = strstr(at, "\"item\"")) != NULL; at++) items++;
    if (strncmp(outcome, "out k=600\n", 10) != 0 || items != 600 || strstr(outcome, "state items[k][599]=item\n") == NULL) abort();
    if (strlen(outcome) < 6 * large) abort();
    free(text);
    weir_harness_close(harness);
}

static void many_keys_and_sub_keys_are_found_again(void) {
    printf("many keys and sub-keys are found again\n");
    weir_harness *harness = weir_harness_open("distinct", NULL);
    char key[16], value[32];
    for (int i = 0; i < 4000; i++) {
        snprintf(key, sizeof key, "k%d", i % 10), snprintf(value, sizeof value, "value %d", i / 2 % 1000);
        weir_push_text(harness, key, value);
    }
    weir_run_in_batches(harness, SIZE_MAX);
    if (strstr(weir_outcome(harness), "state count[k9]=200\n") == NULL) abort();
    weir_harness_close(harness);
}

int main(void) {
    for (size_t i = 0; i < sizeof tests / sizeof *tests; i++) check(&tests[i]);
    times_come_with_the_record_and_the_call();
    an_older_version_is_migrated();
    long_lists_and_large_values_go_through();
    many_keys_and_sub_keys_are_found_again();
    check_text("a configuration that lacks something is refused", weir_harness_refusal("greet", NULL), "greeting is missing");
    const char *unknown = weir_harness_refusal("nothing", NULL);
    check_text("an unknown function names those that there are",
               unknown == NULL                                                                                  ? unknown
               : strncmp(unknown, "plugin `conformance` has no function `nothing`; it has: reverse, ", 63) == 0 ? "it does"
                                                                                                                : unknown,
               "it does");
    return 0;
}
