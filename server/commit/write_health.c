#include "write_health.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "log.h"
#include "mem.h"

struct write_health {
    pthread_mutex_t lock;
    char reason[WRITE_HEALTH_REASON_SIZE]; /* "" where all is well */
    bool unread;                           /* a look failed, and that is the reason */
};

struct write_health *write_health_new(void)
{
    struct write_health *health = mem_zalloc(sizeof *health);
    pthread_mutex_init(&health->lock, NULL);
    return health;
}

void write_health_free(struct write_health *health)
{
    pthread_mutex_destroy(&health->lock);
    free(health);
}

bool write_health_is_well(struct write_health *health, char reason[WRITE_HEALTH_REASON_SIZE])
{
    pthread_mutex_lock(&health->lock);
    memcpy(reason, health->reason, sizeof health->reason);
    pthread_mutex_unlock(&health->lock);
    return reason[0] == '\0';
}

static void log_change(bool was_well, const char *reason)
{
    if (was_well && reason[0] != '\0') {
        log_event(LOG_ERROR, "writes_refused", "reason", reason, NULL);
    } else if (!was_well && reason[0] == '\0') {
        log_event(LOG_INFO, "writes_resumed", NULL);
    }
}

/* Under the lock. Returns whether all was well before. */
static bool set(struct write_health *health, const char *reason, bool unread)
{
    bool was_well = health->reason[0] == '\0';
    snprintf(health->reason, sizeof health->reason, "%s", reason);
    health->unread = unread;
    return was_well;
}

void write_health_note_append(struct write_health *health, const struct status *st)
{
    const char *reason = st == NULL ? "" : st->message;
    pthread_mutex_lock(&health->lock);
    bool was_well = set(health, reason, false);
    pthread_mutex_unlock(&health->lock);
    log_change(was_well, reason);
}

void write_health_note_look(struct write_health *health, bool ok, const struct status *st)
{
    const char *reason = ok ? "" : st->message;
    pthread_mutex_lock(&health->lock);
    bool counts = ok ? health->unread : health->reason[0] == '\0';
    bool was_well = counts ? set(health, reason, !ok) : ok;
    pthread_mutex_unlock(&health->lock);
    if (counts) {
        log_change(was_well, reason);
    }
}
