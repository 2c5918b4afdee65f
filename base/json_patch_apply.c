#include <assert.h>
#include <string.h>

#include "json.h"
#include "json_pointer.h"
#include "json_tree.h"

/* Work that every patch may do, about a tenth of a second, besides walking through the texts. */
#define FREE_WORK (UINT64_C(64) << 20)

struct patching;

/* The name of an operation, its needs and its action. */
struct verb {
    const char *name;
    bool has_from;
    bool has_value;
    bool (*run)(struct patching *p);
};

/* The patch being applied, at one of its operations. */
struct patching {
    struct json_tree tree;
    const char *field;
    struct status *st;
    size_t number; /* of the operation, from 0 */
    const struct verb *verb;
    struct str path; /* decoded, an RFC 6901 pointer */
    struct str from;
    struct json_text value;
};

static void patching_fini(struct patching *p)
{
    json_tree_fini(&p->tree);
    str_fini(&p->path);
    str_fini(&p->from);
}
#define AUTO_PATCHING __attribute__((cleanup(patching_fini))) struct patching

/* ---- Refusing ---- */

/* pointer: NULL if the operation is not known well enough. */
static bool refuse(struct patching *p, enum status_code code, const char *reason, const char *what,
                   const char *pointer)
{
    const char *colon = pointer == NULL ? "" : ": ";
    const char *shown = pointer == NULL ? "" : pointer;
    status_bad_field(p->st, p->field, reason, "%s: operation %zu%s%s: %s%s%s", p->field, p->number,
                     p->verb == NULL ? "" : ", ", p->verb == NULL ? "" : p->verb->name, what, colon,
                     shown[0] == '\0' && pointer != NULL ? "\"\"" : shown);
    p->st->code = code;
    status_add_number(p->st, "operation", p->number);
    if (pointer != NULL) {
        status_add_info(p->st, "pointer", pointer);
    }
    return false;
}

static bool bad_syntax(struct patching *p, const char *what)
{
    return refuse(p, STATUS_INVALID_ARGUMENT, "PATCH_SYNTAX", what, NULL);
}

static bool bad_path(struct patching *p, const char *what, const struct str *pointer)
{
    return refuse(p, STATUS_INVALID_ARGUMENT, "PATCH_PATH", what, str_text(pointer));
}

/* The tree has failed. */
static bool refuse_bounds(struct patching *p)
{
    const char *path = str_text(&p->path);
    if (p->tree.is_too_long) {
        refuse(p, STATUS_RESOURCE_EXHAUSTED, "JSON_TOO_LARGE", "a value becomes too large", path);
        status_add_number(p->st, "limit", p->tree.max_bytes);
        return false;
    }
    return refuse(p, STATUS_RESOURCE_EXHAUSTED, "PATCH_WORK", "the patch takes too much work",
                  path);
}

/* ---- Pointers ---- */

/* The fault of a pointer; NULL: none. */
static const char *pointer_fault(const struct str *pointer)
{
    size_t steps = 0;
    if (pointer->len > 0 && pointer->data[0] != '/') {
        return "a pointer is empty or begins with \"/\"";
    }
    for (size_t i = 0; i < pointer->len; i++) {
        char c = pointer->data[i];
        steps += c == '/';
        if (c == '\0') {
            return "a pointer has no NUL";
        }
        if (c == '~' && pointer->data[i + 1] != '0' && pointer->data[i + 1] != '1') {
            return "in a pointer, \"~\" is written \"~0\", and \"/\" in a name \"~1\"";
        }
    }
    return steps > JSON_DEPTH_MAX ? "a pointer has at most 128 steps" : NULL;
}

/* Takes the step that *at stands before, as a string token. */
static void take_step(const char **at, struct str *ret_token)
{
    AUTO_STR name = {0};
    *at = json_pointer_token(*at + 1, &name);
    str_clear(ret_token);
    json_encode_string(ret_token, str_text(&name), name.len);
}

/* Where a pointer leads. */
struct patch_place {
    struct json_node *parent; /* NULL: the pointer is empty */
    struct json_node *node;   /* NULL: there is nothing at the place */
    struct str step;          /* the last one, as a string token */
    size_t index;             /* parent is an array: the item, or the length and more */
};

