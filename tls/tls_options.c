#include "tls_options.h"

#include <stdio.h>

bool tls_options_check(struct tls_options *options, const char *program)
{
    if (tls_client_auth_parse(options->client_auth, &options->settings.client_auth)) {
        return true;
    }
    fprintf(stderr, "%s: --tls-client-auth: none, request or require, found \"%s\"\n", program,
            options->client_auth);
    return false;
}

bool tls_options_open(const struct tls_options *options, struct tls_server **ret_server,
                      struct status *st)
{
    const struct tls_settings *tls = &options->settings;
    if (tls->cert == NULL && tls->key == NULL && tls->client_ca == NULL && tls->crl == NULL &&
        tls->client_auth == TLS_CLIENT_AUTH_NONE) {
        *ret_server = NULL;
        return true;
    }
    return tls_server_new(tls, ret_server, st);
}
