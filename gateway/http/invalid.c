#include "invalid.h"

#include <string.h>

#include "json.h"

/* Reasons by the nearest of pydantic's types. */
static const struct {
    const char *reason, *type;
} types[] = {
    {"NAME_EMPTY", "string_too_short"},       {"NAME_TOO_LONG", "string_too_long"},
    {"NAME_NOT_UTF8", "string_unicode"},      {"NAME_CHARACTER", "string_pattern_mismatch"},
    {"NAME_DOTS", "string_pattern_mismatch"}, {"TEXT_TOO_LONG", "string_too_long"},
    {"TEXT_NOT_UTF8", "string_unicode"},      {"TEXT_NUL", "string_pattern_mismatch"},
    {"JSON_NOT_OBJECT", "dict_type"},         {"NAME_TYPE", "string_type"},
};

static const char *type_of(const char *reason)
{
    for (size_t i = 0; i < COUNT_OF(types); i++) {
        if (strcmp(types[i].reason, reason) == 0) {
            return types[i].type;
        }
    }
    return "value_error";
}

void invalid_fini(struct invalid *invalid)
{
    str_fini(&invalid->items);
    invalid->n = 0;
}

static void open_item(struct invalid *invalid, const char *place)
{
    str_add_text(&invalid->items, invalid->n++ == 0 ? "{\"loc\":[" : ",{\"loc\":[");
    json_encode_string(&invalid->items, place, strlen(place));
}

static void close_item(struct invalid *invalid, const char *type, const char *message)
{
    str_add_text(&invalid->items, "],\"msg\":");
    json_encode_string(&invalid->items, message, strlen(message));
    str_add_text(&invalid->items, ",\"type\":");
    json_encode_string(&invalid->items, type, strlen(type));
    str_add_char(&invalid->items, '}');
}

void invalid_add(struct invalid *invalid, const char *place, const char *name, const char *type,
                 const char *message)
{
    open_item(invalid, place);
    if (name != NULL) {
        str_add_char(&invalid->items, ',');
        json_encode_string(&invalid->items, name, strlen(name));
    }
    close_item(invalid, type, message);
}

void invalid_set_json(struct invalid *invalid, size_t offset, const char *message)
{
    str_clear(&invalid->items);
    invalid->n = 0;
    open_item(invalid, "body");
    str_addf(&invalid->items, ",%zu", offset);
    close_item(invalid, "json_invalid", message);
}

void invalid_add_status(struct invalid *invalid, const char *place, const char *name,
                        const struct status *st)
{
    invalid_add(invalid, place, name, type_of(st->reason), st->message);
}

void invalid_add_item(struct invalid *invalid, const char *place, const char *list, size_t index,
                      const struct status *st)
{
    open_item(invalid, place);
    str_addf(&invalid->items, ",\"%s\",%zu", list, index);
    close_item(invalid, type_of(st->reason), st->message);
}

void invalid_append(struct invalid *invalid, struct invalid *others)
{
    if (others->n > 0) {
        str_add_text(&invalid->items, invalid->n == 0 ? "" : ",");
        str_add(&invalid->items, others->items.data, others->items.len);
        invalid->n += others->n;
    }
    invalid_fini(others);
}

void invalid_render(const struct invalid *invalid, struct str *out)
{
    str_add_text(out, "{\"detail\":[");
    str_add(out, invalid->items.data, invalid->items.len);
    str_add_text(out, "]}");
}
