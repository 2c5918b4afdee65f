/* Calls that answer with an array of documents, put together from pages. */
#include <assert.h>
#include <string.h>

#include "config_answers.h"
#include "config_counts.h"
#include "config_handlers.h"
#include "pages.h"
#include "render.h"
#include "request.h"

#define DEFAULT_LIMIT 10
#define PAGE_ITEMS 1000 /* the server's own limit */
/* A larger list comes from the server page by page, so that it does not block the HTTP thread. */
#define MIRRORED_ITEMS 10000
/* Of a list from the mirror, what is rendered at a time; one larger document may exceed it. */
#define PART_BYTES (256u << 10)

static char *text(const char *borrowed)
{
    return (char *)(uintptr_t)(borrowed == NULL ? "" : borrowed);
}

/* Handles the outcome of a call for a page. False if it failed or has no header. */
static bool has_come(struct pages *pages, const Confreg__V1__Position *header,
                     const struct status *st)
{
    if (st != NULL || header == NULL) {
        pages_fail(pages, st);
        return false;
    }
    config_answer_hand_out(pages->r, header);
    return true;
}

/* Finishes a page. The first one starts the answer; later ones are pulled by the HTTP server. */
static void show_page(struct pages *pages, const char *next_token)
{
    if (next_token[0] == '\0') {
        pages_end(pages);
    } else {
        pages->token = mem_string(next_token);
    }
    if (pages->r->response.status == 0) {
        pages_answer(pages);
    }
}

/* ---- The list ---- */

/* Tags the list with the registry's revision: no config's own revision changes when another config
 * is created or deleted. False if the client has this list: answered with 304. */
static bool tag_list(struct request *r, const char *epoch, uint64_t revision)
{
    char tag[ETAG_SIZE];
    etag_format(epoch, revision, tag);
    config_answer_add_tag(r, 0, tag);
    if (r->headers.if_none_match != NULL && etag_list_has(r->headers.if_none_match, tag)) {
        request_answer(r, 304);
        return false;
    }
    return true;
}

/* Whether the mirror has all payloads; if not, the server is asked for the list. */
static bool are_whole(const struct mirror_list *list)
{
    for (size_t i = 0; i < list->n; i++) {
        if (list->configs[i]->data == NULL) {
            return false;
        }
    }
    return true;
}

static void add_mirrored(struct pages *pages)
{
    struct mirror_list *list = &pages->list;
    while (pages->next < list->n && pages->text.len < PART_BYTES) {
        struct mirror_config **config = &list->configs[pages->next++];
        size_t place = pages_open_document(pages);
        bool whole = render_mirrored(&pages->text, *config);
        assert(whole && "a list with a payload that is gone is left to the server");
        pages_close_document(pages, place, whole);
        mirror_config_unref(MOVE(*config));
    }
    if (pages->next == list->n) {
        pages_end(pages);
    }
}

static void show_mirrored(struct request *r, struct mirror_list *list,
                          const struct mirror_view *view)
{
    config_answer_count_mirror(r, view);
    freshness_describe(r, view);
    if (tag_list(r, view->epoch, view->revision)) {
        struct pages *pages = pages_new(r, add_mirrored);
        pages->list = *list;
        *list = (struct mirror_list){0};
        add_mirrored(pages);
        pages_answer(pages);
    }
}

static bool answer_mirrored(struct request *r)
{
    const struct mirror_selector selector = {.environment = r->parameters.environment,
                                             .service_name = r->parameters.service_filter};
    struct mirror_list list;
    struct mirror_view view;
    mirror_list(r->gateway->upstream->mirror, &selector, &list, &view);
    bool may = freshness_allows(config_request_of(r), &view) && are_whole(&list);
    if (may) {
        show_mirrored(r, &list, &view);
    }
    mirror_list_fini(&list);
    return may;
}

static void show_configs(struct request *r, const ProtobufCMessage *message,
                         const struct status *st);

static void ask_configs(struct pages *pages)
{
    Confreg__V1__ListConfigsRequest m = CONFREG__V1__LIST_CONFIGS_REQUEST__INIT;
    Confreg__V1__ReadOptions read = CONFREG__V1__READ_OPTIONS__INIT;
    struct request *r = pages->r;
    AUTO(free) char *token = MOVE(pages->token);
    m.environment = text(r->parameters.environment);
    m.service_name = text(r->parameters.service_filter);
    m.page_token = text(token);
    m.read = config_answer_read_options(r, &read);
    call_start(r, REGISTRY_LIST_CONFIGS, &m.base, r->gateway->upstream->timeout_ms, show_configs);
}

