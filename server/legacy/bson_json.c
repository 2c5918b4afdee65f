#include "bson_json.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"

struct writing {
    struct str *out;
    struct str path;
    size_t depth;
    struct status *st;
};

static bool refuse(const struct writing *w, const char *what)
{
    const char *path = str_text(&w->path);
    return status_bad_field(w->st, path, "VALUE_NOT_JSON", "%s: %s", path, what);
}

static bool write_double(struct writing *w, double value)
{
    char text[40];
    if (!isfinite(value)) {
        return refuse(w, "a number that is not finite has no form in JSON");
    }
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, value);
        if (strtod(text, NULL) == value) {
            break;
        }
    }
    str_add_text(w->out, text);
    str_add_text(w->out, strpbrk(text, ".e") == NULL ? ".0" : "");
    return true;
}

static bool write_value(struct writing *w, const bson_iter_t *iter);

static void enter(struct writing *w, const bson_iter_t *item, bool keys)
{
    str_addf(&w->path, keys ? ".%s" : "[%s]", bson_iter_key(item));
    if (keys) {
        json_encode_string(w->out, bson_iter_key(item), bson_iter_key_len(item));
        str_add_char(w->out, ':');
    }
}

static bool write_items(struct writing *w, bson_iter_t *item, bool keys)
{
    size_t n_path = w->path.len;
    const char *comma = "";
    while (bson_iter_next(item)) {
        str_add_text(w->out, comma);
        comma = ",";
        enter(w, item, keys);
        if (!write_value(w, item)) {
            return false;
        }
        str_truncate(&w->path, n_path);
    }
    return item->err_off == 0 || refuse(w, "damaged BSON");
}

static bool write_container(struct writing *w, const bson_iter_t *iter, bool keys)
{
    bson_iter_t item;
    if (w->depth == JSON_DEPTH_MAX) {
        return refuse(w, "nests too deep");
    }
    if (!bson_iter_recurse(iter, &item)) {
        return refuse(w, "damaged BSON");
    }
    w->depth++;
    str_add_char(w->out, keys ? '{' : '[');
    bool ok = write_items(w, &item, keys);
    str_add_char(w->out, keys ? '}' : ']');
    w->depth--;
    return ok;
}

static bool write_text(struct writing *w, const bson_iter_t *iter)
{
    uint32_t length;
    const char *text = bson_iter_utf8(iter, &length);
    json_encode_string(w->out, text, length);
    return true;
}

static bool write_value(struct writing *w, const bson_iter_t *iter)
{
    switch (bson_iter_type(iter)) {
    case BSON_TYPE_DOCUMENT:
        return write_container(w, iter, true);
    case BSON_TYPE_ARRAY:
        return write_container(w, iter, false);
    case BSON_TYPE_UTF8:
        return write_text(w, iter);
    case BSON_TYPE_DOUBLE:
        return write_double(w, bson_iter_double(iter));
    case BSON_TYPE_INT32:
    case BSON_TYPE_INT64:
        str_addf(w->out, "%" PRId64, bson_iter_as_int64(iter));
        return true;
    case BSON_TYPE_BOOL:
        str_add_text(w->out, bson_iter_bool(iter) ? "true" : "false");
        return true;
    case BSON_TYPE_NULL:
        str_add_text(w->out, "null");
        return true;
    default:
        return refuse(w, "a value of a type that JSON does not have");
    }
}

bool bson_json(const bson_iter_t *iter, const char *path, struct str *out, struct status *st)
{
    struct writing w = {.out = out, .st = st};
    str_add_text(&w.path, path);
    bool ok = write_value(&w, iter);
    str_fini(&w.path);
    return ok;
}
