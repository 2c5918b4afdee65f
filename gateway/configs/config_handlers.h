/* The handlers of /api/configs. The request is well-formed when they are called; each answers it,
 * or starts a call and answers when that has ended. */
#ifndef GATEWAY_CONFIG_HANDLERS_H
#define GATEWAY_CONFIG_HANDLERS_H

struct request;

/* gets.c */
void handle_get(struct request *r);

/* writes.c */
void handle_create(struct request *r);
void handle_update(struct request *r);
void handle_patch(struct request *r);
void handle_rollback(struct request *r);
void handle_copy(struct request *r);
void handle_undelete(struct request *r);
void handle_delete(struct request *r);
void handle_diff(struct request *r);

/* lists.c */
void handle_list(struct request *r);
void handle_history(struct request *r);

/* diffs.c */
void handle_diffs(struct request *r);

/* commits.c */
void handle_commits(struct request *r);
void handle_commit(struct request *r);

/* schemas.c */
void handle_schemas(struct request *r);
void handle_schema(struct request *r);
void handle_schema_set(struct request *r);
void handle_schema_rollback(struct request *r);
void handle_schema_delete(struct request *r);
void handle_schema_history(struct request *r);
void handle_schema_diff(struct request *r);

/* filled_gets.c; GET with apply_defaults */
void handle_filled_get(struct request *r);

/* breaches.c */
void handle_schema_try(struct request *r);
void handle_broken(struct request *r);

/* suspects.c */
void handle_suspects(struct request *r);

/* batch_gets.c */
void handle_batch(struct request *r);

#endif
