/* The feed hands the mirror's changes over to the HTTP thread: a queue and an eventfd. */
#ifndef GATEWAY_FEED_H
#define GATEWAY_FEED_H

#include "mirror.h"

struct feed;
struct sse_streams;
struct upstream;

struct feed *feed_new(void);
/* After the mirror. NULL is ignored. */
void feed_free(struct feed *feed);
/* Readable while changes are queued. */
int feed_fd(const struct feed *feed);

/* For mirror_options: the mirror's thread. user is the feed. */
void feed_changed(void *user, const struct mirror_view *view, const struct mirror_change *changes,
                  size_t n);

/* Passes queued changes to the waiting requests and to the streams, and notes how the mirror
 * stands. HTTP thread. */
void feed_run(struct feed *feed, struct upstream *upstream, struct sse_streams *streams);

#endif
