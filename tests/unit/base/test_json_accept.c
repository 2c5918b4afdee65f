/* The quick yes against jansson's verdict. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "json_accept.h"
#include "json_cases.h"
#include "json_parse.h"
#include "leak_check.h"
#include "random_json.h"

TestSuite(json_accept, .fini = leak_check);

static bool jansson_accepts(const char *text, size_t len)
{
    struct json_fault fault;
    return json_parse_check(text, len, &fault);
}

Test(json_accept, says_yes_to_no_refused_case)
{
    size_t accepted = 0;
    for (size_t i = 0; i < n_json_cases; i++) {
        const struct json_case *c = &json_cases[i];
        bool yes = json_accept(c->text, c->len);
        cr_expect(!yes || c->reason == NULL, "case %zu: %s", i, c->text);
        accepted += yes;
    }
    cr_expect_gt(accepted, 40, "%zu of %zu", accepted, n_json_cases);
}

Test(json_accept, says_yes_to_what_comes_most)
{
    static const char *const texts[] = {
        "{}",
        " { } ",
        "{\"host\":\"db-1\",\"port\":5432,\"tls\":true,\"ratio\":0.75,\"tags\":[\"a\",\"b\"]}",
        "{\"a\":{\"b\":{\"c\":[1,-2,3.25,null,false]}}}",
        "{\"text\":\"line\\nquote\\\"slash\\\\tab\\t\\u00e9\"}",
        "{\"\xC3\xBC\":\"\xE2\x82\xAC \xF0\x9F\x98\x80\"}",
        "[ 1 , 2 ]",
        "-0",
        "123456789012345678",
        "\"\"",
        "true",
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        cr_expect(json_accept(texts[i], strlen(texts[i])), "%s", texts[i]);
    }
}

Test(json_accept, leaves_to_jansson_what_is_not_sure)
{
    static const char *const texts[] = {
        "{\"\\u0061\":1}", "\"\\ud83d\\ude00\"", "1e5", "9223372036854775807", "\"\\u0000\"",
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        cr_expect_not(json_accept(texts[i], strlen(texts[i])), "%s", texts[i]);
        cr_expect(jansson_accepts(texts[i], strlen(texts[i])), "%s", texts[i]);
    }
}

static void add_members(struct str *text, int n)
{
    str_add_char(text, '{');
    for (int i = 0; i < n; i++) {
        str_addf(text, "%s\"k%d\":%d", i == 0 ? "" : ",", i, i);
    }
    str_add_char(text, '}');
}

Test(json_accept, takes_objects_of_64_members)
{
    AUTO_STR most = {0};
    AUTO_STR more = {0};
    add_members(&most, 64);
    add_members(&more, 65);
    cr_expect(json_accept(most.data, most.len));
    cr_expect_not(json_accept(more.data, more.len));
    cr_expect(jansson_accepts(more.data, more.len));
}

/* Changes a byte or two, takes one out or puts one in; with those that mean something. */
static void damage(struct random *random, struct str *text)
{
    static const char bytes[] = "{}[]\",:\\/u0129-+.eEdD tfn\x01\x7F\x80\xC3\xED\xA0\xF0";
    for (uint64_t n = random_below(random, 3); n > 0 && text->len > 0; n--) {
        size_t at = random_below(random, text->len);
        char byte = bytes[random_below(random, sizeof bytes)];
        if (random_below(random, 3) > 0) {
            text->data[at] = byte;
        } else {
            memmove(text->data + at, text->data + at + 1, text->len - at - 1);
            str_truncate(text, text->len - 1);
        }
    }
}

Test(json_accept, never_says_yes_where_jansson_says_no)
{
    size_t accepted = 0;
    size_t refused = 0;
    for (uint64_t round = 0; round < 50000; round++) {
        uint64_t seed = random_seed() * 1000000 + round;
        struct random random = {seed};
        AUTO_STR text = {0};
        random_json(seed % 5000, false, NULL, &text);
        damage(&random, &text);
        bool yes = json_accept(text.data, text.len);
        bool good = jansson_accepts(text.data, text.len);
        cr_assert(good || !yes, "seed %" PRIu64 ": %s", seed, text.data);
        accepted += yes;
        refused += !good;
    }
    cr_expect_gt(accepted, 1000, "%zu accepted", accepted);
    cr_expect_gt(refused, 1000, "%zu refused", refused);
}

/* Memory behind the text is not read. */
Test(json_accept, stops_at_the_end)
{
    const char *text = "{\"a\\u00e9\":[1.5,true,null,\"\xE2\x82\xAC\"],\"b\":{}}";
    for (size_t n = 0; n < strlen(text); n++) {
        AUTO(free) char *part = mem_alloc(n);
        memcpy(part, text, n);
        cr_expect_not(json_accept(part, n), "%zu bytes", n);
    }
}
