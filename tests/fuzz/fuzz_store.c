/* Rows as a damaged store may give them: a record, and a head with the commit and payload that
 * belong to it. Hashes are made to fit, so that what stands behind them is reached. */
#include "fuzz.h"
#include "record.h"
#include "store.h"

static const uint8_t epoch[EPOCH_SIZE] = "confreg!";

/* A record that is understood is the only form of what it says. */
static void try_record(const uint8_t *data, size_t size)
{
    AUTO(commit_unref) struct commit *commit = record_decode(data, size);
    if (commit == NULL) {
        return;
    }
    AUTO(buf_unref) struct buf *again = record_encode(commit);
    MUST(again->len == size && memcmp(again->data, data, size) == 0);
}

/* ---- A store of one row ---- */

struct one_row {
    struct store store;
    struct store_row row;
    struct store_head_row head;
};

static bool load_heads(struct store *store, store_head_row_visitor *visit, void *user,
                       struct status *st)
{
    (void)st;
    visit(user, &((struct one_row *)(void *)store)->head);
    return true;
}

static bool read_commits(struct store *store, uint64_t from, uint64_t through, bool with_payloads,
                         store_row_visitor *visit, void *user, struct status *st)
{
    (void)from;
    (void)through;
    (void)with_payloads;
    (void)st;
    visit(user, &((struct one_row *)(void *)store)->row);
    return true;
}

static bool find_versions(struct store *store, const struct store_version *versions, size_t n,
                          store_found_visitor *visit, void *user, struct status *st)
{
    (void)st;
    for (size_t i = 0; i < n && versions[i].version == 1; i++) {
        visit(user, i, &((struct one_row *)(void *)store)->row);
    }
    return true;
}

static bool find_changes(struct store *store, const struct store_config *configs, size_t n,
                         uint64_t revision, store_found_visitor *visit, void *user,
                         struct status *st)
{
    (void)configs;
    (void)revision;
    (void)st;
    bool more = true;
    for (size_t i = 0; i < n && more; i++) {
        more = visit(user, i, &((struct one_row *)(void *)store)->row);
    }
    return true;
}

static bool take_head(void *user, struct head *head)
{
    (void)user;
    head_unref(head);
    return true;
}

static bool take_commit(void *user, struct commit *commit)
{
    (void)user;
    MUST(commit->n_changes > 0 && commit->n_changes <= COMMIT_MAX_CHANGES);
    return true;
}

static void try_row(struct one_row *one)
{
    struct version_ref found = {0};
    struct status st;
    if (!store_load_heads(&one->store, take_head, NULL, &st)) {
        MUST(st.code == STATUS_DATA_LOSS);
    }
    if (!store_read_commits(&one->store, 1, 1, true, take_commit, NULL, &st)) {
        MUST(st.code == STATUS_DATA_LOSS);
    }
    if (store_read_version(&one->store, "e", "s", 1, &found, &st)) {
        MUST(strcmp(version_change(&found)->service, "s") == 0);
        commit_unref(found.commit);
    } else {
        MUST(st.code == STATUS_DATA_LOSS);
    }
    if (store_find_change(&one->store, "e", "s", 1, &found, &st)) {
        MUST(strcmp(version_change(&found)->service, "s") == 0);
        commit_unref(found.commit);
    } else {
        MUST(st.code == STATUS_DATA_LOSS);
    }
}

/* A byte each for the numbers of the head, then a line for the payload, then the record. */
static void try_rows(struct input *in)
{
    static const struct store_ops ops = {
        .scheme = "fuzz",
        .load_heads = load_heads,
        .read_commits = read_commits,
        .find_versions = find_versions,
        .find_changes = find_changes,
    };
    static const uint8_t salt[SALT_SIZE];
    struct one_row one = {.store.ops = &ops};
    memcpy(one.store.identity.epoch, epoch, EPOCH_SIZE);
    uint64_t hole = take_byte(in);
    one.head = (struct store_head_row){
        .environment = "e",
        .service = "s",
        .version = take_byte(in),
        .last_version = take_byte(in),
        .first_live_version = take_byte(in),
        .first_kept_version = take_byte(in),
        .mod_revision = take_byte(in),
        .row_revision = take_byte(in),
        .revision = take_byte(in),
        .index = take_byte(in),
        .holes = &hole,
        .n_holes = hole & 1,
    };
    size_t n_payload;
    AUTO(free) char *text = take_line(in, &n_payload);
    AUTO(buf_unref) struct buf *payload = buf_copy(text, n_payload);
    AUTO(buf_unref) struct buf *record = buf_copy(in->data, in->size);
    struct store_payload row_payload = {.index = one.head.index, .salt = salt, .data = payload};
    one.row = (struct store_row){
        .record = record,
        .hash = hash_bytes(record->data, record->len),
        .payloads = &row_payload,
        .n_payloads = n_payload > 0,
        .index = one.head.index,
    };
    one.head.newest = &one.row;
    try_row(&one);
    try_record(in->data, in->size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = {data, size};
    try_rows(&in);
    return 0;
}
