/* Settings that many threads read while another replaces them: no reader sees a torn object or an
 * older one after a newer one, threads come and go, and nothing is freed under a reader. */
#include <stdatomic.h>
#include <string.h>

#include "clock.h"
#include "coercion.h"
#include "published.h"
#include "settings.h"
#include "stress.h"

#define READERS 4
#define LIVES 10    /* of each reader's thread, one after the other */
#define READS 20000 /* of a life */
#define MEMBERS 8

struct shared {
    struct published settings;
    atomic_uint n_reading;
};

static void unref(void *object)
{
    settings_unref(object);
}

/* All members have one number, so that a mix of two is noticed. */
static void publish(struct shared *shared, unsigned long number)
{
    char text[256] = "{";
    struct settings *settings = NULL;
    struct status st;
    for (size_t i = 0; i < MEMBERS; i++) {
        size_t len = strlen(text);
        snprintf(text + len, sizeof text - len, "%s\"m%zu\":%lu", i == 0 ? "" : ",", i, number);
    }
    strcat(text, "}");
    CHECK(settings_parse(text, strlen(text), &settings, &st), "%s", st.message);
    published_set(&shared->settings, settings);
}

static int64_t read_once(struct shared *shared)
{
    struct published_reader *reader;
    struct settings *settings = published_enter(&shared->settings, &reader);
    int64_t first = setting_to_int64(settings_find(settings, "m0"), -1);
    for (size_t i = 1; i < MEMBERS; i++) {
        const char name[] = {'m', (char)('0' + i), '\0'};
        int64_t other = setting_to_int64(settings_find(settings, name), -1);
        CHECK(other == first, "%ld and %ld in one", first, other);
    }
    published_leave(reader);
    return first;
}

static void *live(void *user)
{
    struct shared *shared = user;
    int64_t newest = 0;
    for (size_t i = 0; i < READS; i++) {
        int64_t found = read_once(shared);
        CHECK(found >= newest, "%ld after %ld", found, newest);
        newest = found;
    }
    return NULL;
}

static void *read_on(void *user)
{
    struct shared *shared = user;
    for (size_t i = 0; i < LIVES; i++) {
        pthread_t thread;
        CHECK(pthread_create(&thread, NULL, live, shared) == 0, "no thread");
        pthread_join(thread, NULL);
    }
    atomic_fetch_sub(&shared->n_reading, 1);
    return NULL;
}

int main(void)
{
    struct shared shared = {.n_reading = READERS};
    pthread_t readers[READERS];
    unsigned long number = 1;
    published_init(&shared.settings, unref);
    publish(&shared, number);
    for (size_t i = 0; i < READERS; i++) {
        CHECK(pthread_create(&readers[i], NULL, read_on, &shared) == 0, "no thread");
    }
    int64_t before_ns = clock_monotonic_ns();
    while (atomic_load(&shared.n_reading) > 0) {
        publish(&shared, ++number);
        CHECK(shared.settings.n_retired <= READERS * 2, "%zu are kept", shared.settings.n_retired);
    }
    int64_t ms = (clock_monotonic_ns() - before_ns) / 1000000;
    for (size_t i = 0; i < READERS; i++) {
        pthread_join(readers[i], NULL);
    }
    published_fini(&shared.settings);
    printf("%lu settings, %lu reads of %d, %ld ms\n", number,
           (unsigned long)READERS * LIVES * READS, MEMBERS, ms);
    return 0;
}
