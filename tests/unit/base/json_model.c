#include "json_model.h"

#include <assert.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "str.h"

enum { REACH = 1000 }; /* exponents and digits of the model's numbers */

/* Appends, as a string, the decimal notation of the number that starts at `at`: its first place and
 * its digits, written into places from 10^REACH down to 10^-REACH. Returns where the number ends.
 */
static const char *add_number(const char *at, struct str *out)
{
    char places[2 * REACH + 1];
    memset(places, '0', sizeof places);
    char sign = *at == '-' ? '-' : '+';
    at += *at == '-';
    size_t n = strspn(at, "0123456789.");
    const char *end = at + strspn(at, "0123456789.eE+-");
    long exponent = at[n] == 'e' || at[n] == 'E' ? strtol(at + n + 1, NULL, 10) : 0;
    long place = REACH - (long)strspn(at, "0123456789") + 1 - exponent;
    long first = 2 * REACH;
    long last = -1;
    for (size_t i = 0; i < n; i++) {
        if (at[i] >= '1' && at[i] <= '9') {
            assert(place >= 0 && place <= 2 * REACH);
            places[place] = at[i];
            first = place < first ? place : first;
            last = place;
        }
        place += at[i] != '.';
    }
    bool zero = last < 0;
    str_addf(out, "\"#%c%ld:", zero ? '+' : sign, first);
    str_add(out, places + first, zero ? 0 : (size_t)(last - first) + 1);
    str_add_char(out, '"');
    return end;
}

/* Numbers are passed to jansson as strings, because it would round them. */
static void add_exact(const char *text, struct str *out)
{
    bool in_string = false;
    for (const char *at = text; *at != '\0';) {
        if (!in_string && (*at == '-' || (*at >= '0' && *at <= '9'))) {
            at = add_number(at, out);
            continue;
        }
        if (in_string && *at == '\\') {
            str_add_char(out, *at++);
        } else if (*at == '"') {
            in_string = !in_string;
        }
        str_add_char(out, *at++);
    }
}

static json_t *parse(const char *text)
{
    AUTO_STR exact = {0};
    add_exact(text, &exact);
    json_error_t error;
    json_t *value = json_loadb(exact.data, exact.len, JSON_DECODE_ANY | JSON_ALLOW_NUL, &error);
    assert(value != NULL);
    return value;
}

static char *print_and_release(json_t *value)
{
    char *text = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);
    assert(text != NULL);
    json_decref(value);
    return text;
}

static bool arrays_equal(const json_t *a, const json_t *b);
static bool objects_equal(json_t *a, json_t *b);

static bool values_equal(json_t *a, json_t *b)
{
    if (json_typeof(a) != json_typeof(b)) {
        return false;
    }
    switch (json_typeof(a)) {
    case JSON_OBJECT:
        return objects_equal(a, b);
    case JSON_ARRAY:
        return arrays_equal(a, b);
    case JSON_STRING:
        return json_string_length(a) == json_string_length(b) &&
               memcmp(json_string_value(a), json_string_value(b), json_string_length(a)) == 0;
    default:
        return true;
    }
}

static bool arrays_equal(const json_t *a, const json_t *b)
{
    bool equal = json_array_size(a) == json_array_size(b);
    for (size_t i = 0; equal && i < json_array_size(a); i++) {
        equal = values_equal(json_array_get(a, i), json_array_get(b, i));
    }
    return equal;
}

static bool objects_equal(json_t *a, json_t *b)
{
    if (json_object_size(a) != json_object_size(b)) {
        return false;
    }
    const char *key;
    json_t *value;
    json_object_foreach(a, key, value)
    {
        json_t *other = json_object_get(b, key);
        if (other == NULL || !values_equal(value, other)) {
            return false;
        }
    }
    return true;
}

bool model_equal(const char *a, const char *b)
{
    json_t *x = parse(a);
    json_t *y = parse(b);
    bool equal = values_equal(x, y);
    json_decref(x);
    json_decref(y);
    return equal;
}

/* The algorithm as RFC 7396 gives it; a new reference. */
static json_t *merge(json_t *target, json_t *patch)
{
    if (!json_is_object(patch)) {
        return json_incref(patch);
    }
    json_t *result = json_is_object(target) ? json_copy(target) : json_object();
    const char *key;
    json_t *value;
    json_object_foreach(patch, key, value)
    {
        if (json_is_null(value)) {
            json_object_del(result, key);
        } else {
            json_object_set_new(result, key, merge(json_object_get(result, key), value));
        }
    }
    return result;
}

