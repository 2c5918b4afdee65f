#include <assert.h>
#include <string.h>

#include "json_number.h"
#include "report.h"
#include "validation.h"

#define BYTES_PER_STEP 16

/* ---- Violations and limits ---- */

static void __attribute__((format(printf, 5, 0)))
add(struct validation *v, const struct instruction *i, uint32_t operand, uint32_t node,
    const char *format, va_list arguments)
{
    struct str value = {0};
    struct str place = {0};
    flat_json_add_pointer(&v->value, node, REPORT_POINTER_MAX, &value);
    program_add_place(v->schema, i->document, operand, &place);
    report_add(v->report, &value, &place, program_keyword(v->schema, i->document, operand), format,
               arguments);
}

bool validation_violate(struct validation *v, const struct instruction *i, uint32_t operand,
                        uint32_t node, const char *format, ...)
{
    if (v->quiet == 0 && !v->over) {
        va_list arguments;
        va_start(arguments, format);
        add(v, i, operand, node, format, arguments);
        va_end(arguments);
        v->over = v->report->more;
    }
    return false;
}

bool validation_limit(struct validation *v, const struct instruction *i, uint32_t operand,
                      uint32_t node, const char *format, ...)
{
    if (!v->over) {
        va_list arguments;
        va_start(arguments, format);
        add(v, i, operand, node, format, arguments);
        va_end(arguments);
        v->over = v->report->more;
    }
    v->limited = true;
    return false;
}

bool validation_exhaust(struct validation *v, const struct instruction *i, uint32_t node)
{
    if (!v->over) {
        validation_limit(v, i, i->node, node, "takes more steps to check than are allowed");
        v->steps = 0;
        v->over = true;
    }
    return false;
}

enum regex_result validation_match(struct validation *v, uint32_t regex, struct json_text text)
{
    return regex_match(v->schema->regexes.items[regex], text, &v->steps);
}

/* ---- Marks ---- */

uint32_t validation_push_bits(struct validation *v, uint32_t n)
{
    uint32_t run = v->words.n + 1;
    for (uint32_t i = 0; i < (n + 63) / 64; i++) {
        VECTOR_PUSH(&v->words, 0);
    }
    return run;
}

/* Marks of a container's children. */
static uint32_t push_marks(struct validation *v, uint32_t node)
{
    return validation_push_bits(v, v->value.nodes[node].n);
}

/* into |= from, of the marks of a node. */
static void merge_marks(struct validation *v, uint32_t node, uint32_t into, uint32_t from)
{
    for (uint32_t i = 0; i < (v->value.nodes[node].n + 63) / 64; i++) {
        v->words.items[into - 1 + i] |= v->words.items[from - 1 + i];
    }
}

/* ---- Any value ---- */

/* Digits alone, which nearly all integers are. */
static bool is_plain_integer(struct json_text number)
{
    size_t at = number.data[0] == '-' ? 1 : 0;
    while (at < number.len && number.data[at] >= '0' && number.data[at] <= '9') {
        at++;
    }
    return at == number.len;
}

static bool fits_type(const struct validation *v, uint32_t types, uint32_t node)
{
    enum json_type type = v->value.nodes[node].type;
    if ((types >> type & 1) != 0) {
        return true;
    }
    if (type != JSON_NUMBER || (types & TYPE_INTEGER) == 0) {
        return false;
    }
    struct json_text number = flat_json_text(&v->value, node);
    return is_plain_integer(number) || json_number_is_integer(number);
}

static bool check_type(struct validation *v, const struct instruction *i, uint32_t node)
{
    if (fits_type(v, i->a, node)) {
        return true;
    }
    static const char *const names[] = {"an object", "an array", "a string", "a number",
                                        "true",      "false",    "null"};
    static const struct {
        uint32_t bits;
        const char *name;
    } types[] = {
        {1u << JSON_ARRAY, "an array"},  {1u << JSON_TRUE, "true or false"},
        {TYPE_INTEGER, "an integer"},    {1u << JSON_NULL, "null"},
        {1u << JSON_NUMBER, "a number"}, {1u << JSON_OBJECT, "an object"},
        {1u << JSON_STRING, "a string"},
    };
    AUTO_STR wanted = {0};
    for (size_t t = 0; t < COUNT_OF(types); t++) {
        if ((i->a & types[t].bits) != 0) {
            str_addf(&wanted, "%s%s", wanted.len == 0 ? "" : " or ", types[t].name);
        }
    }
    enum json_type type = v->value.nodes[node].type;
    bool fraction = type == JSON_NUMBER && (i->a & TYPE_INTEGER) != 0;
    return validation_violate(v, i, i->node, node, "must be %s, but is %s%s", str_text(&wanted),
                              names[type], fraction ? " with a fraction" : "");
}

