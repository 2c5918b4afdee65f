/* One flipped bit anywhere in a store's file: every read gives the same answer as before or is
 * refused; never a wrong answer. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <string.h>

#include "deeds.h"
#include "folder.h"
#include "leak_check.h"
#include "log.h"
#include "random.h"

#define FLIPS 4000
#define PAGE ((size_t)4096)

static void carry_out(struct desk *desk, size_t from, size_t to)
{
    struct status st;
    for (size_t i = from; i < to; i++) {
        struct commit *commit = NULL;
        cr_assert(desk_write(desk, &deeds[i], &commit, &st), "deed %zu: %s", i, st.message);
        commit_unref(commit);
    }
}

static void carry_out_all(const struct folder *folder)
{
    struct desk desk;
    struct status st;
    cr_assert(desk_open(&desk, folder->address, &st), "%s", st.message);
    carry_out(&desk, 0, N_DEEDS);
    desk_close(&desk);
}

static struct str read_file(const char *path)
{
    struct str content = {0};
    char piece[4096];
    int fd = open(path, O_RDONLY);
    for (ssize_t n; (n = read(fd, piece, sizeof piece)) > 0;) {
        str_add(&content, piece, (size_t)n);
    }
    close(fd);
    return content;
}

static void write_file(const char *path, const struct str *content)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    cr_assert_eq(write(fd, content->data, content->len), (ssize_t)content->len);
    close(fd);
}

/* False where nothing is answered at all. */
static bool ask_all(const struct folder *folder, struct answers *answers)
{
    struct desk desk;
    struct status st;
    if (!desk_open(&desk, folder->address, &st)) {
        return false;
    }
    desk_ask(&desk, deeds, N_DEEDS, N_VERSIONS, answers);
    desk_close(&desk);
    return true;
}

static size_t count_refused(const struct answers *answers)
{
    size_t n = 0;
    for (size_t i = 0; i < answers->n; i++) {
        n += answers->items[i].refused;
    }
    return n;
}

static size_t count_wrong(const struct answers *found, const struct answers *right, size_t bit)
{
    size_t n_wrong = 0;
    for (size_t i = 0; i < right->n; i++) {
        const struct answer *a = &found->items[i];
        if (!a->refused && strcmp(a->what, right->items[i].what) != 0) {
            cr_log_error("bit %zu of byte %zu of page %zu: \"%.300s\", not \"%.300s\"", bit % 8,
                         bit / 8 % 4096, bit / 8 / 4096 + 1, a->what, right->items[i].what);
            n_wrong++;
        }
    }
    return n_wrong;
}

struct tally {
    size_t refused_at_start, refused_later, without_effect, wrong;
};

static void try_flip(const struct folder *folder, struct str *content, size_t bit,
                     const struct answers *right, struct tally *tally)
{
    struct answers found = {0};
    folder_empty(folder);
    content->data[bit / 8] ^= (char)(1 << bit % 8);
    write_file(folder->database, content);
    content->data[bit / 8] ^= (char)(1 << bit % 8);
    if (!ask_all(folder, &found)) {
        tally->refused_at_start++;
        return;
    }
    cr_assert_eq(found.n, right->n);
    bool wrong = count_wrong(&found, right, bit) > 0;
    tally->wrong += wrong;
    tally->refused_later += !wrong && count_refused(&found) > 0;
    tally->without_effect += !wrong && count_refused(&found) == 0;
    answers_fini(&found);
}

/* ---- Rows that steer what is served ---- */

static void run_sql(const struct folder *folder, const char *sql, int *ret_number)
{
    sqlite3 *db = NULL;
    sqlite3_stmt *q = NULL;
    cr_assert_eq(sqlite3_open(folder->database, &db), SQLITE_OK);
    cr_assert_eq(sqlite3_prepare_v2(db, sql, -1, &q, NULL), SQLITE_OK, "%s", sqlite3_errmsg(db));
    cr_assert_eq(sqlite3_step(q), SQLITE_ROW);
    *ret_number = sqlite3_column_int(q, 0);
    sqlite3_finalize(q);
    sqlite3_close(db);
}

static void copy(const char *from, const char *to, const char *suffix)
{
    char source[96];
    char target[96];
    snprintf(source, sizeof source, "%s%s", from, suffix);
    snprintf(target, sizeof target, "%s%s", to, suffix);
    AUTO_STR content = read_file(source);
    write_file(target, &content);
}

