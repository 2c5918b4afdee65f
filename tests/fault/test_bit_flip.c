/* One flipped bit anywhere in a store's file: heads, versions and the log are answered for as
 * before or refused, never otherwise. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <string.h>

#include "deeds.h"
#include "folder.h"
#include "leak_check.h"
#include "log.h"
#include "random.h"

#define FLIPS 4000

static void carry_out_all(const struct folder *folder)
{
    struct desk desk;
    struct status st;
    cr_assert(desk_open(&desk, folder->address, &st), "%s", st.message);
    for (size_t i = 0; i < N_DEEDS; i++) {
        struct commit *commit = NULL;
        cr_assert(desk_write(&desk, &deeds[i], &commit, &st), "deed %zu: %s", i, st.message);
        commit_unref(commit);
    }
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

struct outcome {
    size_t refused_at_start, refused_later, without_effect, wrong;
};

static void try_flip(const struct folder *folder, struct str *content, size_t bit,
                     const struct answers *right, struct outcome *outcome)
{
    struct answers found = {0};
    folder_empty(folder);
    content->data[bit / 8] ^= (char)(1 << bit % 8);
    write_file(folder->database, content);
    content->data[bit / 8] ^= (char)(1 << bit % 8);
    if (!ask_all(folder, &found)) {
        outcome->refused_at_start++;
        return;
    }
    cr_assert_eq(found.n, right->n);
    bool wrong = count_wrong(&found, right, bit) > 0;
    outcome->wrong += wrong;
    outcome->refused_later += !wrong && count_refused(&found) > 0;
    outcome->without_effect += !wrong && count_refused(&found) == 0;
    answers_fini(&found);
}

Test(bit_flip, is_refused_or_does_not_matter, .timeout = 280)
{
    struct folder folder;
    struct answers right = {0};
    struct outcome outcome = {0};
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
        try_flip(&folder, &content, i * part + random_below(&random, part), &right, &outcome);
    }
    cr_log_info("%zu bytes: of %d bits %zu refused at the start, %zu later, %zu without effect",
                content.len, FLIPS, outcome.refused_at_start, outcome.refused_later,
                outcome.without_effect);
    cr_expect_eq(outcome.wrong, 0, "%zu of %d flipped bits changed an answer", outcome.wrong,
                 FLIPS);
    cr_expect_gt(outcome.refused_at_start + outcome.refused_later, FLIPS / 10);
    answers_fini(&right);
    folder_fini(&folder);
    leak_check();
}
