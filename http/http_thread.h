/* An HTTP server that runs on a thread of its own, for handlers that answer at once. */
#ifndef HTTP_HTTP_THREAD_H
#define HTTP_HTTP_THREAD_H

#include "http_server.h"

struct http_thread;

/* The handlers run on the thread; each request is answered when `run` returns. The listener is
 * borrowed until http_thread_stop. UNAVAILABLE: the system has not enough of something. */
bool http_thread_start(const struct http_settings *settings, struct http_thread **ret_thread,
                       struct status *st);
/* Returns when no handler runs any more. NULL is ignored. */
void http_thread_stop(struct http_thread *thread);

#endif
