#include "list.h"

#include <string.h>

#include "answer.h"
#include "checks.h"
#include "deferred_read.h"
#include "encode.h"
#include "history.h"
#include "page.h"
#include "view_key.h"

#define HEADS_AT_ONCE 64
#define FIELD_VERSIONS 2  /* of ListVersionsResponse */
#define DELETED_READS 256 /* looks for deletes on a page: each reads the log */

/* ---- ListConfigs: {header, repeated config = 2, next_page_token = 3} ---- */

enum configs_shown { SHOW_LIVE, SHOW_ALL, SHOW_DELETED };

struct config_page {
    struct service *service;
    struct page_token token; /* the start of the next page */
    struct head_filter filter;
    struct view view;
    struct view_bounds bounds; /* of the filter */
    bool basic, include_large;
    enum configs_shown show;
    size_t left; /* items that still fit on the page */
    size_t reads_left;
    int64_t until_ns;
    bool has_moved; /* behind at least one head */
    struct answer answer;
    bool full;
};

/* A deleted config as of the page's revision; NULL: it was not deleted then. */
static bool find_deleted(struct config_page *page, const struct head *head, struct buf **ret_config,
                         struct status *st)
{
    struct version_ref change = {0};
    if (head->version != 0 && head->mod_revision <= page->token.position.revision) {
        return true;
    }
    if (page->reads_left == 0) {
        page->full = true;
        return true;
    }
    page->reads_left--;
    if (!history_find_delete(page->service->store, head, page->token.position.revision, &change,
                             st)) {
        return false;
    }
    if (change.commit != NULL) {
        bool is_erased = head->version == 0 && head_last_kept_version(head) == 0;
        *ret_config = encode_deleted(&change, head->last_version, is_erased);
        commit_unref(change.commit);
    }
    return true;
}

static bool is_past(const struct config_page *page, const struct head *head)
{
    return head->mod_revision > page->token.position.revision;
}

/* The entry of a config as of the page's revision; NULL: there is none. past: moved; what
 * read_past found. */
static bool find_entry(struct config_page *page, const struct head *head, struct buf *past,
                       struct buf **ret_config, struct status *st)
{
    if (page->show == SHOW_DELETED) {
        return find_deleted(page, head, ret_config, st);
    }
    *ret_config = is_past(page, head) ? past : buf_ref(head->encoded);
    if (*ret_config == NULL) {
        return page->show == SHOW_LIVE || find_deleted(page, head, ret_config, st);
    }
    if (page->basic) {
        struct buf *whole = *ret_config;
        *ret_config =
            encode_without_payload(whole, CONFREG__V1__PAYLOAD_STATE__PAYLOAD_STATE_OMITTED);
        buf_unref(whole);
    }
    return true;
}

/* Whether the config as of the page's revision may have to be read from a store that is slow. */
static bool comes_late(const struct config_page *page, const struct head *head)
{
    bool is_deleted = head->version == 0 && page->show != SHOW_LIVE;
    return (is_past(page, head) || is_deleted) && page->has_moved && page_is_late(page->until_ns);
}

/* A config that the caller may not see is not named by a token, either. */
static bool is_seen(const struct config_page *page, const struct head *head)
{
    return view_has_key(&page->view, head_environment(head), head_service(head));
}

/* Adds a config as of the page's revision; sets page->full instead if it does not fit. past: moved;
 * what read_past found. */
static bool add_config(struct config_page *page, const struct head *head, struct buf *past,
                       struct status *st)
{
    struct buf *config = NULL;
    page->full = comes_late(page, head);
    if (page->full) {
        buf_unref(past);
        return true;
    }
    if (!find_entry(page, head, past, &config, st)) {
        return false;
    }
    config = encode_fitting(config, page->include_large);
    bool empty = page->answer.n == 1;
    page->full =
        page->full || (config != NULL && !empty &&
                       (page->left == 0 || page->answer.bytes + config->len > REPLY_BYTES));
    if (page->full) {
        buf_unref(config);
        return true;
    }
    if (config != NULL) {
        answer_add(&page->answer, config);
        page->left--;
    }
    page->token.n_key = head_key_size(head);
    memcpy(page->token.key, head->key, page->token.n_key);
    page->has_moved = true;
    return true;
}

