/* A serialised FileDescriptorSet, as protoc writes it, looked up by file and by symbol. */
#ifndef RPC_DESCRIPTORS_H
#define RPC_DESCRIPTORS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mem.h"
#include "str.h"

struct descriptors;

/* NULL where the bytes are no such set. They are copied. */
struct descriptors *descriptors_new(const void *bytes, size_t size);
void descriptors_free(struct descriptors *set);

MEM_CLEANUP(struct descriptors, descriptors_free)

/* False where the set does not know the method. */
bool descriptors_method(const struct descriptors *set, const char *service, const char *method,
                        bool *ret_client_streams, bool *ret_server_streams);

/* The index of the file with this name, or of the one that declares the symbol ("pkg.Message",
 * "pkg.Service.Method", "pkg.Message.field", …); -1 where there is none. */
int descriptors_find_file(const struct descriptors *set, const char *name);
int descriptors_find_symbol(const struct descriptors *set, const char *symbol);
bool descriptors_is_message(const struct descriptors *set, const char *symbol);

/* Files that a file needs: itself first, then all that it imports, each once. The array has room
 * for descriptors_count() indices; returns how many there are. */
size_t descriptors_count(const struct descriptors *set);
size_t descriptors_closure(const struct descriptors *set, int file, int *indices);
/* The serialised FileDescriptorProto of a file, borrowed. */
const uint8_t *descriptors_bytes(const struct descriptors *set, int file, size_t *ret_size);

#endif