static void place_fini(struct patch_place *place)
{
    str_fini(&place->step);
}
#define AUTO_PLACE __attribute__((cleanup(place_fini))) struct patch_place

static struct json_text step_of(const struct patch_place *place)
{
    return (struct json_text){place->step.data, place->step.len};
}

/* Parses the number of an item, or "-" for the one after the last. False: it is neither. A number
 * too large for any array becomes SIZE_MAX. */
static bool parse_index(struct json_text token, size_t n, size_t *ret_index)
{
    const char *digits = token.data + 1;
    size_t n_digits = token.len - 2;
    if (n_digits == 1 && digits[0] == '-') {
        *ret_index = n;
        return true;
    }
    size_t index = 0;
    for (size_t i = 0; i < n_digits; i++) {
        if (digits[i] < '0' || digits[i] > '9') {
            return false;
        }
        index = index > SIZE_MAX / 20 ? SIZE_MAX / 20 : index * 10 + (size_t)(digits[i] - '0');
    }
    *ret_index = index;
    return n_digits == 1 || (n_digits > 1 && digits[0] != '0');
}

static bool step_into_array(struct patching *p, const struct str *pointer,
                            struct patch_place *place)
{
    if (!json_tree_open_array(&p->tree, place->parent)) {
        return refuse_bounds(p);
    }
    size_t n = json_tree_count(place->parent);
    if (!parse_index(step_of(place), n, &place->index)) {
        return bad_path(p, "an array has numbered items", pointer);
    }
    place->node = place->index < n ? json_tree_item(place->parent, place->index) : NULL;
    return true;
}

static bool step_into_object(struct patching *p, struct patch_place *place)
{
    if (!json_tree_open_object(&p->tree, place->parent)) {
        return refuse_bounds(p);
    }
    place->node = json_tree_member(place->parent, step_of(place));
    return true;
}

static bool step_into(struct patching *p, const struct str *pointer, struct patch_place *place)
{
    switch (json_type_of(place->parent->text)) {
    case JSON_OBJECT:
        return step_into_object(p, place);
    case JSON_ARRAY:
        return step_into_array(p, pointer, place);
    default:
        return bad_path(p, "on the way is neither an object nor an array", pointer);
    }
}

/* Follows a pointer; all but its last step must be there. */
static bool find(struct patching *p, const struct str *pointer, struct patch_place *place)
{
    place->node = &p->tree.root;
    for (const char *at = str_text(pointer); *at == '/';) {
        if (place->node == NULL) {
            return bad_path(p, "a value on the way is missing", pointer);
        }
        place->parent = place->node;
        take_step(&at, &place->step);
        if (!step_into(p, pointer, place)) {
            return false;
        }
    }
    return true;
}

static bool find_existing(struct patching *p, const struct str *pointer, struct patch_place *place)
{
    return find(p, pointer, place) &&
           (place->node != NULL || bad_path(p, "there is nothing at this path", pointer));
}

/* ---- Operations ---- */

static bool insert(struct patching *p, struct patch_place *place, struct json_text value)
{
    if (place->index > json_tree_count(place->parent)) {
        return bad_path(p, "the array ends before", &p->path);
    }
    return json_tree_insert_item(&p->tree, place->parent, place->index, value) || refuse_bounds(p);
}

static bool put(struct patching *p, struct json_text value)
{
    AUTO_PLACE place = {0};
    if (!find(p, &p->path, &place)) {
        return false;
    }
    if (place.parent != NULL && json_type_of(place.parent->text) == JSON_ARRAY) {
        return insert(p, &place, value);
    }
    if (place.node == NULL) {
        return json_tree_add_member(&p->tree, place.parent, step_of(&place), value) ||
               refuse_bounds(p);
    }
    json_tree_set(place.node, value);
    return true;
}

static bool take_out(struct patching *p, const struct str *pointer)
{
    AUTO_PLACE place = {0};
    if (!find_existing(p, pointer, &place)) {
        return false;
    }
    if (place.parent == NULL) {
        return bad_path(p, "the whole cannot be removed", pointer);
    }
    if (json_type_of(place.parent->text) == JSON_ARRAY) {
        return json_tree_remove_item(&p->tree, place.parent, place.index) || refuse_bounds(p);
    }
    json_tree_remove_member(place.parent, step_of(&place));
    return true;
}

static bool run_add(struct patching *p)
{
    return put(p, p->value);
}

