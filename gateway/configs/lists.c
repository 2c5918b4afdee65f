/* Calls that answer with an array of documents, put together from pages. */
#include <assert.h>
#include <inttypes.h>
#include <string.h>

#include "config_answers.h"
#include "config_counts.h"
#include "config_handlers.h"
#include "identify.h"
#include "identities.h"
#include "pages.h"
#include "render.h"
#include "request.h"

#define DEFAULT_LIMIT 10
#define PAGE_ITEMS 1000 /* the server's own limit */
/* A list that has to look at more configs comes from the server page by page, so that it does not
 * block the HTTP thread. */
#define MIRRORED_ITEMS 10000
/* Of a list from the mirror, what is rendered at a time; one larger document may exceed it. */
#define PART_BYTES (256u << 10)

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

static unsigned members_of(const struct pages *pages)
{
    return config_request_of(pages->r)->members;
}

static Confreg__V1__View list_view_of(const struct pages *pages)
{
    bool basic = (members_of(pages) & DOCUMENT_DATA) == 0;
    return basic ? CONFREG__V1__VIEW__VIEW_BASIC : CONFREG__V1__VIEW__VIEW_UNSPECIFIED;
}

/* Answers 422: a query parameter that was parsed has a value that does not go here. */
static void refuse_value(struct request *r, const char *name, enum fault fault, const char *why)
{
    struct invalid invalid = {0};
    invalid_add(&invalid, "query", name, fault, why);
    request_refuse_invalid(r, &invalid);
    invalid_fini(&invalid);
}

static uint32_t page_size(uint64_t wanted)
{
    return wanted < PAGE_ITEMS ? (uint32_t)wanted : PAGE_ITEMS;
}

/* Finishes a page of the server. The first one starts the answer; later ones are pulled by the HTTP
 * server. */
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
    enum coding coding = CODING_PLAIN;
    etag_format(epoch, revision, tag);
    bool is_known =
        r->headers.if_none_match != NULL && etag_list_find(r->headers.if_none_match, tag, &coding);
    config_answer_add_tag(r, 0, tag, coding);
    if (is_known) {
        request_answer(r, 304);
    }
    return !is_known;
}

/* Whether the mirror has all payloads that the answer shows; if not, the server is asked for the
 * list. */