/* Leaves a store as after a kill, with heads saved halfway through the deeds, in one file. */
static void leave_heads_behind(const struct folder *folder)
{
    struct folder alive;
    struct desk desk;
    struct status st;
    int ignored = 0;
    folder_init(&alive);
    cr_assert(desk_open(&desk, alive.address, &st), "%s", st.message);
    carry_out(&desk, 0, N_DEEDS / 2);
    desk_close(&desk);
    cr_assert(desk_open(&desk, alive.address, &st), "%s", st.message);
    cr_assert(store_move_mark(desk.store, STORE_MARK_RELAYED, 0, 3, &st), "%s", st.message);
    carry_out(&desk, N_DEEDS / 2, N_DEEDS);
    copy(alive.database, folder->database, "");
    copy(alive.database, folder->database, "-wal");
    desk_close(&desk);
    folder_fini(&alive);
    run_sql(folder, "PRAGMA wal_checkpoint(TRUNCATE)", &ignored);
}

/* Each byte of a page's header, cell pointers and cells, one bit of it at random. The page is a
 * leaf: there are few rows. */
static void flip_page(const struct folder *folder, struct str *content, const char *table,
                      const struct answers *right, struct random *random, struct tally *tally)
{
    char sql[96];
    int page = 0;
    snprintf(sql, sizeof sql, "SELECT rootpage FROM sqlite_schema WHERE name = '%s'", table);
    folder_empty(folder);
    write_file(folder->database, content);
    run_sql(folder, sql, &page);
    size_t at = (size_t)(page - 1) * PAGE;
    const uint8_t *bytes = (const uint8_t *)content->data + at;
    cr_assert(bytes[0] == 0x0a || bytes[0] == 0x0d, "%s is a leaf", table);
    size_t pointers_end = 8 + 2 * (size_t)(bytes[3] << 8 | bytes[4]);
    size_t cells = (size_t)(bytes[5] << 8 | bytes[6]);
    for (size_t i = 0; i < PAGE; i++) {
        if (i < pointers_end || i >= cells) {
            try_flip(folder, content, (at + i) * 8 + random_below(random, 8), right, tally);
        }
    }
}

Test(bit_flip, in_a_row_that_steers_is_refused_or_mended, .timeout = 280)
{
    static const char *const tables[] = {"marks", "heads", "meta", "changes_by_version"};
    struct folder folder;
    struct answers right = {0};
    struct random random = {random_seed()};
    log_set_level(LOG_ERROR + 1);
    folder_init(&folder);
    leave_heads_behind(&folder);
    AUTO_STR content = read_file(folder.database);
    cr_assert(ask_all(&folder, &right));
    cr_assert_eq(count_refused(&right), 0);
    for (size_t i = 0; i < COUNT_OF(tables); i++) {
        struct tally tally = {0};
        flip_page(&folder, &content, tables[i], &right, &random, &tally);
        cr_log_info("%s: %zu bits refused at the start, %zu later, %zu mended or without effect",
                    tables[i], tally.refused_at_start, tally.refused_later, tally.without_effect);
        cr_expect_eq(tally.wrong, 0, "%zu bits of %s changed an answer", tally.wrong, tables[i]);
    }
    answers_fini(&right);
    folder_fini(&folder);
    leak_check();
}

/* ---- Anywhere ---- */

Test(bit_flip, is_refused_or_does_not_matter, .timeout = 280)
{
    struct folder folder;
    struct answers right = {0};
    struct tally tally = {0};
    log_set_level(LOG_ERROR);
    folder_init(&folder);
    carry_out_all(&folder);
    AUTO_STR content = read_file(folder.database);
    cr_assert(ask_all(&folder, &right));
    cr_assert_eq(count_refused(&right), 0);
    size_t n_bits = content.len * 8;
    struct random random = {random_seed()};
    for (size_t i = 0; i < FLIPS; i++) {
        /* One at random out of each of as many equal parts of the file. */
        size_t part = n_bits / FLIPS;
        try_flip(&folder, &content, i * part + random_below(&random, part), &right, &tally);
    }
    cr_log_info("%zu bytes: of %d bits %zu refused at the start, %zu later, %zu without effect",
                content.len, FLIPS, tally.refused_at_start, tally.refused_later,
                tally.without_effect);
    cr_expect_eq(tally.wrong, 0, "%zu of %d flipped bits changed an answer", tally.wrong, FLIPS);
    cr_expect_gt(tally.refused_at_start + tally.refused_later, FLIPS / 10);
    answers_fini(&right);
    folder_fini(&folder);
    leak_check();
}
