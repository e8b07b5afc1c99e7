// What the files of this plugin share: its functions, as plugin.c lists them.
#ifndef FUNCTIONS_H
#define FUNCTIONS_H

#include "weir.h"
#include "weir_json.h"

// The states of the keyed functions: most have one.
enum { STATE, OTHER_STATE };

// stateless.c
int reverse(weir_context *ctx, const weir_record *record, weir_output *out);
int even(weir_context *ctx, const weir_record *record, bool *pass);
int tokenize(weir_context *ctx, const weir_record *record, weir_output *out);
int extract_open(weir_context *ctx);
int extract(weir_context *ctx, const weir_record *record, weir_output *out);
int pass_bytes(weir_context *ctx, const weir_record *record, weir_output *out);
int pass_u32(weir_context *ctx, const weir_record *record, weir_output *out);
int pass_u64(weir_context *ctx, const weir_record *record, weir_output *out);
int pass_i32(weir_context *ctx, const weir_record *record, weir_output *out);
int pass_i64(weir_context *ctx, const weir_record *record, weir_output *out);
int pass_f64(weir_context *ctx, const weir_record *record, weir_output *out);
int pass_bool(weir_context *ctx, const weir_record *record, weir_output *out);
int strict(weir_context *ctx, const weir_record *record, weir_output *out);
int greet_open(weir_context *ctx);
int greet(weir_context *ctx, const weir_record *record, weir_output *out);
int times(weir_context *ctx, const weir_record *record, weir_output *out);

// keyed.c
int count(weir_context *ctx, const weir_record *record, weir_output *out);
int clear(weir_context *ctx, const weir_record *record, weir_output *out);
int last(weir_context *ctx, const weir_record *record, weir_output *out);
int sum_2(weir_context *ctx, const weir_record *record, weir_output *out);
int sum_from_1(weir_context *ctx, weir_bytes old, weir_bytes *current);
int distinct(weir_context *ctx, const weir_record *record, weir_output *out);
int history(weir_context *ctx, const weir_record *record, weir_output *out);
int ledger(weir_context *ctx, const weir_record *record, weir_output *out);

#endif
