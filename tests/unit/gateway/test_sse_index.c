#include "sse_index.h"

#include <string.h>

#include "leak_check.h"

TestSuite(sse_index, .fini = leak_check);

#define MEMBERS 400

struct listener {
    struct mirror_selector selector;
    struct sse_member member;
    size_t n_visits;
};

static struct listener listeners[MEMBERS];
static size_t n_visits;

static void note(void *user, struct sse_member *member)
{
    cr_assert_eq(user, listeners);
    CONTAINER_OF(member, struct listener, member)->n_visits++;
    n_visits++;
}

static void visit(struct sse_index *index, const char *environment, const char *service_name)
{
    n_visits = 0;
    for (size_t i = 0; i < MEMBERS; i++) {
        listeners[i].n_visits = 0;
    }
    sse_index_visit(index, environment, service_name, note, listeners);
}

static bool matches(const struct mirror_selector *s, const char *environment,
                    const char *service_name)
{
    return (s->environment == NULL || strcmp(s->environment, environment) == 0) &&
           (s->service_name == NULL || strcmp(s->service_name, service_name) == 0) &&
           (s->service_name_prefix == NULL ||
            strncmp(s->service_name_prefix, service_name, strlen(s->service_name_prefix)) == 0);
}

/* Every selector over these, each several times. */
static const char *const environments[] = {NULL, "dev", "prod", ""};
static const char *const services[] = {NULL, "a", "ab", "abc", "b"};
static const char *const prefixes[] = {NULL, "", "a", "ab", "b", "abcd"};

static void join_all(struct sse_index *index)
{
    for (size_t i = 0; i < MEMBERS; i++) {
        struct listener *listener = &listeners[i];
        listener->selector = (struct mirror_selector){
            .environment = environments[i % COUNT_OF(environments)],
            .service_name = services[i / 4 % COUNT_OF(services)],
            .service_name_prefix = prefixes[i / 20 % COUNT_OF(prefixes)],
        };
        sse_index_join(index, &listener->selector, &listener->member);
        cr_expect_not(listener->member.listens);
    }
}

static void expect_matches(struct sse_index *index)
{
    static const char *const names[] = {"a", "ab", "abc", "abcd", "b", "ba", "c", ""};
    for (size_t e = 1; e < COUNT_OF(environments); e++) {
        for (size_t s = 0; s < COUNT_OF(names); s++) {
            visit(index, environments[e], names[s]);
            for (size_t i = 0; i < MEMBERS; i++) {
                const struct listener *listener = &listeners[i];
                bool wanted = listener->member.listens &&
                              matches(&listener->selector, environments[e], names[s]);
                cr_expect_eq(listener->n_visits, wanted, "%zu: %s/%s", i, environments[e],
                             names[s]);
            }
        }
    }
}

Test(sse_index, exactly_those_that_listen_and_select_are_visited)
{
    struct sse_index *index = sse_index_new();
    join_all(index);
    expect_matches(index);
    for (size_t i = 0; i < MEMBERS; i++) {
        sse_index_listen(&listeners[i].member);
    }
    expect_matches(index);
    for (size_t i = 0; i < MEMBERS; i += 3) {
        sse_index_ignore(&listeners[i].member);
        sse_index_ignore(&listeners[i].member);
    }
    expect_matches(index);
    for (size_t i = 0; i < MEMBERS; i += 2) {
        sse_index_leave(index, &listeners[i].member);
    }
    expect_matches(index);
    for (size_t i = 1; i < MEMBERS; i += 2) {
        sse_index_leave(index, &listeners[i].member);
    }
    visit(index, "dev", "a");
    cr_expect_eq(n_visits, 0);
    sse_index_free(index);
}

Test(sse_index, a_prefix_longer_than_any_name_matches_nothing)
{
    struct sse_index *index = sse_index_new();
    char prefix[400];
    memset(prefix, 'a', sizeof prefix - 1);
    prefix[sizeof prefix - 1] = '\0';
    listeners[0].selector = (struct mirror_selector){.service_name_prefix = prefix};
    sse_index_join(index, &listeners[0].selector, &listeners[0].member);
    sse_index_listen(&listeners[0].member);
    visit(index, "dev", prefix + 200);
    cr_expect_eq(n_visits, 0);
    sse_index_leave(index, &listeners[0].member);
    sse_index_free(index);
}
