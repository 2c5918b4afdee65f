#include "ledger.h"

#include <criterion/criterion.h>

#include "history.h"

void ledger_init(struct ledger *ledger, struct store *store)
{
    *ledger = (struct ledger){.store = store, .registry = registry_new(store->identity.epoch)};
}

void ledger_fini(struct ledger *ledger)
{
    registry_free(ledger->registry);
    store_close(ledger->store);
}

struct staged *ledger_write(struct ledger *ledger, const struct mutation *m)
{
    AUTO(buf_unref) struct buf *payload = buf_copy("{\"n\":1}", 7);
    struct mutation whole = *m;
    whole.environment = whole.environment == NULL ? "prod" : whole.environment;
    whole.payload = payload;
    whole.expected_epoch = "";
    struct command command = {.actor = "",
                              .credential = "",
                              .method = "",
                              .peer = "",
                              .comment = "",
                              .request_id = "",
                              .mutations = &whole,
                              .n_mutations = 1,
                              .limits = {1 << 20, 64}};
    struct version_source source = history_source(ledger->store);
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
