/* The gateway's callers by their credentials, and what confregd lets each of them read.
 *
 * - The gateway asks GetAccess on behalf of each caller who reads, and answers him from the mirror
 *   only under rights that are at most IDENTITY_MAX_AGE_NS old. A caller whose rights are asked for
 *   often, or who has a stream open, has them asked again before they get so old.
 * - It asks the same for itself, to know how the server takes credentials (enum access_mode).
 * - A number of credentials is kept; the ones that were not used for the longest time are
 *   forgotten.
 *
 * Of a credential nothing is kept but the header itself, which the calls need. HTTP thread only. */
#ifndef GATEWAY_IDENTITIES_H
#define GATEWAY_IDENTITIES_H

#include <stdbool.h>
#include <stdint.h>

#include "mirror.h"
#include "registry_client.h"
#include "request.h"
#include "view.h"

struct identities;
struct identity;

#define IDENTITY_MAX_AGE_NS INT64_C(1000000000)

enum access_mode {
    ACCESS_UNKNOWN,   /* the server has not told yet */
    ACCESS_OPEN,      /* no rights are in force; credentials mean nothing */
    ACCESS_PASSED_ON, /* tokens are passed on; a caller without one is the gateway's equal */
    ACCESS_DELEGATED, /* the gateway has the role gateway: it speaks for its callers */
};

struct identities *identities_new(struct upstream *upstream);
/* No request may have an identity. NULL is ignored. */
void identities_free(struct identities *identities);
/* Readable while identities_run has something to do. */
int identities_fd(const struct identities *identities);
/* When the next question is due; -1: never. */
int64_t identities_next_ns(const struct identities *identities);
/* Takes the server's answers, and asks again where it is time. changed: the rights of an identity
 * are known anew; user: as identities_run got it. */
void identities_run(struct identities *identities,
                    void (*changed)(void *user, const struct identity *identity), void *user);

enum access_mode identities_mode(const struct identities *identities);

/* The identity of a caller; a reference. authorization: his header's value, NULL: none.
 * certificate: the name that he has proven, NULL: none. */
struct identity *identities_find(struct identities *identities, const char *authorization,
                                 const char *certificate);
struct identity *identity_ref(struct identity *identity);
/* Whether it is the gateway itself. */
bool identity_is_own(const struct identity *identity);
/* NULL is ignored. */
void identity_unref(struct identity *identity);

/* Whether the rights of the identity are known and new enough. */
bool identity_is_known(const struct identity *identity);
/* Why the server refuses the credential, if it has said so lately; else NULL. Borrowed. */
const struct status *identity_refusal(const struct identity *identity);
/* Whether the caller may read it from the mirror; false also if his rights are not known. */
bool identity_may_read(const struct identity *identity, const char *environment,
                       const char *service_name);
/* The part of a selection that he may read (view.h); nothing if his rights are not known. Borrowed
 * until identities_run. */
struct view identity_view(const struct identity *identity, const struct mirror_selector *selector);

/* The digest of identity_view; 0: no rights are in force. */
uint64_t identity_digest(const struct identity *identity, const struct mirror_selector *selector);

/* Has the rights asked for again and again until identity_unwatch. May be repeated. */
void identity_watch(struct identity *identity);
void identity_unwatch(struct identity *identity);

/* Has the rights asked for if they will soon be too old. */
void identity_refresh(struct identity *identity);
/* Takes an answer of GetAccess that was asked for at asked_ns of clock_monotonic_ns(). */
void identity_learn(struct identity *identity, const Confreg__V1__GetAccessResponse *response,
                    int64_t asked_ns);

/* How calls say on whose behalf they are. False: on the gateway's own. Borrowed from the identity
 * and from peer. */
bool identity_caller(const struct identity *identity, const char *peer,
                     struct registry_caller *ret_caller);

#endif
