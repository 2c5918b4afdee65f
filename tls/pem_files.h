/* The files of a TLS client: read together and checked, so that only files that fit each other are
 * used. */
#ifndef TLS_PEM_FILES_H
#define TLS_PEM_FILES_H

#include <stdbool.h>

#include "status.h"

/* The names of the files in messages. */
struct pem_names {
    const char *ca, *cert, *key;
};

struct tls_client_settings {
    const char *ca;          /* certificates of the authorities that may have signed the server's;
                                NULL: those of the system */
    const char *cert, *key;  /* of the client; NULL: it has none */
    const char *server_name; /* the name in the server's certificate; NULL: the address's host */
    const struct pem_names *names; /* a constant; NULL: "--server-ca" … */
};

/* The contents, PEM. */
struct pem_files {
    char *ca, *cert, *key; /* owned; NULL where none is set */
};

/* UNAVAILABLE, reason TLS_FILE_BROKEN: a file cannot be read, has no certificate or no key, or the
 * key is another certificate's. The message names the file as settings->names does. */
bool pem_files_read(const struct tls_client_settings *settings, struct pem_files *ret_files,
                    struct status *st);
/* Wipes the key. Ignores a zeroed struct. */
void pem_files_fini(struct pem_files *files);

#endif
