#include "parties.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/queue.h>

#include "clock.h"
#include "hash.h"
#include "mem.h"
#include "table.h"

#define SHARDS 16 /* as many as 4 bits tell */
#define SHARD_PARTIES (PARTIES_MAX / SHARDS)
#define WAIT_MS 1000 /* what a refused party is told to wait where nobody can know */
#define NS_A_MS 1000000
#define FAILURES_BURST_S 10
#define HELD_OF_ONE 16 /* refusals that are held back: some 15 KiB each */
#define HELD_OF_ALL 2048

static const char *const gauge_names[LIMIT_GAUGES] = {
    [LIMIT_CALLS] = "calls",     [LIMIT_BYTES] = "bytes",
    [LIMIT_STREAMS] = "streams", [LIMIT_CONNECTIONS] = "connections",
    [LIMIT_HELD] = "held",
};
static const char *const gauge_texts[LIMIT_GAUGES] = {
    [LIMIT_CALLS] = "calls in progress",
    [LIMIT_BYTES] = "bytes of requests in progress",
    [LIMIT_STREAMS] = "open streams",
    [LIMIT_CONNECTIONS] = "connections",
    [LIMIT_HELD] = "refusals that are held back",
};
static const char *const rate_names[LIMIT_RATES] = {
    [LIMIT_WRITES] = "writes",
    [LIMIT_FAILURES] = "failures",
};
static const char *const rate_texts[LIMIT_RATES] = {
    [LIMIT_WRITES] = "writes",
    [LIMIT_FAILURES] = "failures of credentials",
};

struct party {
    struct limits *limits;
    struct shard *shard;
    uint64_t hash;
    size_t holders;             /* under the shard's lock, like the next one */
    TAILQ_ENTRY(party) in_idle; /* while nobody holds it */
    atomic_uint_fast64_t used[LIMIT_GAUGES];
    pthread_mutex_t lock; /* of what follows, but for the key */
    struct token_bucket buckets[LIMIT_RATES];
    int64_t hold_ns, held_at_ns; /* of the newest refusal that was held back; 0: there is none */
    size_t n_key;
    char key[];
};
TAILQ_HEAD(party_list, party);

struct shard {
    pthread_mutex_t lock; /* of all here */
    struct table parties;
    struct party_list idle; /* the one that was released first, first */
};

struct limits {
    struct limits_settings settings;
    struct shard shards[SHARDS];
    struct party *others; /* in no table */
    atomic_uint_fast64_t used[LIMIT_GAUGES];
    struct metric refused_gauges[LIMIT_GAUGES], refused_rates[LIMIT_RATES], held;
};

/* ---- The table ---- */

static struct party *party_new(struct limits *limits, struct shard *shard, const char *key,
                               size_t n_key, uint64_t hash)
{
    struct party *party = mem_zalloc(sizeof *party + n_key);
    party->limits = limits;
    party->shard = shard;
    party->hash = hash;
    party->n_key = n_key;
    memcpy(party->key, key, n_key);
    pthread_mutex_init(&party->lock, NULL);
    return party;
}

static void party_free(struct party *party)
{
    pthread_mutex_destroy(&party->lock);
    free(party);
}

void limits_complete_failures(struct limits_settings *settings)
{
    struct rate *failures = &settings->rates[LIMIT_FAILURES];
    failures->burst = FAILURES_BURST_S * failures->a_second;
    settings->most[LIMIT_HELD] = HELD_OF_ONE;
    settings->total[LIMIT_HELD] = HELD_OF_ALL;
}

struct limits *limits_new(const struct limits_settings *settings)
{
    struct limits *limits = mem_zalloc(sizeof *limits);
    limits->settings = *settings;
    for (size_t i = 0; i < SHARDS; i++) {
        pthread_mutex_init(&limits->shards[i].lock, NULL);
        TAILQ_INIT(&limits->shards[i].idle);
    }
    limits->others = party_new(limits, NULL, "", 0, 0);
    return limits;
}

void limits_free(struct limits *limits)
{
    if (limits == NULL) {
        return;
    }
    for (size_t i = 0; i < SHARDS; i++) {
        struct shard *shard = &limits->shards[i];
        struct party *party;
        size_t place = 0;
        while ((party = table_next(&shard->parties, &place)) != NULL) {
            assert(party->holders == 0 && "limits outlive those who are counted");
            party_free(party);
        }
        table_fini(&shard->parties);
        pthread_mutex_destroy(&shard->lock);
    }
    party_free(limits->others);
    free(limits);
}

struct party_key {
    const char *bytes;
    size_t n;
};

static bool has_key(const void *item, const void *key)
{
    const struct party *party = item;
    const struct party_key *wanted = key;
    return party->n_key == wanted->n && memcmp(party->key, wanted->bytes, wanted->n) == 0;
}

