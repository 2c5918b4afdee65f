#include <criterion/criterion.h>

#include "mem.h"
#include "roles.h"

Test(roles, names_are_read_back)
{
    for (int i = 0; i < ACCESS_ROLES; i++) {
        enum access_role role;
        cr_assert(access_role_parse(access_role_name((enum access_role)i), &role));
        cr_expect_eq(role, (enum access_role)i);
    }
    enum access_role role;
    cr_expect(!access_role_parse("root", &role));
    cr_expect(!access_role_parse("", &role));
    cr_expect(!access_role_parse("Reader", &role));
}

/* The table in words, as docs/security.md has it. */
Test(roles, have_their_permissions_and_no_others)
{
    static const struct {
        enum access_role role;
        const char *has; /* a letter each: "rwdsoag" in the order of enum permission */
    } rows[] = {{ROLE_READER, "r"},
                {ROLE_ADMIN, "rw"},
                {ROLE_SUPER_ADMIN, "rwdso"},
                {ROLE_AUDITOR, "a"},
                {ROLE_GATEWAY, "g"}};
    cr_assert_eq(COUNT_OF(rows), ACCESS_ROLES);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char found[PERMISSIONS + 1] = "";
        size_t n = 0;
        for (int p = 0; p < PERMISSIONS; p++) {
            if (access_role_has(rows[i].role, (enum permission)p)) {
                found[n++] = "rwdsoag"[p];
            }
        }
        cr_expect_str_eq(found, rows[i].has, "%s", access_role_name(rows[i].role));
    }
}

Test(roles, permissions_have_names_of_their_own)
{
    for (int a = 0; a < PERMISSIONS; a++) {
        cr_expect_str_not_empty(permission_name((enum permission)a));
        for (int b = 0; b < a; b++) {
            cr_expect_str_neq(permission_name((enum permission)a),
                              permission_name((enum permission)b));
        }
    }
}
