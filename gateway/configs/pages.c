#include "pages.h"

#include <assert.h>
#include <string.h>

#include "config_answers.h"
#include "errors.h"
#include "http_server.h"
#include "log.h"
#include "routes.h"

static void pages_free(void *user)
{
    struct pages *pages = user;
    str_fini(&pages->text);
    free(pages->token);
    mirror_list_fini(&pages->list);
    free(pages);
}

struct pages *pages_new(struct request *r, void (*more)(struct pages *pages))
{
    assert(r->response.pull.user == NULL && "a request has one body");
    struct pages *pages = mem_zalloc(sizeof *pages);
    pages->r = r;
    pages->more = more;
    str_add_char(&pages->text, '[');
    r->response.pull = (struct response_pull){.free = pages_free, .user = pages};
    return pages;
}

struct pages *pages_of(const struct request *r)
{
    assert(r->response.pull.user != NULL && "the request has pages");
    return r->response.pull.user;
}

size_t pages_open_document(struct pages *pages)
{
    size_t place = pages->text.len;
    if (pages->any) {
        str_add_char(&pages->text, ',');
    }
    return place;
}

void pages_close_document(struct pages *pages, size_t place, bool added)
{
    pages->any = pages->any || added;
    if (!added) {
        str_truncate(&pages->text, place);
    }
}

void pages_end(struct pages *pages)
{
    str_add_char(&pages->text, ']');
    pages->state = PAGES_ENDED;
}

static ssize_t pages_read(void *user, char *bytes, size_t max)
{
    struct pages *pages = user;
    if (pages->sent == pages->text.len && pages->state == PAGES_OPEN &&
        pages->r->suspended == NULL) {
        str_clear(&pages->text);
        pages->sent = 0;
        pages->more(pages);
    }
    if (pages->state == PAGES_CUT) {
        return HTTP_READ_FAILED;
    }
    assert(pages->sent <= pages->text.len);
    size_t left = pages->text.len - pages->sent;
    size_t n = left < max ? left : max;
    if (n == 0) {
        return pages->state == PAGES_ENDED ? HTTP_READ_END : HTTP_READ_PENDING;
    }
    memcpy(bytes, pages->text.data + pages->sent, n);
    pages->sent += n;
    pages->r->response.pull.n_held = pages->text.len;
    return (ssize_t)n;
}

void pages_answer(struct pages *pages)
{
    struct response *response = &pages->r->response;
    if (pages->state == PAGES_ENDED) {
        str_fini(&response->body);
        response->body = pages->text;
        pages->text = (struct str){0};
    } else {
        response->pull.read = pages_read;
    }
    request_answer(pages->r, 200);
}

void pages_fail(struct pages *pages, const struct status *st)
{
    struct request *r = pages->r;
    if (r->response.status != 0) {
        pages->state = PAGES_CUT;
        log_event(LOG_WARNING, "answer_cut", "path", r->route->path, "message",
                  st == NULL ? "the registry server's answer is incomplete" : st->message, NULL);
    } else if (st != NULL) {
        errors_answer(r, st);
    } else {
        config_answer_incomplete(r);
    }
}
