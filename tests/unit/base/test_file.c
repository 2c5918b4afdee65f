#include <criterion/criterion.h>
#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "file.h"

static char folder[32];
static char path[64];

static void setup(void)
{
    snprintf(folder, sizeof folder, "/tmp/unit_file_XXXXXX");
    cr_assert_not_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/file", folder);
}

static void teardown(void)
{
    unlink(path);
    cr_expect_eq(rmdir(folder), 0, "nothing is left behind");
}

TestSuite(file, .init = setup, .fini = teardown);

static void replace(const char *text, const struct stat *like)
{
    struct status st;
    cr_assert(file_replace(path, text, strlen(text), like, &st), "%s", st.message);
}

static void expect(const char *text)
{
    AUTO(buf_unref) struct buf *bytes = NULL;
    struct status st;
    cr_assert(file_read(path, 100, &bytes, NULL, &st), "%s", st.message);
    cr_expect_eq(bytes->len, strlen(text));
    cr_expect_str_eq((const char *)bytes->data, text);
}

Test(file, is_replaced_as_a_whole_and_read_back)
{
    replace("one", NULL);
    struct stat found;
    cr_assert_eq(stat(path, &found), 0);
    cr_expect_eq(found.st_mode & 07777, 0600);
    expect("one");
    cr_assert_eq(chmod(path, 0640), 0);
    cr_assert_eq(stat(path, &found), 0);
    replace("", &found);
    expect("");
    struct stat after;
    cr_assert_eq(stat(path, &after), 0);
    cr_expect_eq(after.st_mode & 07777, 0640);
    cr_expect_neq(after.st_ino, found.st_ino);
}

Test(file, tells_its_mode_and_its_bound)
{
    replace("1234567890", NULL);
    AUTO(buf_unref) struct buf *bytes = NULL;
    mode_t mode = 0;
    struct status st;
    cr_assert(file_read(path, 10, &bytes, &mode, &st));
    cr_expect_eq(mode & 07777, 0600);
    AUTO(buf_unref) struct buf *more = NULL;
    cr_expect(!file_read(path, 9, &more, NULL, &st));
    cr_expect_str_eq(st.reason, "FILE_UNREADABLE");
}

Test(file, cannot_be_read_or_written_everywhere)
{
    AUTO(buf_unref) struct buf *bytes = NULL;
    struct status st;
    cr_expect(!file_read(path, 10, &bytes, NULL, &st));
    cr_expect(!file_read(folder, 10, &bytes, NULL, &st));
    snprintf(path, sizeof path, "%s/none/file", folder);
    cr_expect(!file_replace(path, "x", 1, NULL, &st));
    cr_expect_str_eq(st.reason, "FILE_UNWRITABLE");
    cr_expect(!file_replace(folder, "x", 1, NULL, &st)); /* a folder is not replaced */
    char beside[80];
    snprintf(beside, sizeof beside, "%s.", folder);
    DIR *tmp = opendir("/tmp");
    for (const struct dirent *entry; (entry = readdir(tmp)) != NULL;) {
        cr_expect_neq(strncmp(entry->d_name, beside + 5, strlen(beside + 5)), 0, "%s is left",
                      entry->d_name);
    }
    closedir(tmp);
}

Test(file, has_a_folder)
{
    static const char *const rows[][2] = {
        {"a", "."}, {"/a", "/"}, {"a/b", "a/"}, {"/a/b/c", "/a/b/"}};
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        AUTO(free) char *found = file_folder(rows[i][0]);
        cr_expect_str_eq(found, rows[i][1]);
    }
}
