#include "invalid.h"

#include <stdio.h>
#include <string.h>

#include "json.h"
#include "json_pointer.h"
#include "mem.h"

/* Reasons by the nearest of pydantic's types. */
static const struct {
    const char *reason, *type;
} types[] = {
    {"NAME_EMPTY", "string_too_short"},
    {"NAME_TOO_LONG", "string_too_long"},
    {"NAME_NOT_UTF8", "string_unicode"},
    {"NAME_CHARACTER", "string_pattern_mismatch"},
    {"NAME_DOTS", "string_pattern_mismatch"},
    {"TEXT_TOO_LONG", "string_too_long"},
    {"TEXT_NOT_UTF8", "string_unicode"},
    {"TEXT_NUL", "string_pattern_mismatch"},
    {"JSON_NOT_OBJECT", "dict_type"},
    {"NAME_TYPE", "string_type"},
    {"NAMES_COUNT", "too_long"},
};

static const struct {
    const char *type, *reason;
} faults[] = {
    [FAULT_MISSING] = {"missing", "FIELD_MISSING"},
    [FAULT_UNKNOWN] = {"extra_forbidden", "FIELD_UNKNOWN"},
    [FAULT_REPEATED] = {"value_error", "FIELD_REPEATED"},
    [FAULT_TOO_FEW] = {"too_short", "NAMES_COUNT"},
    [FAULT_NOT_ONE] = {"value_error", "NOT_EXACTLY_ONE"},
    [FAULT_MEDIA_TYPE] = {"model_attributes_type", "MEDIA_TYPE"},
    [FAULT_NOT_AN_OBJECT] = {"model_attributes_type", "JSON_NOT_OBJECT"},
    [FAULT_NO_DICTIONARY] = {"dict_type", "JSON_NOT_OBJECT"},
    [FAULT_NO_STRING] = {"string_type", "NOT_A_STRING"},
    [FAULT_NO_BOOLEAN] = {"bool_type", "NOT_A_BOOLEAN"},
    [FAULT_NO_LIST] = {"list_type", "NOT_A_LIST"},
    [FAULT_NO_INTEGER] = {"int_type", "NOT_A_NUMBER"},
    [FAULT_NUMBER_TEXT] = {"int_parsing", "NOT_A_NUMBER"},
    [FAULT_SWITCH_TEXT] = {"bool_parsing", "NOT_A_BOOLEAN"},
    [FAULT_TAG] = {"etag_parsing", "TAG_MALFORMED"},
    [FAULT_REVISION] = {"revision_parsing", "REVISION_MALFORMED"},
    [FAULT_EVENT_ID] = {"event_id_parsing", "EVENT_ID_MALFORMED"},
    [FAULT_NUMBER_RANGE] = {"greater_than_equal", "NUMBER_RANGE"},
    [FAULT_PAGE] = {"value_error", "PAGE_TOKEN"},
    [FAULT_WORD] = {"enum", "WORD_UNKNOWN"},
    [FAULT_TIME] = {"datetime_parsing", "TIME_MALFORMED"},
    [FAULT_FIELDS] = {"value_error", "FIELDS_MALFORMED"},
    [FAULT_IDEMPOTENCY_KEY] = {"value_error", "IDEMPOTENCY_KEY_MALFORMED"},
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
    str_fini(&invalid->members);
    invalid->n = 0;
}

static void add_name(struct str *items, const char *name, size_t n)
{
    str_add_char(items, ',');
    json_encode_string(items, name, n);
}

/* The steps of "changes[2].update": "changes", 2, "update". */
static void add_path(struct str *items, const char *path)
{
    while (*path != '\0') {
        size_t n = strcspn(path, ".[");
        if (n > 0) {
            add_name(items, path, n);
        }
        path += n;
        if (*path == '[') {
            n = strcspn(++path, "]");
            str_addf(items, ",%.*s", (int)n, path);
            path += n;
        }
        path += *path != '\0';
    }
}

static void open_item(struct invalid *invalid, const char *place)
{
    str_add_text(&invalid->items, invalid->n++ == 0 ? "{\"loc\":[" : ",{\"loc\":[");
    json_encode_string(&invalid->items, place, strlen(place));
    if (invalid->within != NULL) {
        add_path(&invalid->items, invalid->within);
    }
}

static void close_item(struct invalid *invalid, const char *type, const char *message)
{
    str_add_text(&invalid->items, "],\"msg\":");
    json_encode_string(&invalid->items, message, strlen(message));
    str_add_text(&invalid->items, ",\"type\":");
    json_encode_string(&invalid->items, type, strlen(type));
    str_add_char(&invalid->items, '}');
}