/* Reads together those configs of the next heads that were others at the page's revision. NULL:
 * there was none, or it is not read here. */
static bool read_past(const struct config_page *page, struct head *const *heads, size_t n,
                      struct buf **ret_configs, struct status *st)
{
    struct head *past[HISTORY_AT_ONCE];
    struct buf *found[HISTORY_AT_ONCE];
    size_t places[HISTORY_AT_ONCE];
    size_t n_past = 0;
    for (size_t i = 0; i < n; i++) {
        ret_configs[i] = NULL;
        if (page->show != SHOW_DELETED && is_past(page, heads[i]) && is_seen(page, heads[i]) &&
            !comes_late(page, heads[i])) {
            places[n_past] = i;
            past[n_past++] = heads[i];
        }
    }
    if (n_past > 0 && !history_past_configs(page->service->store, past, n_past,
                                            page->token.position.revision, found, st)) {
        return false;
    }
    for (size_t i = 0; i < n_past; i++) {
        ret_configs[places[i]] = found[i];
    }
    return true;
}

static bool add_some(struct config_page *page, struct head *const *heads, size_t n,
                     struct status *st)
{
    struct buf *past[HISTORY_AT_ONCE];
    bool ok = read_past(page, heads, n, past, st);
    if (!ok) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        if (ok && !page->full && is_seen(page, heads[i])) {
            ok = add_config(page, heads[i], past[i], st);
        } else {
            buf_unref(past[i]);
        }
    }
    return ok;
}

/* A page that has few places left reads few configs ahead: one more tells that it is full. */
static size_t at_once(const struct config_page *page, size_t n)
{
    size_t most = page->left < HISTORY_AT_ONCE ? page->left + 1 : HISTORY_AT_ONCE;
    return n < most ? n : most;
}

static bool add_heads(struct config_page *page, struct head *const *heads, size_t n,
                      struct status *st)
{
    bool ok = true;
    for (size_t i = 0, some = 0; i < n && ok && !page->full; i += some) {
        some = at_once(page, n - i);
        ok = add_some(page, &heads[i], some, st);
    }
    for (size_t i = 0; i < n; i++) {
        head_unref(heads[i]);
    }
    return ok;
}

static bool fill_configs(struct config_page *page, struct status *st)
{
    struct head_cursor cursor = {.done = false};
    str_add(&cursor.after, page->token.key, page->token.n_key);
    bool ok = true;
    while (ok && !cursor.done && !page->full) {
        struct head *heads[HEADS_AT_ONCE];
        size_t n =
            registry_list(page->service->registry, &page->filter, &cursor, heads, HEADS_AT_ONCE);
        ok = add_heads(page, heads, n, st);
    }
    str_fini(&cursor.after);
    return ok;
}

static enum configs_shown what_to_show(const Confreg__V1__ListConfigsRequest *r)
{
    return r->only_deleted ? SHOW_DELETED : r->show_deleted ? SHOW_ALL : SHOW_LIVE;
}

static uint64_t configs_filter(const struct service *service, const struct rpc_call *call,
                               const Confreg__V1__ListConfigsRequest *r, enum key_kind kind)
{
    static const char *const methods[KEY_KINDS][3] = {
        {[SHOW_LIVE] = "configs", [SHOW_ALL] = "all configs", [SHOW_DELETED] = "deleted configs"},
        {[SHOW_LIVE] = "schemas", [SHOW_ALL] = "all schemas", [SHOW_DELETED] = "deleted schemas"}};
    return page_filter(service, call, methods[kind][what_to_show(r)], r->environment,
                       r->service_name, r->service_name_prefix);
}

