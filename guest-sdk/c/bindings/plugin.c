// The exports that only Wasm has: one post-return function for each export of the contract.
#include "plugin.h"

#ifdef __wasm__

#define PLUGIN_POST(function, name)                                                                                                                  \
    __attribute__((export_name("cabi_post_" PLUGIN_OPERATOR name))) void plugin_post_##function(const void *returned) { plugin_post(returned); }

PLUGIN_POST(describe, "describe")
PLUGIN_POST(open, "open")
PLUGIN_POST(process, "process")
PLUGIN_POST(on_timers, "on-timers")
PLUGIN_POST(finish, "finish")
PLUGIN_POST(migrate, "migrate")

#endif