static bool are_whole(const struct mirror_list *list, unsigned members)
{
    for (size_t i = 0; i < list->n && (members & DOCUMENT_DATA) != 0; i++) {
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
        bool whole = render_mirrored(&pages->text, *config, members_of(pages));
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

/* Whether the client asks for one page, which is one of the server's, and not for the whole list.
 */
static bool is_page(const struct request *r)
{
    return r->parameters.limit.given || r->parameters.page != NULL;
}

static bool answer_from_mirror(struct request *r)
{
    struct mirror *mirror = r->gateway->upstream->mirror;
    const struct mirror_selector selector = {.environment = r->parameters.environment,
                                             .service_name = r->parameters.service_filter};
    struct mirror_list list;
    struct mirror_view view;
    if (mirror == NULL || is_page(r) || r->parameters.deleted ||
        identity_view(r->identity, &selector).extent != VIEW_ALL) {
        return false; /* of a part the server makes the list */
    }
    bool may = mirror_list(mirror, &selector, MIRRORED_ITEMS, &list, &view) &&
               freshness_allows(config_request_of(r), &view) &&
               are_whole(&list, config_request_of(r)->members);
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
    m.environment = registry_text(r->parameters.environment);
    m.service_name = registry_text(r->parameters.service_filter);
    m.page_size = page_size(pages->left);
    m.page_token = registry_text(token);
    m.view = list_view_of(pages);
    m.only_deleted = r->parameters.deleted;
    m.read = config_answer_read_options(r, &read);
    m.include_large = true;
    call_start(r, REGISTRY_LIST_CONFIGS, &m.base, r->gateway->upstream->timeout_ms, show_configs);
}

/* Only the first page sets the tag; the revision of its header is that of all pages. */
static bool begins(struct request *r, const Confreg__V1__ListConfigsResponse *page)
{
    const Confreg__V1__Position *header = page->header;
    if (r->response.status != 0) {
        return true;
    }
    if (!page->filtered) {
        return tag_list(r, header->epoch, header->revision);
    }
    /* Without a tag: the list changes with the caller's rights, too. */
    char tag[ETAG_SIZE];
    etag_format(header->epoch, header->revision, tag);
    request_add_header(r, "X-Config-Revision", tag);
    config_answer_note_filtered(r, true);
    return true;
}

static bool add_config(struct pages *pages, const Confreg__V1__Config *config)
{
    size_t place = pages_open_document(pages);
    bool whole = true;
    if (pages->r->parameters.deleted) {
        render_deleted(&pages->text, config);
    } else {
        whole = render_config(&pages->text, config, members_of(pages));
    }
    pages_close_document(pages, place, whole);
    return whole;
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
        if (!add_config(pages, page->configs[i])) {
            pages_fail(pages, NULL);
            return;
        }
    }
    if (!begins(r, page)) {
        return;
    }
    if (is_page(r) && page->next_page_token[0] != '\0') {
        request_add_next_page(r, page->next_page_token);
    }
    show_page(pages, is_page(r) ? "" : page->next_page_token);
}

void handle_list(struct request *r)
{
    const struct number *limit = &r->parameters.limit;
    if (limit->given && (limit->negative || limit->magnitude == 0)) {
        refuse_value(r, "limit", FAULT_NUMBER_RANGE, "Input should be greater than or equal to 1");
        return;
    }
    if (r->parameters.deleted && r->parameters.fields != NULL) {
        refuse_value(r, "fields", FAULT_FIELDS, "Input should not be given with deleted");
        return;
    }
    if (identify_ensure(r, handle_list) && !answer_from_mirror(r)) {
        struct pages *pages = pages_new(r, ask_configs);
        pages->left = limit->given ? limit->magnitude : PAGE_ITEMS;
        pages->token = mem_string(registry_text(r->parameters.page));
        metric_add(&r->gateway->configs->sources.server, 1);
        ask_configs(pages);
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
    m.service_name = registry_text(str_text(r->service));
    m.page_size = page_size(pages->skip > 0 ? pages->skip : pages->left);
    m.page_token = registry_text(token);
    m.view = pages->skip > 0 ? CONFREG__V1__VIEW__VIEW_BASIC : list_view_of(pages);
    m.include_deleted = r->parameters.include_deleted;
    m.read = config_answer_read_options(r, &read);
    m.include_large = true;
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
    bool whole = render_version(&pages->text, str_text(r->service), r->parameters.environment,
                                version, members_of(pages));
    pages_close_document(pages, place, whole);
    pages->left -= whole;
}

/* The `page` of the next answer is the token of the server's next page. Before that stands, with a
 * dot, how many of its documents this answer still shows: it can be longer than a page of the
 * server, whose tokens are not known when the answer begins. */
static void link_versions(struct pages *pages, const Confreg__V1__ListVersionsResponse *page)
{
    struct request *r = pages->r;
    const struct number *limit = &r->parameters.limit;
    bool shows_rest = r->parameters.page == NULL && limit->given &&
                      (limit->negative || page->total_size <= limit->magnitude);
    if (page->next_page_token[0] == '\0' || shows_rest) {
        return;
    }
    AUTO_STR token = {0};
    if (pages->left > 0) {
        str_addf(&token, "%" PRIu64 ".", pages->left);
    }
    str_add_text(&token, page->next_page_token);
    request_add_next_page(r, token.data);
}

/* Passes over versions that the answer before has shown. */
static void skip_versions(struct pages *pages, const Confreg__V1__ListVersionsResponse *page)
{
    pages->skip -= page->n_versions < pages->skip ? page->n_versions : pages->skip;
    if (page->next_page_token[0] == '\0') {
        show_page(pages, "");
    } else {
        pages->token = mem_string(page->next_page_token);
        ask_versions(pages);
    }
}

static void show_versions(struct request *r, const ProtobufCMessage *message,
                          const struct status *st)
{
    const Confreg__V1__ListVersionsResponse *page = (const void *)message;
    struct pages *pages = pages_of(r);
    if (!has_come(pages, page == NULL ? NULL : page->header, st)) {
        return;
    }
    if (pages->skip > 0) {
        skip_versions(pages, page);
        return;
    }
    count_left(pages, page->total_size);
    for (size_t i = 0; i < page->n_versions && pages->left > 0; i++) {
        add_version(pages, page->versions[i]);
    }
    if (r->response.status == 0) {
        link_versions(pages, page);
    }
    show_page(pages, pages->left > 0 ? page->next_page_token : "");
}

/* False: it is not a page of a history. */
static bool take_page(struct pages *pages, const char *page)
{
    const char *dot = strchr(page, '.');
    if (dot != NULL) {
        struct number skip = {0};
        bool ok = number_parse(page, (size_t)(dot - page), &skip) && !skip.negative;
        pages->skip = skip.magnitude;
        number_fini(&skip);
        if (!ok) {
            return false;
        }
    }
    pages->token = mem_string(dot == NULL ? page : dot + 1);
    return true;
}

static void begin_history(struct pages *pages)
{
    struct request *r = pages->r;
    const char *page = r->parameters.page;
    if (page != NULL && r->parameters.limit.negative) {
        refuse_value(r, "limit", FAULT_NUMBER_RANGE, "Input should not be negative with a page");
    } else if (page != NULL && !take_page(pages, page)) {
        refuse_value(r, "page", FAULT_PAGE, "Input should be as the Link of a page has it");
    } else if (pages->left == 0) {
        pages_end(pages);
        pages_answer(pages);
    } else {
        ask_versions(pages);
    }
}

void handle_history(struct request *r)
{
    const struct number *limit = &r->parameters.limit;
    struct pages *pages = pages_new(r, ask_versions);
    pages->left = DEFAULT_LIMIT;
    if (limit->given) {
        pages->left = limit->negative ? PAGE_ITEMS : limit->magnitude;
    }
    begin_history(pages);
}
