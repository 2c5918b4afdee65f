/* The way of the mirror's changes to the HTTP thread: a queue and an eventfd. */
#ifndef GATEWAY_FEED_H
#define GATEWAY_FEED_H

#include "mirror.h"

struct feed;
struct sse_streams;
struct upstream;

struct feed *feed_new(void);
/* After the mirror. NULL is ignored. */
void feed_free(struct feed *feed);
/* Readable while there is something for feed_run. */
int feed_fd(const struct feed *feed);

/* For mirror_options: the mirror's thread. user is the feed. */
void feed_changed(void *user, const struct mirror_view *view, const struct mirror_change *changes,
                  size_t n);

/* Brings what has come to those who wait for it. HTTP thread. */
void feed_run(struct feed *feed, struct upstream *upstream, struct sse_streams *streams);

#endif