static bool run_remove(struct patching *p)
{
    return take_out(p, &p->path);
}

static bool run_replace(struct patching *p)
{
    AUTO_PLACE place = {0};
    if (!find_existing(p, &p->path, &place)) {
        return false;
    }
    json_tree_set(place.node, p->value);
    return true;
}

static bool take_text(struct patching *p, struct json_text *ret_text)
{
    AUTO_PLACE place = {0};
    return find_existing(p, &p->from, &place) &&
           (json_tree_keep(&p->tree, place.node, ret_text) || refuse_bounds(p));
}

static bool run_copy(struct patching *p)
{
    struct json_text text;
    return take_text(p, &text) && put(p, text);
}

static bool run_move(struct patching *p)
{
    struct json_text text;
    const char *path = str_text(&p->path);
    bool inside = strncmp(path, str_text(&p->from), p->from.len) == 0;
    if (inside && path[p->from.len] == '/') {
        return bad_path(p, "a value cannot be moved into itself", &p->path);
    }
    bool stays = inside && path[p->from.len] == '\0';
    return take_text(p, &text) && (stays || (take_out(p, &p->from) && put(p, text)));
}

/* How a value compares with the one wanted. */
enum comparison { SAME, DIFFERENT, BEYOND_BOUNDS };

static enum comparison compare(struct json_tree *tree, struct json_node *node,
                               struct json_text wanted);

static enum comparison compare_objects(struct json_tree *tree, struct json_node *node,
                                       struct json_text wanted)
{
    if (!json_tree_open_object(tree, node)) {
        return BEYOND_BOUNDS;
    }
    enum comparison result = SAME;
    struct json_text key;
    struct json_text value;
    size_t n = 0;
    for (size_t at = 0; result == SAME && json_member(wanted, &at, &key, &value); n++) {
        struct json_node *member = json_tree_member(node, key);
        result = member == NULL ? DIFFERENT : compare(tree, member, value);
    }
    return result == SAME && n != json_tree_count(node) ? DIFFERENT : result;
}

static enum comparison compare_arrays(struct json_tree *tree, struct json_node *node,
                                      struct json_text wanted)
{
    if (!json_tree_open_array(tree, node)) {
        return BEYOND_BOUNDS;
    }
    enum comparison result = SAME;
    struct json_text value;
    size_t n = 0;
    for (size_t at = 0; result == SAME && json_item(wanted, &at, &value); n++) {
        result =
            n == json_tree_count(node) ? DIFFERENT : compare(tree, json_tree_item(node, n), value);
    }
    return result == SAME && n != json_tree_count(node) ? DIFFERENT : result;
}

/* Opens what it compares: a comparison repeated costs no more than the value wanted. */
static enum comparison compare(struct json_tree *tree, struct json_node *node,
                               struct json_text wanted)
{
    enum json_type type = json_type_of(wanted);
    if (json_type_of(node->text) != type) {
        return DIFFERENT;
    }
    if (type == JSON_OBJECT) {
        return compare_objects(tree, node, wanted);
    }
    if (type == JSON_ARRAY) {
        return compare_arrays(tree, node, wanted);
    }
    if (!json_tree_spend(tree, node->text.len)) {
        return BEYOND_BOUNDS;
    }
    return json_text_equal(node->text, wanted) ? SAME : DIFFERENT;
}

static bool run_test(struct patching *p)
{
    AUTO_PLACE place = {0};
    if (!find_existing(p, &p->path, &place)) {
        return false;
    }
    switch (compare(&p->tree, place.node, p->value)) {
    case SAME:
        return true;
    case BEYOND_BOUNDS:
        return refuse_bounds(p);
    case DIFFERENT:
        break;
    }
    return refuse(p, STATUS_ABORTED, "PATCH_TEST_FAILED", "another value is at this path",
                  str_text(&p->path));
}

/* ---- Reading a patch ---- */

static const struct verb verbs[] = {
    {"add", false, true, run_add},         {"remove", false, false, run_remove},
    {"replace", false, true, run_replace}, {"move", true, false, run_move},
    {"copy", true, false, run_copy},       {"test", false, true, run_test},
};