/* The values of an enum, as far as there is room for it. */
static void describe_set(const struct validation *v, const struct instruction *i,
                         const struct set *set, struct str *out)
{
    const struct flat_json *tree = &v->schema->documents.items[i->document].tree;
    for (uint32_t n = 0; n < set->n; n++) {
        struct json_text text =
            flat_json_text(tree, v->schema->set_items.items[set->first + n].node);
        if (out->len + text.len > REPORT_QUOTE_MAX * 2) {
            str_addf(out, "%sothers", n == 0 ? "" : " or ");
            return;
        }
        str_addf(out, "%s%.*s", n == 0 ? "" : " or ", (int)text.len, text.data);
    }
}

static bool is_in_set(struct validation *v, const struct instruction *i, const struct set *set,
                      uint32_t node)
{
    const struct flat_json *tree = &v->schema->documents.items[i->document].tree;
    struct json_text value = flat_json_text(&v->value, node);
    uint64_t hash = flat_json_hash(&v->value, node);
    const uint32_t *slots = v->schema->slots.items + set->first_slot;
    for (uint32_t slot = (uint32_t)hash & (set->slots - 1); slots[slot] != 0;
         slot = (slot + 1) & (set->slots - 1)) {
        const struct set_item *item = &v->schema->set_items.items[set->first + slots[slot] - 1];
        if (item->hash == hash && json_text_equal(flat_json_text(tree, item->node), value)) {
            return true;
        }
    }
    return false;
}

static bool check_enum(struct validation *v, const struct instruction *i, uint32_t node)
{
    const struct set *set = &v->schema->sets.items[i->a];
    const struct flat_node *n = &v->value.nodes[node];
    if (!validation_charge(v, i, node, n->end - node + n->size / BYTES_PER_STEP)) {
        return false;
    }
    if (is_in_set(v, i, set, node)) {
        return true;
    }
    AUTO_STR wanted = {0};
    if (v->quiet == 0) {
        describe_set(v, i, set, &wanted);
    }
    return validation_violate(v, i, i->node, node, "must be %s", str_text(&wanted));
}

/* ---- Numbers ---- */

static int compare(struct validation *v, const struct instruction *i, struct json_text number)
{
    const struct bound *bound = &v->schema->bounds.items[i->a];
    int64_t value;
    if (bound->is_short && program_short_integer(number, &value)) {
        return value < bound->value ? -1 : value > bound->value ? 1 : 0;
    }
    const struct flat_json *tree = &v->schema->documents.items[i->document].tree;
    return json_number_compare(number, flat_json_text(tree, i->node));
}

static bool number_fits(struct validation *v, const struct instruction *i, struct json_text number)
{
    const struct flat_json *tree = &v->schema->documents.items[i->document].tree;
    switch (i->operation) {
    case OPERATION_MULTIPLE_OF:
        return json_number_is_multiple(number, flat_json_text(tree, i->node));
    case OPERATION_MAXIMUM:
        return compare(v, i, number) <= 0;
    case OPERATION_EXCLUSIVE_MAXIMUM:
        return compare(v, i, number) < 0;
    case OPERATION_MINIMUM:
        return compare(v, i, number) >= 0;
    default:
        return compare(v, i, number) > 0;
    }
}

static bool check_number(struct validation *v, const struct instruction *i, uint32_t node)
{
    static const char *const demands[] = {
        [OPERATION_MULTIPLE_OF] = "must be a multiple of",
        [OPERATION_MAXIMUM] = "must be at most",
        [OPERATION_EXCLUSIVE_MAXIMUM] = "must be less than",
        [OPERATION_MINIMUM] = "must be at least",
        [OPERATION_EXCLUSIVE_MINIMUM] = "must be more than",
    };
    const struct flat_node *n = &v->value.nodes[node];
    if (n->type != JSON_NUMBER) {
        return true;
    }
    struct json_text limit = flat_json_text(&v->schema->documents.items[i->document].tree, i->node);
    if (!validation_charge(v, i, node, 1 + (n->size + limit.len) / BYTES_PER_STEP)) {
        return false;
    }
    if (number_fits(v, i, flat_json_text(&v->value, node))) {
        return true;
    }
    return validation_violate(v, i, i->node, node, "%s %.*s", demands[i->operation],
                              (int)(limit.len > REPORT_QUOTE_MAX ? REPORT_QUOTE_MAX : limit.len),
                              limit.data);
}

/* ---- Strings ---- */

