#include "settings.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "coercion.h"
#include "hash.h"

static inline uint64_t hash_name(uint32_t parent, const char *name, size_t n_name)
{
    return hash_table_key(name, n_name) + parent * 0x9e3779b97f4a7c15u;
}

/* ---- Looking up ---- */

/* Whether the name is the index in decimal digits. */
static bool is_index(const char *name, size_t n_name, uint32_t index)
{
    char digits[16];
    int n = snprintf(digits, sizeof digits, "%u", index);
    return (size_t)n == n_name && memcmp(digits, name, n_name) == 0;
}

static bool has_name(const struct setting *setting, const char *name, size_t n_name)
{
    if (setting->name == NULL) {
        return is_index(name, n_name, setting->index);
    }
    return setting->n_name == n_name && memcmp(setting->name, name, n_name) == 0;
}

const struct setting *settings_child(const struct settings *settings, const struct setting *parent,
                                     const char *name, size_t n_name)
{
    uint32_t at_parent = (uint32_t)(parent - settings->settings);
    uint64_t hash = hash_name(at_parent, name, n_name);
    uint32_t mask = settings->n_slots - 1;
    for (uint32_t i = (uint32_t)hash & mask; settings->slots[i].at != 0; i = (i + 1) & mask) {
        const struct setting *found = &settings->settings[settings->slots[i].at];
        if (settings->slots[i].hash == hash >> 32 && found->parent == at_parent &&
            has_name(found, name, n_name)) {
            return found;
        }
    }
    return NULL;
}

/* The child by a step of a pointer that has escapes. */
static const struct setting *find_escaped(const struct settings *settings,
                                          const struct setting *parent, const char *step,
                                          size_t n_step)
{
    AUTO_STR name = {0};
    for (size_t i = 0; i < n_step; i++) {
        bool escaped =
            step[i] == '~' && i + 1 < n_step && (step[i + 1] == '0' || step[i + 1] == '1');
        str_add_char(&name, escaped ? (step[i + 1] == '0' ? '~' : '/') : step[i]);
        i += escaped;
    }
    return settings_child(settings, parent, str_text(&name), name.len);
}

static const struct setting *find_pointer(const struct settings *settings, const char *pointer)
{
    const struct setting *found = settings_whole(settings);
    while (found != NULL && *pointer == '/') {
        const char *step = pointer + 1;
        size_t n_step = strcspn(step, "/");
        found = memchr(step, '~', n_step) == NULL ? settings_child(settings, found, step, n_step)
                                                  : find_escaped(settings, found, step, n_step);
        pointer = step + n_step;
    }
    return found;
}

const struct setting *settings_find(const struct settings *settings, const char *path)
{
    return path[0] == '/' || path[0] == '\0'
               ? find_pointer(settings, path)
               : settings_child(settings, settings_whole(settings), path, strlen(path));
}

/* ---- Parsing ---- */

struct parser {
    struct settings *settings;
    uint32_t room;
    char *strings; /* where the next decoded string goes */
};

/* Decodes a string token. There is room: a decoded string with its NUL is shorter than its token.
 */
static const char *keep_string(struct parser *parser, struct json_text token, size_t *ret_n)
{
    char *kept = parser->strings;
    if (memchr(token.data, '\\', token.len) == NULL) {
        *ret_n = token.len - 2;
        memcpy(kept, token.data + 1, *ret_n);
    } else {
        AUTO_STR decoded = {0};
        json_decode_string(token, &decoded);
        *ret_n = decoded.len;
        memcpy(kept, str_text(&decoded), *ret_n);
    }
    kept[*ret_n] = '\0';
    parser->strings += *ret_n + 1;
    return kept;
}

static void take_number(struct setting *setting)
{
    /* The text ends with the object, at the latest: reading stops there. */
    setting->number = coercion_strtod(setting->text.data);
    if (memchr(setting->text.data, '.', setting->text.len) == NULL &&
        memchr(setting->text.data, 'e', setting->text.len) == NULL &&
        memchr(setting->text.data, 'E', setting->text.len) == NULL) {
        setting->integer = strtoll(setting->text.data, NULL, 10);
        setting->fits_integer = true;
    } else {
        setting->fits_integer = coercion_to_integer(setting->number, &setting->integer);
    }
}

