/* A mirror that many threads read while snapshots replace its copy again and again: two servers
 * with different logs take turns at one socket. Readers look up names, list, and note absent names,
 * as a gateway does for merged reads. After each turn the mirror must report exactly the difference
 * of the two logs. */
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "mirror.h"
#include "random.h"
#include "registry_client.h"
#include "stress.h"
#include "stress_node.h"

#define TURNS 6
#define READERS 2
#define CONFIGS 512 /* of each log; half of them are in both */
#define COMMIT 128
#define ABSENT 50000 /* names that no log has */
#define UPDATES 20   /* of a turn */

#define RING (8u << 20)

#define SERVICE_SIZE 16

/* ---- The servers ---- */

struct place {
    char folder[40];
    char stores[2][80];
    char listen[80];
};

static uint8_t payload[] = "{\"a\":1}";

static void written(void *user, ProtobufCMessage *message, const struct status *st)
{
    CHECK(message != NULL, "a write: %s", st->message);
    protobuf_c_message_free_unpacked(message, NULL);
    tally_add(user, 1);
}

/* Writes the configs first, first + 1 …; all in one commit. */
static void write_some(struct registry_client *client, size_t first, size_t n, struct tally *done)
{
    Confreg__V1__CommitChangesRequest request;
    Confreg__V1__Write changes[COMMIT];
    Confreg__V1__UpdateConfigRequest updates[COMMIT];
    Confreg__V1__Write *pointers[COMMIT];
    char names[COMMIT][SERVICE_SIZE];
    confreg__v1__commit_changes_request__init(&request);
    request.changes = pointers;
    request.n_changes = n;
    for (size_t i = 0; i < n; i++) {
        snprintf(names[i], SERVICE_SIZE, "s%zu", first + i);
        confreg__v1__write__init(&changes[i]);
        confreg__v1__update_config_request__init(&updates[i]);
        updates[i].service_name = names[i];
        updates[i].allow_missing = true;
        updates[i].content_case = CONFREG__V1__UPDATE_CONFIG_REQUEST__CONTENT_CONFIG_DATA;
        updates[i].config_data = (ProtobufCBinaryData){sizeof payload - 1, payload};
        changes[i].write_case = CONFREG__V1__WRITE__WRITE_UPDATE;
        changes[i].update = &updates[i];
        pointers[i] = &changes[i];
    }
    registry_client_call(client, REGISTRY_COMMIT_CHANGES, &request.base, 0, written, done);
}

static struct registry_client *connect_to(const struct place *place)
{
    struct registry_client *client = NULL;
    struct status st;
    const char *address = place->listen;
    const struct registry_client_options options = {.addresses = &address, .n_addresses = 1};
    CHECK(registry_client_new(&options, &client, &st), "%s", st.message);
    return client;
}

static void fill(const struct place *place, size_t number)
{
    struct tally done = TALLY_INIT;
    struct node *node = stress_node_start(place->listen, place->stores[number], 1, RING);
    struct registry_client *client = connect_to(place);
    for (size_t i = 0; i < CONFIGS; i += COMMIT) {
        write_some(client, number * CONFIGS / 2 + i, COMMIT, &done);
    }
    tally_wait(&done, CONFIGS / COMMIT);
    registry_client_free(client);
    node_stop(node);
}

/* ---- What the mirror tells ---- */

struct told {
    struct tally snapshots;
    struct tally events;
    uint64_t resets;
};

static bool is_kind(const struct mirror_change *change, int kind)
{
    CHECK(change->synthetic && change->service_name[0] == 's', "what nobody has written: %s",
          change->service_name);
    return change->kind == kind;
}

/* Of half of the names another log has nothing, and it has as many that are new. */
static void check_change_over(const struct mirror_change *changes, size_t n)
{
    size_t n_gone = 0;
    size_t n_new = 0;
    for (size_t i = 0; i < n; i++) {
        n_gone += is_kind(&changes[i], CONFREG__V1__CHANGE_KIND__CHANGE_KIND_DELETE);
        n_new += is_kind(&changes[i], CONFREG__V1__CHANGE_KIND__CHANGE_KIND_CREATE);
    }
    CHECK(n == CONFIGS + CONFIGS / 2 && n_gone == CONFIGS / 2 && n_new == CONFIGS / 2,
          "%zu changes, %zu of them new, %zu gone", n, n_new, n_gone);
}

static void changed(void *user, const struct mirror_view *view, const struct mirror_change *changes,
                    size_t n)
{
    struct told *told = user;
    bool is_reset = view->resets != told->resets;
    told->resets = view->resets;
    if (is_reset) {
        check_change_over(changes, n);
        tally_add(&told->snapshots, 1);
    } else if (view->state == MIRROR_IN_STEP && tally_get(&told->snapshots) == 0) {
        tally_add(&told->snapshots, 1);
    } else {
        tally_add(&told->events, n);
    }
}

/* ---- Readers ---- */

struct reader {
    struct mirror *mirror;
    struct random random;
    atomic_bool *ends;
    pthread_t thread;
    uint64_t n_known; /* absent names of which the mirror knew */
};

