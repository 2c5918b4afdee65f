/* A checked JSON text as a flat array of nodes in the order of the text: indexes instead of
 * pointers, a subtree is a range. Private to schema/.
 *
 * Node 0 is the root. The children of a container follow it: items, or for an object a key and its
 * value in turn. A tree borrows its text. Read-only after flat_json_init; any thread. */
#ifndef SCHEMA_FLAT_JSON_H
#define SCHEMA_FLAT_JSON_H

#include <stdint.h>

#include "json.h"

struct flat_node {
    uint32_t start; /* offset of the token or container in the text */
    uint32_t size;  /* bytes of it */
    uint32_t end;   /* index of the first node behind this one and all within it */
    uint32_t n;     /* items or members of a container */
    uint8_t type;   /* enum json_type; a key is a JSON_STRING */
    bool escaped;   /* a string with a backslash */
};

struct flat_json {
    const char *text;
    struct flat_node *nodes;
    uint32_t n;
};

/* text: as json_check or json_check_value has returned it, less than 4 GiB. */
void flat_json_init(struct flat_json *tree, struct json_text text);
void flat_json_fini(struct flat_json *tree);

static inline struct json_text flat_json_text(const struct flat_json *tree, uint32_t node)
{
    const struct flat_node *n = &tree->nodes[node];
    return (struct json_text){tree->text + n->start, n->size};
}

/* Of a string with escapes. */
struct json_text flat_json_decode(const struct flat_json *tree, uint32_t node, struct str *room);
/* The decoded bytes of a string. They are part of the text where it has no escapes, else of `room`,
 * which they replace. */
static inline struct json_text flat_json_string(const struct flat_json *tree, uint32_t node,
                                                struct str *room)
{
    const struct flat_node *n = &tree->nodes[node];
    return n->escaped ? flat_json_decode(tree, node, room)
                      : (struct json_text){tree->text + n->start + 1, n->size - 2};
}
/* Whether a string is `text`, which has no escapes and no quotes. */
bool flat_json_is(const struct flat_json *tree, uint32_t node, const char *text, size_t n);

/* The value of an object's member; 0 where there is none. */
uint32_t flat_json_member(const struct flat_json *tree, uint32_t object, const char *key, size_t n);

/* A hash that is the same for equal values (json_text_equal), with a random seed per process. */
uint64_t flat_json_hash(const struct flat_json *tree, uint32_t node);

/* Where the walk to a node passes: the child of `parent` that the node is in, or is. For an object
 * ret_key is its key, for an array ret_index its index. A key counts as its value. */
uint32_t flat_json_step(const struct flat_json *tree, uint32_t parent, uint32_t node,
                        uint32_t *ret_key, uint32_t *ret_index);

/* Appends the JSON Pointer (RFC 6901) from the root to a node. One that would pass max_bytes is
 * cut, and ends with an ellipsis. */
void flat_json_add_pointer(const struct flat_json *tree, uint32_t node, size_t max_bytes,
                           struct str *out);
/* The node that a JSON Pointer names below `root`; false: there is none. */
bool flat_json_find(const struct flat_json *tree, uint32_t root, const char *pointer, size_t n,
                    uint32_t *ret_node);

#endif