/* The field that programs are told, empty for the place itself; name may be NULL. */
static void add_field(const struct invalid *invalid, const char *name, struct str *field)
{
    str_add_text(field, invalid->within == NULL ? "" : invalid->within);
    if (name != NULL) {
        str_add_text(field, field->len == 0 ? "" : ".");
        str_add_text(field, name);
    }
}

static void note_reason(struct invalid *invalid, const char *reason)
{
    snprintf(invalid->reason, sizeof invalid->reason, "%s", reason);
}

/* The members of st, whose field is the one of this request. */
static void set_members(struct invalid *invalid, const char *name, const struct status *st)
{
    struct status shown = *st;
    AUTO_STR field = {0};
    add_field(invalid, name, &field);
    snprintf(shown.field, sizeof shown.field, "%s", str_text(&field));
    problem_add_status(&invalid->members, &shown);
    note_reason(invalid, st->reason);
}

void invalid_add(struct invalid *invalid, const char *place, const char *name, enum fault fault,
                 const char *message)
{
    if (invalid->n == 0) {
        AUTO_STR field = {0};
        add_field(invalid, name, &field);
        problem_add_reason(&invalid->members, faults[fault].reason,
                           field.len == 0 ? NULL : field.data);
        note_reason(invalid, faults[fault].reason);
    }
    open_item(invalid, place);
    if (name != NULL) {
        add_name(&invalid->items, name, strlen(name));
    }
    close_item(invalid, faults[fault].type, message);
}

void invalid_set_json(struct invalid *invalid, size_t offset, const struct status *st)
{
    str_clear(&invalid->items);
    str_clear(&invalid->members);
    invalid->n = 0;
    set_members(invalid, NULL, st);
    open_item(invalid, "body");
    str_addf(&invalid->items, ",%zu", offset);
    close_item(invalid, "json_invalid", st->message);
}

void invalid_add_status(struct invalid *invalid, const char *place, const char *name,
                        const struct status *st)
{
    if (invalid->n == 0) {
        set_members(invalid, name, st);
    }
    open_item(invalid, place);
    add_path(&invalid->items, name == NULL ? "" : name);
    close_item(invalid, type_of(st->reason), st->message);
}

/* The steps of a JSON Pointer. A number is taken for the index of an item. */
static void add_pointer(struct str *items, const char *pointer)
{
    while (*pointer == '/') {
        AUTO_STR token = {0};
        pointer = json_pointer_token(pointer + 1, &token);
        bool is_index = token.len > 0 && token.len < 10 &&
                        strspn(token.data, "0123456789") == token.len &&
                        (token.data[0] != '0' || token.len == 1);
        if (is_index) {
            str_addf(items, ",%s", token.data);
        } else {
            add_name(items, str_text(&token), token.len);
        }
    }
}

void invalid_add_violation(struct invalid *invalid, const char *place, const struct status *st,
                           const struct status_violation *violation)
{
    size_t n = strcspn(violation->field, "/");
    AUTO(free) char *field = mem_text(violation->field, n);
    if (invalid->n == 0) {
        set_members(invalid, field, st);
    }
    open_item(invalid, place);
    add_path(&invalid->items, field);
    add_pointer(&invalid->items, violation->field + n);
    close_item(invalid, type_of(violation->reason), violation->message);
}

void invalid_add_item(struct invalid *invalid, const char *place, const char *list, size_t index,
                      const struct status *st)
{
    char path[64];
    snprintf(path, sizeof path, "%s[%zu]", list, index);
    invalid_add_status(invalid, place, path, st);
}

void invalid_append(struct invalid *invalid, struct invalid *others)
{
    if (others->n > 0) {
        if (invalid->n == 0) {
            str_add(&invalid->members, str_text(&others->members), others->members.len);
            note_reason(invalid, others->reason);
        }
        str_add_text(&invalid->items, invalid->n == 0 ? "" : ",");
        str_add(&invalid->items, others->items.data, others->items.len);
        invalid->n += others->n;
    }
    invalid_fini(others);
}

void invalid_render(const struct invalid *invalid, unsigned status, enum problem_form form,
                    struct str *out)
{
    static const char detail[] = "The request has faults, which errors lists";
    AUTO_STR items = {0};
    str_add_char(&items, '[');
    str_add(&items, str_text(&invalid->items), invalid->items.len);
    str_add_char(&items, ']');
    const struct problem problem = {.status = status,
                                    .detail = detail,
                                    .n_detail = sizeof detail - 1,
                                    .faults = &items,
                                    .members = &invalid->members};
    problem_render(out, form, &problem);
}
