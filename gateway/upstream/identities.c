#include "identities.h"

#include <assert.h>
#include <pthread.h>
#include <string.h>
#include <sys/queue.h>

#include "clock.h"
#include "grants.h"
#include "hash.h"
#include "log.h"
#include "table.h"
#include "upstream.h"
#include "violations.h"
#include "wake.h"

/* Of identities that nobody refers to. Strangers can make them, with headers of any length. */
#define KEPT_MAX 8192
#define KEPT_BYTES ((size_t)16 << 20)
#define ASK_AGAIN_NS INT64_C(500000000) /* age at which rights are asked for again */
#define ASK_TIMEOUT_MS 1000

TAILQ_HEAD(identity_list, identity);

struct identity {
    struct identities *identities;
    uint64_t hash; /* of the next two */
    size_t refs;
    char *authorization; /* owned; NULL: none */
    char *certificate;   /* owned; "": none */
    bool is_own;         /* the gateway's */

    int64_t asked_ns; /* when the newest question was sent; 0: never */
    bool is_asking;
    int64_t known_ns;         /* when the question of the answer below was sent; 0: none */
    int64_t until_ns;         /* the answer holds until then */
    struct grants grants;     /* of `items` */
    struct grant *items;      /* owned; its texts are of `answer` */
    ProtobufCMessage *answer; /* owned */
    struct status refusal;    /* code: STATUS_OK: none */
    int64_t refused_until_ns;

    size_t n_watches;
    TAILQ_ENTRY(identity) in_watched; /* while n_watches > 0; by asked_ns */
    TAILQ_ENTRY(identity) in_unused;  /* while refs is 0; the longest first */
};

/* A question to the server, and its answer. */
struct question {
    struct identity *identity; /* a reference; HTTP thread */
    int64_t asked_ns;
    ProtobufCMessage *response; /* owned */
    struct status st;           /* if there is no response */
    STAILQ_ENTRY(question) next;
};
STAILQ_HEAD(questions, question);

struct identities {
    struct upstream *upstream;
    enum access_mode mode;
    struct identity *own;
    struct table table;
    struct identity_list watched, unused;
    size_t n_unused, unused_bytes;
    struct wake wake;
    pthread_mutex_t lock;
    struct questions answered; /* under lock */
};

/* ---- Life ---- */

/* A credential; with neither: of everybody who has none. */
struct credential_key {
    const char *authorization; /* NULL: none */
    const char *certificate;   /* "": none, or there is an authorization */
};

static bool is_same_secret(const char *a, const char *b)
{
    size_t n = a == NULL ? 0 : strlen(a);
    return a == NULL || b == NULL ? a == b : strlen(b) == n && secret_equal(a, b, n);
}

static bool has_key(const void *item, const void *wanted)
{
    const struct identity *identity = item;
    const struct credential_key *key = wanted;
    return is_same_secret(identity->authorization, key->authorization) &&
           strcmp(identity->certificate, key->certificate) == 0;
}

static uint64_t hash_of(const struct credential_key *key)
{
    const char *text = key->authorization != NULL ? key->authorization : key->certificate;
    return hash_table_key(text, strlen(text));
}

static void drop_answer(struct identity *identity)
{
    identity->grants = (struct grants){0};
    free(MOVE(identity->items));
    if (identity->answer != NULL) {
        protobuf_c_message_free_unpacked(MOVE(identity->answer), NULL);
    }
}

static void free_identity(struct identity *identity)
{
    drop_answer(identity);
    if (identity->authorization != NULL) {
        explicit_bzero(identity->authorization, strlen(identity->authorization));
    }
    free(identity->authorization);
    free(identity->certificate);
    free(identity);
}

static struct identity *new_identity(struct identities *identities,
                                     const struct credential_key *key)
{
    struct identity *identity = mem_zalloc(sizeof *identity);
    identity->identities = identities;
    identity->hash = hash_of(key);
    identity->refs = 1;
    identity->authorization = key->authorization == NULL ? NULL : mem_string(key->authorization);
    identity->certificate = mem_string(key->certificate);
    return identity;
}

static size_t bytes_of(const struct identity *identity)
{
    return sizeof *identity + strlen(identity->certificate) +
           (identity->authorization == NULL ? 0 : strlen(identity->authorization));
}

static void take_from_unused(struct identity *identity)
{
    struct identities *identities = identity->identities;
    TAILQ_REMOVE(&identities->unused, identity, in_unused);
    identities->n_unused--;
    identities->unused_bytes -= bytes_of(identity);
}

static void remove_identity(struct identities *identities, struct identity *identity)
{
    const struct credential_key key = {identity->authorization, identity->certificate};
    take_from_unused(identity);
    table_remove(&identities->table, identity->hash, has_key, &key);
    free_identity(identity);
}

