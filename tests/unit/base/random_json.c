#include "random_json.h"

#include <string.h>

enum { LEVELS = 5, MEMBERS = 6, SPELLINGS = 3 };

static const char *const keys[][SPELLINGS] = {
    {"\"a\"", "\"\\u0061\"", "\"a\""},
    {"\"\"", "\"\"", "\"\""},
    {"\"a/b\"", "\"a\\/b\"", "\"a\\u002fb\""},
    {"\"m~n\"", "\"m\\u007En\"", "\"m~n\""},
    {"\"~1\"", "\"~1\"", "\"\\u007e1\""},
    {"\"\xC3\xA9\"", "\"\\u00e9\"", "\"\\u00E9\""},
    {"\"\xF0\x9F\x98\x80\"", "\"\\ud83d\\ude00\"", "\"\\uD83D\\uDE00\""},
    {"\"q\\\"\"", "\"q\\u0022\"", "\"\\u0071\\\"\""},
    {"\"0\"", "\"\\u0030\"", "\"0\""},
    {"\"line\\n\"", "\"line\\u000a\"", "\"line\\u000A\""},
    {"\"b{[,:]}\"", "\"b{[,:]}\"", "\"b\\u007b[,:]}\""},
    {"\"back\\\\\"", "\"back\\u005c\"", "\"back\\\\\""},
};
enum { KEYS = sizeof keys / sizeof keys[0] };

static const char *const scalars[] = {
    "null",
    "true",
    "false",
    "0",
    "-0",
    "-0.0",
    "1",
    "1.0",
    "1e0",
    "10E-1",
    "-1",
    "2",
    "2.5",
    "9007199254740992",
    "9007199254740992.0",
    "9007199254740993",
    "9007199254740993.0",
    "9223372036854775807",
    "9223372036854775807.0",
    "9223372036854775806",
    "9.223372036854775e18",
    "-9223372036854775808",
    "-9223372036854775808.0",
    "-9.223372036854775808E18",
    "1e300",
    "1E+300",
    "0.1",
    "0.10",
    "0.10000000000000001",
    "100e-3",
    "1e-400",
    "0.001E-397",
    "1.000000000000000000000000000001e-400",
    "5e-324",
    "123456789012345678.5",
    "123456789012345678.25",
    "123456789012345678250e-3",
    "\"1\"",
    "\"\"",
    "\"x\\u0000y\"",
    "\"x\"",
    "\"true\"",
};

static void add_value(uint64_t seed, unsigned levels, struct mutation *m, struct str *out);

static bool mutates(struct mutation *m)
{
    return m != NULL && random_percent(&m->random, m->percent);
}

static void add_string(const char *const *spellings, struct random *r, struct mutation *m,
                       struct str *out)
{
    size_t spelling = random_below(r, SPELLINGS);
    str_add_text(out, spellings[mutates(m) ? (spelling + 1) % SPELLINGS : spelling]);
}

/* Members run through the keys from a random one on, which a mutation turns round. */
static void add_object(struct random *r, unsigned levels, struct mutation *m, struct str *out)
{
    size_t n = random_below(r, MEMBERS + 1);
    size_t first = random_below(r, KEYS);
    bool backwards = mutates(m);
    struct random order = *r;
    str_add_char(out, '{');
    bool comma = false;
    for (size_t i = 0; i < n; i++) {
        size_t number = backwards ? n - 1 - i : i;
        struct random member = {order.state + 1000003 * number};
        if (mutates(m)) {
            continue;
        }
        str_add_text(out, comma ? "," : "");
        comma = true;
        add_string(keys[(first + number) % KEYS], &member, m, out);
        str_add_char(out, ':');
        add_value(random_next(&member), levels - 1, m, out);
    }
    str_add_char(out, '}');
}

static void add_array(struct random *r, unsigned levels, struct mutation *m, struct str *out)
{
    size_t n = random_below(r, MEMBERS);
    str_add_char(out, '[');
    bool comma = false;
    for (size_t i = 0; i < n; i++) {
        uint64_t seed = random_next(r);
        if (!mutates(m)) {
            str_add_text(out, comma ? "," : "");
            comma = true;
            add_value(seed, levels - 1, m, out);
        }
    }
    str_add_char(out, ']');
}

static void add_value(uint64_t seed, unsigned levels, struct mutation *m, struct str *out)
{
    struct random r = {mutates(m) ? random_next(&m->random) : seed};
    size_t kind = random_below(&r, 10);
    if (levels > 0 && kind < 3) {
        add_object(&r, levels, m, out);
    } else if (levels > 0 && kind < 5) {
        add_array(&r, levels, m, out);
    } else if (kind == 5) {
        add_string(keys[random_below(&r, KEYS)], &r, m, out);
    } else {
        str_add_text(out, scalars[random_below(&r, sizeof scalars / sizeof scalars[0])]);
    }
}

void random_json(uint64_t seed, bool object, struct mutation *mutation, struct str *out)
{
    struct random r = {seed};
    if (object) {
        add_object(&r, LEVELS, mutation, out);
    } else {
        add_value(random_next(&r), LEVELS, mutation, out);
    }
}

static void add_blanks(struct random *r, struct str *out)
{
    for (size_t n = random_below(r, 4); n > 0; n--) {
        str_add_char(out, " \t\r\n"[random_below(r, 4)]);
    }
}

void random_blanks(struct random *random, const char *json, struct str *out)
{
    bool in_string = false;
    for (const char *p = json; *p != '\0'; p++) {
        bool between = !in_string && strchr("{}[]:,\"", *p) != NULL;
        if (between) {
            add_blanks(random, out);
        }
        if (in_string && *p == '\\') {
            str_add_char(out, *p++);
        } else if (*p == '"') {
            in_string = !in_string;
        }
        str_add_char(out, *p);
        if (between && !in_string) {
            add_blanks(random, out);
        }
    }
    add_blanks(random, out);
}
