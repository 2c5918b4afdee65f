#include "address.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "leak_check.h"
#include "listener.h"
#include "mem.h"

TestSuite(address, .fini = leak_check);

Test(address, unix_paths_and_modes)
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
        struct address got;
        struct status st;
        cr_assert(address_parse(goods[i].text, ADDRESS_TO_LISTEN, &got, &st), "%s", st.message);
        cr_expect_str_eq(got.name.sun_path, goods[i].path);
        cr_expect_eq(got.mode, goods[i].mode, "%s: %o", goods[i].text, got.mode);
        cr_expect(got.is_unix);
        cr_expect_eq(address_parse(goods[i].text, ADDRESS_TO_CONNECT, &got, &st),
                     !goods[i].has_mode);
    }
}

Test(address, what_is_no_unix_socket)
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
        struct address got;
        struct status st;
        cr_expect(!address_parse(bads[i], ADDRESS_TO_LISTEN, &got, &st), "%s", bads[i]);
        cr_expect_eq(st.code, STATUS_INVALID_ARGUMENT);
        cr_expect_not_null(strstr(st.message, bads[i]), "%s", st.message);
    }
    char path[200] = "unix:";
    memset(path + strlen(path), 'x', sizeof((struct sockaddr_un *)NULL)->sun_path);
    struct address got;
    struct status st;
    cr_expect(!address_parse(path, ADDRESS_TO_LISTEN, &got, &st));
    path[strlen(path) - 1] = '\0';
    cr_expect(address_parse(path, ADDRESS_TO_LISTEN, &got, &st), "%s", st.message);
}

Test(address, hosts_and_ports)
{
    static const struct {
        const char *text, *host, *port; /* host NULL: it is no address */
    } cases[] = {
        {"127.0.0.1:0", "127.0.0.1", "0"},
        {"example.org:65535", "example.org", "65535"},
        {"[::1]:80", "::1", "80"},
        {"[::]:80", "::", "80"},
        {"*:80", "*", "80"},
        {"", NULL, NULL},
        {":80", NULL, NULL},
        {"host", NULL, NULL},
        {"host:", NULL, NULL},
        {"host:x", NULL, NULL},
        {"host:65536", NULL, NULL},
        {"host:000080", NULL, NULL},
        {"::1:80", NULL, NULL},
        {"[]:80", NULL, NULL},
        {"[::1:80", NULL, NULL},
        {"[a/b]:80", NULL, NULL},
        {"http://a:1", NULL, NULL},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        for (int use = ADDRESS_TO_LISTEN; use <= ADDRESS_TO_CONNECT; use++) {
            struct address got;
            struct status st;
            bool ok = address_parse(cases[i].text, (enum address_use)use, &got, &st);
            cr_assert_eq(ok, cases[i].host != NULL, "%s", cases[i].text);
            if (ok) {
                cr_expect(!got.is_unix);
                cr_expect_str_eq(got.host, cases[i].host);
                cr_expect_str_eq(got.port, cases[i].port);
            } else {
                cr_expect_str_eq(st.reason, "ADDRESS_INVALID");
                cr_expect_not_null(strstr(st.message, "nor unix:PATH"), "%s", st.message);
            }
        }
    }
}

Test(address, the_longest_host)
{
    char text[ADDRESS_HOST_SIZE + 8];
    struct address got;
    struct status st;
    memset(text, 'h', ADDRESS_HOST_SIZE);
    snprintf(text + ADDRESS_HOST_SIZE, 8, ":80");
    cr_expect_not(address_parse(text, ADDRESS_TO_CONNECT, &got, &st));
    cr_expect(address_parse(text + 1, ADDRESS_TO_CONNECT, &got, &st), "%s", st.message);
    cr_expect_eq(strlen(got.host), ADDRESS_HOST_SIZE - 1);
}

/* ---- Listening ---- */

TestSuite(listener, .fini = leak_check);

static void open_or_fail(const char *address, struct listener *listener)
{
    struct status st;
    cr_assert(listener_open(address, listener, &st), "%s", st.message);
}

static void expect_refused(const char *address, const char *reason)
{
    struct listener listener;
    struct status st;
    cr_assert(!listener_open(address, &listener, &st), "%s", address);
    cr_expect_str_eq(st.reason, reason, "%s: %s", address, st.message);
    cr_expect_not_null(strstr(st.message, address), "%s", st.message);
}