struct identities *identities_new(struct upstream *upstream)
{
    struct identities *identities = mem_zalloc(sizeof *identities);
    const struct credential_key none = {NULL, ""};
    identities->upstream = upstream;
    TAILQ_INIT(&identities->watched);
    TAILQ_INIT(&identities->unused);
    STAILQ_INIT(&identities->answered);
    wake_init(&identities->wake);
    pthread_mutex_init(&identities->lock, NULL);
    identities->own = new_identity(identities, &none);
    identities->own->is_own = true;
    identity_watch(identities->own);
    return identities;
}

static struct question *next_answered(struct identities *identities)
{
    pthread_mutex_lock(&identities->lock);
    struct question *question = STAILQ_FIRST(&identities->answered);
    if (question != NULL) {
        STAILQ_REMOVE_HEAD(&identities->answered, next);
    }
    pthread_mutex_unlock(&identities->lock);
    return question;
}

static void free_question(struct question *question)
{
    if (question->response != NULL) {
        protobuf_c_message_free_unpacked(question->response, NULL);
    }
    identity_unref(question->identity);
    free(question);
}

void identities_free(struct identities *identities)
{
    if (identities == NULL) {
        return;
    }
    struct question *question;
    while ((question = next_answered(identities)) != NULL) {
        free_question(question);
    }
    struct identity *identity;
    while ((identity = TAILQ_FIRST(&identities->unused)) != NULL) {
        remove_identity(identities, identity);
    }
    assert(identities->table.n == 0 && identities->own->refs == 1 && "no request has an identity");
    free_identity(identities->own);
    table_fini(&identities->table);
    pthread_mutex_destroy(&identities->lock);
    wake_fini(&identities->wake);
    free(identities);
}

int identities_fd(const struct identities *identities)
{
    return identities->wake.fd;
}

enum access_mode identities_mode(const struct identities *identities)
{
    return identities->mode;
}

/* ---- Finding ---- */

struct identity *identity_ref(struct identity *identity)
{
    if (identity->refs++ == 0) {
        take_from_unused(identity);
    }
    return identity;
}

void identity_unref(struct identity *identity)
{
    if (identity == NULL || --identity->refs > 0) {
        return;
    }
    struct identities *identities = identity->identities;
    assert(!identity->is_own && identity->n_watches == 0);
    TAILQ_INSERT_TAIL(&identities->unused, identity, in_unused);
    identities->n_unused++;
    identities->unused_bytes += bytes_of(identity);
    while (identities->n_unused > KEPT_MAX || identities->unused_bytes > KEPT_BYTES) {
        remove_identity(identities, TAILQ_FIRST(&identities->unused));
    }
}

struct identity *identities_find(struct identities *identities, const char *authorization,
                                 const char *certificate)
{
    bool is_certificate = authorization == NULL && certificate != NULL;
    const struct credential_key key = {authorization, is_certificate ? certificate : ""};
    struct identity *identity = table_find(&identities->table, hash_of(&key), has_key, &key);
    if (identity != NULL) {
        return identity_ref(identity);
    }
    identity = new_identity(identities, &key);
    table_put(&identities->table, identity->hash, has_key, &key, identity);
    return identity;
}

/* ---- What is known ---- */

bool identity_is_own(const struct identity *identity)
{
    return identity->is_own;
}

bool identity_is_known(const struct identity *identity)
{
    return identity->identities->mode == ACCESS_OPEN ||
           (identity->known_ns != 0 && clock_monotonic_ns() < identity->until_ns);
}

const struct status *identity_refusal(const struct identity *identity)
{
    bool refused = identity->identities->mode != ACCESS_OPEN &&
                   identity->refusal.code == STATUS_UNAUTHENTICATED &&
                   clock_monotonic_ns() < identity->refused_until_ns;
    return refused ? &identity->refusal : NULL;
}

bool identity_may_read(const struct identity *identity, const char *environment,
                       const char *service_name)
{
    return identity->identities->mode == ACCESS_OPEN ||
           (identity_is_known(identity) &&
            grants_may(identity->grants, PERMISSION_READ, environment, service_name));
}

struct view identity_view(const struct identity *identity, const struct mirror_selector *selector)
{
    if (identity->identities->mode == ACCESS_OPEN) {
        return (struct view){.permission = PERMISSION_READ, .extent = VIEW_ALL};
    }
    struct grants grants = identity_is_known(identity) ? identity->grants : (struct grants){0};
    return view_of(grants, PERMISSION_READ, selector->environment, selector->service_name,
                   selector->service_name_prefix);
}

uint64_t identity_digest(const struct identity *identity, const struct mirror_selector *selector)
{
    struct view view = identity_view(identity, selector);
    return identity->identities->mode == ACCESS_OPEN ? 0 : view_digest(&view);
}

