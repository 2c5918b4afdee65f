/* A SQLite VFS over the system's own that can lose its power, for tests.
 *
 * It remembers what each file held when it was last synced, and every write, truncation and removal
 * since. At a chosen one of these the power goes: nothing reaches the disk any more, every call
 * that changes something fails. What a machine may find afterwards is made by power_image: all that
 * was synced, and of the rest whatever the kind of loss leaves.
 *
 * One disk a process; any thread. Locks are the system's, and so is shared memory, but that more of
 * it can be refused. */
#ifndef FAULT_POWER_H
#define FAULT_POWER_H

#include <stdbool.h>
#include <stdint.h>

enum power_loss {
    LOSS_UNSYNCED, /* all that was not synced is gone */
    LOSS_NONE,     /* the program was killed, the machine went on */
    LOSS_TAIL,     /* what was written last is gone, over all files */
    LOSS_SECTORS,  /* any sector of what was not synced may be gone, in any order */
    LOSS_TORN,     /* and one that was being written is partly new, partly rubbish */
    LOSS_KINDS,
};

/* Makes it SQLite's default VFS, with an empty disk. The power goes at the operation with this
 * number, counted from 0. */
void power_on(uint64_t cut_at);
/* Files that are opened from now on are the system's own. The simulated disk stays as it is. */
void power_off(void);
bool power_is_on(void);
/* Operations that the disk refuses, with the power on. */
enum power_refusal {
    REFUSE_NOTHING,
    REFUSE_SYNCS,
    REFUSE_AND_FORGET,    /* a sync fails, and what it had to write is never written, as on Linux */
    REFUSE_WRITES,        /* not one byte is written */
    REFUSE_SHARED_MEMORY, /* there is no room for more of it than there is; syncs go well */
};
/* From now on. */
void power_refuse(enum power_refusal refusal);
/* How many operations there were since the power was switched on. */
uint64_t power_operations(void);
/* Writes the files as they are found after the loss to a folder, under their names. */
void power_image(const char *folder, enum power_loss loss, uint64_t seed);

#endif
