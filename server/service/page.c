#include "page.h"

#include <string.h>

#include "clock.h"
#include "encode.h"
#include "utf8.h"

size_t page_items(uint32_t page_size)
{
    return page_size == 0 || page_size > PAGE_ITEMS ? PAGE_ITEMS : page_size;
}

#define WORK_NS (INT64_C(3) * 1000000000)

int64_t page_work_until(void)
{
    return clock_monotonic_ns() + WORK_NS;
}

bool page_is_late(int64_t until_ns)
{
    return clock_monotonic_ns() >= until_ns;
}

/* Begins with the principal. The length makes ("a", "bc") differ from ("ab", "c"). */
static void add_principal(struct str *all, const struct rpc_call *call)
{
    const char *name = caller_name(admission_caller(call));
    str_addf(all, "%zu ", strlen(name));
    str_add(all, name, strlen(name));
}

static uint64_t hash_of(const struct service *service, const struct str *all)
{
    struct hash h =
        hash_mac(service->store->identity.secret, STORE_SECRET_SIZE, all->data, all->len);
    return hash_short(&h);
}

uint64_t page_filter(const struct service *service, const struct rpc_call *call, const char *method,
                     const char *a, const char *b, const char *c)
{
    AUTO_STR all = {0};
    add_principal(&all, call);
    str_addf(&all, "%s %zu %zu %zu ", method, strlen(a), strlen(b), strlen(c));
    str_addf(&all, "%s%s%s", a, b, c);
    return hash_of(service, &all);
}

/* Requests of two methods may have the same bytes. */
uint64_t page_filter_of(const struct service *service, const struct rpc_call *call,
                        const char *method, const ProtobufCMessage *filters)
{
    AUTO_STR all = {0};
    AUTO(buf_unref) struct buf *bytes = encode_message(filters);
    add_principal(&all, call);
    str_addf(&all, "%s ", method);
    str_add(&all, bytes->data, bytes->len);
    return hash_of(service, &all);
}

bool page_open(const struct service *service, const char *text, uint64_t filter,
               struct page_token *ret_token, struct status *st)
{
    if (text[0] != '\0') {
        return page_token_open(service, text, filter, ret_token, st);
    }
    *ret_token =
        (struct page_token){.position = registry_position(service->registry), .filter = filter};
    return true;
}

bool page_revision(const struct service *service, const char *text, uint64_t filter,
                   uint64_t *ret_revision, struct status *st)
{
    struct page_token token = {.number = 0};
    if (text[0] != '\0' && !page_token_open(service, text, filter, &token, st)) {
        return false;
    }
    *ret_revision = token.position.revision;
    return true;
}

void page_add_next(const struct service *service, const struct page_token *token,
                   struct answer *answer)
{
    Confreg__V1__ListConfigsResponse response; /* all lists have the same number for this field */
    AUTO_STR text = {0};
    page_token_seal(service, token, &text);
    confreg__v1__list_configs_response__init(&response);
    response.next_page_token = text.data;
    answer_add(answer, encode_message(&response.base));
}

void page_add_filtered(enum view_extent extent, struct answer *answer)
{
    if (extent != VIEW_ALL) {
        Confreg__V1__ListConfigsResponse response;
        confreg__v1__list_configs_response__init(&response);
        response.filtered = true;
        answer_add(answer, encode_message(&response.base));
    }
}

const char *filter_text(const char *text)
{
    return text[0] == '\0' ? NULL : text;
}

bool check_name_filter(const char *name, const char *field, struct status *st)
{
    return name[0] == '\0' || name_check(name, strlen(name), field, st);
}

bool check_prefix_filter(const char *prefix, const char *field, struct status *st)
{
    return prefix[0] == '\0' || name_prefix_check(prefix, strlen(prefix), field, st);
}

bool check_name_filters(const char *environment, const char *service, const char *service_prefix,
                        struct status *st)
{
    return check_name_filter(environment, "environment", st) &&
           check_name_filter(service, "service_name", st) &&
           check_prefix_filter(service_prefix, "service_name_prefix", st);
}
