// JSON in C: reading values where they lie, by path or one after another, and writing them.
//
//     weir_json line, name;
//     const char *problem;
//     if (!weir_json_parse(record->value, &line, &problem)) return weir_fail(ctx, "not JSON: %s", problem);
//     if (weir_json_find(line, "user.name", &name) && name.kind == WEIR_JSON_STRING) weir_emit(out, WEIR_NO_KEY, weir_json_text(ctx, name));
//
// Nothing is built up: a value is the piece of text that it is. Any bytes may be given; nesting goes 127 deep, as in weir's other languages.
#ifndef WEIR_JSON_H
#define WEIR_JSON_H

#include "weir.h"

// ---- reading

typedef enum { WEIR_JSON_NULL, WEIR_JSON_BOOL, WEIR_JSON_NUMBER, WEIR_JSON_STRING, WEIR_JSON_ARRAY, WEIR_JSON_OBJECT } weir_json_kind;

// A value: its bytes, without the whitespace around it, as they came.
typedef struct {
    weir_json_kind kind;
    weir_bytes text;
} weir_json;

// Checks that `text` is one JSON value. False: it isn't, and `problem` says why.
bool weir_json_parse(weir_bytes text, weir_json *value, const char **problem);

// The same, and looks up `path` meanwhile, which is faster than one after the other: names of members, separated by dots ("" is the whole value).
// `found->text.data` is NULL where there is no such member. Of members with the same name the last one counts.
bool weir_json_parse_find(weir_bytes text, weir_bytes path, weir_json *found, const char **problem);

// The member at a path of a value that was parsed; false: there is none.
bool weir_json_find(weir_json value, const char *path, weir_json *found);

// What a parsed value holds; false: it is of another kind, or too large for the type. Whole numbers may be written with a fraction of zeros (2.0)
// nowhere.
bool weir_json_bool(weir_json value, bool *truth);
bool weir_json_u64(weir_json value, uint64_t *number);
bool weir_json_i64(weir_json value, int64_t *number);
bool weir_json_f64(weir_json value, double *number);

// The text of a string, in place or, where it has escapes, in scratch memory; of any other value, its JSON.
weir_bytes weir_json_text(weir_context *ctx, weir_json value);

// Goes through the members of an object, or the items of an array:
//
//     weir_json_members members = weir_json_members_of(value);
//     while (weir_json_next(&members)) use(members.name, members.value);
typedef struct {
    weir_json name; // of an object's member: a string; of an array's item: null
    weir_json value;
    weir_bytes rest;
} weir_json_members;

weir_json_members weir_json_members_of(weir_json value);
bool weir_json_next(weir_json_members *members);

// ---- writing

// Writes one value in scratch memory, compact, commas by itself:
//
//     weir_json_writer json = weir_json_writer_of(ctx);
//     weir_json_begin(&json, '{');
//     weir_json_name(&json, "total");
//     weir_json_write_u64(&json, 3);
//     weir_json_end(&json, '}');
//     weir_emit(out, record->key, weir_json_written(&json));
typedef struct {
    weir_context *ctx;
    uint8_t *data;
    size_t len, room;
    bool comma; // before whatever comes next
} weir_json_writer;

weir_json_writer weir_json_writer_of(weir_context *ctx);
void weir_json_begin(weir_json_writer *json, char bracket); // '{' or '['
void weir_json_end(weir_json_writer *json, char bracket);   // '}' or ']'
void weir_json_name(weir_json_writer *json, const char *name);
void weir_json_name_of(weir_json_writer *json, weir_bytes name);
void weir_json_write_null(weir_json_writer *json);
void weir_json_write_bool(weir_json_writer *json, bool truth);
void weir_json_write_u64(weir_json_writer *json, uint64_t number);
void weir_json_write_i64(weir_json_writer *json, int64_t number);
// As short as it can be and still be the same number. What JSON can't say, infinite numbers and NaN, is written as null.
void weir_json_write_f64(weir_json_writer *json, double number);
// Text with its escapes. Bytes that aren't UTF-8 are written as U+FFFD.
void weir_json_write_text(weir_json_writer *json, weir_bytes text);
// A value that is JSON already, such as a state's of codec json.
void weir_json_write_raw(weir_json_writer *json, weir_bytes value);
// What was written; good until the function returns.
weir_bytes weir_json_written(const weir_json_writer *json);

#endif