/* Only the first page sets the tag; the revision of its header is that of all pages. */
static bool begins(struct request *r, const Confreg__V1__Position *header)
{
    return r->response.status != 0 || tag_list(r, header->epoch, header->revision);
}

static void show_configs(struct request *r, const ProtobufCMessage *message,
                         const struct status *st)
{
    const Confreg__V1__ListConfigsResponse *page = (const void *)message;
    struct pages *pages = pages_of(r);
    if (!has_come(pages, page == NULL ? NULL : page->header, st)) {
        return;
    }
    for (size_t i = 0; i < page->n_configs; i++) {
        size_t place = pages_open_document(pages);
        bool whole = render_config(&pages->text, page->configs[i]);
        pages_close_document(pages, place, whole);
        if (!whole) {
            pages_fail(pages, NULL);
            return;
        }
    }
    if (begins(r, page->header)) {
        show_page(pages, page->next_page_token);
    }
}

static bool answer_from_mirror(struct request *r)
{
    struct mirror_view view;
    if (r->gateway->upstream->mirror == NULL) {
        return false;
    }
    mirror_look(r->gateway->upstream->mirror, &view);
    if (!freshness_allows(config_request_of(r), &view) ||
        (view.state == MIRROR_IN_STEP && view.n_configs > MIRRORED_ITEMS)) {
        return false;
    }
    return answer_mirrored(r);
}

void handle_list(struct request *r)
{
    if (!answer_from_mirror(r)) {
        metric_add(&r->gateway->configs->sources.server, 1);
        ask_configs(pages_new(r, ask_configs));
    }
}

/* ---- The history ---- */

static void show_versions(struct request *r, const ProtobufCMessage *message,
                          const struct status *st);

static void ask_versions(struct pages *pages)
{
    Confreg__V1__ListVersionsRequest m = CONFREG__V1__LIST_VERSIONS_REQUEST__INIT;
    Confreg__V1__ReadOptions read = CONFREG__V1__READ_OPTIONS__INIT;
    struct request *r = pages->r;
    AUTO(free) char *token = MOVE(pages->token);
    m.environment = r->parameters.environment;
    m.service_name = text(str_text(r->service));
    m.page_size = pages->left < PAGE_ITEMS ? (uint32_t)pages->left : PAGE_ITEMS;
    m.page_token = text(token);
    m.read = config_answer_read_options(r, &read);
    call_start(r, REGISTRY_LIST_VERSIONS, &m.base, r->gateway->upstream->timeout_ms, show_versions);
}

/* A negative limit -n leaves out the n oldest versions, so it needs the number of all. */
static void count_left(struct pages *pages, uint64_t total)
{
    const struct number *limit = &pages->r->parameters.limit;
    if (limit->negative && !pages->counted) {
        pages->left = total > limit->magnitude ? total - limit->magnitude : 0;
    }
    pages->counted = true;
}

/* Leaves out a version whose payload was compacted or erased: every document has its data. */
static void add_version(struct pages *pages, const Confreg__V1__Version *version)
{
    const struct request *r = pages->r;
    size_t place = pages_open_document(pages);
    bool whole =
        render_version(&pages->text, str_text(r->service), r->parameters.environment, version);
    pages_close_document(pages, place, whole);
    pages->left -= whole;
}

static void show_versions(struct request *r, const ProtobufCMessage *message,
                          const struct status *st)
{
    const Confreg__V1__ListVersionsResponse *page = (const void *)message;
    struct pages *pages = pages_of(r);
    if (!has_come(pages, page == NULL ? NULL : page->header, st)) {
        return;
    }
    count_left(pages, page->total_size);
    for (size_t i = 0; i < page->n_versions && pages->left > 0; i++) {
        add_version(pages, page->versions[i]);
    }
    show_page(pages, pages->left > 0 ? page->next_page_token : "");
}

void handle_history(struct request *r)
{
    const struct number *limit = &r->parameters.limit;
    struct pages *pages = pages_new(r, ask_versions);
    pages->left = DEFAULT_LIMIT;
    if (limit->given) {
        pages->left = limit->negative ? PAGE_ITEMS : limit->magnitude;
    }
    if (pages->left == 0) {
        pages_end(pages);
        pages_answer(pages);
    } else {
        ask_versions(pages);
    }
}
