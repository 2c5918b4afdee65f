#include "sse_window.h"

#include <assert.h>

#define ROOM_MIN 64

static struct sse_event **slot(const struct sse_window *window, uint64_t number)
{
    return &window->items[number & (window->room - 1)];
}

static void drop_first(struct sse_window *window)
{
    struct sse_event *event = *slot(window, window->first);
    window->bytes -= event->n_bytes;
    window->floor = event->revision;
    sse_event_free(event);
    window->first++;
}

void sse_window_clear(struct sse_window *window)
{
    while (window->first < window->next) {
        drop_first(window);
    }
    window->is_set = false;
}

void sse_window_fini(struct sse_window *window)
{
    sse_window_clear(window);
    free(MOVE(window->items));
    window->room = 0;
}

static void grow(struct sse_window *window)
{
    struct sse_window larger = *window;
    larger.room = window->room == 0 ? ROOM_MIN : window->room * 2;
    larger.items = mem_array(larger.room, sizeof larger.items[0]);
    for (uint64_t i = window->first; i < window->next; i++) {
        *slot(&larger, i) = *slot(window, i);
    }
    free(window->items);
    *window = larger;
}

/* A commit stays or goes whole; the newest one stays. */
static void drop_commit(struct sse_window *window)
{
    uint64_t revision = sse_window_at(window, window->first)->revision;
    while (window->first < window->next &&
           sse_window_at(window, window->first)->revision == revision) {
        drop_first(window);
    }
}

void sse_window_add(struct sse_window *window, struct sse_event *event)
{
    assert((window->first == window->next ||
            sse_window_at(window, window->next - 1)->revision <= event->revision) &&
           "events come in the order of commits");
    if (window->next - window->first == window->room) {
        grow(window);
    }
    if (!window->is_set) {
        window->is_set = true;
        window->floor = event->revision - 1;
    }
    *slot(window, window->next++) = event;
    window->bytes += event->n_bytes;
    while (window->bytes > window->max_bytes &&
           sse_window_at(window, window->first)->revision != event->revision) {
        drop_commit(window);
    }
}

struct sse_event *sse_window_at(const struct sse_window *window, uint64_t number)
{
    assert(number >= window->first && number < window->next);
    return *slot(window, number);
}

uint64_t sse_window_seek(const struct sse_window *window, uint64_t revision)
{
    uint64_t low = window->first;
    uint64_t high = window->next;
    while (low < high) {
        uint64_t middle = low + (high - low) / 2;
        if (sse_window_at(window, middle)->revision <= revision) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}