/* As a merged read does: the overlay of each config is absent. */
static void read_merged(struct reader *reader)
{
    static const char *environments[2] = {"prod", "default"};
    struct mirror_config *configs[2];
    struct mirror_view view;
    char service[SERVICE_SIZE];
    snprintf(service, sizeof service, "s%zu", random_below(&reader->random, ABSENT));
    mirror_get_several(reader->mirror, service, environments, 2, configs, &view);
    if (view.state == MIRROR_LOADING) {
        return;
    }
    CHECK(configs[0] == NULL || configs[0]->version == 0, "%s is there", service);
    CHECK(configs[1] == NULL || strcmp(configs[1]->service_name, service) == 0, "another's: %s",
          configs[1]->service_name);
    for (size_t i = 0; i < 2; i++) {
        if (configs[i] == NULL) {
            mirror_note_absent(reader->mirror,
                               &(const struct mirror_absence){.epoch = view.epoch,
                                                              .revision = view.revision,
                                                              .environment = environments[i],
                                                              .service_name = service});
        }
        mirror_config_unref(configs[i]);
    }
    reader->n_known += configs[0] != NULL;
}

static void list_some(struct reader *reader)
{
    static const struct mirror_selector selector = {.service_name_prefix = "s51"};
    static const struct mirror_selector of_one = {.service_name = "s510"};
    struct mirror_list list;
    struct mirror_view view;
    CHECK(mirror_list(reader->mirror, &of_one, 2, &list, &view), "more than two environments");
    CHECK(view.state == MIRROR_LOADING || list.n == 1, "%zu configs of a service", list.n);
    mirror_list_fini(&list);
    mirror_list(reader->mirror, &selector, SIZE_MAX, &list, &view);
    CHECK(view.state == MIRROR_LOADING || (view.n_configs == CONFIGS && list.n > 0),
          "%zu configs, %zu listed", view.n_configs, list.n);
    mirror_list_fini(&list);
}

static void *read_on(void *user)
{
    struct reader *reader = user;
    while (!atomic_load(reader->ends)) {
        if (random_percent(&reader->random, 1)) {
            list_some(reader);
        } else {
            read_merged(reader);
        }
    }
    return NULL;
}

/* ---- All of it ---- */

/* One server's turn: the mirror takes its snapshot, then some changes. */
static void take_turn(const struct place *place, size_t turn, struct told *told)
{
    struct tally done = TALLY_INIT;
    struct node *node = stress_node_start(place->listen, place->stores[turn % 2], 1, RING);
    struct registry_client *client = connect_to(place);
    uint64_t before = tally_get(&told->events);
    tally_wait(&told->snapshots, turn + 1);
    for (size_t i = 0; i < UPDATES; i++) {
        write_some(client, CONFIGS / 2, 1, &done);
    }
    tally_wait(&done, UPDATES);
    tally_wait(&told->events, before + UPDATES);
    registry_client_free(client);
    node_stop(node);
}

static void read_and_replace(const struct place *place)
{
    struct told told = {.snapshots = TALLY_INIT, .events = TALLY_INIT};
    const struct mirror_options options = {.changed = changed, .user = &told};
    struct registry_client *client = connect_to(place);
    struct mirror *mirror = mirror_new(client, &options);
    struct reader readers[READERS];
    atomic_bool ends = false;
    uint64_t n_known = 0;
    for (size_t i = 0; i < READERS; i++) {
        readers[i] = (struct reader){mirror, {random_seed() + i}, &ends, 0, 0};
        CHECK(pthread_create(&readers[i].thread, NULL, read_on, &readers[i]) == 0, "no thread");
    }
    for (size_t turn = 0; turn < TURNS; turn++) {
        take_turn(place, turn, &told);
    }
    atomic_store(&ends, true);
    for (size_t i = 0; i < READERS; i++) {
        pthread_join(readers[i].thread, NULL);
        n_known += readers[i].n_known;
    }
    CHECK(n_known > 0, "no note was kept");
    printf("%lu snapshots, %lu changes, %lu notes read\n", tally_get(&told.snapshots),
           tally_get(&told.events), n_known);
    mirror_free(mirror);
    registry_client_free(client);
}

static void remove_files(const struct place *place)
{
    static const char *const names[] = {"0.db",   "0.db-wal",   "0.db-shm", "0.db.lock",
                                        "1.db",   "1.db-wal",   "1.db-shm", "1.db.lock",
                                        "socket", "socket.lock"};
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        char path[128];
        snprintf(path, sizeof path, "%s/%s", place->folder, names[i]);
        unlink(path);
    }
    rmdir(place->folder);
}

int main(void)
{
    struct place place = {.folder = "/tmp/confreg-stress-XXXXXX"};
    CHECK(mkdtemp(place.folder) != NULL, "no folder in /tmp");
    for (size_t i = 0; i < 2; i++) {
        snprintf(place.stores[i], sizeof place.stores[i], "sqlite:%s/%zu.db", place.folder, i);
    }
    snprintf(place.listen, sizeof place.listen, "unix:%s/socket", place.folder);
    fill(&place, 0);
    fill(&place, 1);
    read_and_replace(&place);
    remove_files(&place);
    return 0;
}
