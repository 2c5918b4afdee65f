#include <string.h>

#include "compiler.h"
#include "json_number.h"
#include "report.h"

static const struct flat_json *tree_of(const struct emission *e)
{
    return compiler_tree(e->c, e->document);
}

void emit(struct emission *e, enum operation operation, uint32_t node, uint32_t a, uint32_t b,
          uint32_t c)
{
    struct instruction instruction = {.operation = (uint8_t)operation,
                                      .document = (uint16_t)e->document,
                                      .node = node,
                                      .a = a,
                                      .b = b,
                                      .c = c};
    VECTOR_PUSH(&e->c->schema->instructions, instruction);
}

/* ---- References ---- */

static void emit_ref(struct emission *e)
{
    AUTO_STR anchor = {0};
    struct schema_place place;
    uint32_t node = e->at[KEYWORD_REF];
    if (node != 0 && references_find(e->c, e->document, node, &place, &anchor)) {
        emit(e, OPERATION_REF, node, compiler_want(e->c, place.document, place.node), NONE, NONE);
    }
}

static uint32_t dynamic_name(struct compiler *c, const char *name)
{
    for (uint32_t i = 0; i < c->dynamic_names.n; i++) {
        if (strcmp(c->dynamic_names.items[i], name) == 0) {
            return i;
        }
    }
    VECTOR_PUSH(&c->dynamic_names, mem_string(name));
    return c->dynamic_names.n - 1;
}

static void emit_dynamic_ref(struct emission *e)
{
    AUTO_STR anchor = {0};
    struct schema_place place;
    uint32_t node = e->at[KEYWORD_DYNAMIC_REF];
    if (node == 0 || !references_find(e->c, e->document, node, &place, &anchor)) {
        return;
    }
    uint32_t target = compiler_want(e->c, place.document, place.node);
    if (anchor.len == 0) {
        emit(e, OPERATION_REF, node, target, NONE, NONE);
    } else {
        emit(e, OPERATION_DYNAMIC_REF, node, target, dynamic_name(e->c, anchor.data), NONE);
    }
}

/* ---- Any value ---- */

static uint32_t type_bit(const struct flat_json *tree, uint32_t node)
{
    static const struct {
        const char *name;
        uint32_t bits;
    } types[] = {
        {"array", 1u << JSON_ARRAY},   {"boolean", 1u << JSON_TRUE | 1u << JSON_FALSE},
        {"integer", TYPE_INTEGER},     {"null", 1u << JSON_NULL},
        {"number", 1u << JSON_NUMBER}, {"object", 1u << JSON_OBJECT},
        {"string", 1u << JSON_STRING},
    };
    uint32_t bits = 0;
    for (size_t i = 0; i < COUNT_OF(types); i++) {
        bits |= flat_json_is(tree, node, types[i].name, strlen(types[i].name)) ? types[i].bits : 0;
    }
    return bits;
}

static void emit_type(struct emission *e)
{
    const struct flat_json *tree = tree_of(e);
    uint32_t node = e->at[KEYWORD_TYPE];
    if (node == 0) {
        return;
    }
    uint32_t bits = 0;
    if (tree->nodes[node].type == JSON_STRING) {
        bits = type_bit(tree, node);
    } else {
        for (uint32_t at = node + 1; at < tree->nodes[node].end; at++) {
            bits |= type_bit(tree, at);
        }
    }
    emit(e, OPERATION_TYPE, node, bits, NONE, NONE);
}

uint32_t emit_slots(struct schema *schema, uint32_t n, uint32_t *ret_first)
{
    uint32_t slots = 4;
    while (slots < 2 * n) {
        slots *= 2;
    }
    *ret_first = schema->slots.n;
    for (uint32_t i = 0; i < slots; i++) {
        VECTOR_PUSH(&schema->slots, 0);
    }
    return slots;
}

/* Equal values may stand in it twice: the first one is found. */
static void put_in_set(struct schema *schema, const struct set *set, uint32_t item)
{
    uint32_t *slots = schema->slots.items + set->first_slot;
    uint64_t hash = schema->set_items.items[set->first + item].hash;
    uint32_t slot = (uint32_t)hash & (set->slots - 1);
    while (slots[slot] != 0) {
        slot = (slot + 1) & (set->slots - 1);
    }
    slots[slot] = item + 1;
}

