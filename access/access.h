/* Identifies callers and says what they may: the rights in force, from a file that is read again
 * when it changes.
 *
 * - Callers prove themselves by a bearer token, a JSON Web Token or a certificate. A caller without
 *   any is anonymous, and has the anonymous role if there is one. So is a caller whose certificate
 *   belongs to no principal, because TLS may ask everybody for a certificate.
 * - Without a file there is nobody to be: all are anonymous, whatever they show.
 * - A file that cannot be used changes nothing: the last good one stays in force, a line is logged,
 *   and access_metrics tells it.
 * - No message has a credential or a value of the file in it.
 *
 * It has a thread of its own, which watches the file and the clock. All functions may be called on
 * any thread. */
#ifndef ACCESS_ACCESS_H
#define ACCESS_ACCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "caller.h"
#include "hash.h"
#include "status.h"
#include "str.h"

struct access;

struct access_options {
    const char *file; /* copied; NULL: there are no principals */
    bool has_anonymous;
    enum access_role anonymous; /* what callers without a credential are, for every config */
    /* Called whenever what the file says has come into force, with the hash of its bytes; on the
     * caller's thread at first, then on that of access. NULL: nobody asks. */
    void (*in_force)(void *user, const struct hash *file);
    void *user;
};

/* The credentials that came with a call. All borrowed until access_identify returns. */
struct credentials {
    const char *authorization; /* "Bearer …"; NULL: none */
    size_t n_authorization;
    const char *certificate; /* the name that the connection's peer has proven; "": none */
    /* Said by a gateway. Without its own authorization, the connection's certificate is its
     * credential. */
    const char *gateway_authorization; /* of the gateway itself; NULL: none */
    size_t n_gateway_authorization;
    const char *on_behalf; /* the name that the gateway's client has proven by a certificate, or ""
                              for a client without credentials; NULL: no gateway says anything */
};

/* Reads the file. UNAVAILABLE, reason ACCESS_FILE_BROKEN: it cannot be used; the message says where
 * it is wrong. */
bool access_open(const struct access_options *options, struct access **ret_access,
                 struct status *st);
/* Callers that are still held stay valid. NULL is ignored. */
void access_close(struct access *access);
/* Reads the file again soon, whether it has changed or not. */
void access_reload(struct access *access);

/* Whether everybody may do everything: there is no file, and anonymous callers are super-admins. */
bool access_is_open(const struct access *access);

/* Finds out whose credentials these are. A token counts before a name that a gateway says, this
 * before a certificate.
 *
 * UNAUTHENTICATED, reasons CREDENTIALS_MISSING: there are none, and no anonymous role;
 * CREDENTIALS_INVALID: nobody has them; CREDENTIALS_EXPIRED. PERMISSION_DENIED, reason
 * NOT_A_GATEWAY: somebody without PERMISSION_DELEGATE would speak for others. */
bool access_identify(struct access *access, const struct credentials *credentials,
                     struct caller **ret_caller, struct status *st);

/* A number that moves when the rights in force may have changed: the file was read again, or a
 * credential has expired. One load. */
uint64_t access_generation(const struct access *access);
/* The caller with the same credentials under the rights in force. Failures: as access_identify. */
bool access_renew(struct access *access, const struct caller *old, struct caller **ret_caller,
                  struct status *st);

/* Adds metrics, each name beginning with prefix: "confreg". */
void access_metrics(struct access *access, const char *prefix, struct str *page);

#endif
