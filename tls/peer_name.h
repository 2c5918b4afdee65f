/* The name that a certificate proves. */
#ifndef TLS_PEER_NAME_H
#define TLS_PEER_NAME_H

#include <openssl/x509.h>

#define PEER_NAME_MAX 255 /* bytes */

/* The first that the certificate has of: a URI among its alternative names, as it is
 * ("spiffe://example/gateway"); a DNS name ("dns:gateway.example"); its common name ("cn:gateway").
 * Names that are longer than PEER_NAME_MAX, no UTF-8, or have control characters do not count.
 * NULL: there is none. Owned by the caller. */
char *peer_name_of(const X509 *certificate);

#endif