/* The values from node `at` until `end`. */
static uint32_t add_set(struct emission *e, uint32_t at, uint32_t end)
{
    struct schema *schema = e->c->schema;
    const struct flat_json *tree = tree_of(e);
    struct set set = {.first = schema->set_items.n};
    for (; at < end; at = tree->nodes[at].end, set.n++) {
        struct set_item item = {.hash = flat_json_hash(tree, at), .node = at};
        VECTOR_PUSH(&schema->set_items, item);
    }
    set.slots = emit_slots(schema, set.n, &set.first_slot);
    for (uint32_t i = 0; i < set.n; i++) {
        put_in_set(schema, &set, i);
    }
    VECTOR_PUSH(&schema->sets, set);
    return schema->sets.n - 1;
}

static void emit_values(struct emission *e)
{
    const struct flat_node *nodes = tree_of(e)->nodes;
    uint32_t list = e->at[KEYWORD_ENUM];
    uint32_t one = e->at[KEYWORD_CONST];
    if (list != 0) {
        emit(e, OPERATION_ENUM, list, add_set(e, list + 1, nodes[list].end), NONE, NONE);
    }
    if (one != 0) {
        emit(e, OPERATION_ENUM, one, add_set(e, one, nodes[one].end), NONE, NONE);
    }
}

/* ---- Numbers, strings, counts ---- */

static void emit_bound(struct emission *e, enum keyword keyword, enum operation operation)
{
    uint32_t node = e->at[keyword];
    if (node == 0) {
        return;
    }
    struct bound bound = {0};
    bound.is_short = program_short_integer(flat_json_text(tree_of(e), node), &bound.value);
    VECTOR_PUSH(&e->c->schema->bounds, bound);
    emit(e, operation, node, e->c->schema->bounds.n - 1, NONE, NONE);
}

/* A count; what is beyond 32 bits is beyond every value, too. */
static uint32_t count_at(const struct emission *e, uint32_t node)
{
    uint64_t count = 0;
    json_number_to_count(flat_json_text(tree_of(e), node), &count);
    return count >= NONE ? NONE - 1 : (uint32_t)count;
}

static void emit_count(struct emission *e, enum keyword keyword, enum operation operation)
{
    uint32_t node = e->at[keyword];
    if (node != 0) {
        emit(e, operation, node, count_at(e, node), NONE, NONE);
    }
}

static void emit_numbers(struct emission *e)
{
    if (e->at[KEYWORD_MULTIPLE_OF] != 0) {
        emit(e, OPERATION_MULTIPLE_OF, e->at[KEYWORD_MULTIPLE_OF], NONE, NONE, NONE);
    }
    emit_bound(e, KEYWORD_MAXIMUM, OPERATION_MAXIMUM);
    emit_bound(e, KEYWORD_EXCLUSIVE_MAXIMUM, OPERATION_EXCLUSIVE_MAXIMUM);
    emit_bound(e, KEYWORD_MINIMUM, OPERATION_MINIMUM);
    emit_bound(e, KEYWORD_EXCLUSIVE_MINIMUM, OPERATION_EXCLUSIVE_MINIMUM);
}

uint32_t emit_regex(struct emission *e, uint32_t node)
{
    AUTO_STR room = {0};
    AUTO_STR fault = {0};
    struct regex *regex = NULL;
    if (e->c->regex_bytes > SCHEMA_COMPILED_BYTES) {
        compiler_fault(e->c, e->document, node,
                       "is one regular expression too many: compiled, they take more than %u bytes",
                       SCHEMA_COMPILED_BYTES);
        return NONE;
    }
    if (!regex_compile(flat_json_string(tree_of(e), node, &room), &regex, &fault)) {
        compiler_fault(e->c, e->document, node, "is no regular expression of ECMA-262: %s",
                       str_text(&fault));
        return NONE;
    }
    e->c->regex_bytes += regex_bytes(regex);
    VECTOR_PUSH(&e->c->schema->regexes, regex);
    return e->c->schema->regexes.n - 1;
}

static void emit_format(struct emission *e)
{
    AUTO_STR room = {0};
    uint32_t node = e->at[KEYWORD_FORMAT];
    if (node == 0 || !e->assert_formats) {
        return;
    }
    const struct format *format = format_find(flat_json_string(tree_of(e), node, &room));
    if (format != NULL) {
        VECTOR_PUSH(&e->c->schema->formats, format);
        emit(e, OPERATION_FORMAT, node, e->c->schema->formats.n - 1, NONE, NONE);
    }
}

