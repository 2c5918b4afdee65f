#include "bounded_decoding.h"

#include <malloc.h>

#include "mem.h"

static void *allocate(void *user, size_t size)
{
    struct bounded_decoding *decoding = user;
    if (size > decoding->most - decoding->n_used) {
        decoding->exceeded = true;
        return NULL;
    }
    void *memory = mem_alloc(size);
    size_t taken = malloc_usable_size(memory);
    size_t left = decoding->most - decoding->n_used;
    decoding->n_used += taken < left ? taken : left;
    return memory;
}

static void release(void *user, void *memory)
{
    struct bounded_decoding *decoding = user;
    size_t taken = malloc_usable_size(memory);
    decoding->n_used -= taken < decoding->n_used ? taken : decoding->n_used;
    free(memory);
}

ProtobufCMessage *bounded_decode(struct bounded_decoding *decoding,
                                 const ProtobufCMessageDescriptor *type, const void *bytes,
                                 size_t size)
{
    ProtobufCAllocator allocator = {allocate, release, decoding};
    decoding->n_used = 0;
    decoding->exceeded = false;
    return protobuf_c_message_unpack(type, &allocator, size, bytes);
}