static uint32_t count_characters(struct json_text text)
{
    uint32_t n = 0;
    for (size_t i = 0; i < text.len; i++) {
        n += ((unsigned char)text.data[i] & 0xC0) != 0x80 ? 1 : 0;
    }
    return n;
}

/* A character has one to four bytes: few texts need to be counted. */
static bool check_length(struct validation *v, const struct instruction *i, uint32_t node,
                         struct json_text text)
{
    bool most = i->operation == OPERATION_MAX_LENGTH;
    if (most ? text.len <= i->a : text.len / 4 >= i->a) {
        return true;
    }
    uint32_t n = count_characters(text);
    return (most ? n <= i->a : n >= i->a) ||
           validation_violate(v, i, i->node, node, "must have at %s %u character%s, but has %u",
                              most ? "most" : "least", i->a, i->a == 1 ? "" : "s", n);
}

static bool mismatch(struct validation *v, const struct instruction *i, uint32_t node,
                     enum regex_result result)
{
    AUTO_STR room = {0};
    AUTO_STR quoted = {0};
    const struct flat_json *tree = &v->schema->documents.items[i->document].tree;
    report_quote(&quoted, flat_json_string(tree, i->node, &room));
    if (result == REGEX_LIMIT) {
        return validation_limit(v, i, i->node, node,
                                "takes more steps to match %s than are allowed", quoted.data);
    }
    return validation_violate(v, i, i->node, node, "must match %s", quoted.data);
}

static bool check_pattern(struct validation *v, const struct instruction *i, uint32_t node,
                          struct json_text text)
{
    enum regex_result result = validation_match(v, i->a, text);
    return result == REGEX_MATCH || mismatch(v, i, node, result);
}

static bool check_string(struct validation *v, const struct instruction *i, uint32_t node)
{
    const struct flat_node *n = &v->value.nodes[node];
    if (n->type != JSON_STRING) {
        return true;
    }
    if (!validation_charge(v, i, node, 1 + n->size / BYTES_PER_STEP)) {
        return false;
    }
    struct json_text text = flat_json_string(&v->value, node, &v->text);
    if (i->operation == OPERATION_PATTERN) {
        return check_pattern(v, i, node, text);
    }
    if (i->operation == OPERATION_FORMAT) {
        const struct format *format = v->schema->formats.items[i->a];
        return format->check(text) ||
               validation_violate(v, i, i->node, node, "must be %s", format->noun);
    }
    return check_length(v, i, node, text);
}

/* ---- Counts of items and members ---- */

static bool check_count(struct validation *v, const struct instruction *i, uint32_t node,
                        enum json_type type, bool most)
{
    const struct flat_node *n = &v->value.nodes[node];
    if (n->type != type || (most ? n->n <= i->a : n->n >= i->a)) {
        return true;
    }
    return validation_violate(v, i, i->node, node, "must have at %s %u %s%s, but has %u",
                              most ? "most" : "least", i->a, type == JSON_ARRAY ? "item" : "member",
                              i->a == 1 ? "" : "s", n->n);
}

/* ---- Combinations ---- */

static bool check_all_of(struct validation *v, const struct instruction *i, uint32_t node,
                         uint32_t marks)
{
    bool ok = true;
    for (uint32_t n = 0; n < i->b && (ok || v->quiet == 0); n++) {
        ok = validation_check(v, v->schema->lists.items[i->a + n], node, marks) && ok;
    }
    return ok;
}

/* Tries a subschema, whose marks count only where it holds. */
static bool try_with_marks(struct validation *v, uint32_t subschema, uint32_t node, uint32_t marks)
{
    uint32_t before = v->words.n;
    uint32_t own = marks == 0 ? 0 : push_marks(v, node);
    bool ok = validation_try(v, subschema, node, own);
    if (ok && marks != 0) {
        merge_marks(v, node, marks, own);
    }
    v->words.n = before;
    return ok;
}

/* Whether the alternative takes values of the node's type, as far as its own `type` says. */
static bool takes_type(const struct validation *v, uint32_t subschema, uint32_t node)
{
    const struct subschema *s = &v->schema->subschemas.items[subschema];
    enum json_type type = v->value.nodes[node].type;
    for (uint32_t n = 0; n < s->n; n++) {
        const struct instruction *i = &v->schema->instructions.items[s->first + n];
        if (i->operation == OPERATION_REF && s->n == 1) {
            return takes_type(v, i->a, node);
        }
        if (i->operation == OPERATION_TYPE) {
            uint32_t bits = i->a | ((i->a & TYPE_INTEGER) != 0 ? 1u << JSON_NUMBER : 0);
            return (bits >> type & 1) != 0;
        }
    }
    return !s->is_false;
}

