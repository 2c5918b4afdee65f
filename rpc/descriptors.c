#include "descriptors.h"

#include <assert.h>
#include <string.h>

#include "google/protobuf/descriptor.pb-c.h"

typedef Google__Protobuf__FileDescriptorProto file_proto;
typedef Google__Protobuf__DescriptorProto message_proto;
typedef Google__Protobuf__EnumDescriptorProto enum_proto;
typedef Google__Protobuf__ServiceDescriptorProto service_proto;

struct descriptors {
    Google__Protobuf__FileDescriptorSet *set;
    struct buf **encoded; /* of each file */
};

static struct buf *encode(const file_proto *file)
{
    struct buf *bytes = buf_new(google__protobuf__file_descriptor_proto__get_packed_size(file));
    google__protobuf__file_descriptor_proto__pack(file, bytes->data);
    return bytes;
}

struct descriptors *descriptors_new(const void *bytes, size_t size)
{
    Google__Protobuf__FileDescriptorSet *parsed =
        google__protobuf__file_descriptor_set__unpack(NULL, size, bytes);
    if (parsed == NULL) {
        return NULL;
    }
    struct descriptors *set = mem_zalloc(sizeof *set);
    set->set = parsed;
    set->encoded = mem_array(parsed->n_file, sizeof set->encoded[0]);
    for (size_t i = 0; i < parsed->n_file; i++) {
        set->encoded[i] = encode(parsed->file[i]);
    }
    return set;
}

void descriptors_free(struct descriptors *set)
{
    if (set == NULL) {
        return;
    }
    for (size_t i = 0; i < set->set->n_file; i++) {
        buf_unref(set->encoded[i]);
    }
    free(set->encoded);
    google__protobuf__file_descriptor_set__free_unpacked(set->set, NULL);
    free(set);
}

size_t descriptors_count(const struct descriptors *set)
{
    return set->set->n_file;
}

const uint8_t *descriptors_bytes(const struct descriptors *set, int file, size_t *ret_size)
{
    assert(file >= 0 && (size_t)file < set->set->n_file && "the set has the file");
    *ret_size = set->encoded[file]->len;
    return set->encoded[file]->data;
}

int descriptors_find_file(const struct descriptors *set, const char *name)
{
    for (size_t i = 0; i < set->set->n_file; i++) {
        if (strcmp(set->set->file[i]->name, name) == 0) {
            return (int)i;
        }
    }
    return -1;
}

/* ---- Symbols ---- */

/* The part of a symbol after the name and a dot; "": the symbol equals the name; NULL: it does not
 * start with the name. */
static const char *behind(const char *symbol, const char *name)
{
    size_t n = strlen(name);
    if (n == 0) {
        return symbol;
    }
    if (strncmp(symbol, name, n) != 0 || (symbol[n] != '.' && symbol[n] != '\0')) {
        return NULL;
    }
    return symbol[n] == '.' ? symbol + n + 1 : symbol + n;
}

/* The names of enum values are siblings of their enum, not inside it. */
static bool enums_declare(enum_proto *const *enums, size_t n, const char *symbol)
{
    for (size_t i = 0; i < n; i++) {
        if (strcmp(enums[i]->name, symbol) == 0) {
            return true;
        }
        for (size_t j = 0; j < enums[i]->n_value; j++) {
            if (strcmp(enums[i]->value[j]->name, symbol) == 0) {
                return true;
            }
        }
    }
    return false;
}

static bool members_declare(const message_proto *message, const char *symbol)
{
    for (size_t i = 0; i < message->n_field; i++) {
        if (strcmp(message->field[i]->name, symbol) == 0) {
            return true;
        }
    }
    for (size_t i = 0; i < message->n_oneof_decl; i++) {
        if (strcmp(message->oneof_decl[i]->name, symbol) == 0) {
            return true;
        }
    }
    return enums_declare(message->enum_type, message->n_enum_type, symbol);
}

