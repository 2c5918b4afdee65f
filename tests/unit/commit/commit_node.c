#include "commit_node.h"
#include "store_open.h"

#include <assert.h>
#include <criterion/criterion.h>

static void committed(void *user, const struct staged *staged)
{
    struct node *node = user;
    assert(staged->commit->revision == node->announced + 1 && "each once, in order");
    atomic_store(&node->announced, staged->commit->revision);
}

static void settled(void *user, const struct position *position, bool own)
{
    (void)own;
    struct node *node = user;
    assert(position->revision == node->announced);
    sem_post(&node->moved);
}

static void diverged(void *user)
{
    struct node *node = user;
    atomic_fetch_add(&node->diverged, 1);
}

void node_start(struct node *node)
{
    struct status st;
    sem_init(&node->moved, 0, 0);
    node->registry = registry_new(node->store->identity.epoch);
    cr_assert(committer_recover(node->store, node->registry, &st), "%s", st.message);
    node->announced = registry_position(node->registry).revision;
    struct committer_options options = {
        .store = node->store,
        .registry = node->registry,
        .listener = {committed, settled, diverged, node},
    };
    node->committer = committer_new(&options);
}

void node_open(struct node *node, const char *address)
{
    struct status st;
    struct store *inner = NULL;
    cr_assert(store_open(address, &inner, &st), "%s", st.message);
    node->store = trace_new(inner, NULL, NULL);
    node_start(node);
}

void node_close(struct node *node)
{
    committer_free(MOVE(node->committer));
    registry_free(MOVE(node->registry));
    store_close(MOVE(node->store));
}

void nodes_open(struct node nodes[NODES], const char *address)
{
    for (size_t i = 0; i < NODES; i++) {
        nodes[i] = (struct node){0};
        node_open(&nodes[i], address);
    }
}

void nodes_close(struct node nodes[NODES])
{
    for (size_t i = 0; i < NODES; i++) {
        node_close(&nodes[i]);
    }
}

struct staged *write_one(struct node *node, const struct request *r, struct waited *w)
{
    AUTO(buf_unref) struct buf *payload = buf_copy("{\"n\":1}", 7);
    struct mutation m = {.kind = r->kind,
                         .environment = "prod",
                         .service = r->service,
                         .payload = payload,
                         .version = r->version,
                         .expected_version = r->expected_version,
                         .keep_versions = r->keep_versions,
                         .expected_epoch = "",
                         .allow_missing = r->allow_missing};
    waited_init(w, &m, r->id);
    w->write.command.comment = r->tag == NULL ? "" : r->tag;
    waited_submit(node->committer, w);
    return w->write.ok ? w->write.staged : NULL;
}