/* Where only one alternative takes values of this type, its violations tell what is wrong. */
static void explain_alternative(struct validation *v, const struct instruction *i, uint32_t node)
{
    uint32_t candidates = 0;
    uint32_t candidate = NONE;
    for (uint32_t n = 0; n < i->b; n++) {
        uint32_t subschema = v->schema->lists.items[i->a + n];
        if (takes_type(v, subschema, node)) {
            candidates++;
            candidate = subschema;
        }
    }
    if (candidates == 1 && v->quiet == 0) {
        validation_check(v, candidate, node, 0);
    }
}

static bool no_alternative(struct validation *v, const struct instruction *i, uint32_t node)
{
    validation_violate(v, i, i->node, node, "matches none of the %u alternatives", i->b);
    explain_alternative(v, i, node);
    return false;
}

static bool check_any_of(struct validation *v, const struct instruction *i, uint32_t node,
                         uint32_t marks)
{
    bool ok = false;
    for (uint32_t n = 0; n < i->b && (!ok || marks != 0); n++) {
        ok = try_with_marks(v, v->schema->lists.items[i->a + n], node, marks) || ok;
    }
    return ok || no_alternative(v, i, node);
}

static bool check_one_of(struct validation *v, const struct instruction *i, uint32_t node,
                         uint32_t marks)
{
    uint32_t matches = 0;
    for (uint32_t n = 0; n < i->b && matches < 2; n++) {
        matches += try_with_marks(v, v->schema->lists.items[i->a + n], node, marks) ? 1 : 0;
    }
    if (matches == 0) {
        return no_alternative(v, i, node);
    }
    return matches == 1 || validation_violate(v, i, i->node, node,
                                              "matches more than one of the %u alternatives", i->b);
}

static bool check_not(struct validation *v, const struct instruction *i, uint32_t node)
{
    return !validation_try(v, i->a, node, 0) ||
           validation_violate(v, i, i->node, node, "must not match");
}

static bool check_if(struct validation *v, const struct instruction *i, uint32_t node,
                     uint32_t marks)
{
    uint32_t next = try_with_marks(v, i->a, node, marks) ? i->b : i->c;
    return next == NONE || validation_check(v, next, node, marks);
}

/* The outermost resource that has the anchor decides. */
static bool check_dynamic_ref(struct validation *v, const struct instruction *i, uint32_t node,
                              uint32_t marks)
{
    uint32_t n = v->schema->dynamic_anchors.n;
    if (!validation_charge(v, i, node, (uint64_t)n * v->n_scope / 8)) {
        return false;
    }
    for (uint32_t scope = 0; scope < v->n_scope; scope++) {
        for (uint32_t a = 0; a < n; a++) {
            const struct dynamic_anchor *anchor = &v->schema->dynamic_anchors.items[a];
            if (anchor->name == i->b && anchor->resource == v->scope[scope]) {
                return validation_check(v, anchor->subschema, node, marks);
            }
        }
    }
    return validation_check(v, i->a, node, marks);
}

/* ---- Subschemas ---- */

static bool run(struct validation *v, const struct instruction *i, uint32_t node, uint32_t marks)
{
    switch ((enum operation)i->operation) {
    case OPERATION_TYPE:
        return check_type(v, i, node);
    case OPERATION_ENUM:
        return check_enum(v, i, node);
    case OPERATION_MULTIPLE_OF:
    case OPERATION_MAXIMUM:
    case OPERATION_EXCLUSIVE_MAXIMUM:
    case OPERATION_MINIMUM:
    case OPERATION_EXCLUSIVE_MINIMUM:
        return check_number(v, i, node);
    case OPERATION_MAX_LENGTH:
    case OPERATION_MIN_LENGTH:
    case OPERATION_PATTERN:
    case OPERATION_FORMAT:
        return check_string(v, i, node);
    case OPERATION_MAX_ITEMS:
        return check_count(v, i, node, JSON_ARRAY, true);
    case OPERATION_MIN_ITEMS:
        return check_count(v, i, node, JSON_ARRAY, false);
    case OPERATION_MAX_PROPERTIES:
        return check_count(v, i, node, JSON_OBJECT, true);
    case OPERATION_MIN_PROPERTIES:
        return check_count(v, i, node, JSON_OBJECT, false);
    case OPERATION_UNIQUE_ITEMS:
        return validate_unique_items(v, i, node);
    case OPERATION_ITEMS:
        return validate_items(v, i, node, marks);
    case OPERATION_CONTAINS:
        return validate_contains(v, i, node, marks);
    case OPERATION_MEMBERS:
        return validate_members(v, i, node, marks);
    case OPERATION_PROPERTY_NAMES:
        return validate_property_names(v, i, node);
    case OPERATION_REF:
        return validation_check(v, i->a, node, marks);
    case OPERATION_DYNAMIC_REF:
        return check_dynamic_ref(v, i, node, marks);
    case OPERATION_ALL_OF:
        return check_all_of(v, i, node, marks);
    case OPERATION_ANY_OF:
        return check_any_of(v, i, node, marks);
    case OPERATION_ONE_OF:
        return check_one_of(v, i, node, marks);
    case OPERATION_NOT:
        return check_not(v, i, node);
    case OPERATION_IF:
        return check_if(v, i, node, marks);
    case OPERATION_UNEVALUATED_ITEMS:
        return validate_unevaluated_items(v, i, node, marks);
    case OPERATION_UNEVALUATED_PROPERTIES:
        return validate_unevaluated_properties(v, i, node, marks);
    case OPERATION_FALSE:
        return validation_violate(v, i, i->node, node, "is not allowed");
    case OPERATIONS:
        break;
    }
    assert(false && "every operation is listed");
    return false;
}

