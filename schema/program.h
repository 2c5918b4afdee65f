/* The program that a schema is compiled to. Private to schema/.
 *
 * A subschema is a run of instructions; an instruction names others by index. Operands are nodes of
 * the schema's documents, or indexes into the program's arrays. Immutable once compiled. */
#ifndef SCHEMA_PROGRAM_H
#define SCHEMA_PROGRAM_H

#include "flat_json.h"
#include "formats.h"
#include "regex.h"
#include "schema.h"

#define NONE UINT32_MAX

/* A growing array of a type. Zeroed: empty. */
#define VECTOR(type)                                                                               \
    struct {                                                                                       \
        type *items;                                                                               \
        uint32_t n, room;                                                                          \
    }
#define VECTOR_PUSH(vector, item)                                                                  \
    do {                                                                                           \
        if ((vector)->n == (vector)->room) {                                                       \
            (vector)->room = (vector)->room == 0 ? 16 : (vector)->room * 2;                        \
            (vector)->items = mem_grow((vector)->items, (vector)->room, sizeof *(vector)->items);  \
        }                                                                                          \
        (vector)->items[(vector)->n++] = (item);                                                   \
    } while (0)

enum operation {
    OPERATION_TYPE,              /* a: bits, 1 << enum json_type, or TYPE_INTEGER */
    OPERATION_ENUM,              /* a: set */
    OPERATION_MULTIPLE_OF,       /* the node */
    OPERATION_MAXIMUM,           /* the node; a: bound */
    OPERATION_EXCLUSIVE_MAXIMUM, /* the node; a: bound */
    OPERATION_MINIMUM,           /* the node; a: bound */
    OPERATION_EXCLUSIVE_MINIMUM, /* the node; a: bound */
    OPERATION_MAX_LENGTH,        /* a: characters */
    OPERATION_MIN_LENGTH,        /* a: characters */
    OPERATION_PATTERN,           /* a: regex */
    OPERATION_FORMAT,            /* a: format */
    OPERATION_MAX_ITEMS,         /* a: count */
    OPERATION_MIN_ITEMS,         /* a: count */
    OPERATION_UNIQUE_ITEMS,
    OPERATION_ITEMS,          /* a: first in list, b: how many; c: subschema of the rest, or NONE */
    OPERATION_CONTAINS,       /* a: subschema; b: least, c: most; marks: matches are evaluated */
    OPERATION_MAX_PROPERTIES, /* a: count */
    OPERATION_MIN_PROPERTIES, /* a: count */
    OPERATION_MEMBERS,        /* a: shape */
    OPERATION_PROPERTY_NAMES, /* a: subschema */
    OPERATION_REF,            /* a: subschema */
    OPERATION_DYNAMIC_REF,    /* a: subschema where no resource has the anchor; b: name */
    OPERATION_ALL_OF,         /* a: first in list, b: how many */
    OPERATION_ANY_OF,         /* a: first in list, b: how many */
    OPERATION_ONE_OF,         /* a: first in list, b: how many */
    OPERATION_NOT,            /* a: subschema */
    OPERATION_IF,             /* a: subschema; b: then, c: else, or NONE */
    OPERATION_UNEVALUATED_ITEMS,      /* a: subschema; always the last ones */
    OPERATION_UNEVALUATED_PROPERTIES, /* a: subschema */
    OPERATION_FALSE,
    OPERATIONS,
};

/* In OPERATION_TYPE's bits, beside those of enum json_type. */
#define TYPE_INTEGER (1u << 7)

struct instruction {
    uint8_t operation; /* enum operation */
    bool marks;        /* of OPERATION_CONTAINS */
    uint16_t document;
    uint32_t node; /* the operand, behind its keyword */
    uint32_t a, b, c;
};

struct subschema {
    uint32_t document, node;
    uint32_t first, n; /* instructions */
    uint32_t resource;
    bool looks_back; /* has unevaluatedItems or unevaluatedProperties */
    bool is_false;
};

/* A bound as an integer where it is one of up to 18 digits, which is quicker to compare. */
struct bound {
    bool is_short;
    int64_t value;
};

/* A value of `enum` or `const`. */
struct set_item {
    uint64_t hash;
    uint32_t node;
};

/* Open addressing: slots of item + 1, 0 for free; a power of two, at least twice as many as items.
 */
struct set {
    uint32_t first, n;          /* in items */
    uint32_t first_slot, slots; /* in slots */
};

/* A name that an object's keywords name. */
struct entry {
    uint64_t hash;
    uint32_t name, n_name; /* in names */
    uint32_t subschema;    /* of `properties`, or NONE */
};

struct dependent {
    uint32_t node;      /* the operand of the keyword */
    uint32_t trigger;   /* entry of the shape that has to be there */
    uint32_t needed;    /* entry that has to be there then, or NONE */
    uint32_t subschema; /* that the object has to match then, or NONE */
};

struct pattern {
    uint32_t regex, subschema;
};

/* All keywords that look at the members of an object, which takes one pass. Ranges of the program's
 * arrays; the slots are as those of a set, and hold entries of this shape. */
struct shape {
    uint32_t first_entry, n_entries;
    uint32_t first_slot, slots;
    uint32_t first_required, n_required; /* lists: entries of this shape */
    uint32_t first_pattern, n_patterns;
    uint32_t first_dependent, n_dependents;
    uint32_t additional; /* subschema, or NONE */
    uint32_t properties_node, patterns_node, additional_node, required_node;
};

/* Where a dynamic anchor is. */
struct dynamic_anchor {
    uint32_t name, resource, subschema;
};

struct document {
    struct buf *text; /* owned reference */
    struct flat_json tree;
    char *uri; /* "" for the schema itself */
};

struct schema {
    VECTOR(struct document) documents;
    VECTOR(struct subschema) subschemas; /* 0: the whole schema */
    VECTOR(struct instruction) instructions;
    VECTOR(uint32_t) lists;
    VECTOR(uint32_t) slots;
    VECTOR(struct bound) bounds;
    VECTOR(struct set) sets;
    VECTOR(struct set_item) set_items;
    VECTOR(struct shape) shapes;
    VECTOR(struct entry) entries;
    VECTOR(struct dependent) dependents;
    VECTOR(struct pattern) patterns;
    VECTOR(struct regex *) regexes;
    VECTOR(const struct format *) formats;
    VECTOR(struct dynamic_anchor) dynamic_anchors;
    struct str names;
};

/* Where a node is, for people: "/properties/a", or "URI#/properties/a" in another document. */
void program_add_place(const struct schema *schema, uint32_t document, uint32_t node,
                       struct str *out);
/* The keyword whose operand a node is; "" where it is none's. A literal. */
const char *program_keyword(const struct schema *schema, uint32_t document, uint32_t node);
/* Reads an integer of up to 18 digits. False: the number is another one. */
bool program_short_integer(struct json_text number, int64_t *ret_value);

#endif
