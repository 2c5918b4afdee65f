/* The last-known-good file: what is kept, what is damaged, what cannot be written. */
#include "last_known.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "file.h"
#include "leak_check.h"

static char folder[] = "/tmp/confreg-last-known-XXXXXX";
static char path[64];

static void make_folder(void)
{
    cr_assert_not_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/billing", folder);
}

static void remove_folder(void)
{
    unlink(path);
    cr_assert_eq(rmdir(folder), 0, "a file is left beside the one that was written");
    leak_check();
}

TestSuite(last_known, .init = make_folder, .fini = remove_folder);

static const struct last_known_of of = {"prod", "billing", false};

static void write_data(const char *data)
{
    struct last_known known = {"0123456789abcdef", 12, 3, buf_copy(data, strlen(data))};
    struct status st;
    cr_assert(last_known_write(path, &of, &known, &st), "%s", st.message);
    buf_unref(known.data);
}

static void expect_data(const char *data)
{
    struct last_known known;
    struct status st;
    cr_assert(last_known_read(path, &of, &known, &st), "%s", st.message);
    cr_assert_str_eq((const char *)known.data->data, data);
    cr_assert_str_eq(known.epoch, "0123456789abcdef");
    cr_assert_eq(known.revision, 12);
    cr_assert_eq(known.version, 3);
    buf_unref(known.data);
}

static void expect_code(const struct last_known_of *whose, enum status_code code)
{
    struct last_known known = {.data = NULL};
    struct status st;
    cr_assert_not(last_known_read(path, whose, &known, &st));
    cr_assert_eq(st.code, code, "%s: %s", status_code_name(st.code), st.message);
    cr_assert_null(known.data);
}

Test(last_known, keeps_and_replaces)
{
    struct stat found;
    expect_code(&of, STATUS_NOT_FOUND);
    write_data("{\"a\":\"first, and longer\"}");
    write_data("{\"a\":1}");
    expect_data("{\"a\":1}");
    cr_assert_eq(stat(path, &found), 0);
    cr_assert_eq(found.st_mode & 07777, 0600);
}

Test(last_known, is_of_one_config)
{
    static const struct last_known_of others[] = {
        {"test", "billing", false}, {"prod", "shop", false}, {"prod", "billing", true}};
    write_data("{}");
    for (size_t i = 0; i < COUNT_OF(others); i++) {
        expect_code(&others[i], STATUS_DATA_LOSS);
    }
}

/* Every byte that is changed or missing at the end is noticed. */
Test(last_known, damaged_anywhere)
{
    AUTO(buf_unref) struct buf *whole = NULL;
    struct status st;
    write_data("{\"a\":[1,2,3]}");
    cr_assert(file_read(path, 4096, &whole, NULL, &st));
    for (size_t i = 0; i < whole->len; i++) {
        whole->data[i] ^= 1;
        cr_assert(file_replace(path, whole->data, whole->len, NULL, &st));
        expect_code(&of, STATUS_DATA_LOSS);
        whole->data[i] ^= 1;
        cr_assert(file_replace(path, whole->data, i, NULL, &st));
        expect_code(&of, STATUS_DATA_LOSS);
    }
    cr_assert(file_replace(path, whole->data, whole->len, NULL, &st));
    expect_data("{\"a\":[1,2,3]}");
}

Test(last_known, a_folder_is_no_file)
{
    cr_assert_eq(mkdir(path, 0700), 0);
    expect_code(&of, STATUS_UNAVAILABLE);
    cr_assert_eq(rmdir(path), 0);
}

/* A file that cannot grow is as a full disk: the old bytes stay, and no other file is left. */
Test(last_known, a_full_disk_keeps_the_old_one)
{
    static const struct rlimit small = {.rlim_cur = 100, .rlim_max = RLIM_INFINITY};
    struct rlimit before;
    struct last_known known = {"0123456789abcdef", 13, 4, buf_copy("{\"a\":2}", 7)};
    struct status st;
    write_data("{\"a\":1}");
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &before);
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &small), 0);
    bool ok = last_known_write(path, &of, &known, &st);
    setrlimit(RLIMIT_FSIZE, &before);
    buf_unref(known.data);
    cr_assert_not(ok);
    cr_assert_eq(st.code, STATUS_UNAVAILABLE);
    expect_data("{\"a\":1}");
}