static const struct verb *find_verb(struct json_text token)
{
    for (size_t i = 0; i < COUNT_OF(verbs); i++) {
        AUTO_STR name = {0};
        json_encode_string(&name, verbs[i].name, strlen(verbs[i].name));
        if (json_text_equal(token, (struct json_text){name.data, name.len})) {
            return &verbs[i];
        }
    }
    return NULL;
}

static bool read_pointer(struct patching *p, struct json_text operation, const char *member,
                         struct str *ret_pointer)
{
    struct json_text token;
    if (!json_find(operation, member, &token) || json_type_of(token) != JSON_STRING) {
        return bad_syntax(p, strcmp(member, "path") == 0 ? "\"path\" must be a string"
                                                         : "\"from\" must be a string");
    }
    str_clear(ret_pointer);
    json_decode_string(token, ret_pointer);
    const char *fault = pointer_fault(ret_pointer);
    return fault == NULL ||
           refuse(p, STATUS_INVALID_ARGUMENT, "PATCH_SYNTAX", fault, str_text(ret_pointer));
}

static bool read_operation(struct patching *p, struct json_text operation)
{
    struct json_text token;
    p->verb = NULL;
    if (json_type_of(operation) != JSON_OBJECT) {
        return bad_syntax(p, "an operation is an object");
    }
    if (!json_find(operation, "op", &token) || json_type_of(token) != JSON_STRING ||
        (p->verb = find_verb(token)) == NULL) {
        return bad_syntax(p, "\"op\" must be add, remove, replace, move, copy or test");
    }
    if (!read_pointer(p, operation, "path", &p->path) ||
        (p->verb->has_from && !read_pointer(p, operation, "from", &p->from))) {
        return false;
    }
    return !p->verb->has_value || json_find(operation, "value", &p->value) ||
           refuse(p, STATUS_INVALID_ARGUMENT, "PATCH_SYNTAX", "\"value\" is missing",
                  str_text(&p->path));
}

static bool refuse_operations(const char *field, struct status *st)
{
    status_bad_field(st, field, "PATCH_OPERATIONS", "%s has more than %d operations", field,
                     JSON_PATCH_MAX_OPERATIONS);
    st->code = STATUS_RESOURCE_EXHAUSTED;
    status_add_number(st, "limit", JSON_PATCH_MAX_OPERATIONS);
    return false;
}

bool json_patch_check(struct json_text patch, const char *field, struct status *st)
{
    AUTO_PATCHING p = {.field = field, .st = st};
    struct json_text operation;
    if (json_type_of(patch) != JSON_ARRAY) {
        return status_bad_field(st, field, "PATCH_SYNTAX", "%s must be an array of operations",
                                field);
    }
    for (size_t at = 0; json_item(patch, &at, &operation); p.number++) {
        if (p.number == JSON_PATCH_MAX_OPERATIONS) {
            return refuse_operations(field, st);
        }
        if (!read_operation(&p, operation)) {
            return false;
        }
    }
    return true;
}

static bool write_result(struct patching *p, struct str *out)
{
    if (json_tree_write(&p->tree, &p->tree.root, out)) {
        return true;
    }
    status_bad_field(p->st, p->field, p->tree.is_too_long ? "JSON_TOO_LARGE" : "PATCH_WORK",
                     p->tree.is_too_long ? "%s: the result has more than %zu bytes"
                                         : "%s takes too much work; the result may have %zu bytes",
                     p->field, p->tree.max_bytes);
    p->st->code = STATUS_RESOURCE_EXHAUSTED;
    status_add_number(p->st, "limit", p->tree.max_bytes);
    return false;
}

bool json_patch_apply(struct json_text target, struct json_text patch,
                      const struct json_limits *limits, const char *field, struct buf **ret_json,
                      struct status *st)
{
    AUTO_PATCHING p = {.field = field, .st = st};
    AUTO_STR result = {0};
    struct json_text operation;
    /* A container may be walked through once on each level above it. */
    json_tree_init(&p.tree, target, limits->max_bytes,
                   FREE_WORK + (uint64_t)(target.len + patch.len) * (limits->max_depth + 1));
    for (size_t at = 0; json_item(patch, &at, &operation); p.number++) {
        bool read = read_operation(&p, operation);
        assert(read && "the patch was checked");
        if (!p.verb->run(&p)) {
            return false;
        }
    }
    return write_result(&p, &result) &&
           json_check(result.data, result.len, limits, field, ret_json, st);
}
