/* The parts of a gateway, for the handlers of its requests. Each part is defined by its layer; a
 * handler can look into those parts whose headers its own layer sees. HTTP thread. */
#ifndef GATEWAY_GATEWAY_H
#define GATEWAY_GATEWAY_H

struct call_logs;
struct compressor;
struct config_counts;
struct limits;
struct packer;
struct route_stats;
struct sse_streams;
struct tls_server;
struct upstream;
struct worker;

struct gateway {
    struct call_logs *logs;        /* of requests; NULL: none are kept */
    struct route_stats *routes;    /* what was answered, by route */
    struct upstream *upstream;     /* the registry server and the mirror of its configs */
    struct config_counts *configs; /* what was read and written */
    struct worker *worker;         /* for what takes long */
    struct packer *packer;         /* of answers */
    struct compressor *compressor; /* of configs */
    struct sse_streams *streams;   /* open streams of server-sent events */
    struct limits *limits;         /* of what one address uses */
    struct tls_server *tls;        /* of the listeners; NULL: no TLS */
};

#endif