char *model_merge(const char *target, const char *patch)
{
    json_t *t = parse(target);
    json_t *p = parse(patch);
    json_t *result = merge(t, p);
    json_decref(t);
    json_decref(p);
    return print_and_release(result);
}

/* Decodes the step of a pointer at *path ("/…"), moves behind it, and returns it, to be freed. */
static char *take_step(const char **path)
{
    const char *p = *path + 1;
    size_t n = strcspn(p, "/");
    char *step = calloc(n + 1, 1);
    size_t length = 0;
    for (size_t i = 0; i < n; i++) {
        if (p[i] == '~') {
            i++;
            assert(p[i] == '0' || p[i] == '1');
            step[length++] = p[i] == '0' ? '~' : '/';
        } else {
            step[length++] = p[i];
        }
    }
    *path = p + n;
    return step;
}

/* An index without leading zeros below `bound`, or bound. */
static size_t array_index(const char *step, size_t bound)
{
    char *end;
    unsigned long index = strtoul(step, &end, 10);
    bool good = step[0] >= '0' && step[0] <= '9' && *end == '\0' && (step[0] != '0' || !step[1]);
    return good && index < bound ? index : bound;
}

static json_t *child(json_t *parent, const char *step)
{
    return json_is_object(parent)
               ? json_object_get(parent, step)
               : json_array_get(parent, array_index(step, json_array_size(parent)));
}

static bool change_object(json_t *object, const char *step, const char *name, json_t *value)
{
    bool there = json_object_get(object, step) != NULL;
    if (strcmp(name, "remove") == 0) {
        return there && json_object_del(object, step) == 0;
    }
    return (there || strcmp(name, "add") == 0) && json_object_set(object, step, value) == 0;
}

static bool change_array(json_t *array, const char *step, const char *name, json_t *value)
{
    size_t n = json_array_size(array);
    if (strcmp(name, "add") == 0) {
        size_t at = strcmp(step, "-") == 0 ? n : array_index(step, n + 1);
        return at <= n && json_array_insert(array, at, value) == 0;
    }
    size_t at = array_index(step, n);
    if (strcmp(name, "remove") == 0) {
        return at < n && json_array_remove(array, at) == 0;
    }
    return at < n && json_array_set(array, at, value) == 0;
}

static bool apply_below(json_t *parent, const char *path, const char *name, json_t *value)
{
    char *step = take_step(&path);
    bool good = false;
    if (*path != '\0') {
        json_t *next = child(parent, step);
        good = next != NULL && apply_below(next, path, name, value);
    } else if (json_is_object(parent)) {
        good = change_object(parent, step, name, value);
    } else if (json_is_array(parent)) {
        good = change_array(parent, step, name, value);
    }
    free(step);
    return good;
}

static bool apply_operation(json_t **document, const json_t *operation)
{
    const char *name = json_string_value(json_object_get(operation, "op"));
    const char *path = json_string_value(json_object_get(operation, "path"));
    json_t *value = json_object_get(operation, "value");
    bool removes = name != NULL && strcmp(name, "remove") == 0;
    bool known =
        removes || (name != NULL && (strcmp(name, "add") == 0 || strcmp(name, "replace") == 0));
    if (!known || path == NULL || (value == NULL) != removes ||
        json_object_size(operation) != (removes ? 2 : 3)) {
        return false;
    }
    json_t *copy = json_deep_copy(value);
    bool good = path[0] == '/' && apply_below(*document, path, name, copy);
    if (path[0] == '\0' && !removes) {
        json_decref(*document);
        *document = json_incref(copy);
        good = true;
    }
    json_decref(copy);
    return good;
}

char *model_apply(const char *document, const char *patch)
{
    json_t *result = parse(document);
    json_t *operations = parse(patch);
    bool good = json_is_array(operations);
    for (size_t i = 0; good && i < json_array_size(operations); i++) {
        good = apply_operation(&result, json_array_get(operations, i));
    }
    json_decref(operations);
    if (!good) {
        json_decref(result);
        return NULL;
    }
    return print_and_release(result);
}
