#include <string.h>

#include "hash.h"
#include "report.h"
#include "validation.h"

/* The state of a pass over an object's members. */
struct pass {
    struct validation *v;
    const struct instruction *i;
    const struct shape *shape;
    uint32_t object;
    uint32_t marks;
    uint32_t present; /* bits: the entries of the shape that the object has */
    uint32_t guess;   /* entry of the next member, perhaps */
};

static bool has_name(const struct pass *p, uint32_t entry, struct json_text name)
{
    const struct schema *schema = p->v->schema;
    const struct entry *e = &schema->entries.items[p->shape->first_entry + entry];
    return e->n_name == name.len && memcmp(schema->names.data + e->name, name.data, name.len) == 0;
}

static uint32_t look_up(const struct pass *p, struct json_text name)
{
    const uint32_t *slots = p->v->schema->slots.items + p->shape->first_slot;
    uint64_t hash = hash_table_key(name.data, name.len);
    uint32_t slot = (uint32_t)hash & (p->shape->slots - 1);
    while (slots[slot] != 0 && !has_name(p, slots[slot] - 1, name)) {
        slot = (slot + 1) & (p->shape->slots - 1);
    }
    return slots[slot] == 0 ? NONE : slots[slot] - 1;
}

/* The entry of a name; NONE: no keyword names it. Members often come in the schema's order. */
static uint32_t find_entry(struct pass *p, struct json_text name)
{
    bool guessed = p->guess < p->shape->n_entries && has_name(p, p->guess, name);
    uint32_t entry = guessed ? p->guess : look_up(p, name);
    p->guess = entry + 1; /* of NONE: 0 */
    return entry;
}

static bool check_pattern(struct pass *p, const struct pattern *pattern, struct json_text name,
                          uint32_t value, bool *matched)
{
    switch (validation_match(p->v, pattern->regex, name)) {
    case REGEX_LIMIT:
        return validation_limit(p->v, p->i, p->shape->patterns_node, value,
                                "has a name that takes more steps to match than are allowed");
    case REGEX_MATCH:
        *matched = true;
        return validation_check_child(p->v, p->i, p->shape->patterns_node, pattern->subschema,
                                      value);
    case REGEX_NO_MATCH:
        break;
    }
    return true;
}

/* The name may lie in v->text, so it is gone once the value is checked; patterns come first in need
 * of it, and decode it anew each. */
static bool check_patterns(struct pass *p, uint32_t key, bool *matched)
{
    bool ok = true;
    for (uint32_t n = 0; n < p->shape->n_patterns && !p->v->over; n++) {
        const struct pattern *pattern = &p->v->schema->patterns.items[p->shape->first_pattern + n];
        struct json_text name = flat_json_string(&p->v->value, key, &p->v->text);
        ok = check_pattern(p, pattern, name, key + 1, matched) && ok;
    }
    return ok;
}

static bool check_member(struct pass *p, uint32_t key, uint32_t n)
{
    struct validation *v = p->v;
    bool ok = true;
    bool matched = false;
    uint32_t entry = find_entry(p, flat_json_string(&v->value, key, &v->text));
    if (entry != NONE) {
        uint32_t subschema = v->schema->entries.items[p->shape->first_entry + entry].subschema;
        validation_set_bit(v, p->present, entry);
        if (subschema != NONE) {
            matched = true;
            ok = validation_check_child(v, p->i, p->shape->properties_node, subschema, key + 1);
        }
    }
    ok = check_patterns(p, key, &matched) && ok;
    if (!matched && p->shape->additional != NONE) {
        matched = true;
        ok = validation_check_child(v, p->i, p->shape->additional_node, p->shape->additional,
                                    key + 1) &&
             ok;
    }
    if (matched) {
        validation_set_bit(v, p->marks, n);
    }
    return ok;
}

static bool check_members(struct pass *p)
{
    const struct flat_node *nodes = p->v->value.nodes;
    bool ok = true;
    uint32_t n = 0;
    for (uint32_t at = p->object + 1; at < nodes[p->object].end && (ok || p->v->quiet == 0);
         at = nodes[at + 1].end, n++) {
        if (!validation_charge(p->v, p->i, p->object, 1 + nodes[at].size / 16)) {
            return false;
        }
        ok = check_member(p, at, n) && ok;
    }
    return ok;
}