static void emit_strings(struct emission *e)
{
    uint32_t pattern = e->at[KEYWORD_PATTERN];
    emit_count(e, KEYWORD_MAX_LENGTH, OPERATION_MAX_LENGTH);
    emit_count(e, KEYWORD_MIN_LENGTH, OPERATION_MIN_LENGTH);
    if (pattern != 0) {
        uint32_t regex = emit_regex(e, pattern);
        if (regex != NONE) {
            emit(e, OPERATION_PATTERN, pattern, regex, NONE, NONE);
        }
    }
    emit_format(e);
}

/* ---- Arrays ---- */

/* Appends the subschemas in an array to the lists; returns where they begin. */
static uint32_t list_subschemas(struct emission *e, uint32_t array)
{
    uint32_t first = e->c->schema->lists.n;
    const struct flat_node *nodes = tree_of(e)->nodes;
    for (uint32_t at = array + 1; at < nodes[array].end; at = nodes[at].end) {
        uint32_t subschema = compiler_want(e->c, e->document, at);
        VECTOR_PUSH(&e->c->schema->lists, subschema);
    }
    return first;
}

static uint32_t optional_subschema(struct emission *e, uint32_t node)
{
    return node == 0 ? NONE : compiler_want(e->c, e->document, node);
}

/* The first items have schemas of their own (prefixItems; in draft 7 a list as `items`), the rest
 * another one (items; in draft 7 additionalItems). */
static void emit_items(struct emission *e)
{
    const struct flat_node *nodes = tree_of(e)->nodes;
    uint32_t prefix = e->at[KEYWORD_PREFIX_ITEMS];
    uint32_t rest = e->at[KEYWORD_ITEMS];
    if (rest != 0 && nodes[rest].type == JSON_ARRAY) {
        prefix = rest;
        rest = e->at[KEYWORD_ADDITIONAL_ITEMS];
    }
    if (prefix != 0 || rest != 0) {
        emit(e, OPERATION_ITEMS, rest != 0 ? rest : prefix,
             prefix == 0 ? 0 : list_subschemas(e, prefix), prefix == 0 ? 0 : nodes[prefix].n,
             optional_subschema(e, rest));
    }
}

static void emit_contains(struct emission *e)
{
    uint32_t node = e->at[KEYWORD_CONTAINS];
    uint32_t least = e->at[KEYWORD_MIN_CONTAINS];
    uint32_t most = e->at[KEYWORD_MAX_CONTAINS];
    if (node == 0) {
        return;
    }
    emit(e, OPERATION_CONTAINS, node, compiler_want(e->c, e->document, node),
         least == 0 ? 1 : count_at(e, least), most == 0 ? NONE : count_at(e, most));
    struct schema *schema = e->c->schema;
    schema->instructions.items[schema->instructions.n - 1].marks = e->dialect == DIALECT_2020;
}

static void emit_arrays(struct emission *e)
{
    uint32_t unique = e->at[KEYWORD_UNIQUE_ITEMS];
    emit_count(e, KEYWORD_MAX_ITEMS, OPERATION_MAX_ITEMS);
    emit_count(e, KEYWORD_MIN_ITEMS, OPERATION_MIN_ITEMS);
    if (unique != 0 && tree_of(e)->nodes[unique].type == JSON_TRUE) {
        emit(e, OPERATION_UNIQUE_ITEMS, unique, NONE, NONE, NONE);
    }
    emit_items(e);
    emit_contains(e);
}

static void emit_objects(struct emission *e)
{
    uint32_t names = e->at[KEYWORD_PROPERTY_NAMES];
    emit_count(e, KEYWORD_MAX_PROPERTIES, OPERATION_MAX_PROPERTIES);
    emit_count(e, KEYWORD_MIN_PROPERTIES, OPERATION_MIN_PROPERTIES);
    if (names != 0) {
        emit(e, OPERATION_PROPERTY_NAMES, names, compiler_want(e->c, e->document, names), NONE,
             NONE);
    }
    emit_members(e);
}

/* ---- Combinations ---- */