/* The innermost message that the symbol names or is inside; *ret_rest: the rest of the symbol. */
static const message_proto *innermost(message_proto *const *messages, size_t n, const char *symbol,
                                      const char **ret_rest)
{
    for (size_t i = 0; i < n; i++) {
        const char *rest = behind(symbol, messages[i]->name);
        if (rest != NULL) {
            *ret_rest = rest;
            const message_proto *nested =
                innermost(messages[i]->nested_type, messages[i]->n_nested_type, rest, ret_rest);
            return nested != NULL ? nested : messages[i];
        }
    }
    return NULL;
}

static bool service_declares(const service_proto *service, const char *symbol)
{
    const char *rest = behind(symbol, service->name);
    bool found = rest != NULL && rest[0] == '\0';
    for (size_t i = 0; i < service->n_method && rest != NULL && !found; i++) {
        found = strcmp(service->method[i]->name, rest) == 0;
    }
    return found;
}

static const char *in_package(const file_proto *file, const char *symbol)
{
    return behind(symbol, file->package == NULL ? "" : file->package);
}

static bool file_declares(const file_proto *file, const char *symbol)
{
    const char *local = in_package(file, symbol);
    if (local == NULL || local[0] == '\0' || local[strlen(local) - 1] == '.') {
        return false;
    }
    const char *rest = NULL;
    const message_proto *message =
        innermost(file->message_type, file->n_message_type, local, &rest);
    if (message != NULL) {
        return rest[0] == '\0' || members_declare(message, rest);
    }
    for (size_t i = 0; i < file->n_service; i++) {
        if (service_declares(file->service[i], local)) {
            return true;
        }
    }
    return enums_declare(file->enum_type, file->n_enum_type, local);
}

int descriptors_find_symbol(const struct descriptors *set, const char *symbol)
{
    for (size_t i = 0; i < set->set->n_file; i++) {
        if (file_declares(set->set->file[i], symbol)) {
            return (int)i;
        }
    }
    return -1;
}

bool descriptors_is_message(const struct descriptors *set, const char *symbol)
{
    int index = descriptors_find_symbol(set, symbol);
    if (index < 0) {
        return false;
    }
    const file_proto *file = set->set->file[index];
    const char *rest = "";
    return innermost(file->message_type, file->n_message_type, in_package(file, symbol), &rest) !=
               NULL &&
           rest[0] == '\0';
}

static const Google__Protobuf__MethodDescriptorProto *
method_of(const file_proto *file, const char *service, const char *method)
{
    const char *local = in_package(file, service);
    for (size_t i = 0; i < file->n_service && local != NULL; i++) {
        const service_proto *found = file->service[i];
        for (size_t j = 0; j < found->n_method && strcmp(found->name, local) == 0; j++) {
            if (strcmp(found->method[j]->name, method) == 0) {
                return found->method[j];
            }
        }
    }
    return NULL;
}

bool descriptors_method(const struct descriptors *set, const char *service, const char *method,
                        bool *ret_client_streams, bool *ret_server_streams)
{
    for (size_t i = 0; i < set->set->n_file; i++) {
        const Google__Protobuf__MethodDescriptorProto *found =
            method_of(set->set->file[i], service, method);
        if (found != NULL) {
            *ret_client_streams = found->client_streaming != 0;
            *ret_server_streams = found->server_streaming != 0;
            return true;
        }
    }
    return false;
}

/* ---- Imports ---- */

static size_t add_once(int *indices, size_t n, int file)
{
    for (size_t i = 0; i < n; i++) {
        if (indices[i] == file) {
            return n;
        }
    }
    indices[n] = file;
    return n + 1;
}

size_t descriptors_closure(const struct descriptors *set, int file, int *indices)
{
    assert(file >= 0 && (size_t)file < set->set->n_file && "the set has the file");
    size_t n = add_once(indices, 0, file);
    for (size_t i = 0; i < n; i++) {
        const file_proto *importer = set->set->file[indices[i]];
        for (size_t j = 0; j < importer->n_dependency; j++) {
            int imported = descriptors_find_file(set, importer->dependency[j]);
            n = imported < 0 ? n : add_once(indices, n, imported);
        }
    }
    return n;
}
