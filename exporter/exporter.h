/* The exporter serves one page over HTTP, at /metrics, for Prometheus to scrape. It has a thread of
 * its own, so a slow scrape delays nobody else. It serves up to 16 connections at a time and closes
 * one that is idle for 5 s, so idle clients cannot keep others out for longer. */
#ifndef EXPORTER_EXPORTER_H
#define EXPORTER_EXPORTER_H

#include "status.h"
#include "str.h"

struct exporter;
struct tls_server;

/* Adds the whole page. Exporter's thread. */
typedef void exporter_render(void *user, struct str *page);

#define EXPORTER_CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"

struct exporter_options {
    const char *address;
    struct tls_server *tls; /* borrowed; unix sockets are plain; NULL: no TLS */
    int64_t handshake_ms;   /* 0: HTTP_HANDSHAKE_MS (http_server.h) */
    exporter_render *render;
    void *user; /* of render */
};

/* Listens on an address as listener_open takes it, with its failures, and logs it. */
bool exporter_start(const struct exporter_options *options, struct exporter **ret_exporter,
                    struct status *st);
/* Returns when no page is being made any more. NULL is ignored. */
void exporter_stop(struct exporter *exporter);

#endif