static void emit_list(struct emission *e, enum keyword keyword, enum operation operation)
{
    uint32_t node = e->at[keyword];
    if (node != 0) {
        uint32_t first = list_subschemas(e, node);
        emit(e, operation, node, first, tree_of(e)->nodes[node].n, NONE);
    }
}

static void emit_combinations(struct emission *e)
{
    uint32_t not = e->at[KEYWORD_NOT];
    uint32_t condition = e->at[KEYWORD_IF];
    emit_list(e, KEYWORD_ALL_OF, OPERATION_ALL_OF);
    emit_list(e, KEYWORD_ANY_OF, OPERATION_ANY_OF);
    emit_list(e, KEYWORD_ONE_OF, OPERATION_ONE_OF);
    if (not != 0) {
        emit(e, OPERATION_NOT, not, compiler_want(e->c, e->document, not ), NONE, NONE);
    }
    if (condition != 0) {
        emit(e, OPERATION_IF, condition, compiler_want(e->c, e->document, condition),
             optional_subschema(e, e->at[KEYWORD_THEN]),
             optional_subschema(e, e->at[KEYWORD_ELSE]));
    }
}

/* After all others, which evaluate. Returns whether there are any. */
static bool emit_unevaluated(struct emission *e)
{
    uint32_t items = e->at[KEYWORD_UNEVALUATED_ITEMS];
    uint32_t properties = e->at[KEYWORD_UNEVALUATED_PROPERTIES];
    if (items != 0) {
        emit(e, OPERATION_UNEVALUATED_ITEMS, items, compiler_want(e->c, e->document, items), NONE,
             NONE);
    }
    if (properties != 0) {
        emit(e, OPERATION_UNEVALUATED_PROPERTIES, properties,
             compiler_want(e->c, e->document, properties), NONE, NONE);
    }
    return items != 0 || properties != 0;
}

/* ---- A subschema ---- */

/* Finds the keywords of an object that are in force, and checks their operands. */
static void find_keywords(struct emission *e, const struct resource *resource, uint32_t object)
{
    AUTO_STR room = {0};
    const struct flat_json *tree = tree_of(e);
    bool only_ref = e->dialect == DIALECT_7 && flat_json_member(tree, object, "$ref", 4) != 0;
    for (uint32_t at = object + 1; at < tree->nodes[object].end; at = tree->nodes[at + 1].end) {
        const struct keyword_row *row = keyword_find(flat_json_string(tree, at, &room), e->dialect);
        if (row == NULL || (resource->vocabularies & row->vocabulary) == 0 ||
            (only_ref && row->keyword != KEYWORD_REF)) {
            continue;
        }
        if (operands_check(e->c, e->document, at + 1, row->operand)) {
            e->at[row->keyword] = at + 1;
        }
    }
}

static bool emit_object(struct compiler *c, const struct subschema *subschema)
{
    const struct resource *resource = &c->resources.items[subschema->resource];
    struct emission e = {.c = c,
                         .document = subschema->document,
                         .dialect = resource->dialect,
                         .assert_formats = resource->assert_formats};
    find_keywords(&e, resource, subschema->node);
    emit_ref(&e);
    emit_dynamic_ref(&e);
    emit_type(&e);
    emit_values(&e);
    emit_numbers(&e);
    emit_strings(&e);
    emit_arrays(&e);
    emit_objects(&e);
    emit_combinations(&e);
    return emit_unevaluated(&e);
}

void emit_subschema(struct compiler *c, uint32_t index)
{
    struct schema *schema = c->schema;
    struct subschema subschema = schema->subschemas.items[index];
    enum json_type type = compiler_tree(c, subschema.document)->nodes[subschema.node].type;
    subschema.first = schema->instructions.n;
    if (type == JSON_OBJECT) {
        subschema.looks_back = emit_object(c, &subschema);
    } else if (type == JSON_FALSE) {
        struct emission e = {.c = c, .document = subschema.document};
        emit(&e, OPERATION_FALSE, subschema.node, NONE, NONE, NONE);
        subschema.is_false = true;
    } else if (type != JSON_TRUE && subschema.node == 0) { /* below, its keyword reports it */
        compiler_fault(c, subschema.document, 0, "must be a schema: an object, true or false");
    }
    subschema.n = schema->instructions.n - subschema.first;
    schema->subschemas.items[index] = subschema;
}
