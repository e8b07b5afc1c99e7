// What a plugin says of itself, and how one of its functions is opened.
#include <stdlib.h>

#include "weir_internal.h"

static plugin_bytes text(const char *from) {
    weir_bytes bytes = weir_text(from == NULL ? "" : from);
    return (plugin_bytes){bytes.data, bytes.len};
}

static unsigned states_of(const weir_function *function) {
    unsigned count = 0;
    while (count < WEIR_STATES_MAX && function->states[count].name != NULL) count++;
    return count;
}

// ---- describe

static plugin_port *port(const char *name, const char *key, weir_codec value) {
    plugin_port *made = weir_arena_alloc(&weir_instance.call, sizeof *made);
    *made = (plugin_port){text(name), text(key), text(weir_codec_name(value))};
    return made;
}

static plugin_function_description describe(const weir_function *function) {
    const bool is_filter = function->filter != NULL;
    const weir_codec out_key = is_filter ? function->in_key : function->out_key;
    size_t states_len = states_of(function);
    plugin_state_descriptor *states = weir_arena_alloc(&weir_instance.call, states_len * sizeof *states);
    for (size_t i = 0; i < states_len; i++) {
        const weir_state *state = &function->states[i];
        uint32_t version = state->schema_version == 0 ? 1 : state->schema_version;
        states[i] = (plugin_state_descriptor){text(state->name), (uint8_t)state->kind, text(weir_codec_name(state->codec)), version, state->ttl_ms};
    }
    return (plugin_function_description){
        .name = text(function->name),
        .doc = text(function->doc),
        .kind = function->keyed_process != NULL,
        .inputs = port("in", function->in_key == WEIR_NONE ? "any" : weir_codec_name(function->in_key), function->in),
        .inputs_len = 1,
        .outputs = port("out", weir_codec_name(out_key), is_filter ? function->in : function->out),
        .outputs_len = 1,
        .states = states,
        .states_len = states_len,
    };
}

const plugin_description *plugin_describe(void) {
    static plugin_description description;
    size_t len = weir_the_plugin.functions_len;
    plugin_function_description *functions = weir_arena_alloc(&weir_instance.call, len * sizeof *functions);
    for (size_t i = 0; i < len; i++) functions[i] = describe(&weir_the_plugin.functions[i]);
    description = (plugin_description){text(weir_the_plugin.name), text(weir_the_plugin.version), text("c weir-guest 0.1.0"), functions, len};
    return &description;
}

// ---- configuration

bool weir_config(weir_context *ctx, const char *key, weir_bytes *value) {
    for (size_t i = 0; i < ctx->config_len; i++) {
        plugin_config entry = ctx->config[i];
        if (!weir_is((weir_bytes){entry.key.data, entry.key.len}, key)) continue;
        *value = (weir_bytes){entry.value.data, entry.value.len};
        return true;
    }
    return false;
}

weir_bytes weir_config_text(weir_context *ctx, const char *key, const char *otherwise) {
    weir_bytes value;
    return weir_config(ctx, key, &value) ? value : weir_text(otherwise);
}

static void refuse(weir_context *ctx, const char *key, weir_bytes value, const char *expected) {
    weir_note(ctx, "config `%s` = `%.*s`: %s is expected", key, WEIR_ARG(value), expected);
}

uint64_t weir_config_u64(weir_context *ctx, const char *key, uint64_t otherwise) {
    weir_bytes value;
    if (weir_config(ctx, key, &value) && !weir_parse_u64(value, &otherwise)) refuse(ctx, key, value, "a whole number, not negative,");
    return otherwise;
}

int64_t weir_config_i64(weir_context *ctx, const char *key, int64_t otherwise) {
    weir_bytes value;
    if (weir_config(ctx, key, &value) && !weir_parse_i64(value, &otherwise)) refuse(ctx, key, value, "a whole number");
    return otherwise;
}

double weir_config_f64(weir_context *ctx, const char *key, double otherwise) {
    weir_bytes value;
    if (weir_config(ctx, key, &value) && !weir_parse_f64(value, &otherwise)) refuse(ctx, key, value, "a number");
    return otherwise;
}

bool weir_config_bool(weir_context *ctx, const char *key, bool otherwise) {
    weir_bytes value;
    if (!weir_config(ctx, key, &value)) return otherwise;
    if (!weir_is(value, "true") && !weir_is(value, "false")) refuse(ctx, key, value, "true or false");
    return weir_is(value, "true");
}

const weir_subtask *weir_subtask_of(weir_context *ctx) { return &ctx->subtask; }

// ---- open

