#include "pages.h"

#include <string.h>

#include "leak_check.h"
#include "request.h"
#include "routes.h"

TestSuite(pages, .fini = leak_check);

static void add(struct pages *pages, const char *document, bool whole)
{
    size_t place = pages_open_document(pages);
    str_add_text(&pages->text, document);
    pages_close_document(pages, place, whole);
}

/* Makes parts of two documents, until none of `left` is left. */
static void more(struct pages *pages)
{
    for (size_t i = 0; i < 2 && pages->left > 0; i++, pages->left--) {
        add(pages, "{}", true);
    }
    if (pages->left == 0) {
        pages_end(pages);
    }
}

static const struct route route = {.path = "/list", .kind = &request_open};

static struct pages *begin(struct request *r, uint64_t documents)
{
    *r = (struct request){.route = &route};
    struct pages *pages = pages_new(r, more);
    pages->left = documents;
    more(pages);
    pages_answer(pages);
    cr_assert_eq(r->response.status, 200);
    return pages;
}

Test(pages, what_fits_a_part_is_answered_whole)
{
    static const char *const texts[] = {"[]", "[{}]", "[{},{}]"};
    for (uint64_t n = 0; n < 3; n++) {
        struct request r;
        begin(&r, n);
        cr_expect_null(r.response.pull.read);
        cr_expect_str_eq(str_text(&r.response.body), texts[n]);
        request_fini(&r);
    }
}

Test(pages, longer_ones_are_made_as_they_are_read)
{
    for (size_t max = 1; max < 20; max++) {
        struct request r;
        struct pages *pages = begin(&r, 5);
        AUTO_STR all = {0};
        char bytes[20];
        ssize_t n;
        cr_assert_eq(pages->left, 3, "no more than a part is at hand");
        while ((n = r.response.pull.read(pages, bytes, max)) > 0) {
            str_add(&all, bytes, (size_t)n);
        }
        cr_expect_eq(n, -1);
        cr_expect_str_eq(str_text(&all), "[{},{},{},{},{}]");
        request_fini(&r);
    }
}

Test(pages, a_document_that_was_not_added_leaves_no_comma)
{
    struct request r = {0};
    struct pages *pages = pages_new(&r, more);
    add(pages, "x", false);
    add(pages, "{}", true);
    add(pages, "x", false);
    pages_end(pages);
    pages_answer(pages);
    cr_expect_str_eq(str_text(&r.response.body), "[{}]");
    request_fini(&r);
}

Test(pages, a_fault_before_the_answer_refuses_and_one_behind_it_cuts)
{
    struct request r = {.route = &route};
    struct status st;
    status_set(&st, STATUS_UNAVAILABLE, "SHUTTING_DOWN", "the server is stopping");
    pages_fail(pages_new(&r, more), &st);
    cr_expect_eq(r.response.status, 503);
    cr_expect_null(r.response.pull.read);
    request_fini(&r);

    char byte;
    struct pages *pages = begin(&r, 5);
    cr_expect_eq(r.response.pull.read(pages, &byte, 1), 1);
    pages_fail(pages, NULL);
    cr_expect_eq(r.response.pull.read(pages, &byte, 1), -2);
    request_fini(&r);
}

/* While a call for the next part is open, reading starts no second one. */
static void start_call(struct pages *pages)
{
    static const struct suspension by_call = {0};
    request_suspend(pages->r, &by_call);
}

Test(pages, nothing_is_read_while_a_call_is_under_way)
{
    struct request r;
    char bytes[32];
    struct pages *pages = begin(&r, 3);
    pages->more = start_call;
    cr_expect_eq(r.response.pull.read(pages, bytes, sizeof bytes), 6);
    cr_expect_eq(r.response.pull.read(pages, bytes, sizeof bytes), 0);
    cr_expect_eq(r.response.pull.read(pages, bytes, sizeof bytes), 0);
    request_resumed(&r);
    more(pages);
    cr_expect_eq(r.response.pull.read(pages, bytes, sizeof bytes), 4);
    cr_expect_eq(r.response.pull.read(pages, bytes, sizeof bytes), -1);
    request_fini(&r);
}
