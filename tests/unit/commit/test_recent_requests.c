#include "recent_requests.h"

#include <stdio.h>

#include "leak_check.h"

TestSuite(recent_requests, .fini = leak_check);

static void add(struct recent_requests *recent, uint64_t revision, const char *request_id)
{
    struct commit *commit = commit_new(1);
    commit->revision = revision;
    free(commit->request_id);
    commit->request_id = mem_string(request_id);
    recent_requests_add(recent, commit);
    commit_unref(commit);
}

static uint64_t find(const struct recent_requests *recent, const char *request_id)
{
    struct hash key = commit_request_key("", request_id);
    return recent_requests_find(recent, &key);
}

/* The oldest request is forgotten for each new one; one that came again meanwhile is not. */
Test(recent_requests, knows_the_newest)
{
    struct recent_requests *recent = recent_requests_new();
    cr_expect_eq(find(recent, "twice"), 0);
    add(recent, 1, "twice");
    add(recent, 2, "once");
    add(recent, 3, "");
    cr_expect_eq(find(recent, "twice"), 1);
    cr_expect_eq(find(recent, ""), 0, "no request");
    add(recent, 4, "twice");
    cr_expect_eq(find(recent, "twice"), 4);
    uint64_t revision = 5; /* three requests are known so far */
    for (; revision - 5 + 3 < RECENT_REQUESTS + 2; revision++) {
        char id[24];
        snprintf(id, sizeof id, "%d", (int)revision);
        cr_assert_eq(find(recent, "twice"), 4);
        add(recent, revision, id);
    }
    cr_expect_eq(find(recent, "once"), 0);
    cr_expect_eq(find(recent, "twice"), 4, "the older one of two was forgotten");
    add(recent, revision, "last");
    cr_expect_eq(find(recent, "twice"), 0);
    cr_expect_eq(find(recent, "5"), 5);
    recent_requests_free(recent);
}
