/* The thread that writes lines: order, bounds, rotation, restarts and files that cannot be
 * written. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "audit_verify.h"
#include "leak_check.h"
#include "line_log.h"
#include "mem.h"
#include "str.h"

static char folder[] = "/tmp/confreg-log-XXXXXX";
static char path[64], old_path[64];

static void setup(void)
{
    cr_assert_not_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/a.log", folder);
    snprintf(old_path, sizeof old_path, "%s/a.log.1", folder);
}

static void teardown(void)
{
    unlink(path);
    unlink(old_path);
    rmdir(folder);
    leak_check();
}

TestSuite(line_log, .init = setup, .fini = teardown, .timeout = 60);

static struct line_log *open_log(bool chained, bool required)
{
    const struct line_log_options options = {
        .name = "audit", .path = path, .chained = chained, .required = required};
    struct line_log *log = NULL;
    struct status st;
    cr_assert(line_log_open(&options, &log, &st), "%s", st.message);
    return log;
}

static void add(struct line_log *log, const char *members)
{
    line_log_add(log, members, strlen(members));
}

static void read_file(const char *name, struct str *out)
{
    FILE *file = fopen(name, "r");
    cr_assert_not_null(file, "%s", name);
    char bytes[4096];
    for (size_t n; (n = fread(bytes, 1, sizeof bytes, file)) > 0;) {
        str_add(out, bytes, n);
    }
    fclose(file);
}

static void expect_file(const char *name, const char *expected)
{
    AUTO_STR text = {0};
    read_file(name, &text);
    cr_expect_str_eq(str_text(&text), expected);
}

/* The last line printed. */
static void expect_verified(char *const *paths, int n, int code, const char *expected)
{
    char printed[4096] = "";
    FILE *out = fmemopen(printed, sizeof printed, "w");
    cr_expect_eq(audit_verify(paths, n, NULL, out), code, "%s", printed);
    fclose(out);
    cr_expect(strstr(printed, expected) != NULL, "%s", printed);
}

static struct line_log_stats measure(const struct line_log *log)
{
    struct line_log_stats stats;
    line_log_measure(log, &stats);
    return stats;
}

static void wait_written(const struct line_log *log, uint64_t n)
{
    while (measure(log).written < n) {
        sched_yield();
    }
}

static void wait_failing(const struct line_log *log, bool failing)
{
    while (measure(log).failing != failing) {
        sched_yield();
    }
}

Test(line_log, lines_stand_in_the_file_in_their_order)
{
    struct line_log *log = open_log(false, false);
    add(log, "\"a\":1");
    add(log, "\"b\":2");
    line_log_close(log);
    expect_file(path, "{\"a\":1}\n{\"b\":2}\n");
    struct stat stat_;
    cr_assert_eq(stat(path, &stat_), 0);
    cr_expect_eq(stat_.st_mode & 0777, 0640, "%o", stat_.st_mode);
}

Test(line_log, a_restart_continues_the_chain)
{
    char *paths[] = {path};
    for (int i = 0; i < 3; i++) {
        struct line_log *log = open_log(true, false);
        add(log, "\"a\":1");
        add(log, "\"b\":2");
        line_log_close(log);
    }
    expect_verified(paths, 1, 0, "whole: 6 lines, 1 to 6");
}

Test(line_log, a_line_that_a_crash_cut_off_is_passed_over)
{
    char *paths[] = {path};
    struct line_log *log = open_log(true, false);
    add(log, "\"a\":1");
    line_log_close(log);
    FILE *file = fopen(path, "a");
    fputs("{\"seq\":2,\"prev\":\"12", file);
    fclose(file);
    log = open_log(true, false);
    add(log, "\"b\":2");
    line_log_close(log);
    expect_verified(paths, 1, 0, "whole: 2 lines, 1 to 2");
}

