#include <string.h>

#include "validation.h"

/* ---- uniqueItems ---- */

/* Items that were seen, by hash: open addressing, at least twice as many slots as items. */
struct seen {
    struct seen_item {
        uint32_t hash; /* a half of it: small slots are found in the cache */
        uint32_t node; /* 0: free */
    } * slots;
    uint32_t n_slots;
};

/* The earlier item that is equal to this one, or 0. */
static uint32_t see(struct validation *v, struct seen *seen, uint32_t node)
{
    uint32_t hash = (uint32_t)flat_json_hash(&v->value, node);
    uint32_t slot = hash & (seen->n_slots - 1);
    for (; seen->slots[slot].node != 0; slot = (slot + 1) & (seen->n_slots - 1)) {
        uint32_t other = seen->slots[slot].node;
        if (seen->slots[slot].hash == hash &&
            json_text_equal(flat_json_text(&v->value, other), flat_json_text(&v->value, node))) {
            return other;
        }
    }
    seen->slots[slot] = (struct seen_item){hash, node};
    return 0;
}

static uint32_t index_of(const struct validation *v, uint32_t array, uint32_t item)
{
    uint32_t key;
    uint32_t index;
    flat_json_step(&v->value, array, item, &key, &index);
    return index;
}

bool validate_unique_items(struct validation *v, const struct instruction *i, uint32_t node)
{
    const struct flat_node *array = &v->value.nodes[node];
    if (array->type != JSON_ARRAY || array->n < 2) {
        return true;
    }
    if (!validation_charge(v, i, node, 4 * (array->end - node) + array->size / 16)) {
        return false;
    }
    struct seen seen = {.n_slots = 4};
    while (seen.n_slots < 2 * array->n) {
        seen.n_slots *= 2;
    }
    seen.slots = mem_array(seen.n_slots, sizeof *seen.slots);
    uint32_t other = 0;
    uint32_t at = node + 1;
    while (at < array->end && (other = see(v, &seen, at)) == 0) {
        at = v->value.nodes[at].end;
    }
    free(seen.slots);
    return other == 0 ||
           validation_violate(v, i, i->node, at, "must not be there twice: item %u is equal",
                              index_of(v, node, other));
}

/* ---- Items ---- */

bool validate_items(struct validation *v, const struct instruction *i, uint32_t node,
                    uint32_t marks)
{
    const struct flat_node *nodes = v->value.nodes;
    bool ok = true;
    uint32_t n = 0;
    if (nodes[node].type != JSON_ARRAY) {
        return true;
    }
    for (uint32_t at = node + 1; at < nodes[node].end && (ok || v->quiet == 0) && !v->over;
         at = nodes[at].end, n++) {
        uint32_t subschema = n < i->b ? v->schema->lists.items[i->a + n] : i->c;
        if (subschema == NONE) {
            break;
        }
        ok = validation_check_child(v, i, i->node, subschema, at) && ok;
        validation_set_bit(v, marks, n);
    }
    return ok;
}

static bool contains_fits(struct validation *v, const struct instruction *i, uint32_t node,
                          uint32_t matches)
{
    if (matches < i->b) {
        return validation_violate(v, i, i->node, node,
                                  "must have at least %u matching item%s, but has %u", i->b,
                                  i->b == 1 ? "" : "s", matches);
    }
    return matches <= i->c ||
           validation_violate(v, i, i->node, node,
                              "must have at most %u matching item%s, but has more", i->c,
                              i->c == 1 ? "" : "s");
}

bool validate_contains(struct validation *v, const struct instruction *i, uint32_t node,
                       uint32_t marks)
{
    const struct flat_node *nodes = v->value.nodes;
    uint32_t matches = 0;
    uint32_t n = 0;
    if (nodes[node].type != JSON_ARRAY) {
        return true;
    }
    bool all = (marks != 0 && i->marks) || i->c != NONE;
    for (uint32_t at = node + 1; at < nodes[node].end && (all || matches < i->b) && !v->over;
         at = nodes[at].end, n++) {
        if (validation_try(v, i->a, at, 0)) {
            matches++;
            validation_set_bit(v, i->marks ? marks : 0, n);
        }
    }
    return contains_fits(v, i, node, matches);
}

bool validate_unevaluated_items(struct validation *v, const struct instruction *i, uint32_t node,
                                uint32_t marks)
{
    const struct flat_node *nodes = v->value.nodes;
    bool ok = true;
    uint32_t n = 0;
    if (nodes[node].type != JSON_ARRAY) {
        return true;
    }
    for (uint32_t at = node + 1; at < nodes[node].end && (ok || v->quiet == 0) && !v->over;
         at = nodes[at].end, n++) {
        if (!validation_has_bit(v, marks, n)) {
            ok = validation_check_child(v, i, i->node, i->a, at) && ok;
            validation_set_bit(v, marks, n);
        }
    }
    return ok;
}
