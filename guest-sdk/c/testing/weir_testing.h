// Tests of operators without Wasm: a small host in memory that keeps the contract's rules, in a program that links the plugin's files.
//
//     weir_harness *harness = weir_harness_open("count", NULL);
//     weir_push_u64(harness, "to", 1);
//     weir_push_u64(harness, "to", 2);
//     weir_run(harness);
//     weir_expect(harness, "out to=1\nout to=3\nstate count[to]=3\n");
//     weir_harness_close(harness);
//
// A call is a transaction: a record that is refused is set aside, the call runs again without it, and nothing of the failed call is seen.
#ifndef WEIR_TESTING_H
#define WEIR_TESTING_H

#include "../weir.h"

typedef struct weir_harness weir_harness;

// Opens a function of the plugin. `config`: keys and values in turn, NULL at the end; or NULL. Ends the test when the function refuses to open.
weir_harness *weir_harness_open(const char *function, const char *const *config);

// The message with which a function refuses to open; NULL: it opens. Good until the next call of this function.
const char *weir_harness_refusal(const char *function, const char *const *config);

void weir_harness_close(weir_harness *harness);

// Queue a record; a NULL key: none.
void weir_push(weir_harness *harness, const char *key, weir_bytes value);
void weir_push_text(weir_harness *harness, const char *key, const char *value);
void weir_push_u64(weir_harness *harness, const char *key, uint64_t value);

// Of the records that are pushed from now on.
void weir_set_timestamp(weir_harness *harness, int64_t timestamp_ms);
// Of the calls from now on.
void weir_set_times(weir_harness *harness, int64_t watermark_ms, int64_t processing_time_ms);

// Runs what is queued at batch sizes 1, 7, 1024 and all at once, each from the same state with an instance of its own, and ends the test where
// outcomes differ.
void weir_run(weir_harness *harness);
// Runs it once, in batches of this size.
void weir_run_in_batches(weir_harness *harness, size_t batch_size);

// Everything that has happened, a line each: `out KEY=VALUE` (`@TIME` follows if there is one), `refused RECORD: MESSAGE` (records are counted from
// 0), `state NAME[KEY]=VALUE`, `state NAME[KEY][SUB-KEY]=VALUE`, `counter NAME=SUM`. Numbers are written as numbers. Good until the next call.
const char *weir_outcome(weir_harness *harness);

// Ends the test, and shows both, where the outcome isn't `expected`.
void weir_expect(weir_harness *harness, const char *expected);

// Forgets what was emitted, refused and counted; state stays.
void weir_forget(weir_harness *harness);

// Takes over the state of another function, as a job that goes on with a newer version of its plugin; values of older schema versions are migrated.
// Returns the reason where that can't be done, else NULL.
const char *weir_restore(weir_harness *harness, const weir_harness *from);

#endif