static bool is_held_back(const struct party *party, int64_t now_ns)
{
    return party->hold_ns > 0 && now_ns - party->held_at_ns < HOLD_FORGET_NS;
}

/* Nobody holds the party, so nobody else uses its buckets. */
static bool has_all_back(struct party *party, int64_t now_ns)
{
    const struct rate *rates = party->limits->settings.rates;
    bool full = !is_held_back(party, now_ns);
    for (size_t i = 0; i < LIMIT_RATES; i++) {
        full = full && token_bucket_is_full(&party->buckets[i], &rates[i], now_ns);
    }
    return full;
}

static void forget(struct shard *shard, struct party *party)
{
    const struct party_key key = {party->key, party->n_key};
    TAILQ_REMOVE(&shard->idle, party, in_idle);
    table_remove(&shard->parties, party->hash, has_key, &key);
    party_free(party);
}

/* Whether there is room for another party, by forgetting those that have used nothing for longest.
 * Under the lock. */
static bool make_room(struct shard *shard)
{
    int64_t now_ns = clock_monotonic_ns();
    while (shard->parties.n >= SHARD_PARTIES) {
        struct party *oldest = TAILQ_FIRST(&shard->idle);
        if (oldest == NULL || !has_all_back(oldest, now_ns)) {
            return false;
        }
        forget(shard, oldest);
    }
    return true;
}

/* Under the lock. NULL: there is no room. */
static struct party *find(struct limits *limits, struct shard *shard, const struct party_key *key,
                          uint64_t hash)
{
    struct party *party = table_find(&shard->parties, hash, has_key, key);
    if (party == NULL && make_room(shard)) {
        party = party_new(limits, shard, key->bytes, key->n, hash);
        table_put(&shard->parties, hash, has_key, key, party);
    } else if (party != NULL && party->holders == 0) {
        TAILQ_REMOVE(&shard->idle, party, in_idle);
    }
    return party;
}

struct party *limits_party(struct limits *limits, const char *key, size_t n_key)
{
    if (n_key == 0) {
        return NULL;
    }
    uint64_t hash = hash_table_key(key, n_key);
    struct shard *shard = &limits->shards[hash >> 60]; /* the table uses the low bits */
    const struct party_key wanted = {key, n_key};
    pthread_mutex_lock(&shard->lock);
    struct party *party = find(limits, shard, &wanted, hash);
    if (party != NULL) {
        party->holders++;
    }
    pthread_mutex_unlock(&shard->lock);
    return party != NULL ? party : limits->others;
}

void party_release(struct party *party)
{
    if (party == NULL || party->shard == NULL) {
        return;
    }
    struct shard *shard = party->shard;
    pthread_mutex_lock(&shard->lock);
    if (--party->holders == 0) {
        TAILQ_INSERT_TAIL(&shard->idle, party, in_idle);
    }
    pthread_mutex_unlock(&shard->lock);
}

/* ---- Using ---- */

/* Adds n unless that is more than the limit. */
static bool add(atomic_uint_fast64_t *used, uint64_t n, uint64_t most)
{
    uint64_t before = atomic_fetch_add_explicit(used, n, memory_order_relaxed);
    if (most != 0 && before + n > most) {
        atomic_fetch_sub_explicit(used, n, memory_order_relaxed);
        return false;
    }
    return true;
}

static bool refuse_gauge(struct limits *limits, enum limit_gauge gauge, bool all, uint64_t most,
                         struct status *st)
{
    metric_add(&limits->refused_gauges[gauge], 1);
    status_set_outcome(st, OUTCOME_LIMIT_EXCEEDED, "%s more than %llu %s; try again later",
                       all ? "all callers together would have" : "the caller would have",
                       (unsigned long long)most, gauge_texts[gauge]);
    st->retry_ms = WAIT_MS;
    status_add_info(st, "resource", gauge_names[gauge]);
    status_add_number(st, "limit", most);
    return false;
}

bool party_take(struct party *party, enum limit_gauge gauge, uint64_t n, struct status *st)
{
    if (party == NULL) {
        return true;
    }
    struct limits *limits = party->limits;
    uint64_t most = limits->settings.most[gauge];
    uint64_t total = limits->settings.total[gauge];
    if (!add(&party->used[gauge], n, most)) {
        return refuse_gauge(limits, gauge, false, most, st);
    }
    if (!add(&limits->used[gauge], n, total)) {
        atomic_fetch_sub_explicit(&party->used[gauge], n, memory_order_relaxed);
        return refuse_gauge(limits, gauge, true, total, st);
    }
    return true;
}

void party_give(struct party *party, enum limit_gauge gauge, uint64_t n)
{
    if (party != NULL) {
        uint64_t before = atomic_fetch_sub_explicit(&party->used[gauge], n, memory_order_relaxed);
        assert(before >= n && "what is given back was taken");
        atomic_fetch_sub_explicit(&party->limits->used[gauge], n, memory_order_relaxed);
    }
}

