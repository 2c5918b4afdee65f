#include "unix_address.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "leak_check.h"
#include "listener.h"
#include "mem.h"

TestSuite(unix_address, .fini = leak_check);

Test(unix_address, paths_and_modes)
{
    static const struct {
        const char *text, *path;
        mode_t mode;
        bool has_mode;
    } goods[] = {
        {"unix:/run/x", "/run/x", 0600, false},   {"unix:x", "x", 0600, false},
        {"unix:///run/x", "/run/x", 0600, false}, {"unix:/run/x?mode=0660", "/run/x", 0660, true},
        {"unix:///x?mode=666", "/x", 0666, true}, {"unix:/x?mode=000", "/x", 0, true},
    };
    for (size_t i = 0; i < COUNT_OF(goods); i++) {
        struct unix_address got;
        struct status st;
        cr_expect(unix_address_is(goods[i].text));
        cr_assert(unix_address_parse(goods[i].text, &got, &st), "%s", st.message);
        cr_expect_str_eq(got.name.sun_path, goods[i].path);
        cr_expect_eq(got.mode, goods[i].mode, "%s: %o", goods[i].text, got.mode);
        cr_expect_eq(got.has_mode, goods[i].has_mode);
    }
    cr_expect(!unix_address_is("127.0.0.1:1") && !unix_address_is("/run/x"));
}

Test(unix_address, what_is_none)
{
    static const char *const bads[] = {
        "unix:",
        "unix:?mode=0660",
        "unix:/x?",
        "unix:/x?mode",
        "unix:/x?mode=",
        "unix:/x?mode=6",
        "unix:/x?mode=0888",
        "unix:/x?mode=1777",
        "unix:/x?mode=u+w",
        "unix:/x?mod=0660",
        "unix:/x?mode=00660",
        "unix:/x?mode=0660&a=b",
    };
    for (size_t i = 0; i < COUNT_OF(bads); i++) {
        struct unix_address got;
        struct status st;
        cr_expect(!unix_address_parse(bads[i], &got, &st), "%s", bads[i]);
        cr_expect_eq(st.code, STATUS_INVALID_ARGUMENT);
        cr_expect_not_null(strstr(st.message, bads[i]), "%s", st.message);
    }
    char path[200] = "unix:";
    memset(path + strlen(path), 'x', sizeof((struct sockaddr_un *)NULL)->sun_path);
    struct unix_address got;
    struct status st;
    cr_expect(!unix_address_parse(path, &got, &st));
    path[strlen(path) - 1] = '\0';
    cr_expect(unix_address_parse(path, &got, &st), "%s", st.message);
}

static mode_t mode_listened_with(const char *folder, const char *query, mode_t mask)
{
    char address[100];
    char path[100];
    snprintf(path, sizeof path, "%s/socket", folder);
    snprintf(address, sizeof address, "unix:%s%s", path, query);
    struct listener listener;
    struct status st;
    mode_t before = umask(mask);
    cr_assert(listener_open(address, &listener, &st), "%s", st.message);
    umask(before);
    struct stat found;
    cr_assert_eq(lstat(path, &found), 0);
    listener_close(&listener);
    cr_expect_neq(access(path, F_OK), 0, "the file is removed");
    return found.st_mode & 0777;
}

Test(unix_address, a_listener_has_the_mode_that_was_asked_for_whatever_the_mask)
{
    char folder[] = "/tmp/listener-test-XXXXXX";
    cr_assert_not_null(mkdtemp(folder));
    cr_expect_eq(mode_listened_with(folder, "", 0000), 0600);
    cr_expect_eq(mode_listened_with(folder, "", 0022), 0600);
    cr_expect_eq(mode_listened_with(folder, "?mode=0660", 0077), 0660);
    cr_expect_eq(mode_listened_with(folder, "?mode=0666", 0022), 0666);
    rmdir(folder);
}
