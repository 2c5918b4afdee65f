#include <string.h>

#include "compiler.h"
#include "hash.h"

/* The entry of a name in the shape that is being built; a new one where there is none. */
static uint32_t entry_of(struct emission *e, struct shape *shape, uint32_t node)
{
    AUTO_STR room = {0};
    struct schema *schema = e->c->schema;
    struct json_text name = flat_json_string(compiler_tree(e->c, e->document), node, &room);
    uint64_t hash = hash_table_key(name.data, name.len);
    uint32_t slot = (uint32_t)hash & (shape->slots - 1);
    uint32_t *slots = schema->slots.items + shape->first_slot;
    for (; slots[slot] != 0; slot = (slot + 1) & (shape->slots - 1)) {
        const struct entry *there = &schema->entries.items[shape->first_entry + slots[slot] - 1];
        if (there->hash == hash && there->n_name == name.len &&
            memcmp(schema->names.data + there->name, name.data, name.len) == 0) {
            return slots[slot] - 1;
        }
    }
    struct entry entry = {.hash = hash,
                          .name = (uint32_t)schema->names.len,
                          .n_name = (uint32_t)name.len,
                          .subschema = NONE};
    str_add(&schema->names, name.data, name.len);
    VECTOR_PUSH(&schema->entries, entry);
    slots[slot] = ++shape->n_entries;
    return shape->n_entries - 1;
}

static void add_properties(struct emission *e, struct shape *shape)
{
    const struct flat_node *nodes = compiler_tree(e->c, e->document)->nodes;
    uint32_t node = e->at[KEYWORD_PROPERTIES];
    shape->properties_node = node;
    for (uint32_t at = node + 1; node != 0 && at < nodes[node].end; at = nodes[at + 1].end) {
        uint32_t entry = entry_of(e, shape, at);
        e->c->schema->entries.items[shape->first_entry + entry].subschema =
            compiler_want(e->c, e->document, at + 1);
    }
}

static void add_patterns(struct emission *e, struct shape *shape)
{
    const struct flat_node *nodes = compiler_tree(e->c, e->document)->nodes;
    uint32_t node = e->at[KEYWORD_PATTERN_PROPERTIES];
    shape->first_pattern = e->c->schema->patterns.n;
    shape->patterns_node = node;
    for (uint32_t at = node + 1; node != 0 && at < nodes[node].end; at = nodes[at + 1].end) {
        struct pattern pattern = {.regex = emit_regex(e, at),
                                  .subschema = compiler_want(e->c, e->document, at + 1)};
        if (pattern.regex != NONE) {
            VECTOR_PUSH(&e->c->schema->patterns, pattern);
            shape->n_patterns++;
        }
    }
}

static void add_required(struct emission *e, struct shape *shape)
{
    const struct flat_node *nodes = compiler_tree(e->c, e->document)->nodes;
    uint32_t node = e->at[KEYWORD_REQUIRED];
    shape->first_required = e->c->schema->lists.n;
    shape->required_node = node;
    for (uint32_t at = node + 1; node != 0 && at < nodes[node].end; at++) {
        uint32_t entry = entry_of(e, shape, at);
        VECTOR_PUSH(&e->c->schema->lists, entry);
        shape->n_required++;
    }
}

static void add_dependent(struct emission *e, struct shape *shape, struct dependent dependent)
{
    VECTOR_PUSH(&e->c->schema->dependents, dependent);
    shape->n_dependents++;
}

/* Of each member of a keyword's operand: a list of names that are needed, or a schema. */
static void add_dependents(struct emission *e, struct shape *shape, uint32_t node)
{
    const struct flat_node *nodes = compiler_tree(e->c, e->document)->nodes;
    for (uint32_t at = node + 1; node != 0 && at < nodes[node].end; at = nodes[at + 1].end) {
        struct dependent dependent = {
            .node = node, .trigger = entry_of(e, shape, at), .needed = NONE, .subschema = NONE};
        if (nodes[at + 1].type != JSON_ARRAY) {
            dependent.subschema = compiler_want(e->c, e->document, at + 1);
            add_dependent(e, shape, dependent);
            continue;
        }
        for (uint32_t name = at + 2; name < nodes[at + 1].end; name++) {
            dependent.needed = entry_of(e, shape, name);
            add_dependent(e, shape, dependent);
        }
    }
}

/* How many names the keywords can have at most. */
static uint32_t count_names(const struct emission *e, const enum keyword *keywords, size_t n)
{
    const struct flat_node *nodes = compiler_tree(e->c, e->document)->nodes;
    uint32_t names = 0;
    for (size_t i = 0; i < n; i++) {
        uint32_t node = e->at[keywords[i]];
        names += node == 0 ? 0 : nodes[node].end - node;
    }
    return names;
}

void emit_members(struct emission *e)
{
    static const enum keyword naming[] = {
        KEYWORD_PROPERTIES,        KEYWORD_REQUIRED,     KEYWORD_DEPENDENT_REQUIRED,
        KEYWORD_DEPENDENT_SCHEMAS, KEYWORD_DEPENDENCIES,
    };
    struct schema *schema = e->c->schema;
    uint32_t additional = e->at[KEYWORD_ADDITIONAL_PROPERTIES];
    uint32_t names = count_names(e, naming, COUNT_OF(naming));
    if (names == 0 && additional == 0 && e->at[KEYWORD_PATTERN_PROPERTIES] == 0) {
        return;
    }
    struct shape shape = {.first_entry = schema->entries.n,
                          .first_dependent = schema->dependents.n,
                          .additional_node = additional,
                          .additional = NONE};
    shape.slots = emit_slots(schema, names, &shape.first_slot);
    add_properties(e, &shape);
    add_patterns(e, &shape);
    add_required(e, &shape);
    add_dependents(e, &shape, e->at[KEYWORD_DEPENDENT_REQUIRED]);
    add_dependents(e, &shape, e->at[KEYWORD_DEPENDENT_SCHEMAS]);
    add_dependents(e, &shape, e->at[KEYWORD_DEPENDENCIES]);
    if (additional != 0) {
        shape.additional = compiler_want(e->c, e->document, additional);
    }
    VECTOR_PUSH(&schema->shapes, shape);
    emit(e, OPERATION_MEMBERS, additional, schema->shapes.n - 1, NONE, NONE);
}
