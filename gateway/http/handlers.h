/* What routes do. The request is well-formed by then; a handler answers it, or starts a call and
 * answers when that is done. */
#ifndef GATEWAY_HANDLERS_H
#define GATEWAY_HANDLERS_H

struct request;

/* gets.c */
void handle_get(struct request *r);

/* configs.c */
void handle_create(struct request *r);
void handle_update(struct request *r);
void handle_patch(struct request *r);
void handle_rollback(struct request *r);
void handle_delete(struct request *r);
void handle_diff(struct request *r);

/* lists.c */
void handle_list(struct request *r);
void handle_history(struct request *r);

/* batch.c */
void handle_batch(struct request *r);

/* watch.c */
void handle_watch(struct request *r);

/* probes.c */
void handle_health(struct request *r);
void handle_stats(struct request *r);
void handle_livez(struct request *r);
void handle_readyz(struct request *r);
void handle_metrics(struct request *r);

/* openapi.c */
void handle_openapi(struct request *r);

#endif
