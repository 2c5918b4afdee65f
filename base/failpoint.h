/* Failpoints: places where a test lets the process die, as if it had been killed just there.
 *
 *     FAILPOINT(append_after);
 *
 * They are compiled in by the CMake option CONFREG_FAILPOINTS only. There the variable
 * CONFREG_FAILPOINT="append_after:7" kills the process when it comes to that place for the seventh
 * time. Any thread. */
#ifndef BASE_FAILPOINT_H
#define BASE_FAILPOINT_H

#ifdef CONFREG_FAILPOINTS
void failpoint_reach(const char *name);
#define FAILPOINT(name) failpoint_reach(#name)
#else
#define FAILPOINT(name) ((void)0)
#endif

#endif