static uint32_t add_setting(struct parser *parser, uint32_t parent, struct json_text value)
{
    struct settings *settings = parser->settings;
    if (settings->n == parser->room) {
        parser->room *= 2;
        settings->settings =
            mem_grow(settings->settings, parser->room, sizeof settings->settings[0]);
    }
    struct setting *setting = &settings->settings[settings->n];
    *setting = (struct setting){.type = json_type_of(value), .parent = parent, .text = value};
    if (setting->type == JSON_STRING) {
        setting->string = keep_string(parser, value, &setting->n_string);
    } else if (setting->type == JSON_NUMBER) {
        take_number(setting);
    }
    return settings->n++;
}

static void add_children(struct parser *parser, uint32_t at);

/* Adds a child behind its sibling before, 0: the first one. Returns where it is. */
static uint32_t add_child(struct parser *parser, uint32_t at, uint32_t before,
                          const struct json_text *key, struct json_text value)
{
    size_t n_name = 0;
    const char *name = key == NULL ? NULL : keep_string(parser, *key, &n_name);
    uint32_t child = add_setting(parser, at, value);
    struct setting *settings = parser->settings->settings;
    settings[child].name = name;
    settings[child].n_name = n_name;
    settings[child].index = settings[at].n_children++;
    *(before == 0 ? &settings[at].child : &settings[before].next) = child;
    add_children(parser, child);
    return child;
}

static void add_children(struct parser *parser, uint32_t at)
{
    const struct json_text value = parser->settings->settings[at].text;
    enum json_type type = parser->settings->settings[at].type;
    struct json_text key, child;
    size_t position = 0;
    uint32_t before = 0;
    while (type == JSON_OBJECT && json_member(value, &position, &key, &child)) {
        before = add_child(parser, at, before, &key, child);
    }
    while (type == JSON_ARRAY && json_item(value, &position, &child)) {
        before = add_child(parser, at, before, NULL, child);
    }
}

static void index_setting(struct settings *settings, uint32_t at)
{
    const struct setting *setting = &settings->settings[at];
    char digits[16];
    snprintf(digits, sizeof digits, "%u", setting->index);
    uint64_t hash = setting->name == NULL
                        ? hash_name(setting->parent, digits, strlen(digits))
                        : hash_name(setting->parent, setting->name, setting->n_name);
    uint32_t mask = settings->n_slots - 1;
    uint32_t i = (uint32_t)hash & mask;
    while (settings->slots[i].at != 0) {
        i = (i + 1) & mask;
    }
    settings->slots[i] = (struct settings_slot){(uint32_t)(hash >> 32), at};
}

static void make_index(struct settings *settings)
{
    settings->n_slots = 4;
    while (settings->n_slots < settings->n * 2) {
        settings->n_slots *= 2;
    }
    settings->slots = mem_array(settings->n_slots, sizeof settings->slots[0]);
    for (uint32_t at = 1; at < settings->n; at++) {
        index_setting(settings, at);
    }
}

bool settings_parse(const char *text, size_t n, struct settings **ret_settings, struct status *st)
{
    static const struct json_limits limits = {SETTINGS_MAX_BYTES, JSON_DEPTH_MAX};
    AUTO(buf_unref) struct buf *checked = NULL;
    if (!json_check(text, n, &limits, "config_data", &checked, st)) {
        return false;
    }
    struct settings *settings = mem_zalloc(sizeof *settings);
    struct parser parser = {settings, 16, mem_alloc(checked->len + 1)};
    settings->refs = 1;
    settings->strings = parser.strings;
    settings->settings = mem_array(parser.room, sizeof settings->settings[0]);
    settings->text = MOVE(checked);
    add_setting(&parser, 0, json_of_buf(settings->text));
    add_children(&parser, 0);
    make_index(settings);
    *ret_settings = settings;
    return true;
}

struct settings *settings_ref(struct settings *settings)
{
    assert(settings != NULL && "a reference is to something");
    atomic_fetch_add_explicit(&settings->refs, 1, memory_order_relaxed);
    return settings;
}

void settings_unref(struct settings *settings)
{
    if (settings == NULL ||
        atomic_fetch_sub_explicit(&settings->refs, 1, memory_order_acq_rel) != 1) {
        return;
    }
    buf_unref(settings->text);
    free(settings->strings);
    free(settings->settings);
    free(settings->slots);
    free(settings);
}
