/* The differences between two settings. */
#include "pointers.h"

#include <stdio.h>
#include <string.h>

#include "leak_check.h"

TestSuite(pointers, .fini = leak_check);

static struct settings *parse(const char *text)
{
    struct settings *settings = NULL;
    struct status st;
    cr_assert(settings_parse(text, strlen(text), &settings, &st), "%s: %s", text, st.message);
    return settings;
}

static void print(struct str *out, char mark, const struct pointer_list *list)
{
    for (size_t i = 0; i < list->n; i++) {
        str_addf(out, "%s%c%s", out->len == 0 ? "" : " ", mark, list->texts[i]);
    }
}

/* expected: "+/added -/removed *\/changed". */
static void expect(const char *before, const char *after, const char *expected)
{
    AUTO(settings_unref) struct settings *old = before == NULL ? NULL : parse(before);
    AUTO(settings_unref) struct settings *new = after == NULL ? NULL : parse(after);
    AUTO_STR found = {0};
    struct pointers pointers;
    pointers_between(old, new, &pointers);
    print(&found, '+', &pointers.added);
    print(&found, '-', &pointers.removed);
    print(&found, '*', &pointers.changed);
    pointers_fini(&pointers);
    cr_assert_str_eq(str_text(&found), expected);
}

Test(pointers, members)
{
    expect("{\"a\":1,\"b\":2,\"c\":3}", "{\"d\":4,\"c\":3.0,\"a\":2}", "+/d -/b */a");
    expect("{}", "{}", "");
    expect("{\"a\":{\"b\":1,\"c\":{}}}", "{\"a\":{\"b\":2,\"d\":{\"e\":1}}}", "+/a/d -/a/c */a/b");
    expect("{\"x/y\":{\"~\":1}}", "{\"x/y\":{\"~\":2}}", "*/x~1y/~0");
}

Test(pointers, items)
{
    expect("{\"l\":[1,2,3]}", "{\"l\":[1,5]}", "-/l/2 */l/1");
    expect("{\"l\":[1]}", "{\"l\":[1,{}]}", "+/l/1");
    expect("{\"l\":[{\"a\":1}]}", "{\"l\":[{\"a\":2}]}", "*/l/0/a");
}

Test(pointers, another_type)
{
    expect("{\"a\":{\"b\":1}}", "{\"a\":[1]}", "*/a");
    expect("{\"a\":1}", "{\"a\":\"1\"}", "*/a");
    expect("{\"a\":true}", "{\"a\":false}", "*/a");
    expect("{\"a\":null}", "{\"a\":null}", "");
    expect("{\"a\":\"\\u0041\"}", "{\"a\":\"A\"}", "");
}

Test(pointers, of_what_is_not_there)
{
    expect(NULL, "{\"a\":{\"b\":1},\"c\":2}", "+/a +/c");
    expect("{\"a\":{\"b\":1},\"c\":2}", NULL, "-/a -/c");
    expect(NULL, NULL, "");
}

static void add_numbers(struct str *out, size_t n, const char *value)
{
    str_add_text(out, "{\"l\":[0");
    for (size_t i = 1; i < n; i++) {
        str_addf(out, ",%s", value);
    }
    str_add_text(out, "]}");
}

Test(pointers, too_many_are_one)
{
    AUTO_STR before = {0};
    AUTO_STR after = {0};
    add_numbers(&before, POINTERS_MOST + 2, "1");
    add_numbers(&after, POINTERS_MOST + 2, "2");
    expect(before.data, after.data, "*");
}
