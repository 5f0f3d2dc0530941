/* The clock on the wall, so many seconds ahead of what it is: preloaded into every process of a test run.
 *
 * Not libfaketime: as it stands (0.9.10) it either breaks what sleeps until a monotonic time, as Python does, or
 * moves that clock too, so that what waits with a deadline never wakes. Here durations stay what they are.
 */
#define _GNU_SOURCE
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static long ahead(void) {
    static long seconds;
    static int is_known;
    if (!is_known) {
        const char *given = getenv("CLOCK_AHEAD_SECONDS");
        seconds = given ? atol(given) : 0;
        is_known = 1;
    }
    return seconds;
}

int clock_gettime(clockid_t clock, struct timespec *now) {
    int failed = (int)syscall(SYS_clock_gettime, clock, now);
    if (!failed && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) now->tv_sec += ahead();
    return failed;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
    struct timespec found;
    (void)zone;
    clock_gettime(CLOCK_REALTIME, &found);
    now->tv_sec = found.tv_sec;
    now->tv_usec = found.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *told) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME_COARSE, &now);
    if (told) *told = now.tv_sec;
    return now.tv_sec;
}
