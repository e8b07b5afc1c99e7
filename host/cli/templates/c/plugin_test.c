// Tests of the operators, without WebAssembly: make test
#include <stdio.h>

#include "testing/weir_testing.h"

static void check(weir_harness *harness, const char *expected) {
    weir_run(harness);
    weir_expect(harness, expected);
    weir_harness_close(harness);
}

static void a_line_becomes_its_words(void) {
    weir_harness *harness = weir_harness_open("tokenize", NULL);
    weir_push_text(harness, NULL, "The dog\tthe fox");
    weir_push_text(harness, NULL, "");
    check(harness, "out the=1\nout dog=1\nout the=1\nout fox=1\n");
}

static void a_word_is_counted_under_its_own_key(void) {
    weir_harness *harness = weir_harness_open("count", NULL);
    weir_push_u64(harness, "the", 1);
    weir_push_u64(harness, "dog", 1);
    weir_push_u64(harness, "the", 2);
    check(harness, "out the=1\nout dog=1\nout the=3\nstate count[dog]=1\nstate count[the]=3\n");
}

int main(void) {
    a_line_becomes_its_words();
    a_word_is_counted_under_its_own_key();
    puts("all tests passed");
    return 0;
}