bool identity_caller(const struct identity *identity, const char *peer,
                     struct registry_caller *ret_caller)
{
    enum access_mode mode = identity->identities->mode;
    if (identity->is_own || mode == ACCESS_OPEN) {
        return false;
    }
    *ret_caller = (struct registry_caller){
        .authorization = identity->authorization,
        .is_delegated = mode == ACCESS_DELEGATED,
        .certificate = identity->certificate,
        .peer = peer,
    };
    return true;
}

/* ---- Learning ---- */

static enum access_role role_of(Confreg__V1__AccessRole role)
{
    switch (role) {
    case CONFREG__V1__ACCESS_ROLE__ACCESS_ROLE_READER:
        return ROLE_READER;
    case CONFREG__V1__ACCESS_ROLE__ACCESS_ROLE_ADMIN:
        return ROLE_ADMIN;
    case CONFREG__V1__ACCESS_ROLE__ACCESS_ROLE_SUPER_ADMIN:
        return ROLE_SUPER_ADMIN;
    case CONFREG__V1__ACCESS_ROLE__ACCESS_ROLE_GATEWAY:
        return ROLE_GATEWAY;
    default:
        return ROLE_AUDITOR; /* of a newer server: no right to read */
    }
}

static const char *const *patterns_of(char **texts)
{
    return (const char *const *)(void *)texts;
}

/* The monotonic time of a moment; moments too far away to matter become INT64_MAX. */
static int64_t monotonic_of(const Google__Protobuf__Timestamp *time)
{
    int64_t now_s = clock_wall_us() / 1000000;
    if (time == NULL || time->seconds - now_s > 86400) {
        return INT64_MAX;
    }
    int64_t left_us = time->seconds * 1000000 + time->nanos / 1000 - clock_wall_us();
    return clock_monotonic_ns() + left_us * 1000;
}

/* Takes the answer over. */
static void keep(struct identity *identity, ProtobufCMessage *answer, int64_t asked_ns)
{
    const Confreg__V1__GetAccessResponse *response = (const void *)answer;
    drop_answer(identity);
    identity->items = mem_array(response->n_grants, sizeof identity->items[0]);
    for (size_t i = 0; i < response->n_grants; i++) {
        const Confreg__V1__AccessGrant *grant = response->grants[i];
        identity->items[i] = (struct grant){
            .role = role_of(grant->role),
            .environments = patterns_of(grant->environments),
            .services = patterns_of(grant->services),
            .n_environments = (uint32_t)grant->n_environments,
            .n_services = (uint32_t)grant->n_services,
        };
    }
    identity->grants = (struct grants){identity->items, response->n_grants};
    identity->answer = answer;
    identity->known_ns = asked_ns;
    identity->until_ns =
        clock_earlier(asked_ns + IDENTITY_MAX_AGE_NS, monotonic_of(response->expire_time));
    identity->refusal.code = STATUS_OK;
}

static void refuse(struct identity *identity, const struct status *st, int64_t asked_ns)
{
    if (st->code == STATUS_UNAUTHENTICATED || st->code == STATUS_PERMISSION_DENIED) {
        drop_answer(identity);
        identity->known_ns = 0;
        identity->refusal = *st;
        identity->refused_until_ns = asked_ns + IDENTITY_MAX_AGE_NS;
    }
}

void identity_learn(struct identity *identity, const Confreg__V1__GetAccessResponse *response,
                    int64_t asked_ns)
{
    if (asked_ns > identity->known_ns) {
        size_t n = protobuf_c_message_get_packed_size(&response->base);
        AUTO(free) uint8_t *bytes = mem_alloc(n + 1);
        protobuf_c_message_pack(&response->base, bytes);
        keep(identity, protobuf_c_message_unpack(response->base.descriptor, NULL, n, bytes),
             asked_ns);
    }
}

/* ---- How the server takes credentials ---- */

/* failure: the server's answer to the gateway's own question; NULL: it is in `own`. */
static enum access_mode mode_of(const struct identity *own, const struct status *failure)
{
    if (failure != NULL) {
        return failure->code == STATUS_UNIMPLEMENTED ? ACCESS_OPEN : ACCESS_PASSED_ON;
    }
    const Confreg__V1__GetAccessResponse *response = (const void *)own->answer;
    if (!response->rights_in_force) {
        return ACCESS_OPEN;
    }
    return grants_may_somewhere(own->grants, PERMISSION_DELEGATE) ? ACCESS_DELEGATED
                                                                  : ACCESS_PASSED_ON;
}

