#include <criterion/criterion.h>

#include "descriptors.h"
#include "leak_check.h"

extern const unsigned char lookup_descriptors[];
extern const size_t lookup_descriptors_size;

static struct descriptors *set;

static void setup(void)
{
    set = descriptors_new(lookup_descriptors, lookup_descriptors_size);
    cr_assert_not_null(set);
}

static void teardown(void)
{
    descriptors_free(set);
    set = NULL;
    leak_check();
}

TestSuite(descriptors, .init = setup, .fini = teardown, .timeout = 240);

Test(descriptors, every_symbol_is_found_in_its_file)
{
    static const struct {
        const char *symbol;
        const char *file;
        bool is_message;
    } symbols[] = {
        {"lookup.Outer", "lookup.proto", true},
        {"lookup.Outer.Inner", "lookup.proto", true},
        {"lookup.Outer.Inner.Deep", "lookup.proto", true},
        {"lookup.Outer.Inner.Deep.leaf", "lookup.proto", false},
        {"lookup.Outer.inner", "lookup.proto", false},
        {"lookup.Outer.choice", "lookup.proto", false},
        {"lookup.Outer.Colour", "lookup.proto", false},
        {"lookup.Outer.COLOUR_RED", "lookup.proto", false},
        {"lookup.Size", "lookup.proto", false},
        {"lookup.SIZE_LARGE", "lookup.proto", false},
        {"lookup.Service", "lookup.proto", false},
        {"lookup.Service.Both", "lookup.proto", false},
        {"lookup.Outer2", "lookup.proto", true},
        {"Bare", "lookup_bare.proto", true},
        {"Bare.text", "lookup_bare.proto", false},
    };
    for (size_t i = 0; i < COUNT_OF(symbols); i++) {
        int file = descriptors_find_symbol(set, symbols[i].symbol);
        cr_expect_geq(file, 0, "%s", symbols[i].symbol);
        cr_expect_eq(file, descriptors_find_file(set, symbols[i].file), "%s", symbols[i].symbol);
        cr_expect_eq(descriptors_is_message(set, symbols[i].symbol), symbols[i].is_message, "%s",
                     symbols[i].symbol);
    }
}

Test(descriptors, nothing_else_is)
{
    static const char *const symbols[] = {
        "",
        "lookup",
        "lookup.",
        "lookup.Out",
        "Outer",
        "lookup.Big",
        "lookup.Service.",
        "lookup.Outer.Deep",
        "lookup.Outer.",
        "other.Outer",
        "lookup.Outer.Inner.Deep.leaf.x",
        "lookup.Service.Both.x",
        ".lookup.Outer",
        "lookup.Size.SIZE_LARGE",
    };
    for (size_t i = 0; i < COUNT_OF(symbols); i++) {
        cr_expect_eq(descriptors_find_symbol(set, symbols[i]), -1, "%s", symbols[i]);
        cr_expect(!descriptors_is_message(set, symbols[i]));
    }
    cr_expect_eq(descriptors_find_file(set, "lookup"), -1);
}

Test(descriptors, methods_stream_as_they_are_declared)
{
    static const struct {
        const char *name;
        bool client, server;
    } methods[] = {
        {"Neither", false, false},
        {"Client", true, false},
        {"Server", false, true},
        {"Both", true, true},
    };
    bool client = false;
    bool server = false;
    for (size_t i = 0; i < COUNT_OF(methods); i++) {
        cr_assert(descriptors_method(set, "lookup.Service", methods[i].name, &client, &server));
        cr_expect_eq(client, methods[i].client);
        cr_expect_eq(server, methods[i].server);
    }
    cr_expect(!descriptors_method(set, "lookup.Service", "Nothing", &client, &server));
    cr_expect(!descriptors_method(set, "lookup.Nobody", "Both", &client, &server));
    cr_expect(!descriptors_method(set, "Service", "Both", &client, &server));
}

Test(descriptors, a_file_comes_with_its_imports)
{
    int files[8];
    cr_assert_leq(descriptors_count(set), COUNT_OF(files));
    size_t n = descriptors_closure(set, descriptors_find_file(set, "lookup.proto"), files);
    cr_expect_eq(n, 2);
    cr_expect_eq(files[0], descriptors_find_file(set, "lookup.proto"));
    cr_expect_eq(files[1], descriptors_find_file(set, "lookup_bare.proto"));
    cr_expect_eq(descriptors_closure(set, files[1], files), 1);
}

Test(descriptors, an_empty_set_knows_nothing)
{
    struct descriptors *empty = descriptors_new(NULL, 0);
    cr_assert_not_null(empty);
    cr_expect_eq(descriptors_find_symbol(empty, "lookup.Outer"), -1);
    descriptors_free(empty);
    cr_expect_null(descriptors_new("\xff", 1));
}
