/* Handlers for operators and monitoring: /livez, /readyz, /health, /stats. */
#ifndef GATEWAY_PROBES_H
#define GATEWAY_PROBES_H

struct request;

void handle_health(struct request *r);
void handle_stats(struct request *r);
void handle_livez(struct request *r);
void handle_readyz(struct request *r);
void handle_metrics(struct request *r);
void handle_openapi(struct request *r);

#endif
