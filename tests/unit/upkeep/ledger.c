#include "ledger.h"

#include <criterion/criterion.h>

void ledger_init(struct ledger *ledger, struct store *store)
{
    *ledger = (struct ledger){.store = store, .registry = registry_new(store->identity.epoch)};
}

void ledger_fini(struct ledger *ledger)
{
    registry_free(ledger->registry);
    store_close(ledger->store);
}

static bool read_version(void *user, const char *environment, const char *service, uint64_t version,
                         struct version_ref *ret_version, struct status *st)
{
    return store_read_live_version(user, environment, service, version, ret_version, st);
}

static bool find_change(void *user, const char *environment, const char *service, uint64_t revision,
                        struct version_ref *ret_change, struct status *st)
{
    return store_find_change(user, environment, service, revision, ret_change, st);
}

struct staged *ledger_write(struct ledger *ledger, const struct mutation *m)
{
    AUTO(buf_unref) struct buf *payload = buf_copy("{\"n\":1}", 7);
    struct mutation whole = *m;
    whole.environment = whole.environment == NULL ? "prod" : whole.environment;
    whole.payload = payload;
    whole.expected_epoch = "";
    struct command command = {.actor = "",
                              .peer = "",
                              .comment = "",
                              .request_id = "",
                              .mutations = &whole,
                              .n_mutations = 1,
                              .limits = {1 << 20, 64}};
    struct version_source source = {
        .read = read_version, .find_change = find_change, .user = ledger->store};
    struct staged *staged = NULL;
    struct status st;
    cr_assert(registry_stage(ledger->registry, &command, &source, &staged, &st), "%s", st.message);
    registry_accept(ledger->registry, staged);
    cr_assert(store_append(ledger->store, &staged->commit, 1, &st), "%s", st.message);
    registry_apply(ledger->registry);
    return staged;
}

struct staged *ledger_update(struct ledger *ledger, const char *service)
{
    return ledger_write(
        ledger,
        &(struct mutation){.kind = MUTATE_UPDATE, .service = service, .allow_missing = true});
}
