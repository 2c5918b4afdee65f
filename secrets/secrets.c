#include "secrets.h"

#include <assert.h>
#include <string.h>

#include "characters.h"
#include "json_token.h"
#include "names.h"
#include "pairs.h"
#include "text.h"

#define NAMED_MIN 8 /* no value under a telling name is shorter */
/* A longer key, as it is written in the text, is no name. A key is looked at for each value under
 * it, so that the time would not be linear without a bound. */
#define NAME_BYTES 256

/* A string token with its quotes. */
struct token {
    struct json_text text;
    bool escaped; /* has a backslash */
};

/* A container that the search is in. */
struct level {
    struct json_text object; /* from its beginning to the text's end; data NULL: an array */
    struct token key;        /* of the member that is read */
    struct token name;       /* the value of a member "name" or "key" before; data NULL: none */
    uint32_t index;          /* of the item that is read */
    bool secret_key;         /* the key holds a secret */
};

struct finder {
    struct json_text text;
    struct secret_report *report;
    struct level levels[JSON_DEPTH_MAX];
    size_t depth;
    struct str decoded; /* of a string with escapes */
    struct str key;
};

void secret_report_fini(struct secret_report *report)
{
    for (size_t i = 0; i < report->n; i++) {
        free(report->findings[i].pointer);
    }
    free(report->findings);
    *report = (struct secret_report){0};
}

/* The bytes of a string; those of one with escapes replace what is in room. */
static struct json_text string_of(struct token token, struct str *room)
{
    if (!token.escaped) {
        return (struct json_text){token.text.data + 1, token.text.len - 2};
    }
    str_clear(room);
    json_decode_string(token.text, room);
    return (struct json_text){str_text(room), room->len};
}

/* ---- Telling ---- */

static void add_escaped(struct str *out, struct json_text key)
{
    for (size_t i = 0; i < key.len; i++) {
        if (key.data[i] == '~' || key.data[i] == '/') {
            str_add_text(out, key.data[i] == '~' ? "~0" : "~1");
        } else {
            str_add_char(out, key.data[i]);
        }
    }
}

/* Whether a key may be told: it holds no secret, neither its own nor the one found in its member.
 */
static bool is_told(struct json_text key, bool holds_secret, struct json_text secret)
{
    return !holds_secret && memmem(key.data, key.len, secret.data, secret.len) == NULL;
}

/* The pointer to what is read; for a key, to its object. It ends in front of a key that must not be
 * told. */
static char *pointer_to(struct finder *f, bool in_key, struct json_text secret)
{
    AUTO_STR pointer = {0};
    size_t depth = f->depth - (in_key ? 1 : 0);
    for (size_t i = 0; i < depth; i++) {
        const struct level *level = &f->levels[i];
        size_t before = pointer.len;
        str_add_char(&pointer, '/');
        if (level->object.data == NULL) {
            str_addf(&pointer, "%u", level->index);
        } else {
            struct json_text key = string_of(level->key, &f->key);
            if (!is_told(key, level->secret_key, secret)) {
                str_truncate(&pointer, before);
                break;
            }
            add_escaped(&pointer, key);
        }
        if (pointer.len > SECRETS_POINTER_BYTES) {
            str_truncate(&pointer, before);
            str_add_text(&pointer, "/...");
            break;
        }
    }
    return mem_string(str_text(&pointer));
}

static void tell(struct finder *f, const struct secret_rule *rule, bool in_key,
                 struct json_text secret)
{
    struct secret_report *report = f->report;
    if (report->n == SECRETS_FINDINGS) {
        report->more = true;
        return;
    }
    report->findings = mem_grow(report->findings, report->n + 1, sizeof report->findings[0]);
    report->findings[report->n++] = (struct secret_finding){
        .rule = rule, .pointer = pointer_to(f, in_key, secret), .in_key = in_key};
}

/* ---- Names ---- */

static struct json_text name_of(struct finder *f, struct token token)
{
    bool is_name = token.text.len <= NAME_BYTES + 2;
    return is_name ? string_of(token, &f->key) : (struct json_text){"", 0};
}

/* The kind of a member's value by its key, by a member "name" beside it, or by the name of the
 * object. */
static enum name_kind kind_at(struct finder *f, size_t depth)
{
    const struct level *level = &f->levels[depth - 1];
    if (level->object.data == NULL) {
        return depth > 1 ? kind_at(f, depth - 1) : NAME_OTHER;
    }
    struct json_text key = name_of(f, level->key);
    enum name_kind kind = name_kind(key.data, key.len);
    if (kind != NAME_OTHER) {
        return kind;
    }
    bool neutral = name_is_neutral(key.data, key.len);
    if (neutral && level->name.text.data != NULL) {
        struct json_text name = name_of(f, level->name);
        return name_kind(name.data, name.len);
    }
    if (depth < 2 || f->levels[depth - 2].object.data == NULL) {
        return NAME_OTHER;
    }
    struct json_text around = name_of(f, f->levels[depth - 2].key);
    return neutral ? name_kind(around.data, around.len)
                   : name_kind_of_members(around.data, around.len);
}