/* Twice, so that the file has two beginnings and no line. */
Test(line_log, a_first_line_that_was_cut_off_is_passed_over)
{
    char *paths[] = {path};
    for (int n = 0; n < 90; n += 10) {
        FILE *file = fopen(path, "w");
        fprintf(file, "{\"se\n%.*s", n,
                "{\"seq\":1,\"prev\":\"0000000000000000000000000000000000000000"
                "000000000000000000000000\",\"a\":1");
        fclose(file);
        struct line_log *log = open_log(true, false);
        add(log, "\"b\":2");
        line_log_close(log);
        expect_verified(paths, 1, 0, "whole: 1 lines, 1 to 1");
    }
}

/* The file that a rotation began: its chain goes on from the file before. */
Test(line_log, a_first_line_that_was_cut_off_after_a_rotation_is_passed_over)
{
    char *paths[] = {old_path, path};
    struct line_log *log = open_log(true, false);
    add(log, "\"a\":1");
    add(log, "\"b\":2");
    line_log_close(log);
    AUTO_STR text = {0};
    read_file(path, &text);
    const char *second = strchr(text.data, '\n') + 1;
    FILE *file = fopen(old_path, "w");
    fwrite(text.data, 1, (size_t)(second - text.data), file);
    fclose(file);
    file = fopen(path, "w");
    fwrite(second, 1, strlen(second) - 3, file);
    fclose(file);
    log = open_log(true, false);
    add(log, "\"c\":3");
    line_log_close(log);
    expect_verified(paths, 2, 0, "whole: 2 lines, 1 to 2");
    expect_verified(paths + 1, 1, 0, "whole: 1 lines, 2 to 2");
}

Test(line_log, the_chain_goes_on_across_a_rotation)
{
    char *paths[] = {old_path, path};
    struct line_log *log = open_log(true, false);
    add(log, "\"a\":1");
    wait_written(log, 1);
    cr_assert_eq(rename(path, old_path), 0);
    line_log_reopen(log);
    while (access(path, F_OK) != 0) {
        sched_yield();
    }
    add(log, "\"b\":2");
    line_log_close(log);
    expect_verified(paths, 2, 0, "whole: 2 lines, 1 to 2");
    expect_verified(paths + 1, 1, 0, "whole: 1 lines, 2 to 2");
}

Test(line_log, a_path_that_cannot_be_opened_again_leaves_the_old_file)
{
    struct line_log *log = open_log(false, false);
    add(log, "\"a\":1");
    wait_written(log, 1);
    cr_assert_eq(rename(path, old_path), 0);
    cr_assert_eq(mkdir(path, 0700), 0);
    line_log_reopen(log);
    add(log, "\"b\":2");
    line_log_close(log);
    rmdir(path);
    expect_file(old_path, "{\"a\":1}\n{\"b\":2}\n");
}

Test(line_log, files_that_cannot_be_used_are_refused)
{
    struct line_log *log = open_log(true, false);
    struct line_log *other = NULL;
    struct status st;
    struct line_log_options options = {.name = "audit", .path = path, .chained = true};
    cr_expect(!line_log_open(&options, &other, &st));
    cr_expect_str_eq(st.reason, "LOG_IN_USE");
    line_log_close(log);
    options.path = "/proc/nowhere/audit.log";
    cr_expect(!line_log_open(&options, &other, &st));
    cr_expect_str_eq(st.reason, "LOG_UNUSABLE");
    FILE *file = fopen(path, "w");
    fputs("a text\nthat is no log\n", file);
    fclose(file);
    options.path = path;
    cr_expect(!line_log_open(&options, &other, &st));
    cr_expect_str_eq(st.reason, "LOG_DAMAGED");
    expect_file(path, "a text\nthat is no log\n");
}

/* ---- Files that cannot be written ---- */

/* A log whose path leads to a device that is always full. */
static struct line_log *open_full(bool chained, bool required)
{
    cr_assert_eq(symlink("/dev/full", path), 0);
    return open_log(chained, required);
}

static void make_room(struct line_log *log)
{
    cr_assert_eq(unlink(path), 0);
    line_log_reopen(log);
}

