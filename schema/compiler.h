/* Shared by the parts of the compiler. Private to schema/; one thread, for one schema_compile.
 *
 * references.c knows documents, resources and anchors; operands.c checks operands; emit.c and
 * emit_members.c write instructions; compile.c drives them until every subschema that something
 * leads to has its instructions. */
#ifndef SCHEMA_COMPILER_H
#define SCHEMA_COMPILER_H

#include "keywords.h"
#include "program.h"
#include "table.h"

/* The longest URI of a resource, so that resolving cannot multiply memory. */
#define URI_MAX 2048
/* The most schemas that one refers to, with those that they refer to; metaschemas count. */
#define DOCUMENTS_MAX 64

/* A part of a document with a base URI of its own. */
struct resource {
    uint32_t document, node; /* its root */
    char *uri;               /* owned; without fragment; "" where it has none */
    enum dialect dialect;
    unsigned vocabularies; /* bits of enum vocabulary */
    bool assert_formats;
};

/* A node that a URI names; "URI#anchor" for an anchor. Owned by compiler.places. */
struct schema_place {
    char *uri;
    uint32_t document, node;
    bool is_dynamic; /* by $dynamicAnchor */
};

/* The knowledge of the compiler about a document, beyond struct document. */
struct notes {
    uint32_t *resource_of;  /* of each node */
    uint32_t *subschema_of; /* of each node: 1 + index, 0 where it is none yet */
    bool on_demand;         /* only what something refers to is compiled */
};

enum document_kind {
    DOCUMENT_SCHEMA,
    DOCUMENT_METASCHEMA, /* of somebody: read for what it says of its dialect */
    DOCUMENT_OURS,       /* a metaschema of keywords.c */
};

struct compiler {
    struct schema *schema;
    const struct schema_options *options;
    struct schema_report *report;
    VECTOR(struct notes) notes; /* as schema->documents */
    VECTOR(struct resource) resources;
    VECTOR(char *) dynamic_names; /* those that a $dynamicRef looks for */
    struct table places;
    size_t bytes, values, regex_bytes;
};

/* Adds a violation at a node and returns false. The keyword is the key of the node. */
bool compiler_fault(struct compiler *c, uint32_t document, uint32_t node, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* The subschema at a node; it gets its instructions later if it has none yet. */
uint32_t compiler_want(struct compiler *c, uint32_t document, uint32_t node);

/* ---- references.c ---- */

/* Takes in a document whose reference moves here, and finds its resources and anchors. base: the
 * URI that it was found by. False: a fault is reported. */
bool references_add_document(struct compiler *c, struct buf *text, struct json_text base,
                             enum document_kind kind, uint32_t *ret_document);
/* The place that the reference at a node leads to. ret_anchor: the name of the dynamic anchor, if
 * the reference names one (empty: it does not). False: a fault is reported. */
bool references_find(struct compiler *c, uint32_t document, uint32_t node,
                     struct schema_place *ret_place, struct str *ret_anchor);
void references_fini(struct compiler *c);

/* ---- operands.c ---- */

/* Whether the operand at a node is what its keyword demands; else a fault is reported. */
bool operands_check(struct compiler *c, uint32_t document, uint32_t node, enum operand operand);

/* ---- emit.c, emit_members.c ---- */

/* The keywords of a subschema that are in force: the nodes of their operands; 0: absent. */
struct emission {
    struct compiler *c;
    uint32_t document;
    uint32_t at[KEYWORDS];
    enum dialect dialect;
    bool assert_formats;
};

/* Writes the instructions of a subschema. */
void emit_subschema(struct compiler *c, uint32_t subschema);

void emit(struct emission *e, enum operation operation, uint32_t node, uint32_t a, uint32_t b,
          uint32_t c);
/* Compiles the pattern that is the string at a node; NONE: a fault is reported. */
uint32_t emit_regex(struct emission *e, uint32_t node);
/* properties, required and all others that OPERATION_MEMBERS does. */
void emit_members(struct emission *e);
/* Slots for n items: a power of two, all free; returns how many. */
uint32_t emit_slots(struct schema *schema, uint32_t n, uint32_t *ret_first);

static inline const struct flat_json *compiler_tree(const struct compiler *c, uint32_t document)
{
    return &c->schema->documents.items[document].tree;
}

#endif
