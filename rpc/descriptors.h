/* Private to rpc: a serialised FileDescriptorSet, as protoc writes it, with look-ups by file and by
 * symbol. Immutable after descriptors_new: any thread. */
#ifndef RPC_DESCRIPTORS_H
#define RPC_DESCRIPTORS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mem.h"
#include "str.h"

struct descriptors;

/* The bytes are copied. NULL: they are not a FileDescriptorSet. */
struct descriptors *descriptors_new(const void *bytes, size_t size);
void descriptors_free(struct descriptors *set);

MEM_CLEANUP(struct descriptors, descriptors_free)

/* False: the method is not in the set. */
bool descriptors_method(const struct descriptors *set, const char *service, const char *method,
                        bool *ret_client_streams, bool *ret_server_streams);

/* The index of the file with this name, or of the file that declares the symbol ("pkg.Message",
 * "pkg.Service.Method", "pkg.Message.field", …); -1: there is none. */
int descriptors_find_file(const struct descriptors *set, const char *name);
int descriptors_find_symbol(const struct descriptors *set, const char *symbol);
bool descriptors_is_message(const struct descriptors *set, const char *symbol);

/* The files that a file depends on: first itself, then all files that it imports, directly or not,
 * each once. indices has room for descriptors_count(). Returns their number. */
size_t descriptors_count(const struct descriptors *set);
size_t descriptors_closure(const struct descriptors *set, int file, int *indices);
/* The serialised FileDescriptorProto of a file, borrowed. */
const uint8_t *descriptors_bytes(const struct descriptors *set, int file, size_t *ret_size);

#endif