static bool accepts_v4(int port)
{
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool ok = connect(fd, (struct sockaddr *)&to, sizeof to) == 0;
    close(fd);
    return ok;
}

static bool accepts_v6(int port)
{
    struct sockaddr_in6 to = {.sin6_family = AF_INET6,
                              .sin6_port = htons((uint16_t)port),
                              .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool ok = connect(fd, (struct sockaddr *)&to, sizeof to) == 0;
    close(fd);
    return ok;
}

Test(listener, a_host_has_the_families_that_it_names)
{
    bool has_v6 = access("/proc/net/if_inet6", F_OK) == 0;
    const struct {
        const char *address;
        bool v4, v6;
    } cases[] = {
        {"127.0.0.1:0", true, false},
        {"0.0.0.0:0", true, false},
        {"[::1]:0", false, true},
        {"[::]:0", true, true},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        if (cases[i].v6 && !has_v6) {
            expect_refused(cases[i].address, "ADDRESS_UNUSABLE");
            continue;
        }
        struct listener listener;
        open_or_fail(cases[i].address, &listener);
        cr_expect_neq(listener.port, 0);
        cr_expect_eq(accepts_v4(listener.port), cases[i].v4, "%s", listener.address);
        cr_expect_eq(has_v6 && accepts_v6(listener.port), cases[i].v6, "%s", listener.address);
        char same[330];
        snprintf(same, sizeof same, "%s", listener.address);
        expect_refused(same, "ADDRESS_IN_USE");
        listener_close(&listener);
        listener_close(&listener);
    }
    expect_refused("name.invalid:1", "ADDRESS_UNUSABLE");
    expect_refused("nonsense", "ADDRESS_INVALID");
}

/* A folder for sockets, and the address of one in it. */
struct place {
    char folder[40], path[60], lock[70], address[70];
};

static void place_init(struct place *place)
{
    strcpy(place->folder, "/tmp/listener-test-XXXXXX");
    cr_assert_not_null(mkdtemp(place->folder));
    snprintf(place->path, sizeof place->path, "%s/socket", place->folder);
    snprintf(place->lock, sizeof place->lock, "%s.lock", place->path);
    snprintf(place->address, sizeof place->address, "unix:%s", place->path);
}

Test(listener, a_unix_socket_has_one_owner_and_leaves_nothing)
{
    struct place place;
    place_init(&place);
    for (int round = 0; round < 2; round++) {
        struct listener listener;
        open_or_fail(place.address, &listener);
        expect_refused(place.address, "ADDRESS_IN_USE");
        cr_expect_eq(access(place.path, F_OK), 0, "who was refused removes nothing");
        cr_expect_eq(access(place.lock, F_OK), 0);
        listener_close(&listener);
        cr_expect_neq(access(place.path, F_OK), 0);
        cr_expect_neq(access(place.lock, F_OK), 0);
    }
    cr_expect_eq(rmdir(place.folder), 0);
}

/* As after a kill: both files are there, and nobody listens or holds the lock. */
Test(listener, a_socket_file_that_was_left_behind_is_taken_over)
{
    struct place place;
    place_init(&place);
    struct listener killed;
    open_or_fail(place.address, &killed);
    close(killed.fds[0]);
    close(killed.lock_fd);
    free(killed.unix_path);
    cr_assert_eq(access(place.path, F_OK), 0);
    struct listener listener;
    open_or_fail(place.address, &listener);
    listener_close(&listener);
    cr_expect_eq(rmdir(place.folder), 0);
}

Test(listener, a_file_that_is_no_socket_is_left_alone)
{
    struct place place;
    place_init(&place);
    FILE *file = fopen(place.path, "w");
    cr_assert_not_null(file);
    fclose(file);
    expect_refused(place.address, "ADDRESS_IN_USE");
    cr_expect_eq(unlink(place.path), 0, "it is still there");
    cr_expect_eq(rmdir(place.folder), 0);
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

Test(listener, a_unix_socket_has_the_mode_that_was_asked_for_whatever_the_mask)
{
    char folder[] = "/tmp/listener-test-XXXXXX";
    cr_assert_not_null(mkdtemp(folder));
    cr_expect_eq(mode_listened_with(folder, "", 0000), 0600);
    cr_expect_eq(mode_listened_with(folder, "", 0022), 0600);
    cr_expect_eq(mode_listened_with(folder, "?mode=0660", 0077), 0660);
    cr_expect_eq(mode_listened_with(folder, "?mode=0666", 0022), 0666);
    rmdir(folder);
}
