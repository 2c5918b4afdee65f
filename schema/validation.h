/* One validation: what its parts share. Private to schema/; one thread.
 *
 * Marks say which members or items of a value were evaluated, one bit each, for unevaluated*. They
 * lie on a stack; a run of marks is named by its place + 1, and 0 means that nobody wants them. */
#ifndef SCHEMA_VALIDATION_H
#define SCHEMA_VALIDATION_H

#include "program.h"

struct validation {
    const struct schema *schema;
    struct flat_json value;
    struct schema_report *report;
    uint64_t steps;  /* left */
    uint32_t calls;  /* subschemas that are being checked, one within the other */
    uint32_t quiet;  /* more than 0: a violation is only counted as one */
    bool over;       /* out of steps or calls: all further checks fail at once */
    bool limited;    /* a limit was reached: the value is not valid, whatever else was found */
    struct str text; /* of a string with escapes */
    VECTOR(uint64_t) words;           /* stack of marks and other bits */
    uint32_t scope[SCHEMA_CALLS + 1]; /* resources entered, the outermost first */
    uint32_t n_scope;
};

/* Runs the instructions of a subschema on a node. marks: of the node, or 0. */
bool validation_check(struct validation *v, uint32_t subschema, uint32_t node, uint32_t marks);
/* The same without reporting. */
bool validation_try(struct validation *v, uint32_t subschema, uint32_t node, uint32_t marks);
/* The same for a member or item; where the subschema is `false`, the keyword's operand at
 * `operand` is what the violation names. */
bool validation_check_child(struct validation *v, const struct instruction *i, uint32_t operand,
                            uint32_t subschema, uint32_t child);

/* Adds a violation by the operand at `operand` in i's document; returns false. */
bool validation_violate(struct validation *v, const struct instruction *i, uint32_t operand,
                        uint32_t node, const char *format, ...)
    __attribute__((format(printf, 5, 6)));
/* A limit was reached: the same, also where nothing is reported otherwise. */
bool validation_limit(struct validation *v, const struct instruction *i, uint32_t operand,
                      uint32_t node, const char *format, ...) __attribute__((format(printf, 5, 6)));
/* There are not enough steps left: reports that once, and returns false. */
bool validation_exhaust(struct validation *v, const struct instruction *i, uint32_t node);
/* Takes steps; false: there are not so many left, which is reported. */
static inline bool validation_charge(struct validation *v, const struct instruction *i,
                                     uint32_t node, uint64_t steps)
{
    if (v->over || v->steps < steps) {
        return validation_exhaust(v, i, node);
    }
    v->steps -= steps;
    return true;
}
enum regex_result validation_match(struct validation *v, uint32_t regex, struct json_text text);

/* A run of n bits, all 0, on the stack; popped by the length of `words` before. */
uint32_t validation_push_bits(struct validation *v, uint32_t n);
static inline void validation_set_bit(struct validation *v, uint32_t run, uint32_t bit)
{
    if (run != 0) {
        v->words.items[run - 1 + bit / 64] |= UINT64_C(1) << bit % 64;
    }
}

static inline bool validation_has_bit(const struct validation *v, uint32_t run, uint32_t bit)
{
    return (v->words.items[run - 1 + bit / 64] >> bit % 64 & 1) != 0;
}

/* ---- validate_arrays.c, validate_members.c: the instructions of arrays and objects ---- */

bool validate_unique_items(struct validation *v, const struct instruction *i, uint32_t node);
bool validate_items(struct validation *v, const struct instruction *i, uint32_t node,
                    uint32_t marks);
bool validate_contains(struct validation *v, const struct instruction *i, uint32_t node,
                       uint32_t marks);
bool validate_unevaluated_items(struct validation *v, const struct instruction *i, uint32_t node,
                                uint32_t marks);
bool validate_members(struct validation *v, const struct instruction *i, uint32_t node,
                      uint32_t marks);
bool validate_property_names(struct validation *v, const struct instruction *i, uint32_t node);
bool validate_unevaluated_properties(struct validation *v, const struct instruction *i,
                                     uint32_t node, uint32_t marks);

#endif