// What is wrong with the author's table is said when the function is opened.
static void check_states(weir_context *ctx, const weir_function *function) {
    for (unsigned i = 0; i < ctx->states_len; i++) {
        const weir_state *state = &function->states[i];
        const uint32_t version = state->schema_version == 0 ? 1 : state->schema_version;
        bool twice = state->name[0] == 0;
        for (unsigned other = 0; other < i; other++) twice |= strcmp(state->name, function->states[other].name) == 0;
        if (twice) weir_note(ctx, "state `%s` is declared twice, or has no name", state->name);
        if (state->codec == WEIR_NONE) weir_note(ctx, "state `%s` has no `codec`", state->name);
        if ((state->kind == WEIR_MAP) != (state->sub_key != WEIR_NONE))
            weir_note(ctx, "state `%s`: maps have a `sub_key`, and other states don't", state->name);
        for (const weir_migration *m = state->migrations; m != NULL && m->migrate != NULL; m++) {
            if (m->from_version == 0 || m->from_version >= version || m->codec == WEIR_NONE) {
                weir_note(ctx, "state `%s` is of version %u and can't be migrated from %u: older versions have a lower number and a codec",
                          state->name, version, m->from_version);
            }
        }
    }
}

static void check_function(weir_context *ctx, const weir_function *function) {
    int kinds = (function->map != NULL) + (function->filter != NULL) + (function->flat_map != NULL) + (function->keyed_process != NULL);
    if (kinds != 1) weir_note(ctx, "function `%s` has %d of map, filter, flat_map and keyed_process, and one is expected", function->name, kinds);
    if (function->in == WEIR_NONE) weir_note(ctx, "function `%s` has no codec `in`", function->name);
    if (function->out == WEIR_NONE && function->filter == NULL) weir_note(ctx, "function `%s` has no codec `out`", function->name);
    if (function->keyed_process != NULL && function->in_key == WEIR_NONE)
        weir_note(ctx, "function `%s` is keyed and has no codec `in_key`", function->name);
    if (function->keyed_process == NULL && ctx->states_len > 0) {
        weir_note(ctx, "state `%s` is declared by an operator without keys: `%s` has to be a keyed_process", function->states[0].name,
                  function->name);
    }
    check_states(ctx, function);
}

static void keep_config(weir_context *ctx, const plugin_config *config, size_t config_len) {
    for (size_t i = 0; i < ctx->config_len; i++) free((void *)ctx->config[i].key.data), free((void *)ctx->config[i].value.data);
    free(ctx->config);
    ctx->config = weir_heap_grow(NULL, config_len * sizeof *config);
    ctx->config_len = config_len;
    for (size_t i = 0; i < config_len; i++) {
        weir_bytes key = weir_heap_copy((weir_bytes){config[i].key.data, config[i].key.len});
        weir_bytes value = weir_heap_copy((weir_bytes){config[i].value.data, config[i].value.len});
        ctx->config[i] = (plugin_config){{key.data, key.len}, {value.data, value.len}};
    }
}

static const weir_function *find_function(weir_context *ctx, weir_bytes name) {
    size_t len = 0, at = 0;
    for (size_t i = 0; i < weir_the_plugin.functions_len; i++) {
        if (weir_is(name, weir_the_plugin.functions[i].name)) return &weir_the_plugin.functions[i];
        len += strlen(weir_the_plugin.functions[i].name) + 2;
    }
    char *names = weir_arena_alloc(&ctx->call, len);
    for (size_t i = 0; i < weir_the_plugin.functions_len; i++) {
        weir_bytes known = weir_text(weir_the_plugin.functions[i].name);
        if (at > 0) memcpy(names + at, ", ", 2), at += 2;
        memcpy(names + at, known.data, known.len), at += known.len;
    }
    weir_note(ctx, "plugin `%s` has no function `%.*s`; it has: %.*s", weir_the_plugin.name, WEIR_ARG(name), (int)at, names);
    return NULL;
}

const plugin_opened *plugin_open(const uint8_t *function, size_t function_len, const plugin_config *config, size_t config_len, const uint8_t *uid,
                                 size_t uid_len, uint32_t index, uint32_t parallelism, uint32_t max_parallelism) {
    static plugin_opened opened;
    weir_context *ctx = &weir_instance;
    weir_begin_call(ctx, INT64_MIN, 0);
    ctx->is_ready = false;
    const weir_function *found = find_function(ctx, (weir_bytes){function, function_len});
    if (found != NULL) {
        ctx->function = found;
        ctx->states_len = states_of(found);
        memset(ctx->states, 0, sizeof ctx->states);
        keep_config(ctx, config, config_len);
        free((void *)ctx->subtask.uid.data);
        ctx->subtask = (weir_subtask){weir_heap_copy((weir_bytes){uid, uid_len}), index, parallelism, max_parallelism};
        ctx->out.ctx = ctx;
        weir_codec out = found->filter != NULL ? found->in : found->out, out_key = found->filter != NULL ? found->in_key : found->out_key;
        ctx->out.shape = WEIR_SHAPE(out_key != WEIR_NONE, weir_codec_size(out) != 0 ? out : WEIR_NONE);
        check_function(ctx, found);
        if (!ctx->failed && found->open != NULL && found->open(ctx) != WEIR_OK)
            weir_note(ctx, "`%s` refuses to open and has not said why", found->name);
    }
    ctx->is_ready = !ctx->failed;
    opened = (plugin_opened){ctx->failed, {ctx->message.data, ctx->message.len}};
    return &opened;
}