static void quote_entry(const struct pass *p, uint32_t entry, struct str *out)
{
    const struct schema *schema = p->v->schema;
    const struct entry *e = &schema->entries.items[p->shape->first_entry + entry];
    report_quote(out, (struct json_text){schema->names.data + e->name, e->n_name});
}

static bool check_required(struct pass *p)
{
    struct validation *v = p->v;
    bool ok = true;
    for (uint32_t n = 0; n < p->shape->n_required && (ok || v->quiet == 0); n++) {
        uint32_t entry = v->schema->lists.items[p->shape->first_required + n];
        if (!validation_has_bit(v, p->present, entry)) {
            AUTO_STR name = {0};
            quote_entry(p, entry, &name);
            ok = validation_violate(v, p->i, p->shape->required_node, p->object, "must have %s",
                                    name.data);
        }
    }
    return ok;
}

static bool check_dependent(struct pass *p, const struct dependent *d)
{
    struct validation *v = p->v;
    if (!validation_has_bit(v, p->present, d->trigger)) {
        return true;
    }
    if (d->subschema != NONE) {
        return v->schema->subschemas.items[d->subschema].is_false
                   ? validation_check_child(v, p->i, d->node, d->subschema, p->object)
                   : validation_check(v, d->subschema, p->object, p->marks);
    }
    if (validation_has_bit(v, p->present, d->needed)) {
        return true;
    }
    AUTO_STR needed = {0};
    AUTO_STR trigger = {0};
    quote_entry(p, d->needed, &needed);
    quote_entry(p, d->trigger, &trigger);
    return validation_violate(v, p->i, d->node, p->object, "must have %s, because it has %s",
                              needed.data, trigger.data);
}

static bool check_dependents(struct pass *p)
{
    bool ok = true;
    for (uint32_t n = 0; n < p->shape->n_dependents && (ok || p->v->quiet == 0); n++) {
        ok = check_dependent(p, &p->v->schema->dependents.items[p->shape->first_dependent + n]) &&
             ok;
    }
    return ok;
}

bool validate_members(struct validation *v, const struct instruction *i, uint32_t node,
                      uint32_t marks)
{
    const struct shape *shape = &v->schema->shapes.items[i->a];
    if (v->value.nodes[node].type != JSON_OBJECT) {
        return true;
    }
    if (!validation_charge(v, i, node, (shape->n_entries + shape->n_dependents) / 8)) {
        return false;
    }
    uint32_t before = v->words.n;
    struct pass pass = {.v = v,
                        .i = i,
                        .shape = shape,
                        .object = node,
                        .marks = marks,
                        .present = validation_push_bits(v, shape->n_entries)};
    bool ok = check_members(&pass);
    if (ok || v->quiet == 0) {
        ok = check_required(&pass) && ok;
        ok = check_dependents(&pass) && ok;
    }
    v->words.n = before;
    return ok;
}

bool validate_property_names(struct validation *v, const struct instruction *i, uint32_t node)
{
    const struct flat_node *nodes = v->value.nodes;
    bool ok = true;
    if (nodes[node].type != JSON_OBJECT) {
        return true;
    }
    for (uint32_t at = node + 1; at < nodes[node].end && (ok || v->quiet == 0) && !v->over;
         at = nodes[at + 1].end) {
        ok = validation_check_child(v, i, i->node, i->a, at) && ok;
    }
    return ok;
}

bool validate_unevaluated_properties(struct validation *v, const struct instruction *i,
                                     uint32_t node, uint32_t marks)
{
    const struct flat_node *nodes = v->value.nodes;
    bool ok = true;
    uint32_t n = 0;
    if (nodes[node].type != JSON_OBJECT) {
        return true;
    }
    for (uint32_t at = node + 1; at < nodes[node].end && (ok || v->quiet == 0) && !v->over;
         at = nodes[at + 1].end, n++) {
        if (!validation_has_bit(v, marks, n)) {
            ok = validation_check_child(v, i, i->node, i->a, at + 1) && ok;
            validation_set_bit(v, marks, n);
        }
    }
    return ok;
}