static bool is_last_look(const struct instruction *i)
{
    return i->operation == OPERATION_UNEVALUATED_ITEMS ||
           i->operation == OPERATION_UNEVALUATED_PROPERTIES;
}

/* A value that is already wrong: its unevaluated parts say nothing. */
static bool run_all(struct validation *v, const struct subschema *s, uint32_t node, uint32_t marks)
{
    bool ok = true;
    for (uint32_t n = 0; n < s->n; n++) {
        const struct instruction *i = &v->schema->instructions.items[s->first + n];
        if (!validation_charge(v, i, node, 1) || (!ok && (v->quiet > 0 || is_last_look(i)))) {
            return false;
        }
        ok = run(v, i, node, marks) && ok;
    }
    return ok;
}

/* A subschema that looks back needs marks of its own: those of its cousins do not count. */
static bool run_with_marks(struct validation *v, const struct subschema *s, uint32_t node,
                           uint32_t marks)
{
    if (!s->looks_back) {
        return run_all(v, s, node, marks);
    }
    uint32_t before = v->words.n;
    uint32_t own = push_marks(v, node);
    bool ok = run_all(v, s, node, own);
    if (marks != 0) {
        merge_marks(v, node, marks, own);
    }
    v->words.n = before;
    return ok;
}

bool validation_check(struct validation *v, uint32_t subschema, uint32_t node, uint32_t marks)
{
    const struct subschema *s = &v->schema->subschemas.items[subschema];
    if (s->n == 0 || v->over) {
        return !v->over;
    }
    v->steps -= v->steps > 0 ? 1 : 0;
    if (v->calls == SCHEMA_CALLS) {
        const struct instruction *i = &v->schema->instructions.items[s->first];
        validation_limit(v, i, s->node, node, "nests more than %d schemas", SCHEMA_CALLS);
        v->over = true;
        return false;
    }
    bool enters = v->n_scope == 0 || v->scope[v->n_scope - 1] != s->resource;
    if (enters) {
        v->scope[v->n_scope++] = s->resource;
    }
    v->calls++;
    bool ok = run_with_marks(v, s, node, marks);
    v->calls--;
    v->n_scope -= enters ? 1 : 0;
    return ok;
}

bool validation_try(struct validation *v, uint32_t subschema, uint32_t node, uint32_t marks)
{
    v->quiet++;
    bool ok = validation_check(v, subschema, node, marks);
    v->quiet--;
    return ok;
}

bool validation_check_child(struct validation *v, const struct instruction *i, uint32_t operand,
                            uint32_t subschema, uint32_t child)
{
    if (v->schema->subschemas.items[subschema].is_false) {
        return validation_violate(v, i, operand, child, "is not allowed");
    }
    return validation_check(v, subschema, child, 0);
}

bool schema_validate(const struct schema *schema, struct json_text value,
                     struct schema_report *report)
{
    struct validation v;
    memset(&v, 0, offsetof(struct validation, scope));
    v.n_scope = 0;
    v.schema = schema;
    v.report = report;
    flat_json_init(&v.value, value);
    uint64_t steps = SCHEMA_STEPS + (uint64_t)value.len * SCHEMA_STEPS_PER_BYTE;
    v.steps = steps;
    bool ok = validation_check(&v, 0, 0, 0);
    report->steps = steps - v.steps;
    flat_json_fini(&v.value);
    str_fini(&v.text);
    free(v.words.items);
    return ok && !v.limited;
}
