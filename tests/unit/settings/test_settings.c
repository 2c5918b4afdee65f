/* Parsing settings and looking them up. */
#include "settings.h"

#include <stdio.h>
#include <string.h>

#include "leak_check.h"
#include "random.h"

TestSuite(settings, .fini = leak_check);

static struct settings *parse(const char *text)
{
    struct settings *settings = NULL;
    struct status st;
    cr_assert(settings_parse(text, strlen(text), &settings, &st), "%s: %s", text, st.message);
    return settings;
}

static void expect(const struct settings *settings, const char *path, const char *text)
{
    const struct setting *found = settings_find(settings, path);
    cr_assert_eq(found == NULL, text == NULL, "%s", path);
    if (found != NULL) {
        cr_assert(found->text.len == strlen(text) &&
                      memcmp(found->text.data, text, found->text.len) == 0,
                  "%s: %.*s", path, (int)found->text.len, found->text.data);
    }
}

Test(settings, finds_keys_and_pointers)
{
    AUTO(settings_unref)
    struct settings *settings = parse(
        "{\"a\": 1, \"\": 2, \"b\": {\"a\": [10, {\"c\": true}, []], \"x/y~z\": null}, \"/a\": 3}");
    expect(settings, "a", "1");
    expect(settings, "/a", "1");
    expect(settings, "/", "2");
    expect(settings, "//a", NULL);
    expect(settings, "/~1a", "3");
    expect(settings, "b", "{\"a\":[10,{\"c\":true},[]],\"x/y~z\":null}");
    expect(settings, "/b/a/0", "10");
    expect(settings, "/b/a/1/c", "true");
    expect(settings, "/b/x~1y~0z", "null");
    expect(settings, "/b/a/3", NULL);
    expect(settings, "/b/a/00", NULL);
    expect(settings, "/b/a/-", NULL);
    expect(settings, "/b/a/1/c/d", NULL);
    expect(settings, "/a/a", NULL);
    expect(settings, "c", NULL);
    cr_assert_eq(settings_find(settings, ""), settings_whole(settings));
}

Test(settings, an_index_is_no_key)
{
    AUTO(settings_unref) struct settings *settings = parse("{\"o\":{\"0\":1},\"l\":[2],\"0\":3}");
    expect(settings, "/o/0", "1");
    expect(settings, "/l/0", "2");
    expect(settings, "0", "3");
}

Test(settings, decodes_names_and_strings)
{
    AUTO(settings_unref)
    struct settings *settings = parse("{\"\\u00e4\":\"x\\n\\u0000y\",\"z\":\"\"}");
    const struct setting *found = settings_find(settings, "\xC3\xA4");
    cr_assert_eq(found->n_string, 4);
    cr_assert_arr_eq(found->string, "x\n\0y", 5);
    cr_assert_str_eq(settings_find(settings, "z")->string, "");
}

Test(settings, lists_children_in_order)
{
    AUTO(settings_unref) struct settings *settings = parse("{\"c\":[1,2,3],\"a\":0,\"b\":0}");
    char names[8] = "";
    const struct setting *whole = settings_whole(settings);
    for (const struct setting *child = settings_first(settings, whole); child != NULL;
         child = settings_next(settings, child)) {
        strcat(names, child->name);
    }
    cr_assert_str_eq(names, "cab");
    cr_assert_eq(settings_find(settings, "c")->n_children, 3);
}

Test(settings, refuses_what_is_no_object)
{
    static const char *const texts[] = {"", "[]", "{", "{\"a\":1,\"a\":2}", "{} x", "null"};
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        struct settings *settings = NULL;
        struct status st;
        cr_assert_not(settings_parse(texts[i], strlen(texts[i]), &settings, &st), "%s", texts[i]);
        cr_assert_null(settings);
    }
}

/* Each of many keys, some of them nested, is found, and no other. */
Test(settings, finds_each_of_many)
{
    AUTO_STR text = {0};
    struct random random = {random_seed()};
    size_t n = 1 + random_below(&random, 5000);
    for (size_t i = 0; i < n; i++) {
        str_addf(&text, "%c\"key%zu\":{\"in\":[%zu,%zu]}", i == 0 ? '{' : ',', i * 2, i, i + 1);
    }
    str_add_char(&text, '}');
    AUTO(settings_unref) struct settings *settings = parse(text.data);
    for (size_t i = 0; i < n; i++) {
        char path[64], value[32];
        snprintf(path, sizeof path, "/key%zu/in/1", i * 2);
        snprintf(value, sizeof value, "%zu", i + 1);
        expect(settings, path, value);
        snprintf(path, sizeof path, "key%zu", i * 2 + 1);
        expect(settings, path, NULL);
    }
}
