#include "provider_values.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "leak_check.h"

#define EPOCH "0123456789abcdef"

TestSuite(provider_values, .fini = leak_check);

/* A file that a config refers to, and how many problems were told. */
struct given {
    char path[32];
    unsigned n_problems;
    struct provider_values values;
};

static void write_file(const struct given *given, const char *text)
{
    FILE *file = fopen(given->path, "w");
    cr_assert_not_null(file);
    fputs(text, file);
    cr_assert_eq(fclose(file), 0);
}

static void count_problem(void *user, const char *event, const struct status *st)
{
    struct given *given = user;
    (void)event;
    (void)st;
    given->n_problems++;
}

static bool take(struct given *given, const char *data, uint64_t revision)
{
    const struct reading reading = {
        data, strlen(data), revision, revision, revision, EPOCH,
    };
    return provider_values_take(&given->values, &reading);
}

/* Takes a config that refers to the file, which has this text. */
static void begin(struct given *given, const char *text)
{
    *given = (struct given){.path = "/tmp/confreg-values-XXXXXX"};
    int fd = mkstemp(given->path);
    cr_assert_geq(fd, 0);
    close(fd);
    write_file(given, text);
    const struct provider_values_options options = {
        .references = true, .problem = count_problem, .user = given};
    provider_values_init(&given->values, &options);
    char config[80];
    snprintf(config, sizeof config, "{\"password\":\"${file:%s}\"}", given->path);
    cr_assert(take(given, config, 1));
}

static void end(struct given *given)
{
    provider_values_fini(&given->values);
    unlink(given->path);
}

static void expect_password(struct given *given, const char *wanted)
{
    size_t n;
    const struct confreg_snapshot *now = atomic_load(&given->values.snapshots.object);
    cr_expect_str_eq(snapshot_string(now, "password", NULL, &n), wanted);
}

/* The work of a timer of the provider. */
static void look_at_files(struct given *given)
{
    if (provider_values_read_files(&given->values)) {
        provider_values_read_again(&given->values);
    }
}

Test(provider_values, a_file_is_read_again)
{
    struct given given;
    begin(&given, "first");
    expect_password(&given, "first");
    write_file(&given, "second");
    look_at_files(&given);
    expect_password(&given, "second");
    end(&given);
}

Test(provider_values, a_file_is_read_again_behind_a_config_that_is_damaged)
{
    struct given given;
    begin(&given, "first");
    cr_expect(!take(&given, "no config", 2));
    cr_expect_eq(given.n_problems, 1);
    expect_password(&given, "first");
    write_file(&given, "second");
    look_at_files(&given);
    expect_password(&given, "second");
    end(&given);
}

Test(provider_values, files_are_not_read_where_none_is_referred_to)
{
    struct given given;
    begin(&given, "first");
    cr_expect(take(&given, "{\"password\":\"plain\"}", 2));
    cr_expect(!provider_values_read_files(&given.values));
    expect_password(&given, "plain");
    end(&given);
}