static bool refuse_rate(struct limits *limits, enum limit_rate rate, int64_t wait_ns,
                        struct status *st)
{
    const struct rate *limit = &limits->settings.rates[rate];
    metric_add(&limits->refused_rates[rate], 1);
    status_set_outcome(st, OUTCOME_LIMIT_EXCEEDED, "more than %llu %s a second; try again later",
                       (unsigned long long)limit->a_second, rate_texts[rate]);
    st->retry_ms = (wait_ns + NS_A_MS - 1) / NS_A_MS;
    status_add_info(st, "resource", rate_names[rate]);
    status_add_number(st, "limit", limit->a_second);
    return false;
}

bool party_spend(struct party *party, enum limit_rate rate, uint64_t n, struct status *st)
{
    if (party == NULL) {
        return true;
    }
    struct limits *limits = party->limits;
    int64_t wait_ns = 0;
    pthread_mutex_lock(&party->lock);
    bool ok = token_bucket_take(&party->buckets[rate], &limits->settings.rates[rate], n,
                                clock_monotonic_ns(), &wait_ns);
    pthread_mutex_unlock(&party->lock);
    return ok || refuse_rate(limits, rate, wait_ns, st);
}

/* For how long the next refusal is held back. Under the lock. */
static int64_t next_hold(struct party *party, bool is_over, int64_t now_ns)
{
    int64_t hold_ns = is_over ? HOLD_MIN_NS : 0;
    if (is_held_back(party, now_ns)) {
        hold_ns = party->hold_ns > HOLD_MAX_NS / 2 ? HOLD_MAX_NS : 2 * party->hold_ns;
    }
    party->hold_ns = hold_ns;
    party->held_at_ns = now_ns;
    return hold_ns;
}

int64_t party_fail(struct party *party, struct status *st)
{
    if (party == NULL) {
        return 0;
    }
    struct limits *limits = party->limits;
    int64_t now_ns = clock_monotonic_ns();
    int64_t wait_ns = 0;
    struct status unheld;
    pthread_mutex_lock(&party->lock);
    bool is_over = !token_bucket_take(&party->buckets[LIMIT_FAILURES],
                                      &limits->settings.rates[LIMIT_FAILURES], 1, now_ns, &wait_ns);
    int64_t hold_ns = next_hold(party, is_over, now_ns);
    pthread_mutex_unlock(&party->lock);
    if (is_over) {
        refuse_rate(limits, LIMIT_FAILURES, hold_ns > wait_ns ? hold_ns : wait_ns, st);
    }
    if (hold_ns == 0 || !party_take(party, LIMIT_HELD, 1, &unheld)) {
        return 0;
    }
    metric_add(&limits->held, 1);
    return hold_ns;
}

/* ---- Metrics ---- */

static size_t count_parties(struct limits *limits)
{
    size_t n = 0;
    for (size_t i = 0; i < SHARDS; i++) {
        pthread_mutex_lock(&limits->shards[i].lock);
        n += limits->shards[i].parties.n;
        pthread_mutex_unlock(&limits->shards[i].lock);
    }
    return n;
}

static void add_refused(struct str *page, const char *name, const char *resource,
                        const struct metric *refused)
{
    const struct metric_labels labels = {{{"resource", resource}}};
    metrics_sample(page, name, &labels, (double)metric_value(refused));
}

void limits_metrics(struct limits *limits, const char *prefix, struct str *page)
{
    char name[64];
    snprintf(name, sizeof name, "%s_limit_refusals_total", prefix);
    metrics_family(page, name, METRIC_COUNTER,
                   "What was refused because a caller had used up its share.");
    for (size_t i = 0; i < LIMIT_GAUGES; i++) {
        add_refused(page, name, gauge_names[i], &limits->refused_gauges[i]);
    }
    for (size_t i = 0; i < LIMIT_RATES; i++) {
        add_refused(page, name, rate_names[i], &limits->refused_rates[i]);
    }
    snprintf(name, sizeof name, "%s_limit_used", prefix);
    metrics_family(page, name, METRIC_GAUGE, "What all callers use that is limited.");
    for (size_t i = 0; i < LIMIT_GAUGES; i++) {
        const struct metric_labels labels = {{{"resource", gauge_names[i]}}};
        metrics_sample(page, name, &labels, (double)atomic_load(&limits->used[i]));
    }
    snprintf(name, sizeof name, "%s_limit_held_total", prefix);
    metrics_one(page, name, METRIC_COUNTER,
                "Refusals of wrong credentials that were held back, to slow their sender down.",
                (double)metric_value(&limits->held));
    snprintf(name, sizeof name, "%s_limit_parties", prefix);
    metrics_one(page, name, METRIC_GAUGE, "Callers that are counted.",
                (double)count_parties(limits));
}