/* Notes the value of a member that names the one beside it. */
static void note_name(struct level *level, struct token value)
{
    struct json_text key = level->key.text;
    if ((key.len == 6 && same_letters(key.data, "\"name\"", 6)) ||
        (key.len == 5 && same_letters(key.data, "\"key\"", 5))) {
        level->name = value;
    }
}

/* ---- Strings ---- */

/* The secret member of a JSON Web Key, "d" or "k", with its type beside it. */
static bool is_jwk(const struct level *level, struct json_text value)
{
    bool is_member = level->key.text.len == 3 &&
                     (level->key.text.data[1] == 'd' || level->key.text.data[1] == 'k');
    if (!is_member || value.len < 22 || run_of(value.data, value.len, WORD) < value.len) {
        return false;
    }
    size_t reach = level->object.len < 8192 ? level->object.len : 8192;
    return memmem(level->object.data, reach, "\"kty\":", strlen("\"kty\":")) != NULL;
}

static const struct secret_rule *search_value(struct finder *f, const struct level *level,
                                              struct json_text value)
{
    const struct secret_rule *rule =
        value.len >= TEXT_MIN ? text_search(value.data, value.len) : NULL;
    if (rule == rule_of(RULE_PRIVATE_KEY)) {
        static const char type[] = "\"type\":\"service_account\"";
        bool is_account = level->object.data != NULL &&
                          memmem(level->object.data, level->object.len, type, strlen(type)) != NULL;
        return is_account ? rule_of(RULE_SERVICE_ACCOUNT) : rule;
    }
    if (rule != NULL) {
        return rule;
    }
    if (level->object.data != NULL && is_jwk(level, value)) {
        return rule_of(RULE_JWK);
    }
    enum name_kind kind = kind_at(f, f->depth);
    return value_is_secret(value.data, value.len, kind) ? rule_of_kind(kind) : NULL;
}

static void take_value(struct finder *f, struct token token)
{
    struct level *level = &f->levels[f->depth - 1];
    note_name(level, token);
    if (token.text.len < NAMED_MIN + 2) {
        return;
    }
    struct json_text value = string_of(token, &f->decoded);
    const struct secret_rule *rule = search_value(f, level, value);
    if (rule != NULL) {
        tell(f, rule, false, value);
    }
}

static void take_key(struct finder *f, struct token token)
{
    struct level *level = &f->levels[f->depth - 1];
    level->key = token;
    level->secret_key = false;
    if (token.text.len >= TEXT_MIN + 2) {
        struct json_text key = string_of(token, &f->decoded);
        const struct secret_rule *rule = text_search(key.data, key.len);
        if (rule != NULL) {
            level->secret_key = true;
            tell(f, rule, true, key);
        }
    }
}

/* ---- The walk ---- */

/* Takes the string that starts at `at` and returns the offset behind it. */
static size_t take_string(struct finder *f, size_t at)
{
    bool escaped;
    size_t end = json_string_end(f->text, at, &escaped);
    struct token token = {{f->text.data + at, end - at}, escaped};
    if (f->text.data[end] == ':') {
        take_key(f, token);
    } else {
        take_value(f, token);
    }
    return end;
}

static void enter(struct finder *f, size_t at)
{
    assert(f->depth < JSON_DEPTH_MAX && "json_check bounds the depth");
    struct level *level = &f->levels[f->depth++];
    *level = (struct level){0};
    if (f->text.data[at] == '{') {
        level->object = (struct json_text){f->text.data + at, f->text.len - at};
    }
}

/* Takes what begins at `at` and returns the offset behind it. */
static size_t take(struct finder *f, size_t at)
{
    switch (f->text.data[at]) {
    case '"':
        return take_string(f, at);
    case '{':
    case '[':
        enter(f, at);
        break;
    case '}':
    case ']':
        f->depth--;
        break;
    case ',':
        f->levels[f->depth - 1].index++;
        break;
    default:
        break;
    }
    return at + 1;
}

bool secrets_find(struct json_text object, struct secret_report *report)
{
    assert(json_type_of(object) == JSON_OBJECT && "configs are objects");
    rules_prepare();
    names_prepare();
    struct finder f; /* its levels stay as they are until they are entered */
    f.text = object;
    f.report = report;
    f.depth = 0;
    f.decoded = f.key = (struct str){0};
    for (size_t at = 0; at < object.len && !report->more;) {
        at = take(&f, at);
    }
    str_fini(&f.decoded);
    str_fini(&f.key);
    return report->n == 0;
}