static const char *mode_name(enum access_mode mode)
{
    static const char *const names[] = {[ACCESS_UNKNOWN] = "unknown",
                                        [ACCESS_OPEN] = "open",
                                        [ACCESS_PASSED_ON] = "passed_on",
                                        [ACCESS_DELEGATED] = "delegated"};
    return names[mode];
}

/* Whether the server itself has said it; other failures tell nothing of its rights. */
static bool is_servers_word(const struct status *failure)
{
    return failure == NULL || failure->code == STATUS_UNAUTHENTICATED ||
           failure->code == STATUS_PERMISSION_DENIED || failure->code == STATUS_UNIMPLEMENTED;
}

static void learn_mode(struct identity *own, const struct status *failure)
{
    struct identities *identities = own->identities;
    enum access_mode mode = mode_of(own, failure);
    if (!is_servers_word(failure) || mode == identities->mode) {
        return;
    }
    identities->mode = mode;
    bool is_refused =
        failure != NULL && mode == ACCESS_PASSED_ON && identities->upstream->has_credentials;
    log_event(is_refused ? LOG_WARNING : LOG_INFO, "server_access", "mode", mode_name(mode),
              "reason", is_refused ? failure->reason : "", NULL);
}

/* ---- Asking ---- */

/* The client's thread. */
static void answered(void *user, ProtobufCMessage *response, const struct status *st)
{
    struct question *question = user;
    struct identities *identities = question->identity->identities;
    question->response = response;
    if (st != NULL) {
        question->st = *st;
        violations_drop(&question->st); /* they last until this returns */
    }
    pthread_mutex_lock(&identities->lock);
    STAILQ_INSERT_TAIL(&identities->answered, question, next);
    pthread_mutex_unlock(&identities->lock);
    wake_set(&identities->wake);
}

static void ask(struct identity *identity)
{
    Confreg__V1__GetAccessRequest request = CONFREG__V1__GET_ACCESS_REQUEST__INIT;
    struct registry_client *client = identity->identities->upstream->client;
    struct registry_caller caller;
    struct question *question = mem_zalloc(sizeof *question);
    question->identity = identity_ref(identity);
    question->asked_ns = identity->asked_ns = clock_monotonic_ns();
    identity->is_asking = true;
    bool is_others = identity_caller(identity, NULL, &caller);
    registry_client_call_for(client, is_others ? &caller : NULL, REGISTRY_GET_ACCESS, &request.base,
                             ASK_TIMEOUT_MS, answered, question);
}

/* Whether it is time to ask for the rights. In the mode ACCESS_OPEN only the gateway's are asked
 * for. */
static bool is_due(const struct identity *identity, int64_t now_ns)
{
    const struct identities *identities = identity->identities;
    return !identity->is_asking && identities->upstream->client != NULL &&
           now_ns >= identity->asked_ns + ASK_AGAIN_NS &&
           (identity->is_own || identities->mode == ACCESS_PASSED_ON ||
            identities->mode == ACCESS_DELEGATED);
}

void identity_refresh(struct identity *identity)
{
    if (identity->identities->mode != ACCESS_OPEN && is_due(identity, clock_monotonic_ns())) {
        ask(identity);
    }
}

void identity_watch(struct identity *identity)
{
    if (identity->n_watches++ == 0) {
        TAILQ_INSERT_HEAD(&identity->identities->watched, identity, in_watched);
    }
}

void identity_unwatch(struct identity *identity)
{
    if (--identity->n_watches == 0) {
        TAILQ_REMOVE(&identity->identities->watched, identity, in_watched);
    }
}

/* ---- Running ---- */

static void take(struct question *question)
{
    struct identity *identity = question->identity;
    const struct status *failure = question->response == NULL ? &question->st : NULL;
    identity->is_asking = false;
    if (failure != NULL) {
        refuse(identity, failure, question->asked_ns);
    } else if (question->asked_ns > identity->known_ns) {
        keep(identity, MOVE(question->response), question->asked_ns);
    }
    if (identity->is_own) {
        learn_mode(identity, failure);
    }
}

void identities_run(struct identities *identities,
                    void (*changed)(void *user, const struct identity *identity), void *user)
{
    struct question *question;
    wake_clear(&identities->wake);
    while ((question = next_answered(identities)) != NULL) {
        take(question);
        changed(user, question->identity);
        free_question(question);
    }
    int64_t now_ns = clock_monotonic_ns();
    struct identity *identity;
    TAILQ_FOREACH(identity, &identities->watched, in_watched)
    {
        if (is_due(identity, now_ns)) {
            ask(identity);
        }
    }
}

int64_t identities_next_ns(const struct identities *identities)
{
    const struct identity *own = identities->own;
    return identities->upstream->client == NULL || own->is_asking ? -1
                                                                  : own->asked_ns + ASK_AGAIN_NS;
}
