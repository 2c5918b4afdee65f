/* Whether writes can be made: what appends and looks at the log say of it. */
#include <criterion/criterion.h>

#include "write_health.h"

struct fixture {
    struct write_health *health;
    struct status st;
    char reason[WRITE_HEALTH_REASON_SIZE];
};

static void init(struct fixture *f)
{
    *f = (struct fixture){.health = write_health_new()};
    cr_assert(write_health_is_well(f->health, f->reason), "at the start");
}

static void append_fails(struct fixture *f)
{
    status_set(&f->st, STATUS_UNAVAILABLE, "STORE_UNAVAILABLE", "the disk is full");
    write_health_note_append(f->health, &f->st);
}

static void look_fails(struct fixture *f)
{
    status_set(&f->st, STATUS_UNAVAILABLE, "STORE_UNAVAILABLE", "nobody answers");
    write_health_note_look(f->health, false, &f->st);
}

static void expect_reason(struct fixture *f, const char *reason)
{
    cr_assert_eq(write_health_is_well(f->health, f->reason), reason[0] == '\0');
    cr_assert_str_eq(f->reason, reason);
}

Test(write_health, an_append_says_what_it_found)
{
    struct fixture f;
    init(&f);
    append_fails(&f);
    expect_reason(&f, "the disk is full");
    write_health_note_append(f.health, NULL);
    expect_reason(&f, "");
    write_health_free(f.health);
}

Test(write_health, who_cannot_read_cannot_write)
{
    struct fixture f;
    init(&f);
    look_fails(&f);
    expect_reason(&f, "nobody answers");
    write_health_note_look(f.health, true, NULL);
    expect_reason(&f, "");
    write_health_free(f.health);
}

Test(write_health, what_an_append_found_counts_more)
{
    struct fixture f;
    init(&f);
    append_fails(&f);
    look_fails(&f);
    expect_reason(&f, "the disk is full");
    write_health_note_look(f.health, true, NULL);
    expect_reason(&f, "the disk is full");
    write_health_note_append(f.health, NULL);
    expect_reason(&f, "");
    write_health_free(f.health);
}