static bool is_still_there(const struct config_page *page, struct status *st)
{
    return page->token.position.revision >= registry_floor(page->service->registry) ||
           status_set(st, STATUS_ABORTED, "PAGE_TOKEN_COMPACTED",
                      "the revision of this list was compacted; list again from the start");
}

void list_keys(struct service *service, struct rpc_call *call,
               const Confreg__V1__ListConfigsRequest *r, enum key_kind kind)
{
    struct config_page page = {.service = service,
                               .filter = {.environment = filter_text(r->environment),
                                          .service = filter_text(r->service_name),
                                          .service_prefix = filter_text(r->service_name_prefix),
                                          .kind = kind},
                               .basic = r->view == CONFREG__V1__VIEW__VIEW_BASIC,
                               .include_large = r->include_large,
                               .show = what_to_show(r),
                               .left = page_items(r->page_size),
                               .reads_left = DELETED_READS,
                               .until_ns = page_work_until()};
    struct status st;
    page.view = rights_view(call, PERMISSION_READ, &page.filter);
    if (!rights_see(&page.view, &st) ||
        !page_open(service, r->page_token, configs_filter(service, call, r, kind), &page.token,
                   &st) ||
        !is_still_there(&page, &st)) {
        rpc_fail(call, &st);
        return;
    }
    if (kind == KEY_CONFIG) { /* a schema is for all environments, or for one */
        rights_narrow(&page.view, &page.bounds, &page.filter);
    }
    answer_add(&page.answer, answer_header(service, &page.token.position));
    /* Check again: a compaction may have removed payloads while the page was read. */
    if (!fill_configs(&page, &st) || !is_still_there(&page, &st)) {
        answer_drop(&page.answer);
        rpc_fail(call, &st);
        return;
    }
    if (page.full) {
        page_add_next(service, &page.token, &page.answer);
    }
    page_add_filtered(page.view.extent, &page.answer);
    answer_send(&page.answer, call);
}

bool list_keys_revision(const struct service *service, const struct rpc_call *call,
                        const Confreg__V1__ListConfigsRequest *r, enum key_kind kind,
                        uint64_t *ret_revision, struct status *st)
{
    return page_revision(service, r->page_token, configs_filter(service, call, r, kind),
                         ret_revision, st);
}

static void run_list_configs(struct service *service, struct rpc_call *call,
                             const ProtobufCMessage *message)
{
    list_keys(service, call, (const Confreg__V1__ListConfigsRequest *)(const void *)message,
              KEY_CONFIG);
}

void list_configs(struct rpc_call *call, const Confreg__V1__ListConfigsRequest *request,
                  struct service *service)
{
    struct status st;
    struct read_revisions revisions = {0};
    if (!check_name_filters(request->environment, request->service_name,
                            request->service_name_prefix, &st) ||
        !list_keys_revision(service, call, request, KEY_CONFIG, &revisions.awaited, &st)) {
        rpc_fail(call, &st);
        return;
    }
    read_when_reached(service, call, &request->base, request->read, &revisions, run_list_configs);
}

/* ---- ListVersions: {header, repeated version = 2, next_page_token = 3, total_size = 4} ---- */

struct version_page {
    const struct head *head;
    enum history_scope scope;
    bool basic, include_large;
    size_t left;
    struct page_token token;
    struct answer answer;
    bool full;
};

static struct buf *encode_version(const struct version_page *page,
                                  const struct version_ref *version)
{
    Confreg__V1__Version message;
    Google__Protobuf__Timestamp time;
    describe_version(&message, &time, version);
    message.deleted = !head_has_version(page->head, message.version);
    bool is_large = message.config_data.len > LARGE_BYTES && !page->include_large;
    if (page->basic || is_large) {
        message.config_data = (ProtobufCBinaryData){0};
        message.payload_state = CONFREG__V1__PAYLOAD_STATE__PAYLOAD_STATE_OMITTED;
    }
    return encode_field(FIELD_VERSIONS, &message.base);
}

