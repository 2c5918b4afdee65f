#include "document.h"

#include "leak_check.h"
#include "mem.h"

TestSuite(document, .fini = leak_check);

Test(document, the_members_that_fields_names)
{
    static const struct {
        const char *fields;
        unsigned members;
        size_t n_faults;
    } cases[] = {
        {NULL, DOCUMENT_ALL, 0},
        {"version", DOCUMENT_VERSION, 0},
        {"comment,service_name", DOCUMENT_SERVICE | DOCUMENT_COMMENT, 0},
        {"version,version", DOCUMENT_VERSION, 0},
        {"-config_data", DOCUMENT_ALL & ~DOCUMENT_DATA, 0},
        {"-config_data,-comment", DOCUMENT_ALL & ~(DOCUMENT_DATA | DOCUMENT_COMMENT), 0},
        {"version,", DOCUMENT_VERSION, 0},
        {"", 0, 1},
        {",", 0, 1},
        {"version,,comment", DOCUMENT_VERSION | DOCUMENT_COMMENT, 1},
        {"Version", 0, 1},
        {"version ", 0, 1},
        {"config", 0, 1},
        {"a,b", 0, 2},
        {"version,-comment", DOCUMENT_ALL & ~(DOCUMENT_VERSION | DOCUMENT_COMMENT), 1},
        {"--version", DOCUMENT_ALL, 1},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct invalid invalid = {0};
        unsigned members = document_members(cases[i].fields, &invalid);
        cr_expect_eq(members, cases[i].members, "%s: %x", cases[i].fields, members);
        cr_expect_eq(invalid.n, cases[i].n_faults, "%s", cases[i].fields);
        invalid_fini(&invalid);
    }
}
