#include <string.h>

#include "json_pointer.h"
#include "leak_check.h"

TestSuite(json_pointer, .fini = leak_check);

static const char document[] = "{\"a\":{\"b\":[10,{\"c\":1.50},[]]},\"\":0,\"a/"
                               "b\":1,\"m~n\":2,\"~1\":3,\"\\u00e9\":4,\"0\":5}";

Test(json_pointer, finds_values)
{
    static const struct {
        const char *pointer, *value; /* value NULL: there is none */
    } cases[] = {
        {"", document},     {"/a/b/0", "10"},  {"/a/b/1/c", "1.50"},
        {"/a/b/2", "[]"},   {"/", "0"},        {"/a~1b", "1"},
        {"/m~0n", "2"},     {"/~01", "3"},     {"/\xc3\xa9", "4"},
        {"/0", "5"},        {"/a/b/3", NULL},  {"/a/b/00", NULL},
        {"/a/b/01", NULL},  {"/a/b/-", NULL},  {"/a/b/", NULL},
        {"/a/b/0/x", NULL}, {"/a/b/0/", NULL}, {"/b", NULL},
        {"/a/c", NULL},     {"//", NULL},      {"/a/b/4294967296", NULL},
        {"/a/b/ 1", NULL},  {"/a/b/+1", NULL},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct json_text whole = {document, strlen(document)};
        struct json_text found;
        bool is_there = json_pointer_find(whole, cases[i].pointer, &found);
        cr_assert_eq(is_there, cases[i].value != NULL, "%s", cases[i].pointer);
        if (is_there) {
            cr_assert_eq(found.len, strlen(cases[i].value), "%s", cases[i].pointer);
            cr_assert_arr_eq(found.data, cases[i].value, found.len);
        }
    }
}

Test(json_pointer, refuses_what_is_none)
{
    static const char *const bad[] = {"a", " /a", "/~", "/~2", "/a~", "/~0~", "#/a", "/\xff"};
    struct status st;
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        cr_assert_not(json_pointer_check(bad[i], "json_pointer", &st), "%s", bad[i]);
        cr_assert_str_eq(st.field, "json_pointer");
    }
    static const char *const good[] = {"", "/", "/a", "/~0~1", "/a//b"};
    for (size_t i = 0; i < COUNT_OF(good); i++) {
        cr_assert(json_pointer_check(good[i], "json_pointer", &st), "%s", good[i]);
    }
    char long_one[JSON_POINTER_MAX_BYTES + 2];
    memset(long_one, '/', sizeof long_one - 1);
    long_one[sizeof long_one - 1] = '\0';
    cr_assert_not(json_pointer_check(long_one, "json_pointer", &st));
    cr_assert_str_eq(st.reason, "TEXT_TOO_LONG");
}