static bool add_version(void *user, const struct version_ref *version)
{
    struct version_page *page = user;
    uint64_t number = version_change(version)->version;
    const struct change *change = version_change(version);
    if (!page->basic && change->payload == NULL && !change->compacted) {
        return true; /* it was erased while the list was read */
    }
    struct buf *field = encode_version(page, version);
    bool empty = page->answer.n == 1;
    page->full = page->left == 0 || (!empty && page->answer.bytes + field->len > REPLY_BYTES);
    if (page->full) {
        buf_unref(field);
        return false;
    }
    answer_add(&page->answer, field);
    page->left--;
    page->token.number = number;
    return true;
}

static bool fill_versions(struct service *service, struct version_page *page, struct status *st)
{
    const struct head *head = page->head;
    uint64_t from = page->token.number == 0 ? UINT64_MAX : page->token.number - 1;
    return head == NULL || history_versions(service->store, head, page->scope, from, !page->basic,
                                            add_version, page, st);
}

static void add_version_total(const struct version_page *page, struct answer *answer)
{
    Confreg__V1__ListVersionsResponse response;
    confreg__v1__list_versions_response__init(&response);
    response.total_size = history_count(page->head, page->scope);
    answer_add(answer, encode_message(&response.base));
}

static uint64_t versions_filter(const struct service *service, const struct rpc_call *call,
                                const Confreg__V1__ListVersionsRequest *r)
{
    return page_filter(service, call, r->include_deleted ? "all versions" : "versions",
                       environment_or_default(r->environment), r->service_name, "");
}

bool list_versions_revision(const struct service *service, const struct rpc_call *call,
                            const Confreg__V1__ListVersionsRequest *r, uint64_t *ret_revision,
                            struct status *st)
{
    return page_revision(service, r->page_token, versions_filter(service, call, r), ret_revision,
                         st);
}

void list_versions_of_key(struct service *service, struct rpc_call *call,
                          const Confreg__V1__ListVersionsRequest *r)
{
    struct config_name name = {environment_or_default(r->environment), r->service_name};
    AUTO(head_unref) struct head *head = NULL;
    struct position position;
    struct status st;
    struct version_page page = {.basic = r->view == CONFREG__V1__VIEW__VIEW_BASIC,
                                .scope = scope_of(r->include_deleted),
                                .include_large = r->include_large,
                                .left = page_items(r->page_size)};
    if (!page_open(service, r->page_token, versions_filter(service, call, r), &page.token, &st)) {
        rpc_fail(call, &st);
        return;
    }
    registry_get_many(service->registry, &name, 1, &head, &position);
    page.head = head;
    answer_add(&page.answer, answer_header(service, &position));
    if (!fill_versions(service, &page, &st)) {
        answer_drop(&page.answer);
        rpc_fail(call, &st);
        return;
    }
    if (page.full) {
        page_add_next(service, &page.token, &page.answer);
    }
    add_version_total(&page, &page.answer);
    answer_send(&page.answer, call);
}

static void run_list_versions(struct service *service, struct rpc_call *call,
                              const ProtobufCMessage *message)
{
    list_versions_of_key(service, call,
                         (const Confreg__V1__ListVersionsRequest *)(const void *)message);
}

void list_versions(struct rpc_call *call, const Confreg__V1__ListVersionsRequest *request,
                   struct service *service)
{
    struct status st;
    struct read_revisions revisions = {0};
    if (!check_names(request->environment, request->service_name, "", &st) ||
        !list_versions_revision(service, call, request, &revisions.awaited, &st)) {
        rpc_fail(call, &st);
        return;
    }
    read_when_reached(service, call, &request->base, request->read, &revisions, run_list_versions);
}
