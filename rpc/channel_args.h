/* Private to rpc: a list of options for the core, by the core's names. */
#ifndef RPC_CHANNEL_ARGS_H
#define RPC_CHANNEL_ARGS_H

#include <assert.h>
#include <grpc/grpc.h>
#include <limits.h>
#include <stdint.h>

#define CHANNEL_ARGS_MAX 24

struct channel_args {
    grpc_arg items[CHANNEL_ARGS_MAX];
    size_t n;
};

/* Values above INT_MAX become INT_MAX. */
static inline void channel_args_add(struct channel_args *args, const char *key, int64_t value)
{
    assert(args->n < CHANNEL_ARGS_MAX && "there is room for the options");
    args->items[args->n++] = (grpc_arg){
        .type = GRPC_ARG_INTEGER,
        .key = (char *)(uintptr_t)key, /* the core only reads it */
        .value.integer = value > INT_MAX ? INT_MAX : (int)value,
    };
}

/* The text is borrowed as long as the options are. */
static inline void channel_args_add_text(struct channel_args *args, const char *key,
                                         const char *text)
{
    assert(args->n < CHANNEL_ARGS_MAX && "there is room for the options");
    args->items[args->n++] = (grpc_arg){
        .type = GRPC_ARG_STRING,
        .key = (char *)(uintptr_t)key,
        .value.string = (char *)(uintptr_t)text, /* the core copies it */
    };
}

static inline int64_t value_or(int64_t value, int64_t fallback)
{
    return value == 0 ? fallback : value;
}

#endif
