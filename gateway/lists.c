/* Calls that answer with an array of documents, put together from pages. */
#include <assert.h>
#include <string.h>

#include "answers.h"
#include "errors.h"
#include "handlers.h"
#include "render.h"
#include "request.h"

#define DEFAULT_LIMIT 10
#define PAGE_ITEMS 1000 /* the server's own limit */
/* More are left to the server, page by page, so that one list does not hold everybody up. */
#define MIRRORED_ITEMS 10000

static char *text(const char *borrowed)
{
    return (char *)(uintptr_t)(borrowed == NULL ? "" : borrowed);
}

/* Between the documents of an array that was begun with '['. */
static void add_comma(struct str *out)
{
    if (out->len > 1) {
        str_add_char(out, ',');
    }
}

static void end_array(struct request *r)
{
    str_add_char(&r->response.body, ']');
    request_answer(r, 200);
}

/* ---- The list ---- */

/* The tag is of the whole registry's revision: nothing smaller says that no config has come or
 * gone. True where the list has to follow. */
static bool tag_list(struct request *r, const char *epoch, uint64_t revision)
{
    char tag[ETAG_SIZE];
    etag_format(epoch, revision, tag);
    answer_add_tag(r, 0, tag);
    if (r->headers.if_none_match != NULL && etag_list_has(r->headers.if_none_match, tag)) {
        request_answer(r, 304);
        return false;
    }
    str_add_char(&r->response.body, '[');
    return true;
}

static bool begin_list(struct request *r, const Confreg__V1__Position *header)
{
    if (!answer_is_whole(r, header)) {
        return false;
    }
    answer_hand_out(r, header);
    return tag_list(r, header->epoch, header->revision);
}

/* Whether all of them are there; one whose payload is gone is left to the server. */
static bool are_whole(const struct mirror_list *list)
{
    for (size_t i = 0; i < list->n; i++) {
        if (list->configs[i]->data == NULL) {
            return false;
        }
    }
    return true;
}

static void show_mirrored(struct request *r, const struct mirror_list *list,
                          const struct mirror_view *view)
{
    answer_count_mirror(r, view);
    freshness_describe(r, view);
    if (!tag_list(r, view->epoch, view->revision)) {
        return;
    }
    for (size_t i = 0; i < list->n; i++) {
        add_comma(&r->response.body);
        bool whole = render_mirrored(&r->response.body, list->configs[i]);
        assert(whole && "a list with a payload that is gone is left to the server");
    }
    end_array(r);
}

static bool answer_mirrored(struct request *r)
{
    const struct mirror_selector selector = {.environment = r->parameters.environment,
                                             .service_name = r->parameters.service_filter};
    struct mirror_list list;
    struct mirror_view view;
    mirror_list(r->gateway->mirror, &selector, &list, &view);
    bool may = freshness_allows(r, &view) && are_whole(&list);
    if (may) {
        show_mirrored(r, &list, &view);
    }
    mirror_list_fini(&list);
    return may;
}

static void show_configs(struct request *r, const ProtobufCMessage *message,
                         const struct status *st);

static void ask_configs(struct request *r, const char *token)
{
    Confreg__V1__ListConfigsRequest m = CONFREG__V1__LIST_CONFIGS_REQUEST__INIT;
    Confreg__V1__ReadOptions read = CONFREG__V1__READ_OPTIONS__INIT;
    m.environment = text(r->parameters.environment);
    m.service_name = text(r->parameters.service_filter);
    m.page_token = text(token);
    m.read = answer_read_options(r, &read);
    call_start(r, CLIENT_LIST_CONFIGS, &m.base, r->gateway->timeout_ms, show_configs);
}

static void show_configs(struct request *r, const ProtobufCMessage *message,
                         const struct status *st)
{
    const Confreg__V1__ListConfigsResponse *page = (const void *)message;
    if (st != NULL) {
        errors_answer(r, st);
        return;
    }
    if (r->response.n_headers == 0 && !begin_list(r, page->header)) {
        return;
    }
    for (size_t i = 0; i < page->n_configs; i++) {
        add_comma(&r->response.body);
        if (!render_config(&r->response.body, page->configs[i])) {
            answer_incomplete(r);
            return;
        }
    }
    if (page->next_page_token[0] != '\0') {
        ask_configs(r, page->next_page_token);
    } else {
        end_array(r);
    }
}

static bool answer_from_mirror(struct request *r)
{
    struct mirror_view view;
    if (r->gateway->mirror == NULL) {
        return false;
    }
    mirror_look(r->gateway->mirror, &view);
    if (!freshness_allows(r, &view) ||
        (view.state == MIRROR_IN_STEP && view.n_configs > MIRRORED_ITEMS)) {
        return false;
    }
    return answer_mirrored(r);
}

void handle_list(struct request *r)
{
    if (!answer_from_mirror(r)) {
        metric_add(&r->gateway->sources.server, 1);
        ask_configs(r, "");
    }
}

/* ---- The history ---- */

static void show_versions(struct request *r, const ProtobufCMessage *message,
                          const struct status *st);

static void ask_versions(struct request *r, const char *token)
{
    Confreg__V1__ListVersionsRequest m = CONFREG__V1__LIST_VERSIONS_REQUEST__INIT;
    Confreg__V1__ReadOptions read = CONFREG__V1__READ_OPTIONS__INIT;
    m.environment = r->parameters.environment;
    m.service_name = text(str_text(r->service));
    m.page_size = r->left < PAGE_ITEMS ? (uint32_t)r->left : PAGE_ITEMS;
    m.page_token = text(token);
    m.read = answer_read_options(r, &read);
    call_start(r, CLIENT_LIST_VERSIONS, &m.base, r->gateway->timeout_ms, show_versions);
}

/* A negative limit leaves out as many of the oldest, which takes knowing how many there are. */
static void count_left(struct request *r, uint64_t total)
{
    const struct number *limit = &r->parameters.limit;
    if (limit->negative && !r->counted) {
        r->left = total > limit->magnitude ? total - limit->magnitude : 0;
    }
    r->counted = true;
}

/* A document has its data: a version that was compacted or erased is none any more. */
static void add_version(struct request *r, const Confreg__V1__Version *version)
{
    struct str *body = &r->response.body;
    size_t before = body->len;
    add_comma(body);
    if (render_version(body, str_text(r->service), r->parameters.environment, version)) {
        r->left--;
    } else {
        str_truncate(body, before);
    }
}

static void show_versions(struct request *r, const ProtobufCMessage *message,
                          const struct status *st)
{
    const Confreg__V1__ListVersionsResponse *page = (const void *)message;
    if (st != NULL) {
        errors_answer(r, st);
        return;
    }
    if (!answer_is_whole(r, page->header)) {
        return;
    }
    answer_hand_out(r, page->header);
    count_left(r, page->total_size);
    for (size_t i = 0; i < page->n_versions && r->left > 0; i++) {
        add_version(r, page->versions[i]);
    }
    if (r->left > 0 && page->next_page_token[0] != '\0') {
        ask_versions(r, page->next_page_token);
    } else {
        end_array(r);
    }
}

void handle_history(struct request *r)
{
    const struct number *limit = &r->parameters.limit;
    r->left = DEFAULT_LIMIT;
    if (limit->given) {
        r->left = limit->negative ? PAGE_ITEMS : limit->magnitude;
    }
    str_add_char(&r->response.body, '[');
    if (r->left == 0) {
        end_array(r);
    } else {
        ask_versions(r, "");
    }
}