Test(line_log, lines_wait_for_a_disk_that_is_full)
{
    struct line_log *log = open_full(false, false);
    cr_expect(line_log_is_ready(log));
    add(log, "\"a\":1");
    wait_failing(log, true);
    cr_expect(!line_log_is_ready(log));
    add(log, "\"b\":2");
    make_room(log);
    wait_failing(log, false);
    line_log_close(log);
    expect_file(path, "{\"a\":1}\n{\"b\":2}\n");
}

#define LONG ((size_t)64 << 10)

/* Fills a buffer of so many bytes while nothing can be written; returns how many lines were added.
 */
static uint64_t overfill(struct line_log *log, size_t bytes)
{
    AUTO_STR members = {0};
    str_add_text(&members, "\"x\":\"");
    memset(str_extend(&members, LONG), 'x', LONG);
    str_add_char(&members, '"');
    add(log, "\"a\":1");
    wait_failing(log, true);
    uint64_t n = 0;
    for (; n < bytes / LONG + 10; n++) {
        line_log_add(log, members.data, members.len);
    }
    return n + 1;
}

Test(line_log, lines_that_do_not_fit_are_counted_and_told)
{
    char *paths[] = {path};
    struct line_log *log = open_full(true, false);
    uint64_t n = overfill(log, LINE_LOG_BYTES);
    uint64_t lost = measure(log).lost;
    cr_expect_gt(lost, 0);
    make_room(log);
    wait_failing(log, false);
    wait_written(log, n - lost + 1);
    add(log, "\"b\":2");
    line_log_close(log);
    AUTO_STR text = {0};
    char told[64];
    snprintf(told, sizeof told, "\"what\":\"lost\",\"lines\":%d}", (int)lost);
    read_file(path, &text);
    cr_expect_not_null(strstr(text.data, told));
    expect_verified(paths, 1, 0, "whole: ");
}

Test(line_log, a_required_log_loses_nothing)
{
    char *paths[] = {path};
    struct line_log *log = open_full(true, true);
    uint64_t n = overfill(log, LINE_LOG_BYTES);
    cr_expect(!line_log_is_ready(log));
    make_room(log);
    wait_written(log, n);
    cr_expect_eq(measure(log).lost, 0);
    line_log_close(log);
    expect_verified(paths, 1, 0, "whole: ");
}

Test(line_log, even_a_required_log_is_bounded)
{
    struct line_log *log = open_full(false, true);
    overfill(log, LINE_LOG_REQUIRED_BYTES);
    cr_expect_gt(measure(log).lost, 0);
    make_room(log);
    line_log_close(log);
}

/* The end does not wait for ever. */
Test(line_log, a_pipe_that_nobody_reads_does_not_hold_up_the_end)
{
    cr_assert_eq(mkfifo(path, 0600), 0);
    int reader = open(path, O_RDONLY | O_NONBLOCK);
    struct line_log *log = open_log(true, false);
    AUTO_STR members = {0};
    str_add_text(&members, "\"x\":\"");
    memset(str_extend(&members, LONG), 'x', LONG);
    str_add_char(&members, '"');
    for (int i = 0; i < 4; i++) {
        line_log_add(log, members.data, members.len);
    }
    wait_failing(log, true);
    line_log_close(log);
    close(reader);
}

/* ---- Many threads ---- */

#define THREADS 4
#define LINES 5000

static void *add_many(void *user)
{
    for (int i = 0; i < LINES; i++) {
        add(user, "\"what\":\"refused\"");
    }
    return NULL;
}

Test(line_log, lines_of_many_threads_make_one_chain)
{
    char *paths[] = {path};
    pthread_t threads[THREADS];
    struct line_log *log = open_log(true, false);
    for (size_t i = 0; i < THREADS; i++) {
        pthread_create(&threads[i], NULL, add_many, log);
    }
    for (size_t i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    cr_expect_eq(measure(log).lost, 0);
    line_log_close(log);
    expect_verified(paths, 1, 0, "whole: 20000 lines, 1 to 20000");
}
