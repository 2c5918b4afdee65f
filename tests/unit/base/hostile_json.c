#include "hostile_json.h"

#include <string.h>

#include "json.h"
#include "mem.h"

enum { LEVELS = 4, EDGE_OF_MEMBERS = 64 };

struct piece {
    const char *bytes;
    size_t n;
};

#define P(text)                                                                                    \
    {                                                                                              \
        text, sizeof text - 1                                                                      \
    }

/* clang-format off */
static const struct piece sound[] = {
    P("0"), P("-0"), P("7"), P("-12"), P("0.5"), P("-3.25"), P("5432"), P("true"), P("false"), P("null"),
    P("\"\""), P("\"db-1\""), P("\"a\\nb\""), P("\"\\u00e9\""), P("\"\xC3\xA9\""), P("\"\xE2\x82\xAC\""),
    P("\"\xF0\x9F\x98\x80\""), P("\"\x7F\""), P("\"{[,:]}\""), P("\"\\\\\""), P("\"\\\"\""), P("\"\\/\""),
};

static const struct piece numbers[] = {
    P("00"), P("01"), P("-01"), P("-"), P("+1"), P(".5"), P("1."), P("-.5"), P("1.e1"), P("1e"), P("1e+"),
    P("1e5"), P("1E-5"), P("-0e0"), P("1e308"), P("1e309"), P("-1e309"), P("1e-400"), P("1e99999999999"),
    P("1e-99999999999"), P("1.7976931348623157e308"), P("1.7976931348623159e308"), P("0e999"),
    P("99999999999999999"), P("999999999999999999"), P("-999999999999999999"), P("1234567890123456789"),
    P("9223372036854775807"), P("9223372036854775808"), P("-9223372036854775808"), P("-9223372036854775809"),
    P("99999999999999999999"), P("0.123456789012345678"), P("0.1234567890123456789"), P("1.00000000000000000"),
    P("0x1"), P("1_0"), P("1,5"), P("NaN"), P("Infinity"), P("-Infinity"), P("1 2"), P("1\0"), P("\xD9\xA1"),
};

static const struct piece strings[] = {
    P("\"\\u0000\""), P("\"\\u0001\""), P("\"\\u000\""), P("\"\\u00g0\""), P("\"\\U0041\""), P("\"\\x41\""),
    P("\"\\ud83d\\ude00\""), P("\"\\uD83D\""), P("\"\\ude00\""), P("\"\\ude00\\ud83d\""), P("\"\\ud83dx\""),
    P("\"\\ud83d\\u0041\""), P("\"\\uDBFF\\uDFFF\""), P("\"\\uDBFF\\uE000\""), P("\"\\ud7ff\""), P("\"\\ue000\""),
    P("\"\\uffff\""), P("\"\\\""), P("\"\\\\\\\""), P("\"\\0\""), P("\"\\\0\""), P("\"\0\""), P("\"a\nb\""), P("\"\x1F\""),
    P("\"\xC0\x80\""), P("\"\xC1\xBF\""), P("\"\xE0\x80\x80\""), P("\"\xE0\x9F\xBF\""), P("\"\xE0\xA0\x80\""),
    P("\"\xED\x9F\xBF\""), P("\"\xED\xA0\x80\""), P("\"\xED\xBF\xBF\""), P("\"\xEF\xBF\xBF\""), P("\"\xEF\xBB\xBF\""),
    P("\"\xF0\x80\x80\x80\""), P("\"\xF0\x8F\xBF\xBF\""), P("\"\xF4\x8F\xBF\xBF\""), P("\"\xF4\x90\x80\x80\""),
    P("\"\xF8\x88\x80\x80\x80\""), P("\"\x80\""), P("\"\xC3\""), P("\"\xE2\x82\""), P("\"\xFF\""), P("'a'"), P("\""),
};

static const struct piece words[] = {
    P(""), P("tru"), P("truee"), P("True"), P("nul"), P("nulll"), P("undefined"), P("[,]"), P("[1,]"), P("[1"), P("]"),
    P("{,}"), P("{\"a\"}"), P("{\"a\":}"), P("{\"a\":1,}"), P("{a:1}"), P("{1:1}"), P("{\"a\" 1}"), P("{\"a\":1"), P("}"),
    P("\xEF\xBB\xBF" "1"), P("/**/1"), P("//\n1"),
};

static const struct piece keys[] = {
    P("\"a\""), P("\"b\""), P("\"\""), P("\"A\""), P("\"\\u0061\""), P("\"a\\u0000\""), P("\"\\u0000\""), P("\"\xC3\xA9\""),
    P("\"\\u00e9\""), P("\"e\xCC\x81\""), P("\"\\/\""), P("\"/\""), P("\"\xC0\xAF\""), P("\"\\ud83d\""), P("\"\0\""), P("1"),
};

static const struct piece blanks[] = {
    P(" "), P("\t"), P("\n"), P("\r\n"), P("  "), P(" \n "), P("\f"), P("\v"), P("\xC2\xA0"), P("\0"),
};
/* clang-format on */

enum { SOUND_BLANKS = 6 };

#define ADD_ONE(random, pieces, out) add_one(random, pieces, COUNT_OF(pieces), out)

static void add_one(struct random *random, const struct piece *pieces, size_t n, struct str *out)
{
    const struct piece *piece = &pieces[random_below(random, n)];
    str_add(out, piece->bytes, piece->n);
}

static void add_blank(struct random *random, struct str *out)
{
    if (random_percent(random, 10)) {
        add_one(random, blanks, SOUND_BLANKS, out);
    } else if (random_below(random, 1000) == 0) {
        ADD_ONE(random, blanks, out);
    }
}

static void add_scalar(struct random *random, struct str *out)
{
    size_t kind = random_below(random, 100);
    if (kind < 90) {
        ADD_ONE(random, sound, out);
    } else if (kind < 95) {
        ADD_ONE(random, numbers, out);
    } else if (kind < 99) {
        ADD_ONE(random, strings, out);
    } else {
        ADD_ONE(random, words, out);
    }
}

/* A key of its own, as a rule. */
static void add_key(struct random *random, size_t number, struct str *out)
{
    if (random_percent(random, 5)) {
        ADD_ONE(random, keys, out);
    } else {
        str_addf(out, "\"k%zu\"", random_below(random, 50) == 0 ? (size_t)0 : number);
    }
}

static size_t choose_size(struct random *random)
{
    return random_percent(random, 2) ? EDGE_OF_MEMBERS - 2 + random_below(random, 5)
                                     : random_below(random, 5);
}

static void add_value(struct random *random, unsigned levels, struct str *out);

static void add_items(struct random *random, unsigned levels, bool object, struct str *out)
{
    size_t n = choose_size(random);
    str_add_char(out, object ? '{' : '[');
    for (size_t i = 0; i < n; i++) {
        str_add_text(out, i == 0 ? "" : ",");
        add_blank(random, out);
        if (object) {
            add_key(random, i, out);
            add_blank(random, out);
            str_add_char(out, ':');
        }
        add_value(random, n > LEVELS ? 0 : levels - 1, out);
    }
    str_add_char(out, object ? '}' : ']');
}

static void add_value(struct random *random, unsigned levels, struct str *out)
{
    size_t kind = random_below(random, 10);
    add_blank(random, out);
    if (levels == 0 || kind < 4) {
        add_scalar(random, out);
    } else {
        add_items(random, levels, kind < 8, out);
    }
    add_blank(random, out);
}

void random_hostile_json(struct random *random, struct str *out)
{
    size_t depth = random_percent(random, 5) ? random_below(random, JSON_DEPTH_MAX + 2) : 0;
    bool objects = random_percent(random, 50);
    for (size_t i = 0; i < depth; i++) {
        str_add_text(out, objects ? "{\"a\":" : "[");
    }
    add_value(random, LEVELS, out);
    for (size_t i = 0; i < depth; i++) {
        str_add_char(out, objects ? '}' : ']');
    }
}

void random_damage(struct random *random, struct str *text)
{
    static const char bytes[] = "{}[]\",:\\/u0129-+.eEdD tfn\x01\x7F\x80\xC3\xED\xA0\xF0";
    size_t times = random_percent(random, 50) ? 0 : 1 + random_below(random, 2);
    for (; times > 0 && text->len > 0; times--) {
        size_t at = random_below(random, text->len);
        if (random_below(random, 3) > 0) {
            text->data[at] = bytes[random_below(random, sizeof bytes)];
        } else {
            memmove(text->data + at, text->data + at + 1, text->len - at - 1);
            str_truncate(text, text->len - 1);
        }
    }
}
